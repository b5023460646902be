"""What docs/cluster.md and the job files tell people to type is what the programs understand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from surecode.cli import VERBS
from surecode.config import compose_config, parse
from surecode.settings import Config

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "cluster.md").read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]


def settings_of(words: list[str]) -> Config:
    assert words[0] in VERBS
    return parse(Config, compose_config(words[0], words[1:]))


@pytest.mark.parametrize(
    "words", [c[1:] for c in COMMANDS if c[0] == "surecode"], ids=lambda words: " ".join(words)
)
def test_the_command_is_understood(words: list[str]) -> None:
    assert settings_of(words).trainer.devices > 1


def test_the_launchers_keys_are_the_ones_listed() -> None:
    listed = set(re.findall(r"`launcher\.(\w+)`", PAGE))
    known = set(settings_of(["train", "specialty=radiology"]).launcher.model_dump())
    assert listed == known - {"kind"}


def test_torchrun_understands_its_command() -> None:
    from torch.distributed.run import parse_args

    (words,) = [command for command in COMMANDS if command[0] == "torchrun"]
    found = parse_args(words[1:])
    assert (found.module, found.training_script) == (True, "surecode.cli")
    assert found.training_script_args[:2] == ["train", "--config"]
    (prepare,) = [
        c for c in COMMANDS if c[:2] == ["surecode", "prepare"] and "trainer.nodes=2" in c
    ]
    trainer = settings_of(prepare[1:]).trainer
    assert (found.nnodes, found.nproc_per_node) == (str(trainer.nodes), str(trainer.devices))


def test_the_kubernetes_job_runs_a_command_that_exists() -> None:
    job: dict[str, Any] = yaml.safe_load((ROOT / "scripts" / "kubernetes_job.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"][0] == "surecode"
    config = settings_of(container["command"][1:])
    assert config.trainer.devices == container["resources"]["limits"]["nvidia.com/gpu"]
    assert config.trainer.nodes == 1
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert all(any(path.is_relative_to(m) for m in mounted) for path in (config.runs, config.cache))
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    # A failure policy needs pods that are not restarted in place, and has the container's name.
    assert pod["restartPolicy"] == "Never"
    named = [
        r["onExitCodes"] for r in job["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in r
    ]
    assert {rule["containerName"] for rule in named} == {container["name"]}
    assert pod["terminationGracePeriodSeconds"] >= 120
