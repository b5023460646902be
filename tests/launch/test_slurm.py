"""SLURM jobs by submitit: what is asked for, how they end, and that a preempted one goes on.

There is no SLURM on a test machine. `slurm_commands.py` answers in its place; submitit, its
handlers and its requeue are the real ones.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from surecode.config import compose_config, parse
from surecode.errors import InputError
from surecode.launch import ranks, slurm
from surecode.settings import Config

submitit = pytest.importorskip("submitit")

# `stages.train` as a task of the job imports it.
STAGE = """
import os, signal, sys, time
from surecode.errors import InputError
from surecode.launch import ranks

def train(config):
    folder, rank = config.runs.parent, ranks.rank()
    with (folder / f"rank{rank}").open("a") as file:
        file.write(f"{ranks.inside()} {ranks.world()} {os.environ['OMP_NUM_THREADS']}\\n")
    BODY
"""

# A training of two ranks that is preempted once in each of its first two runs.
TRAINING = """
    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader
    from surecode.coder.checkpoint_io import WholeCheckpoints
    from surecode.coder.preemption import Preemption

    run = len((folder / f"rank{rank}").read_text().splitlines())
    last = folder / "last.ckpt"

    class Tiny(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch, batch_idx):
            if run <= 2 and self.trainer.global_step == 3 * run:
                os.kill(os.getpid(), signal.SIGTERM)  # SLURM sends it along; it means nothing
                os.kill(os.getpid(), signal.SIGUSR2)
            return self.layer(batch).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=3, logger=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        enable_checkpointing=False, plugins=[WholeCheckpoints()], callbacks=[Preemption(last)],
    )
    trainer.fit(
        Tiny(), DataLoader(torch.ones(10, 3), batch_size=2),
        ckpt_path=last if last.exists() else None, weights_only=True,
    )
    (folder / f"ended{rank}").write_text(str(trainer.global_step))
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "SUBMITIT_", "TORCHELASTIC_", "SURECODE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SLURM; returns the folder with its jobs."""
    folder, commands = tmp_path / "slurm", tmp_path / "commands"
    folder.mkdir()
    commands.mkdir()
    program = Path(__file__).with_name("slurm_commands.py")
    for name in ("sbatch", "srun", "scontrol", "squeue", "sacct"):
        command = commands / name
        command.write_text(f"#!{sys.executable}\n{program.read_text()}")
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_TEST_FOLDER", str(folder))
    return folder


