"""A cluster wants its machine back: write ``last.ckpt`` at the next batch's end, then leave.

SIGUSR2 is what SLURM and submitit send ahead of time, SIGUSR1 what many batch scripts ask for,
SIGTERM what a cluster without such a warning sends. A handler only notes the signal; saving inside
it could meet the optimizer half-way through a step.

Lightning 2.6 has handlers of its own. Under SLURM it saves to a file of its own and requeues the
job, which submitit does as well; and at SIGTERM it broadcasts inside the handler, so that ranks
that are interrupted at different places of a step wait for each other for ever. So `environment`
turns the first off, and `Preemption` replaces the second as long as training lasts.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
)

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
# What a shell reports for a process that SIGTERM ended: schedulers read it as "not failed".
EXIT_CODE = 143


class Preempted(SystemExit):
    """The training gave way to a signal; its last checkpoint is written.

    ``code`` is what the process ends with: 143, or what the earlier handler wants.
    """

    def __init__(self, name: str, code: object = EXIT_CODE) -> None:
        super().__init__(code)
        self.line = f"stopped by {name}; the last checkpoint is written, the same command goes on"


class Preemption(pl.Callback):
    """Saves and leaves at the end of the batch in which a signal came, on all ranks at once.

    Rank 0 then hands over to the handler that was there before, such as submitit's, which requeues
    the job and ends the process. Where that handler returns, training goes on. Where there was
    none, the job is requeued (under plain SLURM, for its early warning only: SIGTERM also comes
    from ``scancel``) and the process ends with exit code 143.

    A signal in the last batch of an epoch or in validation takes effect when the epoch has ended
    and written its checkpoint: a checkpoint from between would lose the loss on tune.

    Args:
        last: where the checkpoint goes that a resumed training starts from.
    """

    def __init__(self, last: Path) -> None:
        self._last = last
        self._received: int | None = None
        self._before: dict[int, Handler] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember who handled the signals before Lightning comes and puts its own."""
        self._received = None
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in SIGNALS}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the signals over; one that is ignored stays ignored."""
        if trainer.received_sigterm:  # it came in the moment between
            self._received = signal.SIGTERM
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._note)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """The place to stop at: the optimizer has stepped, and the next batch is not begun."""
        if self._wanted(trainer) and not trainer.is_last_batch:
            trainer.save_checkpoint(self._last)
            self._leave(trainer)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The other place: the end of the epoch before has written its checkpoint."""
        if self._wanted(trainer) and self._last.exists():
            self._leave(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What came too late is let go: the training is done."""
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Whatever ended the training, the signals go back to their owners."""
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    def _wanted(self, trainer: pl.Trainer) -> bool:
        """Whether any rank was asked to stop; every rank must ask at every batch."""
        return bool(trainer.strategy.reduce_boolean_decision(self._received is not None, all=False))

    def _leave(self, trainer: pl.Trainer) -> None:
        """Hand over on rank 0; raise on all ranks where that ends the training."""
        number = max(_gathered(self._received or 0))
        ending: BaseException | None = None
        if trainer.is_global_zero:
            try:
                self._hand_over(number)
            except SystemExit as stop:
                ending = Preempted(signal.Signals(number).name, stop.code)
            except Exception as error:  # submitit's way to say that it will not requeue again
                ending = error
        ends = trainer.strategy.broadcast(ending is not None)
        if ending is not None:
            raise ending
        if ends:
            raise Preempted(signal.Signals(number).name)
        self._received = None

    def _hand_over(self, number: int) -> None:
        before = self._before.get(number)
        if callable(before) and before is not signal.default_int_handler:
            before(number, None)
            return
        if number != signal.SIGTERM:
            requeue()
        raise Preempted(signal.Signals(number).name)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            if handler is not None and signal.getsignal(number) == self._note:
                signal.signal(number, handler)
        self._before = {}


def _gathered(number: int) -> list[int]:
    """The signal of every rank; not all of them need have been sent one."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [number]
    numbers: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(numbers, number)
    return [int(found) for found in numbers]


def requeue() -> bool:
    """Queue this job again where plain SLURM runs it; whether SLURM said yes.

    submitit requeues its jobs itself, and an interactive allocation has nothing to run again.
    """
    job = os.environ.get("SLURM_ARRAY_JOB_ID")
    job = (
        f"{job}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if job else os.environ.get("SLURM_JOB_ID")
    )
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    command = shutil.which("scontrol")
    if not job or "SUBMITIT_EXECUTOR" in os.environ or interactive or command is None:
        return False
    try:
        return subprocess.run([command, "requeue", job], timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def environment() -> ClusterEnvironment | None:
    """What Lightning must be told about the cluster, None where it finds out by itself.

    It takes a single process in a SLURM allocation of several tasks for one of several, and
    requeues jobs unasked.
    """
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        return None
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment() if "SLURM_NTASKS" in os.environ else None
