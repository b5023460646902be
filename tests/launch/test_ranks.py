"""Several processes on one machine: who they are, how they end, and what is said about it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from surecode.config import compose_config, parse
from surecode.errors import InputError
from surecode.launch import rank_process, ranks
from surecode.launch.resolved import read_resolved
from surecode.settings import Config

NAMES = ("SLURM_", "SUBMITIT_", "TORCHELASTIC_", "SURECODE_RANK_OF", "RANK", "WORLD_SIZE")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(NAMES):
            monkeypatch.delenv(name)


@pytest.fixture
def config_of(tmp_path: Path) -> Callable[..., Config]:
    def build(*overrides: str) -> Config:
        words = ["specialty=radiology", f"runs={tmp_path}/runs", *overrides]
        return parse(Config, compose_config("train", words))

    return build


# ---- who a process is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, (False, 0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "4"}, (False, 0, 1)),  # another tool's, left in a shell
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "3", "WORLD_SIZE": "4"}, (True, 3, 4)),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, (False, 0, 1)),  # the batch script
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, (False, 0, 1)),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}, (True, 2, 4)),
        ({"SLURM_STEP_NUM_TASKS": "x"}, (False, 0, 1)),
        ({"SURECODE_RANK_OF": "runs/x"}, (True, 0, 1)),
    ],
)
def test_a_process_knows_its_rank(
    variables: dict[str, str], expected: tuple[bool, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (ranks.inside(), ranks.rank(), ranks.world()) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LOCAL_RANK": "3"}, 0),  # another tool's, left in a shell
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "7", "LOCAL_RANK": "3", "WORLD_SIZE": "8"}, 3),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7", "SLURM_LOCALID": "3"}, 3),
    ],
)
def test_a_process_knows_its_place_on_its_machine(
    variables: dict[str, str], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ranks.local_rank() == expected


def test_ranks_that_are_not_the_ones_set_are_refused(
    config_of: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of("trainer.devices=2", "trainer.nodes=2")
    ranks.check(config)  # the process that starts them
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="that is 4 processes, but 2 were started"):
        ranks.check(config)
    ranks.check(config_of("trainer.devices=2"))


# ---- what they read ------------------------------------------------------------------------------


def test_the_resolved_file_gives_the_same_settings(config_of: Callable[..., Config]) -> None:
    config = config_of("trainer.devices=2", "data=synthetic", "adapter.layers=[5]")
    path = ranks.resolved_file(config)
    assert path.is_relative_to(config.run_folder)
    assert read_resolved(path) == config


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        ("a: [", "is no YAML"),
        ("just text", "give the resolved.yaml"),
        ("seed: 0\n", "specialty"),
    ],
)
def test_a_file_that_is_no_configuration_is_told_in_one_line(
    content: str | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "resolved.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=reason) as refused:
        read_resolved(path)
    assert "\n" not in str(refused.value)


# ---- how they run: the launcher's own process, ranks that do not train ---------------------------

PROGRAM = """
import os, sys, time
import torch.distributed.launcher.api, surecode.coder.preemption  # they set variables once
from pathlib import Path
from surecode.config import compose_config, parse
from surecode.errors import InputError
from surecode.launch import ranks
from surecode.settings import Config

folder = Path(sys.argv[1])
words = ["specialty=radiology", f"runs={folder}/runs", "trainer.devices=2", *sys.argv[2:]]
config = parse(Config, compose_config("train", words))
before = dict(os.environ)
try:
    print("ended", ranks.launch(config))
except InputError as error:
    print("refused:", error)
except SystemExit as stop:
    print("stopped", stop.code)
except KeyboardInterrupt:
    print("interrupted")
print("same" if before == dict(os.environ) else "changed", ranks.inside())
"""

# Stands in for the stage: `stages.train` as a rank would import it.
STAGE = """
import os, signal, sys, time
from pathlib import Path
from surecode.errors import InputError
from surecode.launch import ranks

def train(config):
    folder, rank = config.runs.parent, ranks.rank()
    (folder / f"rank{rank}").write_text(
        f"{ranks.inside()} {ranks.world()} {os.environ['OMP_NUM_THREADS']} {os.getpid()}"
    )
    BODY
"""


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start the launcher with ranks that do ``body`` instead of training."""

    def launch(body: str, *overrides: str) -> subprocess.Popen[str]:
        (tmp_path / "sitecustomize.py").write_text(
            "import sys, types\n"
            "if 'surecode.launch.rank_process' in ' '.join(sys.orig_argv):\n"
            "    stage = types.ModuleType('surecode.stages.train')\n"
            f"    exec({STAGE.replace('BODY', body)!r}, stage.__dict__)\n"
            "    sys.modules['surecode.stages.train'] = stage\n"
        )
        environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment | {"PYTHONPATH": str(tmp_path)},
        )

    return launch


