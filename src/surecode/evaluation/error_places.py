"""Where a note speaks of a code, and whether what it says there can carry the code.

Places come from mentions of codes found in the text, by the dictionary or another finder; how they
are meant comes from the rules of `surecode.evidence`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from surecode.encounter import Code, Encounter, Evidence, Span
from surecode.evidence.assertion import assertion
from surecode.evidence.assertion_codes import fits
from surecode.evidence.sections import section_of, sections

Reading = Literal["plain", "negated", "elsewhere"]

# Sections whose diagnoses are often not of this encounter.
ELSEWHERE = frozenset({"history", "family", "social", "allergies", "medication", "plan"})


@dataclass(frozen=True, slots=True)
class Found:
    """Words of a code at one place.

    ``reading`` is ``negated`` where they are negated, hypothetical or of the family and the code
    needs the contrary, ``elsewhere`` where they stand in a section of `ELSEWHERE`, else ``plain``.
    """

    span: Span
    reading: Reading = "plain"


def found_places(
    encounter: Encounter, mentions: Iterable[Evidence]
) -> dict[Code, tuple[Found, ...]]:
    """The places of each code that some mention of the encounter stands for.

    Args:
        encounter: with its documents.
        mentions: places of codes in these documents, such as `Dictionary.mentions` gives.
    """
    texts = {document.document_id: document.text for document in encounter.documents}
    headings = {name: sections(text) for name, text in texts.items()}
    places: defaultdict[Code, list[Found]] = defaultdict(list)
    for item in mentions:
        name, start, end = item.span.document_id, item.span.start, item.span.end
        said = assertion(texts[name], start, end, headings[name])
        section = section_of(headings[name], start)
        reading: Reading = "plain"
        if not fits(said, item.code.system, item.code.value):
            reading = "negated"
        elif section is not None and section.kind in ELSEWHERE:
            reading = "elsewhere"
        places[item.code].append(Found(item.span, reading))
    return {code: tuple(found) for code, found in places.items()}


def marked_places(encounter: Encounter) -> dict[Code, tuple[Span, ...]]:
    """The gold evidence of each code of the encounter; empty where the source marks none."""
    spans: defaultdict[Code, list[Span]] = defaultdict(list)
    for item in encounter.evidence:
        spans[item.code].append(item.span)
    return {code: tuple(of_code) for code, of_code in spans.items()}
