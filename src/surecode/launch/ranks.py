"""Several processes on this machine, one per device, by torch's elastic agent (torchrun).

The configuration is composed once, by the process that a person started; every rank reads the same
resolved file, so no two ranks can disagree and no sweep can start inside a rank.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from surecode.errors import InputError
from surecode.launch.resolved import write_resolved
from surecode.settings import Config

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

RANK_OF = "SURECODE_RANK_OF"  # the run folder that a rank works for
FORWARDED = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1,SIGUSR2"
# How long ranks may take from a signal to their end: a batch, a checkpoint, the farewell.
PATIENCE_SECONDS = 300


def inside() -> bool:
    """Whether this process is one rank of a training, whoever started it."""
    return (
        RANK_OF in os.environ
        or "TORCHELASTIC_RUN_ID" in os.environ
        # Not SLURM_NTASKS, which the batch script itself has too.
        or _number("SLURM_STEP_NUM_TASKS", 1) > 1
    )


def rank() -> int:
    """This process's place among all ranks; 0 logs and writes."""
    return _number("RANK" if _elastic() else "SLURM_PROCID", 0) if inside() else 0


def local_rank() -> int:
    """This process's place among those of its machine: the device that is its own."""
    return _number("LOCAL_RANK" if _elastic() else "SLURM_LOCALID", 0) if inside() else 0


def world() -> int:
    """How many ranks there are on all machines together."""
    return _number("WORLD_SIZE" if _elastic() else "SLURM_STEP_NUM_TASKS", 1) if inside() else 1


def check(config: Config) -> None:
    """Raise `InputError` where the ranks that were started are not the ones that are set."""
    wanted = config.trainer.devices * config.trainer.nodes
    if inside() and world() != wanted:
        raise InputError(
            f"trainer.devices={config.trainer.devices} trainer.nodes={config.trainer.nodes}: that "
            f"is {wanted} processes, but {world()} were started; make the two agree"
        )


def resolved_file(config: Config) -> Path:
    """Write the configuration that all ranks read; it holds what this launch was asked for.

    ``resolved.yaml`` of the run folder is that of the last `prepare`, and may name other devices.
    """
    path = config.run_folder / "launch" / "resolved.yaml"
    write_resolved(config, path)
    return path.resolve()


def launch(config: Config, resolved: Path | None = None) -> str | None:
    """Train in as many processes as the settings say, and wait for their end.

    Args:
        config: the settings; ``launcher.kind`` says where the processes run.
        resolved: the file that every rank reads; written from ``config`` where it is None.

    Returns:
        The id of the SLURM job where it was only queued (``launcher.wait=false``), else None.

    Raises:
        InputError: a rank refused its input (in that rank's own words) or failed; the launcher
            cannot do what is asked.
        Preempted: a signal came, and the ranks have written their checkpoint.
        KeyboardInterrupt: Ctrl-C came, and the ranks have ended.
    """
    if config.launcher.kind == "slurm":
        from surecode.launch.slurm import submit

        return submit(config, resolved or resolved_file(config))
    if config.trainer.nodes > 1:
        raise InputError(
            f"trainer.nodes={config.trainer.nodes}: launcher=local starts processes on one "
            "machine; set launcher=slurm, or start torchrun on every node (docs/cluster.md)"
        )
    _run_ranks(config, resolved or resolved_file(config))
    return None


def _run_ranks(config: Config, resolved: Path) -> None:
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    from surecode.coder.preemption import Preempted

    count = config.trainer.devices
    logs = config.run_folder / "launch" / "ranks"
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid.uuid4().hex[:8],
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",  # a port that is free
        local_addr="127.0.0.1",
        max_restarts=0,  # a failure is told, not tried again
        signals_to_handle=FORWARDED,
        shutdown_timeout=PATIENCE_SECONDS,
        # Rank 0 speaks to the terminal, the others to files.
        logs_specs=DefaultLogsSpecs(
            str(logs), redirects={n: Std.ALL if n else Std.NONE for n in range(count)}
        ),
    )
    words = ("-m", "surecode.launch.rank_process", str(os.getpid()), str(resolved))
    with _surroundings(_environment(config)):
        try:
            elastic_launch(settings, sys.executable)(*words)
        except SignalException as stop:
            if stop.sigval == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise Preempted(stop.sigval.name) from None
        except ChildFailedError as failed:
            raise _reason(failed.failures, logs) from None


def _reason(failures: Mapping[int, ProcessFailure], logs: Path) -> BaseException:
    """What to raise: the one failure that explains the others, which only lost their peer."""
    from surecode.coder.preemption import EXIT_CODE, Preempted

    found = sorted(failures.values(), key=lambda failure: failure.timestamp)
    for failure in found:
        # torch reads the file that `rank_process` leaves; without one its data say "<NONE>".
        if failure.exitcode == 2 and isinstance(failure.error_file_data["message"], dict):
            return InputError(failure.error_file_data["message"]["message"])
    if any(failure.exitcode == EXIT_CODE for failure in found):
        return Preempted("a signal")
    if any(failure.exitcode == 130 for failure in found):
        return KeyboardInterrupt()
    first = found[0]
    ended = (
        f"was killed by {signal.Signals(-first.exitcode).name}, by the system if memory ran out"
        if first.exitcode < 0
        else f"ended with exit code {first.exitcode}"
    )
    place = f"its messages are in {logs}" if first.local_rank else "its messages stand above"
    return InputError(
        f"training process {first.local_rank} {ended}; {place}; the same command goes on from the "
        "last checkpoint"
    )


def _environment(config: Config) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = max(1, (cores or 1) // config.trainer.devices)
    return {RANK_OF: str(config.run_folder), "OMP_NUM_THREADS": str(threads)} | {
        name: os.environ[name] for name in ("OMP_NUM_THREADS",) if name in os.environ
    }


@contextmanager
def _surroundings(variables: Mapping[str, str]) -> Iterator[None]:
    """The variables that ranks inherit, without the agent's chatter; all is put back at the end.

    The agent sets variables and signal handlers of this process and leaves them behind.
    """
    environment = dict(os.environ)
    names = [name.strip() for name in FORWARDED.split(",")]
    handlers = {number: signal.getsignal(number) for number in map(_signal, names)}
    quiet = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    os.environ.update(variables)
    try:
        yield
    finally:
        logging.disable(quiet)
        os.environ.clear()
        os.environ.update(environment)
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)


def _signal(name: str) -> signal.Signals:
    return signal.Signals[name]


def _elastic() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def _number(name: str, default: int) -> int:
    """An environment variable as a number, ``default`` where it is none."""
    try:
        return int(os.environ[name])
    except (KeyError, ValueError):
        return default