def said(launcher: subprocess.Popen[str]) -> list[str]:
    out, err = launcher.communicate(timeout=120)
    assert out.splitlines()[-1:] == ["same False"], err
    return out.splitlines()[:-1]


def wait_for(*paths: Path) -> list[str]:
    end = time.monotonic() + 60
    while not all(path.exists() and path.read_text() for path in paths):
        assert time.monotonic() < end, f"{paths} did not appear"
        time.sleep(0.05)
    return [path.read_text() for path in paths]


def test_every_rank_runs_once_and_rank_0_speaks(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    assert said(start("print('from', rank, flush=True)")) == ["from 0", "ended None"]
    threads = str(max(1, len(os.sched_getaffinity(0)) // 2))
    for rank in range(2):
        text = (tmp_path / f"rank{rank}").read_text().split()
        assert text[:3] == ["True", "2", threads]
    logs = list((tmp_path / "runs").rglob("stdout.log"))
    assert [log.read_text() for log in logs] == ["from 1\n"]


def test_what_a_rank_refuses_is_said_in_its_own_words_once(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    body = "raise InputError('notes.csv: is empty; add a row') if rank else time.sleep(60)"
    assert said(start(body)) == ["refused: notes.csv: is empty; add a row"]


def test_a_rank_that_fails_is_named_with_its_log(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    (line,) = said(start("raise ZeroDivisionError if rank else time.sleep(60)"))
    assert line.startswith("refused: training process 1 ended with exit code 1; its messages are")
    logs = (tmp_path / "runs").rglob("stderr.log")
    assert "ZeroDivisionError" in "".join(log.read_text() for log in logs)


def test_a_rank_that_is_killed_is_told(start: Callable[..., subprocess.Popen[str]]) -> None:
    (line,) = said(start("os.kill(os.getpid(), signal.SIGKILL) if rank else time.sleep(60)"))
    assert "training process 1 was killed by SIGKILL" in line


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (signal.SIGUSR2, "stopped 143"),
        (signal.SIGTERM, "stopped 143"),
        (signal.SIGINT, "interrupted"),
    ],
)
def test_a_signal_is_passed_on_and_its_answer_waited_for(
    number: signal.Signals,
    line: str,
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    body = (
        f"signal.signal({int(number)}, lambda n, f: (time.sleep(0.5), "
        "(folder / f'told{rank}').write_text(str(n)), sys.exit(143)))\n"
        "    (folder / f'ready{rank}').write_text('x')\n"
        "    time.sleep(60)"
    )
    launcher = start(body)
    wait_for(tmp_path / "ready0", tmp_path / "ready1")
    launcher.send_signal(number)
    assert said(launcher) == [line]
    assert [(tmp_path / f"told{n}").read_text() for n in (0, 1)] == [str(int(number))] * 2


def test_ranks_that_were_preempted_themselves_are_no_failure(
    start: Callable[..., subprocess.Popen[str]],
) -> None:
    """SLURM sends its signal to every process of the job, not only to the launcher."""
    assert said(start("sys.exit(143)")) == ["stopped 143"]


def test_no_rank_outlives_a_launcher_that_is_killed(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    launcher = start("time.sleep(60)")
    found = wait_for(tmp_path / "rank0", tmp_path / "rank1")
    launcher.kill()
    launcher.communicate()
    processes = [Path("/proc") / text.split()[-1] for text in found]
    end = time.monotonic() + 10
    while any(alive(process) for process in processes):
        assert time.monotonic() < end, "a rank is still there"
        time.sleep(0.05)


def alive(process: Path) -> bool:
    """A killed process may stay as a zombie until somebody asks for its exit code."""
    try:
        return process.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_several_machines_need_another_launcher(config_of: Callable[..., Config]) -> None:
    with pytest.raises(InputError, match=r"launcher=slurm, or start torchrun on every node"):
        ranks.launch(config_of("trainer.nodes=2"))


def test_a_rank_whose_parent_is_gone_ends_at_once(tmp_path: Path) -> None:
    words = ["-m", "surecode.launch.rank_process", "1", str(tmp_path / "resolved.yaml")]
    done = subprocess.run([sys.executable, *words], capture_output=True)
    assert done.returncode == -signal.SIGKILL


def test_a_refusal_lies_where_torch_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    monkeypatch.setattr(rank_process, "end_with", lambda parent: None)

    def full(config: Config) -> None:
        raise PermissionError(13, "Permission denied", "runs")

    stage = types.ModuleType("surecode.stages.train")
    monkeypatch.setattr(stage, "train", full, raising=False)
    monkeypatch.setitem(sys.modules, "surecode.stages.train", stage)
    monkeypatch.setattr("surecode.launch.resolved.read_resolved", lambda path: None)
    assert rank_process.main(["1", "resolved.yaml"]) == 2
    found = json.loads((tmp_path / "error.json").read_text())["message"]["message"]
    assert found == "runs: Permission denied; check that it can be read and written"
