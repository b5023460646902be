"""What each code weighs in a target's cost: charges, relative value units, severity."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surecode.codes.code_csv import code_rows
from surecode.codes.label_space import LabelSpace
from surecode.encounter import Code
from surecode.errors import InputError


@dataclass(frozen=True)
class CodeWeights:
    """What codes weigh: those of the label space `[K]` in its order, and all others of the file.

    ``fingerprint`` is the SHA-256 of the file.
    """

    own: NDArray[np.float64]
    others: dict[Code, float]
    fingerprint: str

    def outside(self, code_sets: Sequence[Collection[Code]], space: LabelSpace) -> list[float]:
        """What the codes outside of the label space weigh, for each of N code sets.

        Raises `InputError` where the file has no weight for one.
        """
        beyond = [[code for code in codes if code not in space] for codes in code_sets]
        missing = sorted({code for codes in beyond for code in codes if code not in self.others})
        if missing:
            raise InputError(
                f"weights: {len(missing)} gold codes outside of the label space have no weight, "
                f"the first is {missing[0]}; add them"
            )
        return [math.fsum(self.others[code] for code in codes) for codes in beyond]


def code_weights(path: Path, space: LabelSpace) -> CodeWeights:
    """Read the weights of codes.

    The file is a CSV with ``system,value,weight``. Raises `InputError` where a weight is no number
    of at least 0 or a code of the label space has none.
    """
    weights: dict[Code, float] = {}
    for where, code, cell in code_rows(path, "weight"):
        try:
            weight = float(cell)
        except ValueError:
            weight = math.nan
        if not (math.isfinite(weight) and weight >= 0.0):
            raise InputError(f"{where}: the weight is no number of at least 0; correct it")
        weights[code] = weight
    missing = [code for code in space.codes if code not in weights]
    if missing:
        raise InputError(
            f"{path}: {len(missing)} codes of the label space have no weight, the first is "
            f"{missing[0]}; add them"
        )
    own = np.array([weights.pop(code) for code in space.codes], dtype=np.float64)
    return CodeWeights(own, weights, hashlib.sha256(path.read_bytes()).hexdigest())
