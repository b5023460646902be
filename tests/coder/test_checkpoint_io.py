"""Checkpoints that a kill or a full disk cannot damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from surecode.coder.checkpoint_io import WholeCheckpoints


def program(text: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 1, "weight": torch.arange(3)}, path)
    loaded = WholeCheckpoints().load_checkpoint(path)
    assert loaded["epoch"] == 1
    assert loaded["weight"].tolist() == [0, 1, 2]
    assert os.listdir(path.parent) == ["last.ckpt"]


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


@pytest.mark.parametrize("asked", [True, False, None])
def test_no_code_is_run_whatever_lightning_asks_for(tmp_path: Path, asked: bool | None) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"epoch": Harmful()}, path)
    with pytest.raises(Exception, match=r"[Ww]eights.only|Unsupported"):
        WholeCheckpoints().load_checkpoint(path, weights_only=asked)


FULL_DISK = """
import resource, sys, torch
from pathlib import Path
from surecode.coder.checkpoint_io import WholeCheckpoints
from surecode.errors import InputError

path, io = Path(sys.argv[1]), WholeCheckpoints()
io.save_checkpoint({"weight": torch.zeros(10)}, path)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    io.save_checkpoint({"weight": torch.ones(1_000_000)}, path)
except InputError as error:
    print(error)
print(io.load_checkpoint(path)["weight"].tolist() == [0.0] * 10)
print(sorted(entry.name for entry in path.parent.iterdir()))
"""


def test_a_full_disk_is_told_in_one_line_and_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    out, err = program(FULL_DISK, tmp_path / "last.ckpt").communicate()
    line, same, left = out.splitlines()
    assert "the disk is full" in line, err
    assert "the checkpoint before it is whole" in line
    assert (same, left) == ("True", "['last.ckpt']")


def test_another_error_of_the_disk_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").mkdir()
    with pytest.raises(IsADirectoryError):
        WholeCheckpoints().save_checkpoint({"epoch": 0}, tmp_path / "last.ckpt")


FOR_EVER = """
import sys, torch
from pathlib import Path
from surecode.coder.checkpoint_io import WholeCheckpoints

io = WholeCheckpoints()
for number in range(1_000_000):
    io.save_checkpoint({"weight": torch.full((500_000,), float(number))}, Path(sys.argv[1]))
    print(number, flush=True)
"""


@pytest.mark.parametrize("milliseconds", [0, 2, 5, 9])
def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path, milliseconds: int) -> None:
    path = tmp_path / "last.ckpt"
    writer = program(FOR_EVER, path)
    assert writer.stdout is not None
    finished = int(writer.stdout.readline())
    time.sleep(milliseconds / 1000)
    writer.send_signal(signal.SIGKILL)
    finished = max([finished, *map(int, writer.communicate()[0].split())])
    weight = WholeCheckpoints().load_checkpoint(path)["weight"]
    assert float(weight[0]) in (finished, finished + 1)
    assert bool((weight == weight[0]).all())


def test_what_a_kill_left_behind_is_tidied_and_nothing_else(tmp_path: Path) -> None:
    for name in (".last.ckpt.x1y2", ".best.ckpt.x1y2", "best.ckpt"):
        (tmp_path / name).write_bytes(b"half")
    WholeCheckpoints().save_checkpoint({"epoch": 0}, tmp_path / "last.ckpt")
    assert sorted(os.listdir(tmp_path)) == [".best.ckpt.x1y2", "best.ckpt", "last.ckpt"]
