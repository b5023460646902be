"""Gold evidence → tokens: which tokens of an encounter a code stands on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from surecode.codes.label_space import LabelSpace
from surecode.data.windows import Windows
from surecode.encounter import Encounter


def evidence_tokens(
    windows: Windows, encounter: Encounter, label_space: LabelSpace
) -> NDArray[np.int64]:
    """Pairs of a code and a content token that shares a character with the code's evidence.

    Evidence of codes outside of the label space is left out. Where windows overlap, both copies of
    a token count.

    Args:
        windows: the encounter's own windows.
        encounter: with gold evidence, or without.
        label_space: gives codes their positions.

    Returns:
        ``[n, 2]`` rows (position of the code, position of the token in the encounter), sorted and
        without repetition.
    """
    places = {d.document_id: place for place, d in enumerate(encounter.documents)}
    start, end = windows.offsets.T
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for mark in encounter.evidence:
        if mark.code not in label_space:
            continue
        here = windows.document == places[mark.span.document_id]
        found = np.flatnonzero(here & (start < mark.span.end) & (end > mark.span.start))
        code = np.full(len(found), label_space.index(mark.code))
        pairs.append(np.stack([code, found], axis=1))
    return np.unique(np.concatenate(pairs).astype(np.int64), axis=0)
