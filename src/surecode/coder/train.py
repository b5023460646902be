"""Fit a network: Lightning's Trainer, set up once and for all specialties alike."""

from __future__ import annotations

import logging
import math
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import Logger
from torch import Tensor

from surecode.coder.checkpoint_io import WholeCheckpoints
from surecode.coder.datamodule import CoderData
from surecode.coder.module import CoderModule
from surecode.coder.preemption import Preemption, environment
from surecode.coder.watch import Watch
from surecode.errors import InputError
from surecode.settings import TrainerSettings

# Steps between two questions among several devices whether a checkpoint is due.
_AGREE_EVERY = 20


@dataclass(frozen=True)
class Fit:
    """How a training went."""

    epochs: int
    stopped_early: bool
    best_tune_loss: float
    best_tune: dict[str, float]
    trained_parameters: int
    throughput: dict[str, float] = field(compare=False)

    @property
    def ended(self) -> str:
        """Why it ended, in words."""
        return "early stopping: the loss on tune fell no more" if self.stopped_early else "epochs"


class Patience(EarlyStopping):
    """Early stopping that stays stopped: a resumed training does not go on where it had ended."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The state of a checkpoint is in place by now."""
        trainer.should_stop = self.wait_count >= self.patience


class Checkpoint(ModelCheckpoint):
    """A checkpoint that is found again where the run folder was moved, or mounted elsewhere.

    Lightning keeps absolute paths and forgets the best value so far where they have changed.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The same state, in this folder."""
        folder = str(self.dirpath)

        def moved(path: str) -> str:
            return str(Path(folder) / Path(path).name) if path else path

        names = ("best_model_path", "kth_best_model_path", "last_model_path")
        best = {moved(path): value for path, value in state_dict["best_k_models"].items()}
        super().load_state_dict(
            state_dict
            | {name: moved(state_dict[name]) for name in names}
            | {"dirpath": folder, "best_k_models": best}
        )


class TimedCheckpoint(pl.Callback):
    """``last.ckpt`` in the middle of an epoch, every so many minutes."""

    def __init__(self, path: Path, minutes: float) -> None:
        self._path = path
        self._seconds = minutes * 60
        self._written = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """The end of the epoch writes its own checkpoint, after the validation."""
        # Every device takes part in the saving, so they must agree, which is not free.
        if trainer.world_size > 1 and trainer.global_step % _AGREE_EVERY:
            return
        due = trainer.strategy.broadcast(time.monotonic() - self._written >= self._seconds)
        if due and not trainer.is_last_batch:
            trainer.save_checkpoint(self._path)
            self._written = time.monotonic()


