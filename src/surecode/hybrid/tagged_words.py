"""The words of a text, for a tagger: what stands at each and around, where sentences end, labels.

Nothing but the text is asked, so what a tagger says is news to terms.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property

from scipy import sparse

from surecode.encounter import Document, Encounter
from surecode.hybrid.sparse import hashed
from surecode.lexicon.tokens import fold, pieces

LABELS = ("B", "I", "E", "S", "O")  # a mention's first word, between, last, only one; any other
BEGIN, INSIDE, END, SINGLE, OUTSIDE = range(5)
COLUMNS = 1 << 20  # that the names of what stands at words are hashed to
_AROUND = 3  # words on either side that a word's names tell
_RUN = re.compile(r"(.)\1+")


class TaggedWords:
    """The n words and marks of a document, in sentences."""

    def __init__(self, document: Document) -> None:
        self._text = document.text
        self._document = document.document_id
        self.words, starts, ends = pieces(document.text)
        self.starts: list[int] = starts.tolist()
        self.ends: list[int] = ends.tolist()

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The words of some characters, half-open; one at least."""
        first = max(bisect_right(self.starts, start) - 1, 0)
        return first, max(bisect_left(self.starts, end), first + 1)

    @cached_property
    def sentences(self) -> tuple[tuple[int, int], ...]:
        """First word of each and the one behind its last: a line or a point ends a sentence."""
        found, first = [], 0
        for n, word in enumerate(self.words):
            last = n + 1 == len(self.words)
            if (
                last
                or "\n" in self._text[self.ends[n] : self.starts[n + 1]]
                or (word == "." and self._text[self.starts[n + 1]].isupper())
            ):
                found.append((first, n + 1))
                first = n + 1
        return tuple(found)

    def rows(self) -> sparse.csr_matrix:
        """Names of what stands at each word and around, hashed ``[n, 2^20]``: 1 or 0."""
        folded = [fold(word) for word in self.words]
        shapes = [_shape(word) for word in self.words]
        rows = hashed(
            [
                [*_spelled(word, shapes[n]), *_beside(n, folded, shapes)]
                for n, word in enumerate(folded)
            ],
            columns=COLUMNS,
            signed=False,
        )
        rows.data[:] = 1.0  # names that share a column count once
        return rows

    def labels(self, encounter: Encounter) -> list[int] | None:
        """What people marked in the document, ``[n]``; of overlapping mentions the longest.

        None where they marked nothing in it.
        """
        marked = sorted(
            {
                (here[0].start - here[-1].end, here[0].start, here[-1].end)
                for _, spans in encounter.mentions
                if (here := [s for s in spans if s.document_id == self._document])
            }
        )
        if not marked or not self.words:
            return None
        labels = [OUTSIDE] * len(self.words)
        for _, start, end in marked:
            first, behind = self.place(start, end)
            if all(label == OUTSIDE for label in labels[first:behind]):
                labels[first:behind] = as_labels(behind - first)
        return labels


def as_labels(words: int) -> list[int]:
    """The labels of a mention of some words."""
    return [SINGLE] if words == 1 else [BEGIN, *[INSIDE] * (words - 2), END]


def _spelled(word: str, shape: str) -> Iterator[str]:
    yield f"word:{word}"
    yield f"shape:{shape}"
    yield from (f"ends:{word[-n:]}" for n in (2, 3, 4))
    yield from (f"begins:{word[:n]}" for n in (3, 4, 5))
    if word.isdigit():
        yield "digits"


def _shape(word: str) -> str:
    """Kinds of characters, each run once: "Ki67" is "Aa0"."""
    kinds = "".join(
        "0" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in word
    )
    return _RUN.sub(r"\1", kinds)


def _beside(n: int, words: Sequence[str], shapes: Sequence[str]) -> Iterator[str]:
    """Names of the words around the n-th."""
    for by in range(-_AROUND, _AROUND + 1):
        k = n + by
        if by == 0:
            continue
        if not 0 <= k < len(words):
            yield f"{by}:none"
            continue
        yield f"{by}:{words[k]}"
        if abs(by) < _AROUND:
            yield f"{by} ends:{words[k][-4:]}"
            yield f"{by} shape:{shapes[k]}"
    if n:
        yield f"pair:{words[n - 1]} {words[n]}"
    if n + 1 < len(words):
        yield f"pair behind:{words[n]} {words[n + 1]}"
