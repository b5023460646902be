"""Codes that an encounter only denies: no place of a term can carry them.

What training says of denied places is learned, and some corpora mark them: CodiEsp's annotators
marked one diagnosis in ten where the note denies it. Who bills must not, so a coder may withhold
such codes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from surecode.codes.label_space import LabelSpace
from surecode.evidence.assertion_codes import fits
from surecode.hybrid.candidates import Candidates

# Log-odds of a code that is withheld, less than any that is learned.
WITHHELD = -15.0


def only_denied(proposed: Candidates, space: LabelSpace) -> list[int]:
    """Columns of the candidates no place of which can carry them.

    A family history carries its codes, and procedures any place
    (`surecode.evidence.assertion_codes`).
    """
    return [
        space.index(code)
        for code, places in zip(proposed.codes, proposed.places, strict=True)
        if code in space
        and places
        and not any(fits(place.meant, code.system, code.value) for place in places)
    ]


def withheld(logits: NDArray[np.float64], columns: Iterable[int]) -> NDArray[np.float64]:
    """Logits ``[K]`` with some columns withheld."""
    changed = logits.copy()
    changed[list(columns)] = WITHHELD
    return changed
