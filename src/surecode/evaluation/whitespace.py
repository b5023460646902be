"""The same note with other white space, as it leaves another system."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

ADDED = -1  # the origin of a character that the text did not have

_RUN = re.compile(r"\s+")
# A run without a line break stays one without, and a line break stays one: whether lines end is
# what a note says, how wide a gap is is not.
_GAPS = ("  ", "   ", "\t", " \t", "\u00a0")
_BREAKS = (" \n", "\n ", "\n\n", "\r\n", "\t\n")
_ENDS = ("", " ", "\n", "\n\n")


def perturb_whitespace(text: str, seed: int, *, rate: float = 0.3) -> tuple[str, NDArray[np.int64]]:
    """The text with some of its white space replaced, and where its characters come from.

    Each run of white space is replaced with probability ``rate``, and so are the ends of the text.
    All other characters stay, in order, and no white space appears between two of them that had
    none. The same seed gives the same text.

    Returns:
        The new text, and ``[new length]`` the position in ``text`` of each of its characters,
        `ADDED` for white space that was put there.
    """
    generator = np.random.default_rng(seed)
    pieces: list[str] = []
    origin: list[int] = []

    def keep(start: int, end: int) -> None:
        pieces.append(text[start:end])
        origin.extend(range(start, end))

    def add(space: str) -> None:
        pieces.append(space)
        origin.extend([ADDED] * len(space))

    def choose(choices: tuple[str, ...]) -> str:
        return choices[generator.integers(len(choices))]

    if generator.random() < rate:
        add(choose(_ENDS))
    done = 0
    for run in _RUN.finditer(text):
        keep(done, run.start())
        if generator.random() < rate:
            add(choose(_BREAKS if "\n" in run.group() else _GAPS))
        else:
            keep(*run.span())
        done = run.end()
    keep(done, len(text))
    if generator.random() < rate:
        add(choose(_ENDS))
    return "".join(pieces), np.array(origin, dtype=np.int64)
