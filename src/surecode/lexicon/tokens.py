"""The tokens of `coder/dictionary`, fast: words and marks, folded, each with its place in the text.

`surecode.coder.dictionary.tokens` folds every character and remembers where it came from. Nearly
all texts need no such memory: where every character folds to something of its own kind, words may
be cut from the text as it is, and each distinct word is folded once. Other texts, such as those
with accents of their own behind the letter, take the slow way. A test compares the two.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from surecode.coder.dictionary import tokens as slow_tokens

Offsets = NDArray[np.int64]  # [n] code points of the text

_TOKEN = re.compile(r"\w+|\S")
_IS_FILLED = np.array([not chr(point).isspace() for point in range(0x3002)])  # no space beyond


def fold(word: str) -> str:
    """A word without case and accents; folding again changes nothing."""
    folded = word.casefold()
    if folded.isascii():
        return folded
    return "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))


def pieces(text: str) -> tuple[list[str], Offsets, Offsets]:
    """The n words and marks of a text, to be folded one by one, and where each starts and ends."""
    if (
        not text.isascii()
        and _UNUSUAL.search(text)
        and not all(map(_REGULAR.__getitem__, set(text)))
    ):
        words, places = slow_tokens(text)
        starts, ends = np.array(places, dtype=np.int64).reshape(-1, 2).T
        return words, starts, ends
    words = _TOKEN.findall(text)
    # Words and marks are all that is no space, so their lengths count the characters in between.
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    filled = np.flatnonzero(_IS_FILLED[np.minimum(points, len(_IS_FILLED) - 1)])
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    behind = np.cumsum(lengths)
    return words, filled[behind - lengths], filled[behind - 1] + 1


def place_of(starts: Sequence[int], start: int, end: int) -> tuple[int, int]:
    """The words of the characters ``start`` to ``end``, half-open; one at least.

    ``starts`` are where the n words of the text start.
    """
    first = max(bisect_right(starts, start) - 1, 0)
    return first, max(bisect_left(starts, end), first + 1)


def tokens(text: str) -> tuple[str, ...]:
    """The folded tokens of a text."""
    return tuple(map(fold, pieces(text)[0]))


def _kind(character: str) -> str:
    if character.isalnum() or character == "_":
        return "word"
    return "space" if character.isspace() else "mark"


def _is_regular(character: str) -> bool:
    """Whether a text may be cut before this character is folded.

    It folds to characters of its own kind, a mark to one alone.
    """
    folded, kind = fold(character), _kind(character)
    return (
        bool(folded)
        and all(_kind(c) == kind for c in folded)
        and (kind != "mark" or len(folded) == 1)
    )


class _Regular(dict[str, bool]):
    def __missing__(self, character: str) -> bool:
        self[character] = _is_regular(character)
        return self[character]


_REGULAR = _Regular()


def _unusual() -> re.Pattern[str]:
    """Any character outside of the regular ones of Latin script and general punctuation."""
    points = [*range(0x250), *range(0x2000, 0x2070)]
    kept = [point for point in points if _is_regular(chr(point))]
    ranges = []
    for _, run in groupby(enumerate(kept), lambda pair: pair[1] - pair[0]):
        members = [point for _, point in run]
        ranges.append(f"\\u{members[0]:04x}-\\u{members[-1]:04x}")
    return re.compile(f"[^{''.join(ranges)}]")


_UNUSUAL = _unusual()
