"""Fit a network: Lightning's Trainer, set up once and for all specialties alike."""

from __future__ import annotations

import logging
import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.loggers import Logger

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
    and a last one is there, training goes on from it.

    Raises:
        InputError: a checkpoint is damaged or belongs to another network.
    """
    best = ModelCheckpoint(
        folder, filename="best", monitor="tune/loss", enable_version_counter=False
    )
    last = ModelCheckpoint(folder, filename="last", enable_version_counter=False)
    stopping = EarlyStopping("tune/loss", patience=settings.patience)
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
    resume_from = folder / "last.ckpt"
    start = resume_from if settings.resume and resume_from.exists() else None
    if start is not None:
        load_checkpoint(start)
    module.train()  # pre-trained models are loaded in eval mode, and Lightning keeps the mode
    trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)
    restore(module, folder / "best.ckpt")
    return Fit(
        epochs=trainer.current_epoch,
        stopped_early=stopping.stopped_epoch > 0,
        best_tune_loss=float(best.best_model_score or float("nan")),
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
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint["state_dict"], checkpoint["epoch"]
    except FileNotFoundError:
        raise InputError(f"{path}: no checkpoint here; run `surecode train` first") from None
    except (RuntimeError, EOFError, OSError, KeyError, TypeError, pickle.UnpicklingError):
        raise InputError(
            f"{path}: the checkpoint is damaged; delete it and run `surecode train` again"
        ) from None
    return dict(checkpoint)


def _quieten() -> None:
    """Leave the progress bar; drop advice about loaders and hardware that does not apply here."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
