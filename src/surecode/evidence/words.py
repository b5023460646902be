"""Token contributions → scores of words, in the document's own characters.

Legend: T tokens, E.g. "pneumonia" may be three tokens; a reader marks words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def score_words(
    texts: Sequence[str],
    document: NDArray[np.int64],
    offsets: NDArray[np.int64],
    contributions: NDArray[np.floating],
) -> list[Word]:
    """Sum contributions ``[T]`` by word.

    Args:
        texts: the documents' texts, in the encounter's order.
        document: ``[T]`` position of each token's document.
        offsets: ``[T, 2]`` characters of each token, half-open.
        contributions: ``[T]`` what each token adds to one code's logit.

    Returns:
        The words that hold at least one token, in reading order. Tokens of punctuation belong to
        no word; their contribution stays in the logit, not in the evidence.
    """
    words: list[Word] = []
    for position, text in enumerate(texts):
        spans = np.array([match.span() for match in WORD.finditer(text)]).reshape(-1, 2)
        if not len(spans):
            continue
        mine = document == position
        starts, ends, scores = offsets[mine, 0], offsets[mine, 1], contributions[mine]
        # The last word that the token touches: byte-level tokens carry a leading space, and an
        # unknown word takes the sign behind it along ("K↑" is one token of WordPiece).
        holder = np.searchsorted(spans[:, 0], ends, side="left") - 1
        inside = (holder >= 0) & (starts < spans[holder, 1])
        total = np.bincount(holder[inside], weights=scores[inside], minlength=len(spans))
        for index in np.unique(holder[inside]):
            start, end = spans[index]
            words.append(Word(position, int(index), int(start), int(end), float(total[index])))
    return words
