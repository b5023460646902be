"""Fit a network: Lightning's Trainer, set up once and for all specialties alike."""

from __future__ import annotations

import logging
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import Logger
from torch import Tensor

from surecode.coder.datamodule import CoderData
from surecode.coder.module import CoderModule
from surecode.errors import InputError
from surecode.settings import TrainerSettings


@dataclass(frozen=True)
class Fit:
    """How a training went."""

    epochs: int
    stopped_early: bool
    best_tune_loss: float
    trained_parameters: int


class Patience(EarlyStopping):
    """Early stopping that stays stopped: a resumed training does not go on where it had ended."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The state of a checkpoint is in place by now."""
        trainer.should_stop = self.wait_count >= self.patience


def fit(
    module: CoderModule,
    data: CoderData,
    settings: TrainerSettings,
    gradient_clip: float,
    folder: Path,
    logger: Logger | None,
    extra_callbacks: list[pl.Callback] | None = None,
) -> Fit:
    """Train until tune's loss no longer falls; the best weights are in the module afterwards.

    Checkpoints ``last.ckpt`` and ``best.ckpt`` lie in ``folder``; where ``settings.resume`` is set
    and both are there, training goes on from the last one.

    Raises:
        InputError: a checkpoint is damaged or belongs to another network, or the loss diverges
            from the first epoch on.
    """
    last_path, best_path = folder / "last.ckpt", folder / "best.ckpt"
    best = ModelCheckpoint(
        folder, filename="best", monitor="tune/loss", enable_version_counter=False
    )
    last = ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    stopping = Patience("tune/loss", patience=settings.patience)
    progress = [TQDMProgressBar(refresh_rate=5)] if settings.progress else []
    _quieten()
    trainer = pl.Trainer(
        accelerator=settings.accelerator,
        devices=1,
        max_epochs=settings.epochs,
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        gradient_clip_val=gradient_clip,
        callbacks=[best, last, stopping, *progress, *(extra_callbacks or [])],
        logger=logger if logger is not None else False,
        enable_progress_bar=settings.progress,
        enable_model_summary=False,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )
    resumable = settings.resume and last_path.exists() and best_path.exists()
    start = last_path if resumable else None
    if start is not None:
        load_checkpoint(start)
    module.train()  # pre-trained models are loaded in eval mode, and Lightning keeps the mode
    trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)
    best_tune_loss = float(stopping.best_score)
    if not math.isfinite(best_tune_loss):
        raise InputError(
            "training diverged: the loss on tune is not finite after any epoch; lower "
            "optim.head_learning_rate or optim.adapter_learning_rate and set trainer.resume=false"
        )
    restore(module, best_path)
    return Fit(
        # The trainer's own count is one short where a resumed training had ended before.
        epochs=int(load_checkpoint(last_path)["epoch"]) + 1,
        stopped_early=stopping.stopped_epoch > 0,
        best_tune_loss=best_tune_loss,
        trained_parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
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


def _is_checkpoint(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and "epoch" in content
        and isinstance(content.get("state_dict"), dict)
        and all(isinstance(weight, Tensor) for weight in content["state_dict"].values())
    )


def _quieten() -> None:
    """Leave the progress bar; drop advice about loaders and hardware that does not apply here."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
