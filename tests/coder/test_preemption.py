"""Signals during training: the checkpoint, who is asked next, and what a resumed run gives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.environments import LightningEnvironment, SLURMEnvironment
from torch.utils.data import DataLoader

from surecode.coder.checkpoint_io import WholeCheckpoints
from surecode.coder.preemption import SIGNALS, Preempted, Preemption, environment, requeue

BATCHES = 5


class Numbers:
    """A loader that goes on where it was: what Lightning resumes in the middle of an epoch."""

    def __init__(self) -> None:
        self.place = 0

    def __len__(self) -> int:
        return BATCHES

    def __iter__(self) -> Iterator[torch.Tensor]:
        self.place %= BATCHES  # Lightning does not run a loader to its end
        while self.place < BATCHES:
            self.place += 1
            yield torch.full((2, 3), float(self.place))

    def state_dict(self) -> dict[str, int]:
        return {"place": self.place}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.place = state["place"]


class Tiny(pl.LightningModule):
    """One linear layer under AdamW; it remembers its batches and can signal itself."""

    def __init__(self, signals: dict[int, int] | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 1)
        self.signals = signals or {}
        self.seen: list[float] = []
        self.validated = 0

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        self.seen.append(float(batch[0, 0]))
        if number := self.signals.get(self.global_step):
            os.kill(os.getpid(), number)
        return self.layer(batch).square().mean()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.validated += 1
        self.log("tune/loss", self.layer(batch).square().mean())
        if number := self.signals.get(-1):
            os.kill(os.getpid(), number)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.1)


def train(folder: Path, module: Tiny, resume: bool = False) -> Tiny:
    last = folder / "last.ckpt"
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=3,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        plugins=[WholeCheckpoints()],
        callbacks=[
            Preemption(last),
            ModelCheckpoint(folder, filename="last", enable_version_counter=False),
        ],
    )
    trainer.fit(
        module,
        Numbers(),
        DataLoader([torch.ones(3)], batch_size=1),
        ckpt_path=last if resume else None,
        weights_only=True,
    )
    return module


def weights(module: Tiny) -> list[float]:
    return [float(value) for p in module.parameters() for value in p.flatten()]


@pytest.fixture(autouse=True)
def _signals_are_as_they_were() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    after = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "SUBMITIT_", "TORCHELASTIC_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("step", "number"),
    [
        (0, signal.SIGUSR2),
        (2, signal.SIGUSR2),
        (2, signal.SIGUSR1),
        (2, signal.SIGTERM),
        (4, signal.SIGUSR2),
        (8, signal.SIGUSR2),
        (14, signal.SIGUSR2),
    ],
)
def test_a_resumed_training_ends_as_an_unbroken_one(
    tmp_path: Path, step: int, number: signal.Signals
) -> None:
    whole = train(tmp_path / "whole", Tiny())
    assert len(whole.seen) == 3 * BATCHES
    broken = Tiny({step: number})
    if step == 14:  # the very last batch: there is nothing left to give way for
        train(tmp_path / "broken", broken)
        resumed = broken
    else:
        with pytest.raises(Preempted) as stop:
            train(tmp_path / "broken", broken)
        assert stop.value.code == 143
        assert number.name in stop.value.line
        assert len(broken.seen) == step + 1
        resumed = train(tmp_path / "broken", Tiny(), resume=True)
        assert broken.seen + resumed.seen == whole.seen
        assert broken.validated + resumed.validated == whole.validated
    assert weights(resumed) == weights(whole)


def test_a_signal_in_validation_waits_for_the_epochs_checkpoint(tmp_path: Path) -> None:
    broken = Tiny({-1: signal.SIGUSR2})
    with pytest.raises(Preempted):
        train(tmp_path, broken)
    assert (len(broken.seen), broken.validated) == (BATCHES, 1)
    resumed = train(tmp_path, Tiny(), resume=True)
    assert len(resumed.seen) == 2 * BATCHES


def test_several_preemptions_in_a_row_end_the_same(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", Tiny())
    folder = tmp_path / "broken"
    for step in range(0, 14, 2):
        if step != 4:  # that ends an epoch
            with pytest.raises(Preempted):
                train(folder, Tiny({step: signal.SIGUSR2}), resume=step > 0)
    assert weights(train(folder, Tiny(), resume=True)) == weights(whole)


# ---- who is asked next ---------------------------------------------------------------------------


def test_the_handler_before_is_asked_after_the_checkpoint_is_written(tmp_path: Path) -> None:
    found: list[bool] = []

    def requeues(number: int, frame: object) -> None:
        found.append((tmp_path / "last.ckpt").exists())
        sys.exit(144)

    before = signal.signal(signal.SIGUSR2, requeues)
    try:
        with pytest.raises(SystemExit) as stop:
            train(tmp_path, Tiny({1: signal.SIGUSR2}))
        assert signal.getsignal(signal.SIGUSR2) is requeues
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert (stop.value.code, found) == (144, [True])


def test_training_goes_on_where_the_handler_before_returns(tmp_path: Path) -> None:
    """submitit only logs a SIGTERM: SLURM sends one along with the warning."""
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    try:
        module = train(tmp_path, Tiny({1: signal.SIGTERM, 7: signal.SIGTERM}))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert calls == [signal.SIGTERM, signal.SIGTERM]
    assert len(module.seen) == 3 * BATCHES


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        assert len(train(tmp_path, Tiny({1: signal.SIGUSR1})).seen) == 3 * BATCHES
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `scontrol` that writes down what it is told."""
    folder = tmp_path / "commands"
    folder.mkdir()
    command, told = folder / "scontrol", folder / "told"
    command.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return told


