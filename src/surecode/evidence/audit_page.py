"""The audit page: what was coded of one encounter, and on which words, as one static HTML file.

It runs nothing and fetches nothing. The page holds the texts of the encounter, so it is kept where
they are kept, and its file name must not tell of the patient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from surecode.evidence.audit_cards import card
from surecode.evidence.audit_content import AuditPage
from surecode.evidence.audit_document import document_html, mark_styles
from surecode.evidence.audit_marks import marks_by_document
from surecode.evidence.audit_style import AUDIT_STYLE
from surecode.page.characters import text, visible
from surecode.page.elements import POLICY, items, page, paragraph, table

CAUTION = (
    "Marked are the words that the coder used. That is not clinical truth: a code can be wrong "
    "though words are marked, and right though others would have been the better reason."
)
HOW_TO_READ = (
    "Every code has a number and a line of its own. Numbers in the text, such as 3.1 for the first "
    "words of code 3, stand where the words begin and lead back to the code; =3.1 says that the "
    "same words stand here once more."
)


def audit_page(content: AuditPage) -> str:
    """The HTML; the same content gives the same page, byte for byte."""
    marks = marks_by_document(content.codes)
    shown = {document.document_id: visible(document.text) for document in content.documents}
    cards = [card(code, number, shown) for number, code in enumerate(content.codes, start=1)]
    documents = [
        document_html(document, at, marks.get(document.document_id, []))
        for at, document in enumerate(content.documents, start=1)
    ]
    return page(
        f"Coding of encounter {content.encounter_id}",
        [
            '<div class="columns">',
            _part("codes", f"Assigned codes: {len(cards)}", cards or [_no_code()]),
            _part("documents", f"Documents: {len(documents)}", documents),
            "</div>",
        ],
        before=_header(content),
        after=_footer(content),
        style=AUDIT_STYLE + mark_styles(mark for found in marks.values() for mark in found),
        policy=POLICY,
    )


def _header(content: AuditPage) -> list[str]:
    automatic = content.route == "auto"
    status = "Released without a person" if automatic else "Goes to a person"
    facts = [
        ("Specialty", content.specialty),
        ("Mode", content.mode),
        ("Confidence", _figure(content.confidence, "none")),
        ("Certified from", _figure(content.threshold, "nothing is certified")),
        ("Certificate", content.certificate_id or "none"),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{text(words)}</dd></div>" for name, words in facts)
    return [
        '<a class="skip" href="#codes">Skip to the codes</a>',
        '<a class="skip" href="#documents">Skip to the documents</a>',
        "<header>",
        f"<h1>Coding of encounter <bdi>{text(content.encounter_id)}</bdi></h1>",
        paragraph(f"{status}.", "status good" if automatic else "status bad"),
        items(content.reasons) if content.reasons else "",
        f'<dl class="facts">{rows}</dl>',
        paragraph(CAUTION, "note"),
        paragraph(HOW_TO_READ, "quiet"),
        "</header>",
    ]


def _footer(content: AuditPage) -> list[str]:
    documents = {document.document_id: document.sha256 for document in content.documents}
    return [
        "<footer>",
        "<h2>What this page rests on</h2>",
        *_rows("Versions.", ("What", "Version"), content.versions),
        *_rows("What decided, by SHA-256.", ("What", "SHA-256"), content.hashes),
        *_rows("Documents, by SHA-256 of their text.", ("Document", "SHA-256"), documents),
        paragraph(f"Certificate: {content.certificate_id or 'none'}."),
        paragraph(CAUTION),
        "</footer>",
    ]


def _rows(caption: str, heads: tuple[str, str], values: Mapping[str, str]) -> list[str]:
    return [table(caption, heads, values.items())] if values else []


def _part(name: str, heading: str, parts: Iterable[str]) -> str:
    # The target of a skip link, and a region that scrolls: both need the focus.
    return (
        f'<section id="{name}" aria-labelledby="{name}-title" tabindex="0">\n'
        f'<h2 id="{name}-title">{heading}</h2>\n' + "\n".join(parts) + "\n</section>"
    )


def _no_code() -> str:
    return paragraph("No code was assigned: none is probable enough. A person has to code this.")


def _figure(value: float | None, otherwise: str) -> str:
    if value is None:
        return otherwise
    return f"{value:.6f}" if math.isfinite(value) else "not a number"
