"""The nouns of the domain as frozen types, validated where they are made and trusted after.

A span counts Unicode code points of the document's text, half-open: ``text[start:end]`` is the
quote. There is no other coordinate in the system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from operator import index
from typing import Any, Literal, get_args

from surecode.errors import InputError

Split = Literal["train", "tune", "calibrate", "test"]
Setting = Literal["professional", "facility"]
SPLITS: tuple[Split, ...] = get_args(Split)
SETTINGS: tuple[Setting, ...] = get_args(Setting)


def text_sha256(text: str) -> str:
    """Hexadecimal SHA-256 of the text in UTF-8: the identity of a document."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True, slots=True, order=True)
class Code:
    """A value of a code system, such as ``I10`` of ``ICD-10-CM``, in the system's own spelling."""

    system: str
    value: str

    def __str__(self) -> str:
        return f"{self.system}:{self.value}"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The characters ``start`` to ``end`` (half-open, code points) of one document."""

    document_id: str
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InputError(
                f"span {self.start}-{self.end} of document {self.document_id}: "
                "a span needs 0 <= start < end; correct the offsets"
            )


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span that a code stands on.

    Pieces of one discontinuous mention share ``mention``, a number within the encounter.
    """

    code: Code
    span: Span
    mention: int = 0


@dataclass(frozen=True, slots=True)
class GoldCode:
    """A code that a source assigns: its place on the claim (1 is the first) and who assigned it."""

    code: Code
    sequence: int = 1
    source: str = "gold"


@dataclass(frozen=True)
class Document:
    """One immutable text of an encounter: a report, a note, an order."""

    document_id: str
    kind: str
    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _is_one_line(self.document_id):
            raise InputError("a document_id is empty or breaks the line; give a name of one line")
        if not any(character.isalnum() for character in self.text):
            raise InputError(
                f"document {self.document_id}: the text is empty; "
                "give a note with words in it or leave the document out"
            )
        if _has_surrogate(self.text):
            raise InputError(
                f"document {self.document_id}: the text holds half of a surrogate pair, "
                "which is no character; decode it anew from its source"
            )

    @cached_property
    def sha256(self) -> str:
        """Identity of the text."""
        return text_sha256(self.text)


