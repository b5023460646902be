"""Run a pre-training: to its end, or from its last checkpoint to its end."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import TQDMProgressBar

from surecode.coder.checkpoint_io import WholeCheckpoints
from surecode.coder.preemption import Handler, Preempted, Preemption, environment
from surecode.coder.pretraining import HeldOut, MaskedModule
from surecode.coder.pretraining_data import MaskedData
from surecode.coder.pretraining_settings import PretrainingSettings
from surecode.coder.train import Checkpoint, TimedCheckpoint, load_checkpoint, quieten
from surecode.denormals import without_denormals
from surecode.errors import InputError

LAST = "last.ckpt"


@dataclass(frozen=True)
class Pretrained:
    """How a pre-training went.

    Attributes:
        before, after: the held-out texts before the first and after the last step.
        steps: batches learned from.
        tokens_seen: tokens of texts learned from, every epoch's counted.
        trained_parameters: numbers that training changed, the head's among them.
        tokens_per_second: of this process's own part.
    """

    before: HeldOut
    after: HeldOut
    steps: int
    tokens_seen: int
    trained_parameters: int
    tokens_per_second: float = field(compare=False)


def pretraining_steps(data: MaskedData, settings: PretrainingSettings) -> int:
    """Batches of the whole training."""
    steps = settings.epochs * data.batches
    return steps if settings.steps is None else min(steps, settings.steps)


def pretrain(
    module: MaskedModule,
    data: MaskedData,
    settings: PretrainingSettings,
    folder: Path,
    extra_callbacks: list[pl.Callback] | None = None,
) -> Pretrained:
    """Train to the end; where ``folder`` has a checkpoint and ``resume`` is set, from there.

    Args:
        module: fresh encoder and head; trained afterwards.
        data: windows.
        settings: how long, where, how often a checkpoint is written.
        folder: where the checkpoint lies.
        extra_callbacks: for tests and tools.

    Raises:
        InputError: the checkpoint is damaged or belongs to another network, the loss diverges,
            memory or disk is full.
        KeyboardInterrupt: Ctrl-C, once the checkpoint of the batch is written.
    """
    last = folder / LAST
    resume = settings.resume and last.exists()
    if resume:
        read_checkpoint(last)  # damage is told before the long work
    quieten()
    clock = _Clock()
    callbacks = [
        clock,
        Checkpoint(
            folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        ),
        TimedCheckpoint(last, settings.checkpoint_minutes),
        Preemption(last),
        Interruption(last),
        *([TQDMProgressBar(refresh_rate=5)] if settings.progress else []),
        *(extra_callbacks or []),
    ]
    try:
        with without_denormals():
            before = _measure(module, data, settings)
            trainer = _trainer(settings, callbacks)
            module.train()
            trainer.fit(
                module, datamodule=data, ckpt_path=last if resume else None, weights_only=True
            )
            trainer.save_checkpoint(last)  # the end may lie in the middle of an epoch
            after = _measure(module, data, settings)
    except Preempted:
        raise
    except SystemExit:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from None
    except (torch.OutOfMemoryError, MemoryError):
        raise InputError(
            "out of memory; lower training.batch_tokens or encoder.window_length"
        ) from None
    return Pretrained(
        before=before,
        after=after,
        steps=trainer.global_step,
        tokens_seen=module.tokens_seen,
        trained_parameters=sum(p.numel() for p in module.trained().values()),
        tokens_per_second=round(clock.tokens / clock.seconds, 1) if clock.seconds else 0.0,
    )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it; raises `InputError` where it is damaged."""
    try:
        return load_checkpoint(path)
    except InputError:
        raise InputError(
            f"{path}: the checkpoint is damaged; delete it and run `surecode pretrain` again"
        ) from None


class Interruption(pl.Callback):
    """Ctrl-C takes effect when the batch has ended and its checkpoint is written.

    A second Ctrl-C takes effect at once, and the training goes on from an earlier checkpoint.
    """

    def __init__(self, last: Path) -> None:
        self._last = last
        self._wanted = False
        self._before: Handler = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take Ctrl-C over."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            signal.signal(signal.SIGINT, self._note)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """The place to stop at; an epoch's end writes a checkpoint of its own first."""
        if self._wanted and not trainer.is_last_batch:
            trainer.save_checkpoint(self._last)
            raise KeyboardInterrupt

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The other place to stop at."""
        if self._wanted:
            raise KeyboardInterrupt

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give it back."""
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Give it back, whatever ended the training."""
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._wanted = True
        self._restore()

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None


class _Clock(pl.Callback):
    """Tokens and seconds of the steps, those for measuring and writing left out."""

    def __init__(self) -> None:
        self.tokens, self.seconds, self._began = 0, 0.0, 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.seconds += time.perf_counter() - self._began
        self.tokens += batch.tokens


def _measure(module: MaskedModule, data: MaskedData, settings: PretrainingSettings) -> HeldOut:
    """The held-out loss of the module as it is."""
    _trainer(settings, []).validate(module, datamodule=data, verbose=False)
    assert module.heldout is not None
    return module.heldout


def _trainer(settings: PretrainingSettings, callbacks: list[pl.Callback]) -> pl.Trainer:
    if settings.accelerator == "gpu" and not torch.accelerator.is_available():
        raise InputError("training.accelerator=gpu: there is none here; set it to cpu")
    cluster = environment()
    return pl.Trainer(
        accelerator=settings.accelerator,
        devices=1,
        max_epochs=settings.epochs,
        max_steps=-1 if settings.steps is None else settings.steps,
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        gradient_clip_val=settings.gradient_clip,
        callbacks=callbacks,
        plugins=[WholeCheckpoints(), *([] if cluster is None else [cluster])],
        logger=False,
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=settings.progress and bool(callbacks),
        enable_model_summary=False,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
    )
