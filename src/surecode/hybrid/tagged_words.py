"""The words of a text, for a tagger: what stands at each and around, where sentences end, labels.

Nothing but the text is asked, so what a tagger says is news to terms.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from unicodedata import normalize

import numpy as np
from scipy import sparse

from surecode.encounter import Document, Encounter
from surecode.hybrid.sparse import hashed
from surecode.lexicon.tokens import fold, pieces, place_of

LABELS = ("B", "I", "E", "S", "O")  # a mention's first word, between, last, only one; any other
BEGIN, INSIDE, END, SINGLE, OUTSIDE = range(5)
# Whether the label in the column may follow that of the row [5, 5]: a mention's first word is
# followed by another of it, and its last by none.
MAY_FOLLOW = np.array(
    [[(a in (BEGIN, INSIDE)) == (b in (INSIDE, END)) for b in range(5)] for a in range(5)]
)
NEVER = -30.0  # score of a step that no mention takes
LONGEST = 30  # words of a mention
COLUMNS = 1 << 20  # that the names of what stands at words are hashed to
_AROUND = 3  # words on either side that a word's names tell
_RUN = re.compile(r"(.)\1+")


class TaggedWords:
    """The n words and marks of a document, in sentences."""

    def __init__(self, document: Document) -> None:
        self._text = document.text
        self._document = document.document_id
        self.words: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        words, starts, ends = pieces(document.text)
        for word, start, end in zip(words, starts.tolist(), ends.tolist(), strict=True):
            if self.words and self._continues(word, start):
                self.ends[-1] = end
            else:
                self.words.append(word)
                self.starts.append(start)
                self.ends.append(end)

    def _continues(self, word: str, start: int) -> bool:
        """Whether a mark repeats the one before in its line, such as dots and dashes do."""
        return (
            word == self.words[-1]
            and not (word.isalnum() or "_" in word)
            and "\n" not in self._text[self.ends[-1] : start]
        )

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

    @cached_property
    def folded(self) -> list[str]:
        """The words without accents and in lower case."""
        return [fold(word) for word in self.words]

    @cached_property
    def written(self) -> list[str]:
        """The words as they stand in the text, their accents not apart."""
        return [
            normalize("NFC", self._text[start:end])
            for start, end in zip(self.starts, self.ends, strict=True)
        ]

    @cached_property
    def shapes(self) -> list[str]:
        """Kinds of characters of the words, each run once: "Ki67" is "Aa0"."""
        return list(map(_shape, self.written))

    def rows(self) -> sparse.csr_matrix:
        """Names of what stands at each word and around, hashed ``[n, 2^20]``: 1 or 0."""
        folded, shapes = self.folded, self.shapes
        rows = hashed(
            (
                [*_spelled(word, shapes[n]), *_beside(n, folded, shapes)]
                for n, word in enumerate(folded)
            ),
            columns=COLUMNS,
            signed=False,
        )
        rows.data[:] = 1.0  # names that share a column count once
        return rows

    def labels(self, encounter: Encounter) -> list[int] | None:
        """What people marked in the document, ``[n]``; of overlapping mentions the longest.

        A mention in pieces is taken from its first to its last word; one that is longer than
        `LONGEST` or reaches over a sentence's end is left out. None where they marked nothing.
        """
        marked = set()
        for _, spans in encounter.mentions:
            here = [span for span in spans if span.document_id == self._document]
            if here:
                start, end = min(span.start for span in here), max(span.end for span in here)
                marked.add((start - end, start, end))
        if not marked or not self.words:
            return None
        labels = [OUTSIDE] * len(self.words)
        ends = [behind for _, behind in self.sentences]
        for _, start, end in sorted(marked):
            first, behind = place_of(self.starts, start, end)
            if behind - first > LONGEST or behind > ends[bisect_right(ends, first)]:
                continue
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
