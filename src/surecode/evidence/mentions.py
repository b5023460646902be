"""Where else the words of a span stand: the same text named again in the documents.

Annotators cite one mention of several as a rule (MDACE; Cheng et al. 2023), and a document that
says "pneumonia" nine times needs no nine spans.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from surecode.evidence.words import Word

# Document, start, end: characters of a document by its position in the encounter, half-open.
Place = tuple[int, int, int]


def overlaps(left: Place, right: Place) -> bool:
    """Whether two places share a character."""
    return left[0] == right[0] and left[1] < right[2] and right[1] < left[2]


class Mentions:
    """Finds places of the same text, cut at words and compared in lower case.

    Args:
        words: all words of the documents, in any order.
        texts: the documents' texts.
    """

    def __init__(self, words: Sequence[Word], texts: Sequence[str]) -> None:
        self._texts = texts
        self._ends = {(word.document, word.end) for word in words}
        self._starts: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._first = {}
        for word in words:
            lowered = texts[word.document][word.start : word.end].lower()
            self._starts[lowered].append((word.document, word.start))
            self._first[word.document, word.start] = lowered

    def of(self, place: Place) -> list[Place]:
        """All places of the same text, its own among them, in the order of the documents.

        "Pneumonia" is the same as "pneumonia" and not the same as "pneumonias".
        """
        document, start, end = place
        quote = self._texts[document][start:end].lower()
        first = self._first.get((document, start))
        among = self._starts[first] if first is not None else []
        length = end - start
        return sorted(
            {place}
            | {
                (where, begin, begin + length)
                for where, begin in among
                if (where, begin + length) in self._ends
                and self._texts[where][begin : begin + length].lower() == quote
            }
        )
