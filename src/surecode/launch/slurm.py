"""A training as a SLURM job, by submitit: one task per device, queued again when preempted.

submitit owns the requeue. At the warning that SLURM sends ahead of a preemption or of the end of
the job's time, the training writes its checkpoint and calls submitit's own handler, which asks
`TrainTask.checkpoint` for what to run next and queues the job again (`coder/preemption.py`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surecode.errors import InputError
from surecode.files import read_json, write_json
from surecode.settings import Config

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job
    from submitit.core.utils import DelayedSubmission

# Another submitit cluster than SLURM: "local" runs the same job as processes of this machine.
CLUSTER = "SURECODE_SUBMITIT_CLUSTER"
# From the warning to the end: a batch or a validation, a checkpoint, the requeue.
WARNING_SECONDS = 120


@dataclass(frozen=True)
class TrainTask:
    """What every task of the job runs; submitit pickles it into the job's folder.

    Args:
        resolved: the settings, as every rank reads them.
        run_folder: the run that it trains.
        threads: for torch, in each task.
        preemptions: how often the job may still be queued again.
    """

    resolved: Path
    run_folder: Path
    threads: int
    preemptions: int

    def __call__(self) -> None:
        """Train as one rank; raises `InputError` with one line for bad input."""
        _become_rank(self.run_folder, self.threads)
        from surecode.launch.rank_process import train_resolved

        train_resolved(self.resolved)

    def checkpoint(self) -> DelayedSubmission | None:
        """What runs when the job is queued again: the same; None where that was often enough."""
        from submitit.core.utils import DelayedSubmission

        if self.preemptions == 0:
            return None
        return DelayedSubmission(replace(self, preemptions=self.preemptions - 1))


def submit(config: Config, resolved: Path, cluster: str | None = None) -> str | None:
    """Queue the training, or find the job of this run that is queued already.

    Args:
        config: the settings; ``launcher`` says how large the job is and where it may run.
        resolved: the file that every task reads.
        cluster: submitit's name of the cluster; None for ``SURECODE_SUBMITIT_CLUSTER`` or SLURM.

    Returns:
        The job's id where it was not waited for, None where the training has ended.

    Raises:
        InputError: submitit or SLURM is absent, SLURM refuses the job, or the job failed.
    """
    cluster = cluster or os.environ.get(CLUSTER, "slurm")
    folder = (config.run_folder / "launch" / "slurm").resolve()
    executor = _executor(config, folder, cluster)
    job = _queued(folder) if cluster == "slurm" else None
    if job is None:
        job = _submit(executor, _task(config, resolved), folder)
        _say(f"job {job.job_id} is queued; its messages are in {folder}")
    else:
        _say(f"job {job.job_id} of this run is queued or running already; its messages: {folder}")
    if not config.launcher.wait:
        return str(job.job_id)
    _wait(job, folder)
    return None


def _task(config: Config, resolved: Path) -> TrainTask:
    settings = config.launcher
    return TrainTask(
        resolved.resolve(),
        config.run_folder.resolve(),
        settings.cpus_per_task,
        settings.preemptions,
    )


def _executor(config: Config, folder: Path, cluster: str) -> AutoExecutor:
    try:
        from submitit import AutoExecutor
    except ImportError:
        raise InputError(
            'launcher=slurm: submitit is not installed; run pip install "surecode[slurm]"'
        ) from None
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise InputError(
            "launcher=slurm: there is no sbatch here; start it on a machine that can submit jobs, "
            "or set launcher=local"
        )
    settings = config.launcher
    executor = AutoExecutor(folder, cluster=cluster, slurm_max_num_timeout=settings.preemptions)
    executor.update_parameters(
        name=f"surecode-{config.specialty.name}",
        timeout_min=settings.minutes,
        nodes=config.trainer.nodes,
        tasks_per_node=config.trainer.devices,
        gpus_per_node=settings.gpus_per_node or None,
        cpus_per_task=settings.cpus_per_task,
        mem_gb=settings.memory_gb,
        slurm_partition=settings.partition,
        slurm_account=settings.account,
        slurm_signal_delay_s=WARNING_SECONDS,
        # A task that failed takes the others along; they would wait for it until time runs out.
        slurm_srun_args=["--kill-on-bad-exit=1"],
    )
    return executor


def _submit(executor: AutoExecutor, task: TrainTask, folder: Path) -> Job[Any]:
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        job = executor.submit(task)
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or ["no reason given"]
        raise InputError(
            f"launcher=slurm: the job was refused ({lines[-1].strip()}); correct launcher.*"
        ) from None
    write_json(folder / "job.json", {"job_id": str(job.job_id), "tasks": job.num_tasks})
    return job


def _queued(folder: Path) -> Job[Any] | None:
    """This run's job where SLURM still has it: two jobs must not write to one run folder."""
    record = folder / "job.json"
    command = shutil.which("squeue")
    if command is None or not record.exists():
        return None
    found = read_json(record, "delete it, if no job of this run is queued")
    words = [command, "--noheader", "--format=%T", f"--jobs={found['job_id']}"]
    asked = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    # SLURM forgets a job some minutes after its end, and then calls the id invalid.
    ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL")
    if asked.returncode or not asked.stdout.strip() or asked.stdout.strip() in ended:
        return None
    from submitit import SlurmJob

    return SlurmJob(folder=folder, job_id=found["job_id"], tasks=list(range(found["tasks"])))


def _wait(job: Job[Any], folder: Path) -> None:
    from submitit.core.utils import FailedJobError

    error = job.exception()
    if error is None:
        return
    refused = re.search(r"^surecode\.errors\.InputError: (.+)$", str(error), re.MULTILINE)
    if refused:
        raise InputError(refused[1])
    often = "Job not requeued because: checkpoint function returned None" in str(error)
    how = (
        "was preempted more often than launcher.preemptions allows"
        if often
        else "failed"
        if isinstance(error, FailedJobError)
        else "was cancelled, ran out of time or lost its machine"
    )
    raise InputError(
        f"job {job.job_id} {how}; its messages are in {folder}; the same command goes on from the "
        "last checkpoint"
    )


def _become_rank(run_folder: Path, threads: int) -> None:
    """Tell torch and Lightning about the other tasks, in the words of torch's elastic agent.

    Lightning's own reading of SLURM's variables would also requeue the job, which submitit does.
    """
    from submitit import JobEnvironment
    from submitit.helpers import TorchDistributedEnvironment

    from surecode.launch.ranks import RANK_OF

    job = JobEnvironment()
    torch_names = TorchDistributedEnvironment()
    os.environ.update(
        {
            RANK_OF: str(run_folder),
            "TORCHELASTIC_RUN_ID": str(job.job_id),
            "RANK": str(job.global_rank),
            "LOCAL_RANK": str(job.local_rank),
            "GROUP_RANK": str(job.node),
            "WORLD_SIZE": str(job.num_tasks),
            "LOCAL_WORLD_SIZE": str(job.num_tasks // job.num_nodes),
            "MASTER_ADDR": torch_names.master_addr if job.num_nodes > 1 else "127.0.0.1",
            "MASTER_PORT": str(torch_names.master_port),
        }
    )
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def _say(line: str) -> None:
    """One line while a person waits; the id must be known before the job ends."""
    sys.stderr.write(f"surecode: {line}\n")
    sys.stderr.flush()