@pytest.fixture
def does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``does("time.sleep(1)")``: what the tasks do instead of training."""

    def write(body: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(
            "import sys, types\n"
            "if 'submitit.core._submit' in ' '.join(sys.orig_argv):\n"
            "    stage = types.ModuleType('surecode.stages.train')\n"
            f"    exec({STAGE.replace('BODY', body.strip())!r}, stage.__dict__)\n"
            "    sys.modules['surecode.stages.train'] = stage\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return write


@pytest.fixture
def config_of(tmp_path: Path) -> Callable[..., Config]:
    def build(*overrides: str) -> Config:
        words = ["specialty=radiology", "launcher=slurm", f"runs={tmp_path}/runs"]
        return parse(Config, compose_config("train", [*words, *overrides]))

    return build


# ---- what SLURM is asked for ---------------------------------------------------------------------


def test_the_job_is_as_large_as_the_settings_say(
    cluster: Path, does: Callable[[str], None], config_of: Callable[..., Config]
) -> None:
    does("pass")
    config = config_of(
        "trainer.devices=2",
        "launcher.partition=gpu",
        "launcher.account=lab",
        "launcher.minutes=90",
        "launcher.gpus_per_node=2",
        "launcher.cpus_per_task=3",
        "launcher.memory_gb=7",
        "launcher.wait=false",
    )
    assert ranks.launch(config) == "41"
    lines = (cluster / "41.sh").read_text().splitlines()
    asked = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH --")}
    assert {
        "job-name=surecode-radiology",
        "partition=gpu",
        "account=lab",
        "time=90",
        "nodes=1",
        "ntasks-per-node=2",
        "gpus-per-node=2",
        "cpus-per-task=3",
        "mem=7GB",
        "signal=USR2@120",
    } <= asked
    assert any("srun" in line and "--kill-on-bad-exit=1" in line for line in lines)


def test_what_is_not_set_is_not_asked_for(
    cluster: Path, does: Callable[[str], None], config_of: Callable[..., Config]
) -> None:
    does("pass")
    ranks.launch(config_of("launcher.gpus_per_node=0", "launcher.wait=false"))
    text = (cluster / "41.sh").read_text()
    assert not any(word in text for word in ("partition", "account", "gpus"))


def test_a_task_can_be_pickled_and_queued_again_so_often(tmp_path: Path) -> None:
    task = slurm.TrainTask(tmp_path / "resolved.yaml", tmp_path, threads=2, preemptions=2)
    assert pickle.loads(pickle.dumps(task)) == task
    left = []
    again = task.checkpoint()
    while again is not None:
        left.append(again.function.preemptions)
        again = again.function.checkpoint()
    assert left == [1, 0]


# ---- how it ends ---------------------------------------------------------------------------------


def test_every_task_is_one_rank(
    cluster: Path,
    does: Callable[[str], None],
    config_of: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    does("pass")
    assert ranks.launch(config_of("trainer.devices=2", "launcher.cpus_per_task=3")) is None
    for rank in range(2):
        assert (tmp_path / f"rank{rank}").read_text() == "True 2 3\n"
    assert capsys.readouterr().err.startswith("surecode: job 41 is queued; its messages are in ")
    assert not ranks.inside()


def test_what_a_task_refuses_is_said_in_its_own_words(
    cluster: Path, does: Callable[[str], None], config_of: Callable[..., Config]
) -> None:
    does("raise InputError('notes.csv: is empty; add a row')")
    with pytest.raises(InputError, match=r"^notes\.csv: is empty; add a row$"):
        ranks.launch(config_of())


def test_a_job_that_fails_is_named_with_its_messages(
    cluster: Path, does: Callable[[str], None], config_of: Callable[..., Config]
) -> None:
    does("raise ZeroDivisionError")
    with pytest.raises(InputError, match=r"^job 41 failed; its messages are in \S+slurm; "):
        ranks.launch(config_of())


def test_a_refused_job_is_told_in_slurms_words(
    cluster: Path, config_of: Callable[..., Config]
) -> None:
    (cluster / "refuse").touch()
    with pytest.raises(InputError, match=r"was refused \(.*Invalid account.*\); correct launcher"):
        ranks.launch(config_of())


def test_a_run_has_one_job_at_a_time(
    cluster: Path,
    does: Callable[[str], None],
    config_of: Callable[..., Config],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    does("while not (folder / 'go').exists(): time.sleep(0.1)")
    assert ranks.launch(config_of("launcher.wait=false")) == "41"
    assert ranks.launch(config_of("launcher.wait=false")) == "41"
    assert "of this run is queued or running already" in capsys.readouterr().err
    (tmp_path / "go").touch()
    assert ranks.launch(config_of()) is None  # waits for the same job, or for a new one after it
    end = time.monotonic() + 30
    while (cluster / "41.state").read_text() == "RUNNING":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert ranks.launch(config_of("launcher.wait=false")) != "41"


def test_a_preempted_training_of_two_tasks_goes_on_in_the_same_job(
    cluster: Path, does: Callable[[str], None], config_of: Callable[..., Config], tmp_path: Path
) -> None:
    does(TRAINING)
    assert ranks.launch(config_of("trainer.devices=2")) is None
    for rank in range(2):
        assert len((tmp_path / f"rank{rank}").read_text().splitlines()) == 3
        assert (tmp_path / f"ended{rank}").read_text() == "15"
    assert [path.name for path in cluster.glob("*.sh")] == ["41.sh"]


@pytest.mark.slow
def test_a_training_preempted_too_often_is_told(
    cluster: Path, does: Callable[[str], None], config_of: Callable[..., Config]
) -> None:
    does(TRAINING)
    with pytest.raises(InputError, match=r"more often than launcher\.preemptions allows"):
        ranks.launch(config_of("trainer.devices=2", "launcher.preemptions=1"))


def test_without_slurm_it_is_told_in_one_line(
    config_of: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no sbatch here"):
        ranks.launch(config_of())


def test_without_submitit_it_is_told_in_one_line(
    config_of: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=r'pip install "surecode\[slurm\]"'):
        ranks.launch(config_of())


@pytest.mark.slow
def test_submitits_own_local_cluster_runs_the_same_job(
    does: Callable[[str], None],
    config_of: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    does(TRAINING)
    monkeypatch.setenv(slurm.CLUSTER, "local")
    assert ranks.launch(config_of("trainer.devices=2", "launcher.gpus_per_node=0")) is None
    assert [(tmp_path / f"ended{rank}").read_text() for rank in range(2)] == ["15", "15"]


# ---- plain sbatch --------------------------------------------------------------------------------


def test_the_batch_script_is_for_bash_and_warns_the_training() -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "train.sbatch"
    bash = shutil.which("bash")
    assert bash is not None
    assert subprocess.run([bash, "-n", str(script)]).returncode == 0
    text = script.read_text()
    assert "#SBATCH --signal=USR2@120" in text
    assert "#SBATCH --requeue" in text
    assert json.dumps("surecode.cli")[1:-1] in text
