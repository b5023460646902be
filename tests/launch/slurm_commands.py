"""A SLURM of one machine for the tests: sbatch, srun, squeue, scontrol and sacct as one program.

It is called under those names. What it knows lies in the folder ``SLURM_TEST_FOLDER``: ``N.sh`` is
job N's script, ``N.state`` its state, ``N.again`` is there when it is to be queued again.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ["SLURM_TEST_FOLDER"])


def sbatch(script: str) -> None:
    if (FOLDER / "refuse").exists():
        sys.exit("sbatch: error: Batch job submission failed: Invalid account")
    job = str(41 + len(list(FOLDER.glob("*.sh"))))
    shutil.copy(script, FOLDER / f"{job}.sh")
    (FOLDER / f"{job}.state").write_text("RUNNING")
    subprocess.Popen(
        [sys.executable, __file__, "run", job],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    print(f"Submitted batch job {job}")


def run(job: str) -> None:
    again, state = FOLDER / f"{job}.again", FOLDER / f"{job}.state"
    script = FOLDER / f"{job}.sh"
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", script.read_text(), re.MULTILINE))
    tasks = int(options["ntasks-per-node"]) * int(options["nodes"])
    environment = os.environ | {
        "SLURM_JOB_ID": job,
        "SLURM_NTASKS": str(tasks),
        "SLURM_NTASKS_PER_NODE": str(tasks),
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_JOB_NODELIST": socket.gethostname(),
    }
    code = 0
    for _ in range(10):
        code = subprocess.run(["bash", str(script)], env=environment).returncode
        if not again.exists():
            break
        again.unlink()
    state.write_text("FAILED" if code else "COMPLETED")


def srun(*words: str) -> None:
    words_left, places = list(words), {}
    while words_left[0].startswith("--"):
        name = words_left.pop(0)
        if name in ("--output", "--error"):
            places[name] = words_left.pop(0)
    tasks = []
    for task in range(int(os.environ["SLURM_NTASKS"])):
        files = []
        for name in ("--output", "--error"):
            place = places[name].replace("%j", os.environ["SLURM_JOB_ID"])
            files.append(Path(place.replace("%t", str(task))).open("a"))  # noqa: SIM115
        environment = os.environ | {
            "SLURM_PROCID": str(task),
            "SLURM_LOCALID": str(task),
            "SLURM_NODEID": "0",
            "SLURM_STEP_NUM_TASKS": os.environ["SLURM_NTASKS"],
        }
        tasks.append(
            subprocess.Popen(words_left, env=environment, stdout=files[0], stderr=files[1])
        )
    sys.exit(max(abs(task.wait()) for task in tasks))


def scontrol(verb: str, job: str) -> None:
    assert verb == "requeue"
    (FOLDER / f"{job}.again").touch()


def squeue(*words: str) -> None:
    job = next(word for word in words if word.startswith("--jobs=")).removeprefix("--jobs=")
    state = FOLDER / f"{job}.state"
    if not state.exists():
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    print(state.read_text())


def sacct(*words: str) -> None:
    print("JobID|State|NodeList")
    for state in FOLDER.glob("*.state"):
        print(f"{state.stem}|{state.read_text()}|here")


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(sys.argv[2])
    else:
        globals()[Path(sys.argv[0]).name](*sys.argv[1:])
