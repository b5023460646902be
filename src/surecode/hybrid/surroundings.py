"""The words of a place and those around it, as names for `sparse`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise

from surecode.encounter import Code
from surecode.evidence.language import Language
from surecode.lexicon.documents import document_language
from surecode.lexicon.senses import Sense, sense
from surecode.lexicon.tokens import fold, pieces, place_of

_BEFORE, _AFTER, _NEAR = 6, 14, 7  # words
_INSIDE = 40  # of a place whose words stand far apart
_SENSE = 40  # words and marks that the rules of senses look at, on either side


class Surroundings:
    """The folded words and marks of one text, to be looked up by their places."""

    def __init__(self, text: str) -> None:
        self._text = text
        words, starts, _ = pieces(text)
        self._words = [fold(word) for word in words]
        self._starts = starts.tolist()

    def names(self, start: int, end: int) -> Iterator[str]:
        """What stands at the characters ``start`` to ``end`` and beside, up to the next point.

        Words inside are told from those before and after, and pairs are named as well: "grado II"
        says more than its words.
        """
        first, last = place_of(self._starts, start, end)
        inside = self._words[first:last][:_INSIDE]
        before = list(self._until_end(range(first - 1, max(first - 1 - _BEFORE, -1), -1)))
        after = list(self._until_end(range(last, min(last + _AFTER, len(self._words)))))
        yield f"first:{inside[0]}"
        yield f"last:{inside[-1]}"
        yield from (f"in:{word}" for word in inside)
        yield from (f"in:{a} {b}" for a, b in pairwise(inside))
        yield from (f"before:{word}" for word in before)
        yield from (f"before:{b} {a}" for a, b in pairwise(before))
        yield from (f"after:{word}" for word in after[:_NEAR])
        yield from (f"later:{word}" for word in after[_NEAR:])
        yield from (f"after:{a} {b}" for a, b in pairwise(after))
        yield f"just before:{before[0] if before else ''}"
        yield f"just after:{after[0] if after else ''}"
        if len(before) > 1:
            yield f"just before:{before[1]} {before[0]}"
        if len(after) > 1:
            yield f"just after:{after[0]} {after[1]}"

    def sense(self, start: int, end: int, code: Code) -> Sense:
        """What the rules of ambiguous words say of the code there (`surecode.lexicon.senses`).

        The rules are those of the text's language, or all where it tells none.
        """
        first, last = place_of(self._starts, start, end)
        before, after = self._words[max(first - _SENSE, 0) : first], self._words[last:][:_SENSE]
        inside = self._words[first:last][:_INSIDE]
        return sense(inside, before, after, code, self._language)

    @cached_property
    def _language(self) -> Language | None:
        return document_language(self._text)

    def _until_end(self, places: range) -> Iterator[str]:
        """The words of places up to a point that no digit follows."""
        for place in places:
            word = self._words[place]
            if word == "." and not (
                place + 1 < len(self._words) and self._words[place + 1].isdigit()
            ):
                return
            yield word
