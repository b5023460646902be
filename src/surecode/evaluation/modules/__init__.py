"""The metrics as `evaluate` modules that load from the installed package, without a network.

Each module is a folder with a Python file of the same name, the layout that `evaluate.load`
wants; ``evaluate.load(str(folder(name)))`` and ``load(name)`` are the same.
"""

from __future__ import annotations

from pathlib import Path

import evaluate

from surecode.errors import InputError

MODULES = (
    "coding_f1",
    "codiesp_x",
    "evidence_auprc",
    "evidence_f1",
    "exact_match_ratio",
    "mean_average_precision",
)


def folder(name: str) -> Path:
    """The folder of one module; raises `InputError` for a name that is not in `MODULES`."""
    if name not in MODULES:
        raise InputError(f"evaluate module {name!r} is unknown; choose one of {list(MODULES)}")
    return Path(__file__).parent / name


def load(name: str) -> evaluate.EvaluationModule:
    """The loaded `evaluate` module; raises `InputError` for a name that is not in `MODULES`."""
    return evaluate.load(str(folder(name)))
