"""Token contributions → scores of words, in the document's own characters.

Legend: T tokens, V words, n codes. E.g. "pneumonia" may be three tokens; a reader marks words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surecode.errors import InputError

# A word keeps its inner points and hyphens: "T2a-b", "3.5", "S/P". It also keeps what `\w` leaves
# out though tokenizers read over it: accents as characters of their own (decomposed Unicode), soft
# hyphens and joiners, as text from a PDF has them.
_REST = r"[\w\u0300-\u036f\u00ad\u200b-\u200d\u2060]"
WORD = re.compile(rf"\w{_REST}*(?:[.\-/']\w{_REST}*)*")


@dataclass(frozen=True)
class Word:
    """A word of one document with the sum of its tokens' contributions to a logit."""

    document: int  # position of the document in the encounter
    index: int  # position of the word in the document
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class WordMap:
    """Which word every token of an encounter belongs to: made once, used for all of its codes."""

    places: NDArray[np.int64]  # [V, 4] document, index, start, end of each word, in reading order
    holder: NDArray[np.int64]  # [T] the token's word among them; -1: a token of punctuation

    def words(self, contributions: NDArray[np.floating]) -> list[Word]:
        """Sum contributions ``[T]`` to one code's logit by word.

        Raises:
            InputError: there is not one contribution per token, or one is not finite.
        """
        if contributions.shape != self.holder.shape:
            raise InputError(
                f"words: {contributions.shape} contributions to {self.holder.shape} tokens; "
                "give one per content token of the encounter"
            )
        if not np.isfinite(contributions).all():
            raise InputError(
                "words: a contribution is not a finite number; the network overflowed, so code in "
                "fp32 or train again"
            )
        inside = self.holder >= 0
        total = np.bincount(
            self.holder[inside], weights=contributions[inside], minlength=len(self.places)
        )
        return [
            Word(document, index, start, end, score)
            for (document, index, start, end), score in zip(
                self.places.tolist(), total.tolist(), strict=True
            )
        ]


def map_words(
    texts: Sequence[str], document: NDArray[np.int64], offsets: NDArray[np.int64]
) -> WordMap:
    """Find the word of every token.

    Args:
        texts: the documents' texts, in the encounter's order.
        document: ``[T]`` position of each token's document.
        offsets: ``[T, 2]`` characters of each token, half-open.

    Returns:
        The words that hold at least one token. Tokens of punctuation belong to no word; their
        contribution stays in the logit, not in the evidence.
    """
    places = [np.empty((0, 4), dtype=np.int64)]
    holders = np.full(len(document), -1, dtype=np.int64)
    found = 0
    for position, text in enumerate(texts):
        spans = np.array([match.span() for match in WORD.finditer(text)], dtype=np.int64)
        if not len(spans):
            continue
        mine = np.flatnonzero(document == position)
        starts, ends = offsets[mine].T
        # The last word that the token touches: byte-level tokens carry a leading space, and an
        # unknown word takes the sign behind it along ("K↑" is one token of WordPiece).
        holder = np.searchsorted(spans[:, 0], ends, side="left") - 1
        inside = (holder >= 0) & (starts < spans[holder, 1])
        held, place = np.unique(holder[inside], return_inverse=True)
        holders[mine[inside]] = found + place
        found += len(held)
        places.append(np.column_stack([np.full(len(held), position), held, spans[held]]))
    return WordMap(np.concatenate(places), holders)


def score_words(
    texts: Sequence[str],
    document: NDArray[np.int64],
    offsets: NDArray[np.int64],
    contributions: NDArray[np.floating],
) -> list[Word]:
    """Sum contributions ``[T]`` by word, in reading order: `map_words` for a single code.

    Raises:
        InputError: as `WordMap.words`.
    """
    return map_words(texts, document, offsets).words(contributions)
