"""Where a term stands that proposes a code."""

from __future__ import annotations

from dataclasses import dataclass

from surecode.encounter import Span
from surecode.evidence.assertion import Assertion
from surecode.lexicon.meaning import usable
from surecode.lexicon.term import Source


@dataclass(frozen=True, slots=True)
class Place:
    """Where a term stands that proposes a code: spans of one document, in order."""

    spans: tuple[Span, ...]
    source: Source
    rule: str
    match: str
    probability: float
    meant: Assertion

    @property
    def rank(self) -> tuple[object, ...]:
        """Best first: affirmed, likely, side by side, early."""
        return (not usable(self.meant), -self.probability, len(self.spans), self.spans[0])
