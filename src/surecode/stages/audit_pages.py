"""Decision records as audit pages: one HTML file per encounter, beside the run, never in MLflow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from surecode.encounter import Encounter, Span
from surecode.errors import InputError
from surecode.evidence.audit_content import (
    AuditCode,
    AuditDocument,
    AuditPage,
    AuditSpan,
    AuditVerification,
)
from surecode.evidence.audit_page import audit_page
from surecode.evidence.offsets import check_document, check_quote
from surecode.files import write_text
from surecode.record import CodeDecision, DecisionRecord, Quote


def write_pages(
    folder: Path, records: Iterable[DecisionRecord], encounters: Mapping[str, Encounter]
) -> list[Path]:
    """Write a page for each record; files are named by a hash, since ids may name people.

    Pages of earlier decisions are removed: they would speak for a certificate that is gone.
    """
    written: list[Path] = []
    for record in records:
        name = hashlib.sha256(record.encounter_id.encode("utf-8")).hexdigest()[:16]
        path = folder / f"{name}.html"
        write_text(path, audit_page(page_of(record, encounters[record.encounter_id])))
        written.append(path)
    for stale in set(folder.glob("*.html")) - set(written):
        stale.unlink()
    return written


def page_of(record: DecisionRecord, encounter: Encounter) -> AuditPage:
    """What the page of one encounter shows.

    Raises `InputError` where its documents are not those that were coded.
    """
    documents = {document.document_id: document for document in encounter.documents}
    if documents.keys() != record.documents.keys():
        raise InputError(
            f"encounter {record.encounter_id}: it has other documents than those that were coded; "
            "code it anew"
        )
    for name, sha256 in record.documents.items():
        check_document(documents[name], sha256)
    for code in record.codes:
        for quote in code.evidence:
            check_quote(documents[quote.document_id], quote.start, quote.end, quote.quote)
    return AuditPage(
        encounter_id=record.encounter_id,
        specialty=record.specialty,
        route=record.route,
        mode=record.mode,
        reasons=record.reasons,
        confidence=record.confidence,
        threshold=record.threshold,
        certificate_id=record.certificate_id,
        versions=record.versions,
        hashes=record.hashes,
        documents=tuple(
            AuditDocument(
                document.document_id,
                document.kind,
                document.text,
                record.documents[document.document_id],
            )
            for document in encounter.documents
        ),
        codes=tuple(map(_code, record.codes)),
    )


def _code(code: CodeDecision) -> AuditCode:
    found = code.verification
    return AuditCode(
        system=code.system,
        value=code.value,
        title=code.title,
        release=code.release,
        probability=code.probability,
        source=code.source,
        spans=tuple(map(_span, code.evidence)),
        verification=None
        if found is None
        else AuditVerification(found.status, found.p_without, found.p_only, found.flips),
        reasons=() if code.doubt is None else (code.doubt,),
    )


def _span(quote: Quote) -> AuditSpan:
    said = quote.meaning
    return AuditSpan(
        document_id=quote.document_id,
        start=quote.start,
        end=quote.end,
        quote=quote.quote,
        score=min(quote.score, 1.0),
        section=quote.section,
        assertion=(said.polarity, said.certainty, said.time, said.experiencer),
        mentions=tuple(Span(m.document_id, m.start, m.end) for m in quote.mentions),
        low=quote.low,
    )
