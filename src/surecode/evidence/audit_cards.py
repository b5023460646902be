"""The cards of an audit page: one for each assigned code, with its words in their context.

Shares that speak for the coder are rounded down, those that speak against it up.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping

from surecode.evidence.audit_content import AuditCode, AuditSpan, AuditVerification, Status
from surecode.evidence.audit_marks import (
    SHOWN_MENTIONS,
    line_of,
    link_id,
    mark_id,
    mentions_elsewhere,
)
from surecode.page.characters import escaped, text

CONTEXT = 40  # characters on each side of a quote
QUOTE = 300  # characters of a quote in a card; the mark in the document is whole
_FIRST_WORD = re.compile(r"\A\S*\s+")
_LAST_WORD = re.compile(r"\s+\S*\Z")

# A sign, a word and a sentence each: the sign is for the eye, and no colour is needed to read it.
_BADGES: Mapping[Status | None, tuple[str, str, str]] = {
    "verified": ("●", "verified", "The code depends on the marked words."),
    "partial": ("◐", "partly verified", "The code depends on the marked words in part."),
    "diffuse": ("○", "diffuse", "The code hardly depends on the marked words."),
    "none": ("–", "no words", "There are no words to verify the code by."),
    None: ("–", "not verified", "Whether the code depends on the marked words was not tested."),
}
# What lets words stand for a code; all else that is said of words is set off.
_PLAIN = frozenset({"affirmed", "certain", "current", "patient"})


def card(code: AuditCode, number: int, shown: Mapping[str, str]) -> str:
    """The ``article`` of the code that is ``number`` (from 1).

    ``shown`` are the `visible` texts of the documents by their ids.
    """
    sign, status, _ = badge = _BADGES[code.verification.status if code.verification else None]
    share = down(code.probability)
    kind = code.verification.status if code.verification else "unknown"
    parts = [
        f'<article class="card" id="c{number}" aria-labelledby="c{number}-title">',
        f'<h3 id="c{number}-title"><span class="number u {line_of(number)} l0">{number}</span> '
        f"<code>{text(code.value)}</code> {text(code.title or 'without a title')}</h3>",
        f'<p class="line"><span class="bar" aria-hidden="true">'
        f'<span style="width: {min(code.probability, 1.0):.1%}"></span></span> '
        f"Probability {share}. "
        f'<span class="badge {kind}"><span aria-hidden="true">{sign}</span> {status}</span></p>',
        _list("flag", code.reasons),
        _list("flag", (f"Finding: {words}" for words in code.findings)),
        _spans(code, number, shown),
        f'<p class="quiet">{_verified(badge[2], code.verification)}</p>',
        f'<p class="quiet">{text(code.system)}, release {text(code.release)}, source '
        f"{text(code.source)}.</p>",
        "</article>",
    ]
    return "\n".join(part for part in parts if part)


def down(share: float) -> str:
    """A share in percent that is no more than it is: .9999 is 99.9%, not 100.0%."""
    return f"{math.floor(min(share, 1.0) * 1000.0 + 1e-9) / 10.0:.1f}%"


def up(share: float) -> str:
    """A share in percent that is no less than it is."""
    return f"{math.ceil(min(share, 1.0) * 1000.0 - 1e-9) / 10.0:.1f}%"


def _spans(code: AuditCode, number: int, shown: Mapping[str, str]) -> str:
    if not code.spans:
        return (
            "<p>No words of the documents speak for this code by themselves: look for its reason "
            "in the whole of them.</p>"
        )
    rows = (_span(code, number, at, shown) for at in range(1, len(code.spans) + 1))
    return '<ol class="spans">\n' + "\n".join(rows) + "\n</ol>"


def _span(code: AuditCode, number: int, at: int, shown: Mapping[str, str]) -> str:
    span = code.spans[at - 1]
    before, quote, after = _in_context(span, shown[span.document_id])
    said = [f"{down(span.score)} of what speaks for the code"]
    if len(shown) > 1:
        said.append(f"document {span.document_id}")
    if span.section:
        said.append(f"section {span.section}")
    notes = [text(", ".join(said))]
    notes += [
        text(words) if words in _PLAIN else f"<strong>{text(words)}</strong>"
        for words in span.assertion
    ]
    if span.low:
        notes.append("<strong>weak</strong>")
    return (
        f'<li><a class="to" id="{link_id(number, at)}" href="#{mark_id(number, at)}">'
        f'{number}.{at}<span class="hidden"> of {text(code.value)}, to the document</span></a> '
        f'<bdi class="context" translate="no">{before}<mark class="m1">{quote}</mark>{after}</bdi>'
        f'<br><span class="quiet">{", ".join(notes)}{_elsewhere(code, number, at)}</span></li>'
    )


def _elsewhere(code: AuditCode, number: int, at: int) -> str:
    """Links to the other places where the words of the span stand."""
    count = len(mentions_elsewhere(code.spans[at - 1], code))
    if not count:
        return ""
    links = " ".join(
        f'<a href="#{mark_id(number, at, place)}" aria-label="other place {place}">{place}</a>'
        for place in range(1, min(count, SHOWN_MENTIONS) + 1)
    )
    more = f", and {count - SHOWN_MENTIONS} more" if count > SHOWN_MENTIONS else ""
    return f"; the same words elsewhere: {links}{more}"


def _in_context(span: AuditSpan, shown: str) -> tuple[str, str, str]:
    """HTML of what stands before the quote, of the quote, and of what stands behind it."""
    start, end = max(0, span.start - CONTEXT), min(len(shown), span.end + CONTEXT)
    while start < span.start and _continues(shown[start]):
        start += 1
    while end < len(shown) and _continues(shown[end]):
        end += 1
    before, after = shown[start : span.start], shown[span.end : end]
    # No part of a word stands at the border, unless the whole context is one word.
    if start > 0 and not shown[start - 1].isspace():
        before = _FIRST_WORD.sub("", before, count=1)
    if end < len(shown) and not shown[end].isspace():
        after = _LAST_WORD.sub("", after, count=1)
    quote = shown[span.start : span.end]
    if len(quote) > QUOTE:
        quote = f"{quote[: QUOTE // 2]} […] {quote[-QUOTE // 2 :]}"
    return (
        ("…" if start > 0 else "") + escaped(before),
        escaped(quote),
        escaped(after) + ("…" if end < len(shown) else ""),
    )


def _continues(character: str) -> bool:
    """Whether the character is part of the one before it: an accent, a joiner, a skin colour."""
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _verified(sentence: str, found: AuditVerification | None) -> str:
    if found is None:
        return sentence
    said = []
    if found.p_without is not None:
        said.append(f"{up(found.p_without)} without them")
    if found.p_only is not None:
        said.append(f"{down(found.p_only)} with nothing else")
    figures = f" Probability {', '.join(said)}." if said else ""
    if found.flips is None:
        return sentence + figures
    change = "would not" if found.flips else "would still"
    return f"{sentence}{figures} Without them the code {change} be assigned."


def _list(kind: str, words: Iterable[str]) -> str:
    rows = "".join(f"<li>{text(item)}</li>" for item in words)
    return f'<ul class="{kind}">{rows}</ul>' if rows else ""
