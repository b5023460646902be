"""What a person watches while a coder trains: throughput, padding, memory, rates, gradients."""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer

from surecode.data.batches import Batch


class Watch(pl.Callback):
    """Logs every ``every`` steps, over the steps since the last time.

    Tokens and encounters per second are those of all devices together, padding that of this one;
    seconds of validation do not count. ``totals`` are the whole training's, for the stage's
    figures.
    """

    def __init__(self, every: int = 10) -> None:
        self._every = every
        self._norm: Tensor | None = None
        self._seconds = self._encounters = self._tokens = self._padding = 0.0
        self._began = 0.0
        self._sums = {"seconds": 0.0, "tokens": 0.0, "encounters": 0.0, "padding": 0.0}

    @property
    def totals(self) -> dict[str, float]:
        """Tokens and encounters per second and the share of padding, over this process's part."""
        seconds, tokens = self._sums["seconds"], self._sums["tokens"]
        read = tokens + self._sums["padding"]
        return {
            "tokens_per_second": round(tokens / seconds, 1) if seconds else 0.0,
            "encounters_per_second": round(self._sums["encounters"] / seconds, 2)
            if seconds
            else 0.0,
            "padding_share": round(self._sums["padding"] / read, 4) if read else 0.0,
            "peak_memory_mb": round(peak_memory_mb(), 0),
        }

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """The clock runs from batch to batch."""
        self._began = time.perf_counter()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """The norm of all gradients before they are clipped."""
        if (trainer.global_step + 1) % self._every == 0:
            gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
            self._norm = torch.nn.utils.get_total_norm(gradients)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count, and log now and then."""
        self._seconds += time.perf_counter() - self._began
        if batch.scale:
            self._encounters += len(batch.tokens) * trainer.world_size
            self._tokens += sum(batch.lengths) * trainer.world_size
            padded = not getattr(pl_module.network, "packs", False)
            self._padding += batch.padding * trainer.world_size * padded
        if trainer.global_step % self._every == 0 or trainer.is_last_batch:
            self._log(trainer)

    def _log(self, trainer: pl.Trainer) -> None:
        figures = {
            "train/tokens_per_second": self._tokens / max(self._seconds, 1e-9),
            "train/encounters_per_second": self._encounters / max(self._seconds, 1e-9),
            "train/padding_share": self._padding / max(self._tokens + self._padding, 1.0),
            "train/peak_memory_mb": peak_memory_mb(),
            "train/learning_rate": float(trainer.optimizers[0].param_groups[-1]["lr"]),
        }
        if self._norm is not None:
            figures["train/gradient_norm"] = float(self._norm)
        for name, value in (
            ("seconds", self._seconds),
            ("tokens", self._tokens),
            ("encounters", self._encounters),
            ("padding", self._padding),
        ):
            self._sums[name] += value
        self._seconds = self._encounters = self._tokens = self._padding = 0.0
        for logger in trainer.loggers:
            logger.log_metrics(figures, step=trainer.global_step)


def peak_memory_mb() -> float:
    """Most memory so far: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return process_memory_mb()


def process_memory_mb() -> float:
    """Most memory that this process has had.

    Pages of mapped caches count, which the system takes back at need.
    """
    # Kilobytes on Linux, bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
