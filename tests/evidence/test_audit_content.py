"""What an audit page may show is checked against the documents; refusals quote no text."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Document, Span
from surecode.errors import InputError
from surecode.evidence.audit_content import (
    AuditCode,
    AuditDocument,
    AuditPage,
    AuditSpan,
    AuditVerification,
)

NOTE = "😷 Fever since Monday.\nNo secretpain, FEVER at night."


def document(text: str = NOTE, document_id: str = "d1") -> AuditDocument:
    return AuditDocument(document_id, "note", text, hashlib.sha256(text.encode()).hexdigest())


def span(start: int, end: int, quote: str | None = None, **more: Any) -> AuditSpan:
    more = {"document_id": "d1", "score": 0.5} | more
    return AuditSpan(
        start=start, end=end, quote=NOTE[start:end] if quote is None else quote, **more
    )


def code(*spans: AuditSpan, probability: float = 0.9) -> AuditCode:
    return AuditCode("ICD-10-CM", "R50.9", "Fever", "FY2027", probability, "neural", spans)


def page(*codes: AuditCode, documents: tuple[AuditDocument, ...] = (document(),)) -> AuditPage:
    return AuditPage(
        encounter_id="e1",
        specialty="radiology",
        route="review",
        mode="assist",
        reasons=("there is no certificate",),
        confidence=0.5,
        threshold=None,
        certificate_id=None,
        versions={},
        hashes={},
        documents=documents,
        codes=codes,
    )


def refusal(error: pytest.ExceptionInfo[InputError]) -> str:
    """The message, which is one line without anything of the note."""
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert not {"fever", "secretpain", "monday", "night"} & set(message.lower().split())
    assert "secret" not in message.lower()
    return message


def test_the_quote_of_a_code_point_span_is_accepted() -> None:
    start = NOTE.index("Fever")
    found = page(code(span(start, start + 5, "Fever")))
    assert found.codes[0].spans[0].quote == "Fever"


def test_the_sha256_is_that_of_an_encounters_document() -> None:
    sha256 = Document("d1", "note", NOTE).sha256
    assert AuditDocument("d1", "note", NOTE, sha256).text == NOTE


@pytest.mark.parametrize("changed", [NOTE + " ", NOTE.lower(), NOTE.replace("\n", "\r\n"), ""])
def test_a_document_that_was_changed_is_refused(changed: str) -> None:
    with pytest.raises(InputError) as error:
        AuditDocument("d1", "note", changed, hashlib.sha256(NOTE.encode()).hexdigest())
    assert "document 'd1' does not fit its sha256" in refusal(error)


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InputError) as error:
        AuditDocument("d1", "note", "Fever \ud83d", "0" * 64)
    assert "surrogate" in refusal(error)


def test_an_encounter_without_documents_is_refused() -> None:
    with pytest.raises(InputError) as error:
        page(documents=())
    assert "encounter 'e1': no documents" in refusal(error)


def test_two_documents_of_one_id_are_refused() -> None:
    with pytest.raises(InputError) as error:
        page(documents=(document(), document("other")))
    assert "two documents share an id" in refusal(error)


@pytest.mark.parametrize("unit", ["utf-8", "utf-16-le"])
def test_offsets_in_another_unit_are_refused(unit: str) -> None:
    """One emoji before the words: offsets in bytes or in UTF-16 units are too large."""
    width = 2 if unit == "utf-16-le" else 1
    start = len(NOTE[: NOTE.index("Fever")].encode(unit)) // width
    assert start > NOTE.index("Fever")
    with pytest.raises(InputError) as error:
        page(code(span(start, start + 5, "Fever")))
    assert "ICD-10-CM:R50.9: the quote is not what stands" in refusal(error)
    assert "count offsets in Unicode code points" in str(error.value)


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 9), st.integers(-3, 3))
def test_only_the_words_at_the_offsets_are_a_quote(start: int, length: int, shift: int) -> None:
    end = min(start + length, len(NOTE))
    quote = NOTE[max(0, start + shift) : max(0, end + shift)]
    if quote == NOTE[start:end]:
        page(code(span(start, end, quote)))
    else:
        with pytest.raises(InputError, match="the quote is not what stands"):
            page(code(span(start, end, quote)))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (span(2, len(NOTE) + 1), f"outside document 'd1' of {len(NOTE)} characters"),
        (span(5, 5), "0 <= start < end"),
        (span(-3, 2), "0 <= start < end"),
        (span(2, 7, document_id="d2"), "names document 'd2', which the encounter does not have"),
        (span(2, 7, document_id="two\nlines"), "names document 'two\\nlines'"),
        (span(2, 7, mentions=(Span("d1", 3, 8),)), "other words stand at 3-8"),
        (span(2, 7, mentions=(Span("d1", 50, 99),)), "evidence ends at 99, outside"),
        (span(2, 7, mentions=(Span("d9", 2, 7),)), "names document 'd9'"),
    ],
)
def test_a_span_that_is_not_in_the_documents_is_refused(wrong: AuditSpan, says: str) -> None:
    with pytest.raises(InputError) as error:
        page(code(wrong))
    assert says in refusal(error)


def test_the_same_words_in_capitals_are_the_same_words() -> None:
    at = NOTE.index("FEVER")
    found = page(code(span(2, 7, mentions=(Span("d1", at, at + 5),))))
    assert found.codes[0].spans[0].mentions


@pytest.mark.parametrize("share", [-0.01, 1.01, float("nan"), float("inf")])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=r"R50\.9: the probability is"):
        code(probability=share)
    with pytest.raises(InputError, match=r"R50\.9: the score of a span is"):
        code(span(2, 7, score=share))
    with pytest.raises(InputError, match="p_without is"):
        AuditVerification("verified", p_without=share)
    with pytest.raises(InputError, match="p_only is"):
        AuditVerification("verified", p_only=share)


def test_a_sum_of_floats_may_be_a_little_more_than_one() -> None:
    assert code(span(2, 7, score=sum([0.1] * 10) + 2**-52)).spans[0].score > 1.0 - 1e-9


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(InputError, match="'sure' is not one of"):
        AuditVerification("sure")  # type: ignore[arg-type]
