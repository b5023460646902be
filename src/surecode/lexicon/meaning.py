"""How the places of hits are meant: affirmed or negated, certain, current, of the patient."""

from __future__ import annotations

from collections.abc import Sequence

from surecode.encounter import Encounter
from surecode.evidence.assertion import Assertion, assertion
from surecode.evidence.sections import sections
from surecode.lexicon.lexicon import Hit


def said(encounter: Encounter, hits: Sequence[Hit]) -> list[Assertion]:
    """How each hit is meant, ``[hits]``; each document's sections and each place are read once."""
    texts = {document.document_id: document.text for document in encounter.documents}
    found = {name: sections(texts[name]) for name in {hit.span.document_id for hit in hits}}
    meant = {
        span: assertion(texts[span.document_id], span.start, span.end, found[span.document_id])
        for span in {hit.span for hit in hits}
    }
    return [meant[hit.span] for hit in hits]


def usable(meant: Assertion) -> bool:
    """Whether a hit may stand for its code: not negated, not hypothetical, not of the family."""
    return not meant.contrary
