"""One rank: ``python -m surecode.launch.rank_process PARENT RESOLVED``, started by the launcher.

It ends when its parent does, however that ends: a rank that is left alone would wait for its peers
and hold its device for ever. Bad input is left as one line where the launcher finds it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

from surecode.errors import InputError

PR_SET_PDEATHSIG = 1  # prctl(2), Linux


def main(words: list[str]) -> int:
    """Train as ``RESOLVED`` says; returns the exit code, 2 for bad input."""
    parent, resolved = int(words[0]), Path(words[1])
    end_with(parent)
    try:
        train_resolved(resolved)
    except InputError as error:
        _refuse(" ".join(str(error).splitlines()))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def end_with(parent: int) -> None:
    """Have the system kill this process when the parent ends; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended while this process was starting
        os.kill(os.getpid(), signal.SIGKILL)


def train_resolved(resolved: Path) -> None:
    """Run the stage `train` in this process; raises `InputError` for bad input."""
    import surecode.cli  # noqa: F401 - sets what libraries read when they are imported
    from surecode.launch.resolved import read_resolved
    from surecode.stages.train import train

    try:
        train(read_resolved(resolved))
    except OSError as error:
        place = error.filename or "a file"
        raise InputError(
            f"{place}: {error.strerror}; check that it can be read and written"
        ) from error


def _refuse(line: str) -> None:
    """Leave the line where torch's agent looks for the reason of a failure."""
    place = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if place:
        reason = {"message": line, "extraInfo": {"timestamp": str(int(time.time()))}}
        Path(place).write_text(json.dumps({"message": reason}), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
