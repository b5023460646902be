"""What each code weighs in a target's cost: charges, relative value units, severity."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surecode.codes.code_csv import code_rows
from surecode.codes.label_space import LabelSpace
from surecode.errors import InputError


def code_weights(path: Path, space: LabelSpace) -> tuple[NDArray[np.float64], str]:
    """Weights `[K]` of the label space's codes, and the SHA-256 of the file they come from.

    The file is a CSV with ``system,value,weight``; rows of other codes are passed over. Raises
    `InputError` where a weight is no number of at least 0 or a code of the label space has none.
    """
    weights: dict[str, float] = {}
    for where, code, cell in code_rows(path, "weight"):
        try:
            weight = float(cell)
        except ValueError:
            weight = math.nan
        if not (math.isfinite(weight) and weight >= 0.0):
            raise InputError(f"{where}: the weight is no number of at least 0; correct it")
        weights[str(code)] = weight
    missing = [str(code) for code in space.codes if str(code) not in weights]
    if missing:
        raise InputError(
            f"{path}: {len(missing)} codes of the label space have no weight, the first is "
            f"{missing[0]}; add them"
        )
    found = np.array([weights[str(code)] for code in space.codes], dtype=np.float64)
    return found, hashlib.sha256(path.read_bytes()).hexdigest()
