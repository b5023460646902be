"""Kill a training again and again, and compare what comes of it with an unbroken one.

    python scripts/kill_test.py --kills 10 --preemptions 5

A small run on synthetic notes is trained by the command line in folders of its own. SIGKILL comes
at random moments, half of them anywhere and half while checkpoints are being written; SIGUSR2 is
the warning of a cluster, which the training answers by itself. Each time the same command is given
again. At the end the figures and the model's hash must be those of the unbroken training, and all
of it must stand in one MLflow run. A training that ended before all kills were spent is followed by
another. Prints a table and a last line of JSON; the exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

SETTINGS = (
    "specialty=radiology",
    "data.encounters=150",
    "adapter.layers=[5]",
    "trainer.epochs=2",
    "trainer.batch_tokens=512",
    "trainer.accelerator=cpu",
    "trainer.progress=false",
    "runtime.training=fp32",
    "runtime.coding=fp32",
    "runtime.attention=sdpa",
    "trainer.checkpoint_minutes=0.0005",
)
# Figures that two trainings of the same weights may differ in.
OF_THE_MOMENT = ("seconds", "throughput", "mlflow_run", "reused")
PATIENCE_SECONDS = 300


@dataclass
class Outcome:
    """How the broken trainings went."""

    kills: int = 0
    preemptions: int = 0
    trainings: int = 0
    resumed_in_an_epoch: int = 0
    differences: list[str] = field(default_factory=list)


class Place:
    """A folder that a run is trained in, by ``surecode`` commands."""

    def __init__(self, folder: Path, settings: tuple[str, ...] = SETTINGS) -> None:
        self.folder = folder
        self.settings = settings
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, verb: str) -> subprocess.Popen[str]:
        """Start a verb; its output goes to a file beside the run."""
        variables = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        }
        with (self.folder / "output.txt").open("a") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "surecode.cli", verb, *self.settings],
                cwd=self.folder,
                env=os.environ | variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def run(self, verb: str) -> None:
        """Run a verb to its end."""
        code = self.start(verb).wait(PATIENCE_SECONDS)
        if code:
            raise RuntimeError(f"surecode {verb} ended with {code}:\n{self.output()}")

    def output(self) -> str:
        """What the commands said."""
        return (self.folder / "output.txt").read_text()

    def figures(self) -> dict[str, Any]:
        """What the training says of itself, and of the weights."""
        (file,) = self.folder.glob("runs/*/*/train.json")
        figures: dict[str, Any] = json.loads(file.read_text())
        return {name: value for name, value in figures.items() if name not in OF_THE_MOMENT}

    def finished(self) -> bool:
        """Whether the training has ended."""
        return any(self.folder.glob("runs/*/*/train.json"))

    def last(self) -> Path | None:
        """The checkpoint that a restarted training goes on from."""
        return next(iter(self.folder.glob("runs/*/*/checkpoints/*/last.ckpt")), None)

    def written(self) -> int:
        """When the last checkpoint was written, in nanoseconds; 0 where there is none."""
        last = self.last()
        return last.stat().st_mtime_ns if last else 0

    def whole(self) -> dict[str, Any]:
        """The last checkpoint; raises if it is damaged. Empty where there is none yet."""
        last = self.last()
        if last is None:
            return {}
        checkpoint: dict[str, Any] = torch.load(last, map_location="cpu", weights_only=True)
        return checkpoint

    def mlflow_runs(self) -> int:
        """How many MLflow runs there are."""
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as database:
            return int(database.execute("SELECT COUNT(*) FROM runs").fetchone()[0])


def unbroken(folder: Path, settings: tuple[str, ...] = SETTINGS) -> tuple[dict[str, Any], float]:
    """Train without a break; returns the figures, and how many seconds the command took."""
    place = Place(folder, settings)
    place.run("prepare")
    began = time.monotonic()
    place.run("train")
    return place.figures(), time.monotonic() - began


def broken(
    folder: Path,
    expected: dict[str, Any],
    seconds: float,
    kills: int,
    preemptions: int,
    seed: int = 0,
    settings: tuple[str, ...] = SETTINGS,
) -> Outcome:
    """Train with breaks until all of them are spent; returns what differs from ``expected``."""
    chance = random.Random(seed)
    breaks = ["kill"] * kills + ["preempt"] * preemptions
    chance.shuffle(breaks)
    outcome = Outcome()
    while breaks:
        outcome.trainings += 1
        place = Place(folder / str(outcome.trainings), settings)
        place.run("prepare")
        while not place.finished():
            if not breaks:
                place.run("train")
                continue
            training = place.start("train")
            if breaks[-1] == "kill":
                hit = _kill(place, training, chance, seconds)
                outcome.kills += hit
            else:
                hit = _preempt(place, training, outcome)
                outcome.preemptions += hit
            if hit:
                breaks.pop()
            # A checkpoint from inside an epoch is one that a validation has not yet followed.
            outcome.resumed_in_an_epoch += not _ends_an_epoch(place.whole())
        _compare(place, expected, outcome)
    return outcome


def _kill(
    place: Place, training: subprocess.Popen[str], chance: random.Random, seconds: float
) -> bool:
    """SIGKILL at a random moment; whether it hit before the end."""
    if chance.random() < 0.5:
        pause = chance.uniform(0, seconds)
    else:
        _wait_for_checkpoint(place, training)
        pause = chance.uniform(0, 0.2 * seconds)
    end = time.monotonic() + pause
    while time.monotonic() < end and training.poll() is None:
        time.sleep(0.005)
    training.kill()
    return training.wait() == -signal.SIGKILL


def _preempt(place: Place, training: subprocess.Popen[str], outcome: Outcome) -> bool:
    """SIGUSR2 once the training is under way; whether it ended by itself because of it."""
    if not _wait_for_checkpoint(place, training):
        training.wait(PATIENCE_SECONDS)
        return False
    before = place.written()
    training.send_signal(signal.SIGUSR2)
    code = training.wait(PATIENCE_SECONDS)
    # At an epoch's end there is nothing to add to the checkpoint that it has just written.
    if code == 143 and place.written() <= before and not _ends_an_epoch(place.whole()):
        outcome.differences.append("a preempted training wrote no checkpoint")
    if code not in (0, 143):
        outcome.differences.append(f"a preempted training ended with {code}")
    return code == 143


def _wait_for_checkpoint(place: Place, training: subprocess.Popen[str]) -> bool:
    """Wait until this process writes a checkpoint; False if it ends before."""
    before = place.written()
    end = time.monotonic() + PATIENCE_SECONDS
    while place.written() == before:
        if training.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _ends_an_epoch(checkpoint: dict[str, Any]) -> bool:
    if not checkpoint:
        return True
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    return bool(progress["is_last_batch"])


def _compare(place: Place, expected: dict[str, Any], outcome: Outcome) -> None:
    found = place.figures()
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            is_so, should = found.get(name), expected.get(name)
            outcome.differences.append(
                f"training {outcome.trainings}: {name} is {is_so}, not {should}"
            )
    if (runs := place.mlflow_runs()) != 1:
        outcome.differences.append(f"training {outcome.trainings}: {runs} MLflow runs, not 1")
    left = [path.name for path in place.folder.rglob(".*.ckpt.*")]
    if left:
        outcome.differences.append(f"training {outcome.trainings}: half-written files stay: {left}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--preemptions", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("overrides", nargs="*", help="settings beside those of the small run")
    words = parser.parse_args()
    settings = (*SETTINGS, *words.overrides)
    with tempfile.TemporaryDirectory() as folder:
        expected, seconds = unbroken(Path(folder) / "unbroken", settings)
        outcome = broken(
            Path(folder) / "broken",
            expected,
            seconds,
            words.kills,
            words.preemptions,
            words.seed,
            settings,
        )
    for name, value in asdict(outcome).items():
        if name != "differences":
            print(f"{name.replace('_', ' '):24}{value}")
    print(f"{'differences':24}{len(outcome.differences)}")
    for difference in outcome.differences:
        print(f"  {difference}")
    print(json.dumps(asdict(outcome) | {"unbroken": expected, "seconds": round(seconds, 1)}))
    return 1 if outcome.differences else 0


if __name__ == "__main__":
    sys.exit(main())
