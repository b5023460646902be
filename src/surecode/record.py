"""The decision record: the full, replayable account of one encounter's coding.

It holds no time of day: the same encounter under the same bundle gives the same record, byte for
byte, alone or among others, today or after a restart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from surecode.errors import InputError

SCHEMA = "surecode.decision/3"

Route = Literal["auto", "review"]
Mode = Literal["autonomous", "assist"]


@dataclass(frozen=True)
class Place:
    """Characters ``start`` to ``end`` of a document: another mention of a quote."""

    document_id: str
    start: int
    end: int


@dataclass(frozen=True)
class Meaning:
    """How a quote is meant; its fields are those of `surecode.evidence.assertion.Assertion`."""

    polarity: str
    certainty: str
    time: str
    experiencer: str


@dataclass(frozen=True)
class Quote:
    """One span that a code stands on: ``text[start:end] == quote`` in the named document.

    ``score`` is its share of all that speaks for the code; ``section`` the kind of the section that
    it stands in; ``mentions`` the other places of the same words; ``low`` marks evidence of low
    confidence: the best there is, though not enough. ``rule`` is the stable name of the term that
    was found there, or in or beside the mention there, None where a network chose the words; that
    of a variant which no term names is its stem's. Pieces of one mention, whose words stand apart,
    share ``mention``, a number within the code.
    """

    document_id: str
    start: int
    end: int
    quote: str
    score: float
    section: str | None
    meaning: Meaning
    mentions: tuple[Place, ...]
    low: bool
    rule: str | None = None
    mention: int = 0


@dataclass(frozen=True)
class Deleted:
    """What becomes of a code's probability without its quotes, and with nothing but them."""

    status: Literal["verified", "partial", "diffuse", "none"]
    p_without: float | None
    p_only: float | None
    flips: bool


@dataclass(frozen=True)
class CodeDecision:
    """One assigned code, the probability that it is right, and its evidence.

    ``source`` says whose evidence is shown, that of terms or that of a network; ``parts`` what each
    would give the code alone, uncalibrated. ``doubt`` is why a person should look;
    ``verification`` is None where the evidence was not deleted.
    """

    system: str
    value: str
    release: str
    title: str | None
    probability: float
    source: Literal["neural", "lexicon"]
    parts: dict[str, float]
    evidence: tuple[Quote, ...]
    doubt: str | None
    verification: Deleted | None


@dataclass(frozen=True)
class DecisionRecord:
    """What was decided about an encounter, why, and by which versions.

    ``mode`` is "autonomous" where a certificate in force may release encounters without a person,
    "assist" where every encounter goes to review whatever its confidence. ``documents`` are the
    SHA-256 of the texts that were coded, by document id.
    """

    encounter_id: str
    specialty: str
    documents: dict[str, str]
    mode: Mode
    route: Route
    reasons: tuple[str, ...]
    codes: tuple[CodeDecision, ...]
    confidence: float
    threshold: float | None
    certificate_id: str | None
    versions: dict[str, str]
    hashes: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the schema's name first."""
        return {"schema": SCHEMA} | asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DecisionRecord:
        """The inverse of :meth:`to_dict`; raises `InputError` on another schema or wrong values."""
        plain = dict(values)
        if plain.pop("schema", None) != SCHEMA:
            raise InputError(f"decision record: is not of schema {SCHEMA}; code the encounter anew")
        try:
            # As JSON, so that lists become tuples and nothing else is taken for what it is not.
            return _reader().validate_json(json.dumps(plain), strict=True)
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
            raise InputError(
                f"decision record: {place} is wrong; code the encounter anew"
            ) from None

    def to_json(self, indent: int | None = None) -> str:
        """JSON text; the same record gives the same text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent, allow_nan=False)


@cache
def _reader() -> TypeAdapter[DecisionRecord]:
    return TypeAdapter(DecisionRecord)
