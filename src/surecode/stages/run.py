"""``surecode run``: all stages of a run, one after the other, in one process."""

from __future__ import annotations

from collections.abc import Callable

from surecode.registry.tracking import point_to
from surecode.settings import Config
from surecode.stages.calibrate import calibrate
from surecode.stages.evaluate import evaluate
from surecode.stages.explain import explain
from surecode.stages.prepare import prepare
from surecode.stages.register import register
from surecode.stages.run_folder import Figures
from surecode.stages.train import train

STAGES: dict[str, Callable[[Config], Figures]] = {
    "prepare": prepare,
    "train": train,
    "calibrate": calibrate,
    "evaluate": evaluate,
    "explain": explain,
    "register": register,
}


def run(config: Config, announce: Callable[[str, Figures], None]) -> dict[str, Figures]:
    """Run every stage; ``announce`` is told of each as it finishes."""
    point_to(config.tracking)  # an unreachable server is told now, not after the training
    figures = {}
    for name, stage in STAGES.items():
        figures[name] = stage(config)
        announce(name, figures[name])
    return figures
