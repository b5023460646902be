"""Where words stand that propose a code."""

from __future__ import annotations

from dataclasses import dataclass

from surecode.encounter import Span
from surecode.evidence.assertion import Assertion
from surecode.lexicon.meaning import usable
from surecode.lexicon.term import Source


@dataclass(frozen=True, slots=True)
class Place:
    """Where a term or a mention stands that proposes a code: spans of one document, in order.

    Attributes:
        spans: where its words stand.
        source: where the term comes from.
        rule: its stable name.
        match: how loosely it fits; ``scattered`` where its words stand apart, ``similar`` where it
            is a sentence that comes near to a wording, ``tagged`` where it is a mention that a
            tagger sees.
        probability: P(code | the term is found), or the mention's words.
        meant: how it is meant.
        marked: P(people mark exactly this place for the code), from the words around (`marks`), or
            ``probability`` where nothing is known of them.
    """

    spans: tuple[Span, ...]
    source: Source
    rule: str
    match: str
    probability: float
    meant: Assertion
    marked: float

    @property
    def rank(self) -> tuple[object, ...]:
        """Best first: affirmed, likely, side by side, early."""
        return (
            not usable(self.meant),
            -self.marked,
            -self.probability,
            len(self.spans),
            self.spans[0],
        )
