from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from surecode.data.windows import Windower
from surecode.encounter import Document, Encounter
from surecode.errors import InputError
from surecode.evidence.mentions import overlaps
from surecode.evidence.offsets import check_document, check_quote
from surecode.evidence.spans import ScoredSpan, SpanPolicy, evidence_spans
from surecode.evidence.words import map_words

PIECES = [
    *("fever", "Fever", "coughing", "T2a-b", "3.5", "pain of the chest", "of", "sin", "K↑"),
    *("neumoni\u0301a", "e\u0301\u0327", "ni\u00f1o", "stra\u00dfe", "\ufb01stula", "\u0130leus"),
    *("😀", "👩\u200d⚕\ufe0f", "🇪🇸", "𝒜lpha", "𠀋"),
    *("\u05d7\u05d5\u05dd", "\u062d\u0645\u0649", "\u202efever\u202c", "\u200f"),
    *("pneu\u00admonia", "x\u200by", "\ufeff", "\u2060", "\u00a0", "\u3000", "\u2028"),
    *(" ", " ", " ", "\r\n", "\n", "\t", "\x00", "\x0b", "\x85", ". ", ", ", "; ", "(", ")", "-/"),
]
TEXTS = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join), min_size=1, max_size=3
)
POLICIES = st.builds(
    SpanPolicy,
    st.floats(0.1, 1.0),
    st.integers(0, 2),
    st.integers(1, 4),
    seed=st.sampled_from([0.0, 0.02, 0.1]),
    repeated=st.booleans(),
)


def spans_of(
    tokenizer: PreTrainedTokenizerBase, encounter: Encounter, policy: SpanPolicy, seed: int
) -> list[ScoredSpan]:
    """From the tokenizer's own offsets to spans, with contributions drawn from a seed."""
    windows = Windower(tokenizer, 16, overlap=3)(encounter)
    texts = [document.text for document in encounter.documents]
    scores = np.random.default_rng(seed).normal(size=windows.tokens)
    words = map_words(texts, windows.document, windows.offsets).words(scores)
    return evidence_spans(words, texts, policy)


@settings(max_examples=200)
@given(texts=TEXTS, policy=POLICIES, seed=st.integers(0, 9))
def test_spans_come_back_from_any_text(
    tiny_tokenizer: PreTrainedTokenizerBase,
    encounter_of: Callable[..., Encounter],
    texts: list[str],
    policy: SpanPolicy,
    seed: int,
) -> None:
    encounter = encounter_of(*[f"{text} fever" for text in texts])
    spans = spans_of(tiny_tokenizer, encounter, policy, seed)
    places = sorted(place for span in spans for place in span.places)
    assert not any(overlaps(*pair) for pair in pairwise(places))
    for span in spans:
        quotes = set()
        for position, start, end in span.places:
            document = encounter.documents[position]
            assert 0 <= start < end <= len(document.text)
            quote = document.text[start:end]
            check_quote(document, start, end, quote)
            assert quote == quote.strip("-.,/ ()\t\r\n\u00a0\u3000") != ""
            assert "\n" not in quote
            quotes.add(quote.lower())
        assert len(quotes) == 1
    check_document(encounter.documents[0], encounter.documents[0].sha256)


def test_a_note_of_twenty_thousand_characters(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]
) -> None:
    text = "fever " + "".join(Random(0).choices(PIECES, k=7000))
    encounter = encounter_of(text)
    assert len(text) > 20_000
    policy = SpanPolicy(0.9, 1, 40, seed=0.0)
    spans = spans_of(tiny_tokenizer, encounter, policy, 1)
    assert len(spans) == 40
    quotes = [text[span.start : span.end] for span in spans]
    for span, quote in zip(spans, quotes, strict=True):
        check_quote(encounter.documents[0], span.start, span.end, quote)
    assert any(len(span.places) > 5 for span in spans)
    assert spans == spans_of(tiny_tokenizer, encounter, policy, 1)


# ---- refusals ------------------------------------------------------------------------------------

TEXT = "😀 Ca\u0301ncer\r\nde \u05d7\u05d5\u05dd, 👍 fiebre ñ alta"
DOCUMENT = Document("d", "note", TEXT)
START = TEXT.index("fiebre")


def refusal(start: int, end: int, quote: str, document: Document = DOCUMENT) -> str:
    with pytest.raises(InputError) as error:
        check_quote(document, start, end, quote)
    message = str(error.value)
    assert "\n" not in message
    assert "fiebre" not in message  # what patients have is in no message
    assert "document d" in message
    return message


def test_code_points_are_taken() -> None:
    check_quote(DOCUMENT, START, START + 6, "fiebre")
    check_quote(DOCUMENT, 0, len(TEXT), TEXT)


def test_utf16_units_are_refused() -> None:
    # Two characters before it take two units each.
    assert "UTF-16" in refusal(START + 2, START + 8, "fiebre")
    # JavaScript's own count of the whole text ends outside of it.
    assert "UTF-16" in refusal(START + 2, len(TEXT) + 2, TEXT[START:])


def test_bytes_are_refused() -> None:
    start = len(TEXT[:START].encode())
    assert "bytes" in refusal(start, start + 6, "fiebre")
    assert "bytes" in refusal(start, len(TEXT.encode()), TEXT[START:])


@given(text=TEXTS, data=st.data())
def test_offsets_of_another_unit_never_pass_unless_they_say_the_same(
    text: list[str], data: st.DataObject
) -> None:
    whole = text[0] + "fever"
    document = Document("d", "note", whole)
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    quote = whole[start:end]
    for encoding, width in (("utf-16-le", 2), ("utf-8", 1)):
        other = len(whole[:start].encode(encoding)) // width
        stop = len(whole[:end].encode(encoding)) // width
        if whole[other:stop] == quote:
            check_quote(document, other, stop, quote)
        else:
            with pytest.raises(InputError, match="convert the offsets"):
                check_quote(document, other, stop, quote)


@pytest.mark.parametrize(
    ("start", "end"), [(-1, 3), (3, 3), (4, 3), (0, len(TEXT) + 1), (900, 901)]
)
def test_a_span_outside_the_text_is_refused(start: int, end: int) -> None:
    assert "does not lie in a text" in refusal(start, end, "xyz")


def test_another_quote_is_refused() -> None:
    assert "does not say what was quoted" in refusal(START, START + 6, "Fiebre")
    assert "does not say what was quoted" in refusal(START, START + 6, "")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + " ",
        lambda text: text.replace("\r\n", "\n"),
        lambda text: text.replace("a\u0301", "\u00e1"),
        lambda text: "\ufeff" + text,
    ],
)
def test_a_document_that_was_changed_after_coding_is_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(InputError, match="document d: its text was changed") as error:
        check_document(Document("d", "note", change(TEXT)), DOCUMENT.sha256)
    assert "\n" not in str(error.value)
    check_document(Document("other", "report", TEXT), DOCUMENT.sha256)
