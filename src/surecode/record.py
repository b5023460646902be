"""The decision record: the full, replayable account of one encounter's coding.

It holds no time of day: the same encounter under the same bundle gives the same record, byte for
byte, alone or among others, today or after a restart.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

SCHEMA = "surecode.decision/1"

Route = Literal["auto", "review"]
Mode = Literal["autonomous", "assist"]


@dataclass(frozen=True)
class Quote:
    """One span that a code stands on: ``text[start:end] == quote`` in the named document.

    ``score`` is its share of all that speaks for the code.
    """

    document_id: str
    start: int
    end: int
    quote: str
    score: float


@dataclass(frozen=True)
class CodeDecision:
    """One assigned code, the probability that it is right, and its evidence."""

    system: str
    value: str
    release: str
    title: str | None
    probability: float
    source: Literal["neural"]
    evidence: tuple[Quote, ...]


@dataclass(frozen=True)
class DecisionRecord:
    """What was decided about an encounter, why, and by which versions.

    ``mode`` is "autonomous" where a certificate in force may release encounters without a person,
    "assist" where every encounter goes to review whatever its confidence.
    """

    encounter_id: str
    specialty: str
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

    def to_json(self, indent: int | None = None) -> str:
        """JSON text; the same record gives the same text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent, allow_nan=False)
