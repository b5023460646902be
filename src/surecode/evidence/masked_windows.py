"""An encounter's windows with some of its tokens masked.

Legend: W windows, L tokens of a window, T content tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from surecode.evidence.mentions import Place


class CodedWindows(Protocol):
    """The windows of one encounter, as `surecode.data.windows.Windows` has them."""

    @property
    def input_ids(self) -> Sequence[NDArray[np.int64]]:
        """W arrays ``[<= L]``, special tokens included."""

    @property
    def content(self) -> Sequence[slice]:
        """W: where the content tokens stand in each window."""

    @property
    def document(self) -> NDArray[np.int64]:
        """``[T]`` position of each token's document."""

    @property
    def offsets(self) -> NDArray[np.int64]:
        """``[T, 2]`` characters of each token, half-open."""


def tokens_of(places: Iterable[Place], windows: CodedWindows) -> NDArray[np.bool_]:
    """Which content tokens ``[T]`` share a character with one of the places.

    Where windows overlap, both copies of a token do.
    """
    start, end = windows.offsets.T
    inside = np.zeros(len(windows.document), dtype=bool)
    for document, begin, stop in places:
        inside |= (windows.document == document) & (start < stop) & (end > begin)
    return inside


class MaskedWindows:
    """Puts the mask token in the place of content tokens; special tokens stay.

    Args:
        windows: the encounter's windows.
        mask_id: the token that stands for "no word here".
    """

    def __init__(self, windows: CodedWindows, mask_id: int) -> None:
        self._windows, self._mask_id = windows, mask_id
        sizes = [place.stop - place.start for place in windows.content]
        ends = np.cumsum(sizes)
        self.pieces = [
            slice(int(end) - size, int(end)) for end, size in zip(ends, sizes, strict=True)
        ]

    def __call__(self, masked: NDArray[np.bool_]) -> list[NDArray[np.int64] | None]:
        """W windows' token ids, each ``[l]``, with tokens ``[T]`` masked; None: as it was."""
        found: list[NDArray[np.int64] | None] = []
        for ids, place, piece in zip(
            self._windows.input_ids, self._windows.content, self.pieces, strict=True
        ):
            changed = ids.copy()
            changed[place][masked[piece]] = self._mask_id
            found.append(None if np.array_equal(changed, ids) else changed)
        return found