def test_plain_slurm_is_told_to_queue_the_job_again(
    tmp_path: Path, scontrol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    with pytest.raises(Preempted):
        train(tmp_path, Tiny({1: signal.SIGUSR2}))
    assert scontrol.read_text() == "requeue 77\n"


def test_a_cancelled_job_is_not_queued_again(
    tmp_path: Path, scontrol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    with pytest.raises(Preempted):
        train(tmp_path, Tiny({1: signal.SIGTERM}))
    assert not scontrol.exists()


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "77"}, "requeue 77\n"),
        (
            {"SLURM_JOB_ID": "79", "SLURM_ARRAY_JOB_ID": "77", "SLURM_ARRAY_TASK_ID": "2"},
            "requeue 77_2\n",
        ),
        ({"SLURM_JOB_ID": "77", "SUBMITIT_EXECUTOR": "slurm"}, None),
        ({"SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "interactive"}, None),
    ],
)
def test_who_requeues(
    variables: dict[str, str],
    told: str | None,
    scontrol: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert requeue() == (told is not None)
    assert (scontrol.read_text() if scontrol.exists() else None) == told


def test_without_scontrol_the_process_just_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert requeue() is False


# ---- what Lightning is told ----------------------------------------------------------------------


def test_lightning_requeues_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment() is None
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    assert isinstance(environment(), LightningEnvironment)  # the batch script, not a task of srun
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    found = environment()
    assert isinstance(found, SLURMEnvironment)
    assert not found.auto_requeue
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert environment() is None


# ---- several ranks -------------------------------------------------------------------------------

RANKS = """
import os, signal, sys
from pathlib import Path
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from surecode.coder.checkpoint_io import WholeCheckpoints
from surecode.coder.preemption import Preemption

folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])

class Tiny(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def training_step(self, batch, batch_idx):
        if batch_idx == 3 and rank == int(sys.argv[2]):
            os.kill(os.getpid(), getattr(signal, sys.argv[3]))
        (folder / f"rank{rank}").write_text(str(batch_idx))
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

def asked(number, frame):
    (folder / f"asked{rank}").touch()
    sys.exit(5)

if sys.argv[4] == "handler":
    signal.signal(signal.SIGUSR2, asked)
trainer = pl.Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_epochs=1, logger=False,
    enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
    enable_checkpointing=False, plugins=[WholeCheckpoints()],
    callbacks=[Preemption(folder / "last.ckpt")],
)
try:
    trainer.fit(Tiny(), DataLoader(torch.ones(40, 3), batch_size=2))
except SystemExit as stop:
    (folder / f"code{rank}").write_text(str(stop.code))
"""


@pytest.mark.parametrize(
    ("rank", "name", "handler", "codes"),
    [
        ("0", "SIGTERM", "none", ["143", "143"]),
        ("1", "SIGTERM", "none", ["143", "143"]),
        ("1", "SIGUSR2", "handler", ["5", "143"]),
    ],
)
def test_all_ranks_stop_at_the_same_batch(
    tmp_path: Path, rank: str, name: str, handler: str, codes: list[str]
) -> None:
    script = tmp_path / "program.py"
    script.write_text(RANKS)
    launcher = "-m torch.distributed.run --standalone --local-addr 127.0.0.1 --nproc-per-node 2"
    done = subprocess.run(
        [sys.executable, *launcher.split(), str(script), str(tmp_path), rank, name, handler],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = [(tmp_path / f"code{n}").read_text() for n in (0, 1)]
    assert found == codes, done.stderr
    assert [(tmp_path / f"rank{n}").read_text() for n in (0, 1)] == ["3", "3"]
    assert (tmp_path / "last.ckpt").exists()
    assert not (tmp_path / "asked1").exists()
    assert (tmp_path / "asked0").exists() == (handler == "handler")
