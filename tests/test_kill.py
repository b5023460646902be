"""Trainings by the command line that are killed, preempted, or shared among processes."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_test", ROOT / "scripts" / "kill_test.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_test"] = module
    spec.loader.exec_module(module)
    return module


kill_test = _script()
TWO = (*kill_test.SETTINGS, "trainer.devices=2")
Unbroken = tuple[dict[str, Any], float]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    found: Unbroken = kill_test.unbroken(tmp_path_factory.mktemp("unbroken"))
    return found


@pytest.fixture(scope="module")
def unbroken_two(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    """The same by two processes."""
    found: Unbroken = kill_test.unbroken(tmp_path_factory.mktemp("unbroken_two"), TWO)
    return found


def test_a_killed_training_ends_as_an_unbroken_one(unbroken: Unbroken, tmp_path: Path) -> None:
    outcome = kill_test.broken(tmp_path, *unbroken, kills=3, preemptions=0)
    assert outcome.differences == []
    assert outcome.kills == 3


def test_a_preempted_training_ends_as_an_unbroken_one(unbroken: Unbroken, tmp_path: Path) -> None:
    outcome = kill_test.broken(tmp_path, *unbroken, kills=0, preemptions=2)
    assert outcome.differences == []
    assert (outcome.preemptions, outcome.resumed_in_an_epoch > 0) == (2, True)


def test_two_processes_learn_what_one_learns(
    unbroken: Unbroken, unbroken_two: Unbroken, tmp_path: Path
) -> None:
    one, two = unbroken[0], unbroken_two[0]
    assert two["best_tune_loss"] == pytest.approx(one["best_tune_loss"], abs=1e-3)
    assert (two["epochs"], two["trained_parameters"]) == (one["epochs"], one["trained_parameters"])


def test_two_processes_write_one_run(tmp_path: Path) -> None:
    place = kill_test.Place(tmp_path, TWO)
    place.run("prepare")
    place.run("train")
    assert place.mlflow_runs() == 1
    assert len(list(tmp_path.glob("runs/*/*/train.json"))) == 1
    assert len(re.findall(r"^  train ", place.output(), re.MULTILINE)) == 1


def test_two_preempted_processes_end_as_unbroken_ones(
    unbroken_two: Unbroken, tmp_path: Path
) -> None:
    outcome = kill_test.broken(tmp_path, *unbroken_two, kills=1, preemptions=1, settings=TWO)
    assert outcome.differences == []
    assert (outcome.kills, outcome.preemptions) == (1, 1)


def test_a_sweep_of_two_processes_has_one_run_for_each_setting(tmp_path: Path) -> None:
    place = kill_test.Place(tmp_path, (*TWO, "trainer.epochs=1", "seed=0,1", "-m"))
    place.run("prepare")
    place.run("train")
    assert len(list(tmp_path.glob("runs/*/*"))) == 2
    assert len(list(tmp_path.glob("runs/*/*/train.json"))) == 2
    assert place.mlflow_runs() == 2


def test_two_nodes_by_torchrun_learn_what_one_process_learns(
    unbroken: Unbroken, tmp_path: Path
) -> None:
    place = kill_test.Place(tmp_path, (*kill_test.SETTINGS, "trainer.nodes=2"))
    place.run("prepare")
    (resolved,) = tmp_path.glob("runs/*/*/resolved.yaml")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = (
        f"-m torch.distributed.run --nnodes 2 --nproc-per-node 1 --local-addr 127.0.0.1 "
        f"--rdzv-backend c10d --rdzv-endpoint 127.0.0.1:{port} --rdzv-id 1 "
        f"--signals-to-handle SIGTERM,SIGINT,SIGUSR2 -m surecode.cli train --config {resolved}"
    ).split()
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}

    def start(node: int) -> subprocess.Popen[str]:
        output = (tmp_path / f"node{node}.txt").open("a")
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=tmp_path,
            env=os.environ | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait(nodes: list[subprocess.Popen[str]]) -> list[int]:
        try:
            return [node.wait(timeout=240) for node in nodes]
        finally:
            for node in nodes:
                node.kill()

    nodes = [start(0), start(1)]
    assert kill_test._wait_for_checkpoint(place, nodes[0])
    nodes[1].send_signal(signal.SIGUSR2)  # one node is told, both must stop
    assert 0 not in wait(nodes)
    assert not place.finished()
    assert wait([start(0), start(1)]) == [0, 0], (tmp_path / "node1.txt").read_text()
    loss = place.figures()["best_tune_loss"]
    assert loss == pytest.approx(unbroken[0]["best_tune_loss"], abs=1e-3)
    assert place.mlflow_runs() == 1


def test_a_process_too_many_is_told_in_one_line(tmp_path: Path) -> None:
    place = kill_test.Place(tmp_path, TWO)
    place.run("prepare")
    (resolved,) = tmp_path.glob("runs/*/*/resolved.yaml")
    alone = os.environ | {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "1"}
    words = [sys.executable, "-m", "surecode.cli", "train", "--config", str(resolved)]
    done = subprocess.run(words, cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 2
    assert "that is 2 processes, but 1 were started" in done.stderr
