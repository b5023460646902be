"""What an audit page shows: plain values, checked against the documents where they are made.

A page that marks other words than those the coder used is worse than none, so a text that changed,
or offsets that count something else than code points, are refused. No message quotes a text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from surecode.encounter import Span
from surecode.errors import InputError

Status = Literal["verified", "partial", "diffuse", "none"]
STATUSES: tuple[Status, ...] = get_args(Status)

_ROUNDING = 1e-6  # a share that is a sum of floats may miss 1 by that much


@dataclass(frozen=True)
class AuditDocument:
    """One text of the encounter and the SHA-256 (hexadecimal, of UTF-8) it had when it was coded.

    ``language`` is that of the text (``es``, ``en-GB``), empty where it is not known.

    Raises `InputError` where the text does not fit the hash.
    """

    document_id: str
    kind: str
    text: str = field(repr=False)
    sha256: str
    language: str = ""

    def __post_init__(self) -> None:
        where = f"document {self.document_id!r}"
        try:
            found = hashlib.sha256(self.text.encode("utf-8")).hexdigest()
        except UnicodeEncodeError:
            raise InputError(
                f"{where}: the text holds half of a surrogate pair, which is no character; "
                "decode it anew from its source"
            ) from None
        if found != self.sha256:
            raise InputError(
                f"{where} does not fit its sha256: it is not the text that was coded; "
                "give that text or code the encounter anew"
            )


@dataclass(frozen=True)
class AuditSpan:
    """Words that a code stands on: ``text[start:end] == quote`` in the named document.

    Attributes:
        score: share of all that speaks for the code, from 0 to 1.
        section: the part of the note, such as ``assessment``; None where it is not known.
        assertion: what is said of the words, such as ``affirmed``, ``negated``, ``family``.
        mentions: other places where the same words stand, in any document of the encounter.
        low: whether the words were kept only because no others speak for the code more.
    """

    document_id: str
    start: int
    end: int
    quote: str = field(repr=False)
    score: float
    section: str | None = None
    assertion: tuple[str, ...] = ()
    mentions: tuple[Span, ...] = ()
    low: bool = False


@dataclass(frozen=True)
class AuditVerification:
    """What the coder says without the spans (``p_without``) and with nothing else (``p_only``).

    ``flips`` tells whether the code would not be assigned without the spans. None stands for a
    figure that was not computed.
    """

    status: Status
    p_without: float | None = None
    p_only: float | None = None
    flips: bool | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise InputError(
                f"verification {self.status!r} is not one of {list(STATUSES)}; correct the status"
            )
        for name, share in (("p_without", self.p_without), ("p_only", self.p_only)):
            if share is not None:
                _check_share(f"verification: {name}", share)


@dataclass(frozen=True)
class AuditCode:
    """One assigned code, how probable it is, its words, and what was found about it.

    Attributes:
        title: the code system's words for it; None where none may be shown.
        source: what proposed it, such as ``neural``.
        spans: best first; empty where no words speak for the code.
        verification: None where the spans were not verified.
        findings: what rules say about the code, in words.
        reasons: why the code goes to a person, in words.
    """

    system: str
    value: str
    title: str | None
    release: str
    probability: float
    source: str
    spans: tuple[AuditSpan, ...] = ()
    verification: AuditVerification | None = None
    findings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_share(f"code {self.system}:{self.value}: the probability", self.probability)
        for span in self.spans:
            _check_share(f"code {self.system}:{self.value}: the score of a span", span.score)


@dataclass(frozen=True)
class AuditPage:
    """All that the page of one encounter shows.

    ``confidence`` may be NaN or None where there is none; ``threshold`` is None where nothing is
    certified for the encounter. ``hashes`` are those of the versions that decided.

    Raises `InputError` where there is no document, two share an id, or a span is not found in them.
    """

    encounter_id: str
    specialty: str
    route: Literal["auto", "review"]
    mode: Literal["autonomous", "assist"]
    reasons: tuple[str, ...]
    confidence: float | None
    threshold: float | None
    certificate_id: str | None
    versions: Mapping[str, str]
    hashes: Mapping[str, str]
    documents: tuple[AuditDocument, ...]
    codes: tuple[AuditCode, ...]

    def __post_init__(self) -> None:
        where = f"encounter {self.encounter_id!r}"
        if not self.documents:
            raise InputError(f"{where}: no documents to show; give those that were coded")
        texts = {document.document_id: document.text for document in self.documents}
        if len(texts) != len(self.documents):
            raise InputError(f"{where}: two documents share an id; make document ids unique")
        for code in self.codes:
            for span in code.spans:
                _check_span(f"{where}, code {code.system}:{code.value}", span, texts)


def _check_span(where: str, span: AuditSpan, texts: Mapping[str, str]) -> None:
    text = _text_around(where, Span(span.document_id, span.start, span.end), texts)
    if text[span.start : span.end] != span.quote:
        raise InputError(
            f"{where}: the quote is not what stands at {span.start}-{span.end} of document "
            f"{span.document_id!r}; count offsets in Unicode code points, not bytes or UTF-16"
        )
    for mention in span.mentions:
        found = _text_around(where, mention, texts)[mention.start : mention.end]
        if _folded(found) != _folded(span.quote):
            raise InputError(
                f"{where}: other words stand at {mention.start}-{mention.end} of document "
                f"{mention.document_id!r} than in the span that mentions them; correct the offsets"
            )


def _text_around(where: str, span: Span, texts: Mapping[str, str]) -> str:
    text = texts.get(span.document_id)
    if text is None:
        raise InputError(
            f"{where}: evidence names document {span.document_id!r}, which the encounter does not "
            "have; correct the document_id"
        )
    if span.end > len(text):
        raise InputError(
            f"{where}: evidence ends at {span.end}, outside document {span.document_id!r} of "
            f"{len(text)} characters; correct the offsets"
        )
    return text


def _folded(words: str) -> str:
    return " ".join(words.lower().split())


def _check_share(name: str, share: float) -> None:
    if not 0.0 <= share <= 1.0 + _ROUNDING:  # NaN is refused too
        raise InputError(f"{name} is {share}, which is no share from 0 to 1; correct it")