@dataclass(frozen=True)
class Encounter:
    """One visit or stay of one patient, with its gold codes where they are known."""

    encounter_id: str
    patient_id: str
    specialty: str
    setting: Setting
    payer: str
    date_of_service: date
    documents: tuple[Document, ...]
    codes: tuple[GoldCode, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    split: Split | None = None

    def __post_init__(self) -> None:
        if not _is_one_line(self.encounter_id):
            raise InputError("an encounter_id is empty or breaks the line; give a name of one line")
        where = f"encounter {self.encounter_id}"
        if not self.documents:
            raise InputError(f"{where}: no documents; an encounter needs at least one")
        if self.setting not in SETTINGS:
            raise InputError(f"{where}: setting {self.setting!r} is not one of {list(SETTINGS)}")
        if self.split is not None and self.split not in SPLITS:
            raise InputError(f"{where}: split {self.split!r} is not one of {list(SPLITS)}")
        texts = {document.document_id: document.text for document in self.documents}
        if len(texts) != len(self.documents):
            raise InputError(f"{where}: two documents share an id; make document ids unique")
        for item in self.evidence:
            text = texts.get(item.span.document_id)
            if text is None:
                raise InputError(
                    f"{where}: evidence of {item.code} names document {item.span.document_id}, "
                    "which the encounter does not have; correct the document_id"
                )
            if item.span.end > len(text):
                raise InputError(
                    f"{where}: evidence of {item.code} ends at {item.span.end}, outside document "
                    f"{item.span.document_id} of {len(text)} characters; correct the offsets"
                )

    @property
    def code_set(self) -> frozenset[Code]:
        """The gold codes without order."""
        return frozenset(gold.code for gold in self.codes)

    @property
    def mentions(self) -> list[tuple[Code, tuple[Span, ...]]]:
        """The evidence by mention: the code and its pieces, in the order of the source."""
        pieces: dict[tuple[Code, int], list[Span]] = {}
        for item in self.evidence:
            pieces.setdefault((item.code, item.mention), []).append(item.span)
        return [(code, tuple(spans)) for (code, _), spans in pieces.items()]

    def text(self, document_id: str) -> str:
        """The text of one document."""
        return next(d.text for d in self.documents if d.document_id == document_id)

    def to_dict(self) -> dict[str, Any]:
        """The row of the encounter table: plain values, dates as ISO 8601 text."""
        return {
            "encounter_id": self.encounter_id,
            "patient_id": self.patient_id,
            "specialty": self.specialty,
            "setting": self.setting,
            "payer": self.payer,
            "date_of_service": self.date_of_service.isoformat(),
            "documents": [
                {
                    "document_id": d.document_id,
                    "kind": d.kind,
                    "text": d.text,
                    "sha256": d.sha256,
                }
                for d in self.documents
            ],
            "codes": [
                {
                    "system": g.code.system,
                    "value": g.code.value,
                    "sequence": g.sequence,
                    "source": g.source,
                }
                for g in self.codes
            ],
            "evidence": [
                {
                    "system": e.code.system,
                    "value": e.code.value,
                    "document_id": e.span.document_id,
                    "start": e.span.start,
                    "end": e.span.end,
                    "mention": e.mention,
                }
                for e in self.evidence
            ],
            "split": self.split,
        }

    @classmethod
    def from_dict(cls, row: Any) -> Encounter:
        """The inverse of :meth:`to_dict`; raises `InputError` naming the encounter and the field.

        ``row`` comes from outside, so its types are checked. ``sha256`` may be absent; where it is
        given it must fit the text.
        """
        if not isinstance(row, Mapping):
            raise InputError(
                "an encounter is an object with named fields; docs/architecture.md lists them"
            )
        name = row.get("encounter_id")
        is_name = isinstance(name, str) and _is_one_line(name)
        where = f"encounter {name if is_name else 'without encounter_id'}"
        try:
            return cls(
                encounter_id=_text(where, row, "encounter_id"),
                patient_id=_text(where, row, "patient_id"),
                specialty=_text(where, row, "specialty"),
                setting=row["setting"],
                payer=_text(where, row, "payer"),
                date_of_service=_date(where, row["date_of_service"]),
                documents=tuple(_document(where, item) for item in row["documents"]),
                codes=tuple(
                    GoldCode(
                        _code(where, item),
                        index(item.get("sequence", position)),
                        _text(where, {"source": "gold", **item}, "source"),
                    )
                    for position, item in enumerate(row.get("codes") or (), start=1)
                ),
                evidence=tuple(
                    Evidence(
                        _code(where, item),
                        Span(
                            _text(where, item, "document_id"),
                            index(item["start"]),
                            index(item["end"]),
                        ),
                        index(item.get("mention", 0)),
                    )
                    for item in row.get("evidence") or ()
                ),
                split=row.get("split"),
            )
        except KeyError as missing:
            raise InputError(
                f"{where}: the field {missing} is missing; "
                "docs/architecture.md lists the fields of an encounter"
            ) from None
        except InputError:
            raise
        except (TypeError, AttributeError, ValueError):
            # The cause may quote a value of the row, and so patient text: it is dropped.
            raise InputError(
                f"{where}: a field has the wrong type; "
                "docs/architecture.md lists the fields of an encounter"
            ) from None


def _text(where: str, row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str) or not value or _has_surrogate(value):
        raise InputError(f"{where}: {column} must be a non-empty Unicode text")
    return value


def _code(where: str, row: Mapping[str, Any]) -> Code:
    return Code(_text(where, row, "system"), _text(where, row, "value"))


def _date(where: str, value: Any) -> date:
    # A datetime is a date to Python, and would not come back from `to_dict` as the same.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InputError(
            f"{where}: date_of_service is not an ISO 8601 date such as 2026-03-31"
        ) from None


def _document(where: str, row: Mapping[str, Any]) -> Document:
    document_id, text = _text(where, row, "document_id"), row["text"]
    if not isinstance(text, str):
        raise InputError(f"{where}: the text of document {document_id} is no text")
    kind = _text(where, {"kind": row.get("kind") or "note"}, "kind")
    document = Document(document_id, kind, text)
    if row.get("sha256") not in (None, document.sha256):
        raise InputError(
            f"{where}: document {document_id} does not fit its sha256; "
            "the text was changed after it was registered, so register it anew"
        )
    return document


def _is_one_line(name: str) -> bool:
    """Whether a name can stand in a message of one line."""
    return name.splitlines() == [name]


def _has_surrogate(text: str) -> bool:
    """Whether the text holds half of a surrogate pair, which JSON can smuggle in."""
    return any("\ud800" <= character <= "\udfff" for character in text)