def fit(
    module: CoderModule,
    data: CoderData,
    settings: TrainerSettings,
    gradient_clip: float,
    folder: Path,
    logger: Logger | None,
    extra_callbacks: list[pl.Callback] | None = None,
    *,
    precision: Literal["fp32", "bf16"] = "fp32",
    distributed: bool = False,
) -> Fit:
    """Train until tune's loss no longer falls; the best weights are in the module afterwards.

    Checkpoints ``last.ckpt`` and ``best.ckpt`` lie in ``folder``; where ``settings.resume`` is set
    and the last one is there, training goes on from it, in the middle of an epoch if need be.

    Args:
        module: what is trained.
        data: train and tune.
        settings: epochs, patience, devices.
        gradient_clip: largest norm of the gradient.
        folder: where the checkpoints lie.
        logger: where Lightning's figures go; None on devices that must not write.
        extra_callbacks: for tests and tools.
        precision: of the encoder's arithmetic; the weights that are trained are fp32.
        distributed: this process is one of ``settings.devices * settings.nodes``.

    Raises:
        InputError: a checkpoint is damaged or belongs to another network, the loss diverges,
            memory or disk is full.
    """
    last_path, best_path = folder / "last.ckpt", folder / "best.ckpt"
    best = Checkpoint(folder, filename="best", monitor="tune/loss", enable_version_counter=False)
    last = Checkpoint(folder, filename="last", enable_version_counter=False)
    stopping = Patience("tune/loss", patience=settings.patience)
    watch = Watch()
    progress = [TQDMProgressBar(refresh_rate=5)] if settings.progress else []
    quieten()
    cluster = environment()
    trainer = pl.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices if distributed else 1,
        num_nodes=settings.nodes if distributed else 1,
        strategy="ddp" if distributed else "auto",
        max_epochs=settings.epochs,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        gradient_clip_val=gradient_clip,
        callbacks=[
            watch,
            best,
            last,
            stopping,
            TimedCheckpoint(last_path, settings.checkpoint_minutes),
            Preemption(last_path),
            *progress,
            *(extra_callbacks or []),
        ],
        plugins=[WholeCheckpoints(), *([] if cluster is None else [cluster])],
        logger=logger if logger is not None else False,
        enable_progress_bar=settings.progress,
        enable_model_summary=False,
        use_distributed_sampler=False,  # the loader knows its share
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )
    start = last_path if settings.resume and resumable(folder) else None
    module.train()  # pre-trained models are loaded in eval mode, and Lightning keeps the mode
    try:
        trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        raise InputError(
            f"out of memory in a batch of at most {data.batch_tokens} tokens; lower "
            "trainer.batch_tokens, or head.code_chunk where the label space is large"
        ) from None
    best_tune_loss = float(stopping.best_score)
    if not math.isfinite(best_tune_loss):
        raise InputError(
            "training diverged: the loss on tune is not finite after any epoch; lower "
            "optim.head_learning_rate or adapter.learning_rate and set trainer.resume=false"
        )
    restore(module, best_path)
    return Fit(
        # The trainer's own count is one short where a resumed training had ended before.
        epochs=int(load_checkpoint(last_path)["epoch"]) + 1,
        stopped_early=stopping.stopped_epoch > 0,
        best_tune_loss=best_tune_loss,
        best_tune=module.tune_figures or {},
        trained_parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
        throughput=watch.totals,
    )


def restore(module: CoderModule, path: Path) -> None:
    """Put the weights of a checkpoint into the module; raises `InputError` if it is damaged."""
    checkpoint = load_checkpoint(path)
    module.on_load_checkpoint(checkpoint)
    module.load_state_dict(checkpoint["state_dict"], strict=False)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Raises:
        InputError: the file is absent, cut off or no checkpoint.
    """
    if not path.exists():
        raise InputError(f"{path}: no checkpoint here; run `surecode train` first")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's guesses about damaged bytes
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # the unpickler trips over damage in every way that Python knows
        checkpoint = None
    if not _is_checkpoint(checkpoint):
        raise InputError(
            f"{path}: the checkpoint is damaged; delete it and run `surecode train` again"
        )
    return dict(checkpoint)


def resumable(folder: Path) -> bool:
    """Whether there is a checkpoint to go on from; raises `InputError` where one is damaged."""
    last, best = folder / "last.ckpt", folder / "best.ckpt"
    if not last.exists():
        return False
    # The best one is there from the end of the first epoch on.
    untested = load_checkpoint(last).get("tune") is None
    return (best.exists() and bool(load_checkpoint(best))) or untested


def _is_checkpoint(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and "epoch" in content
        and isinstance(content.get("state_dict"), dict)
        and all(isinstance(weight, Tensor) for weight in content["state_dict"].values())
    )


def _out_of_memory(error: BaseException) -> bool:
    """Torch has a class for GPUs alone; on a CPU the allocator's message is all there is."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        "can't allocate memory" in str(error)
    )


def quieten() -> None:
    """Leave the progress bar; drop advice about loaders and hardware that does not apply here."""
    for name in ("utilities.rank_zero", "trainer.connectors.checkpoint_connector"):
        logging.getLogger(f"pytorch_lightning.{name}").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    # Every device logs the same figures of tune: they were gathered before.
    warnings.filterwarnings("ignore", message=".*It is recommended to use `self.log.*sync_dist.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
