"""Overlapping stretches of a text cut into pieces that each lie in the same stretches throughout.

HTML elements nest and spans do not, so whoever marks spans in a page first cuts the text at all
their ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

from surecode.errors import InputError


class Stretch(Protocol):
    """Characters ``start`` to ``end`` of a text: half-open, code points."""

    @property
    def start(self) -> int:
        """The first character."""

    @property
    def end(self) -> int:
        """The character behind the last."""


S = TypeVar("S", bound=Stretch)


@dataclass(frozen=True)
class Piece(Generic[S]):
    """Characters ``start`` to ``end`` and the stretches that hold all of them.

    ``over``, ``begins`` (those that start here) and ``ends`` (those that end here) keep the order
    in which the stretches were given.
    """

    start: int
    end: int
    over: tuple[S, ...]
    begins: tuple[S, ...]
    ends: tuple[S, ...]


def pieces(length: int, stretches: Sequence[S]) -> Iterator[Piece[S]]:
    """The pieces of a text of ``length`` characters from left to right; none of an empty text.

    Raises:
        InputError: a stretch is empty or does not lie inside the text.
    """
    for stretch in stretches:
        if not 0 <= stretch.start < stretch.end <= length:
            raise InputError(
                f"mark {stretch.start}-{stretch.end} does not lie in a text of {length} "
                "characters; give the document that the span belongs to"
            )
    cuts = sorted({0, length}.union(*((s.start, s.end) for s in stretches)))
    starting = sorted(range(len(stretches)), key=lambda at: stretches[at].start)
    open_at: set[int] = set()
    taken = 0
    for start, end in pairwise(cuts):
        open_at = {at for at in open_at if stretches[at].end > start}
        while taken < len(starting) and stretches[starting[taken]].start == start:
            open_at.add(starting[taken])
            taken += 1
        over = tuple(stretches[at] for at in sorted(open_at))
        yield Piece(
            start,
            end,
            over,
            begins=tuple(s for s in over if s.start == start),
            ends=tuple(s for s in over if s.end == end),
        )
