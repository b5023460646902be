from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Code, Document, Encounter, Evidence, Span
from surecode.errors import InputError
from surecode.evaluation.evidence_pairs import (
    NEAR,
    EncounterWords,
    EvidencePair,
    mentions,
    pairs_of,
    spans_of,
)
from surecode.evidence.spans import ScoredSpan
from surecode.evidence.words import WORD, Word, score_words
from surecode.record import Meaning, Quote

I10, E11, R52 = (Code("ICD-10-CM", value) for value in ("I10", "E11.9", "R52"))
TEXTS = st.lists(
    st.lists(st.sampled_from(["fever", "T2a-b", "ñ", " ", "  ", ", ", "\n", "+"])).map("".join),
    min_size=1,
    max_size=3,
)


def encounter(*evidence: Evidence, texts: tuple[str, ...] = ("High blood pressure, diabetes",)):
    return Encounter(
        encounter_id="e",
        patient_id="p",
        specialty="urology",
        setting="professional",
        payer="unknown",
        date_of_service=date(2026, 1, 1),
        documents=tuple(Document(f"d{i}", "note", text) for i, text in enumerate(texts)),
        evidence=evidence,
    )


@given(texts=TEXTS, data=st.data())
def test_touched_words_are_those_that_share_a_character(texts, data):
    names = {f"d{i}": text for i, text in enumerate(texts)}
    words = EncounterWords.of(names)
    spans = [
        Span(name, start, data.draw(st.integers(start + 1, len(text))))
        for name, text in names.items()
        for start in range(len(text))
        if data.draw(st.booleans())
    ]
    numbered = [(name, m.span()) for name, text in names.items() for m in WORD.finditer(text)]
    each = [
        {
            number
            for number, (name, (start, end)) in enumerate(numbered)
            if span.document_id == name
            and set(range(start, end)) & set(range(span.start, span.end))
        }
        for span in spans
    ]
    assert [words.touched([span]) for span in spans] == each
    assert words.touched(spans) == set().union(*each)
    assert len(words) == len(numbered)


def test_distances_do_not_reach_into_another_document():
    place = EncounterWords.of({"a": "one two", "b": "three", "empty": "...", "c": "four"}).place
    assert place[1] - place[0] == 1
    assert place[2] - place[1] > NEAR
    assert place[3] - place[2] > NEAR


def test_scores_stand_at_their_words_and_the_rest_is_zero():
    texts = ("one two three", "four five")
    words = EncounterWords.of({"a": texts[0], "b": texts[1]})
    # Tokens of "two" and of "five" only.
    scored = score_words(texts, np.array([0, 1]), np.array([[4, 7], [5, 9]]), np.array([2.0, -1.0]))
    np.testing.assert_array_equal(words.scores(scored), [0, 2, 0, 0, -1])
    np.testing.assert_array_equal(words.scores([Word(1, 0, 0, 4, 3.0)]), [0, 0, 0, 3, 0])


def test_pieces_of_one_mention_stay_together():
    evidence = [
        Evidence(I10, Span("d0", 10, 12), mention=3),
        Evidence(I10, Span("d0", 20, 22), mention=5),
        Evidence(I10, Span("d0", 2, 4), mention=3),
    ]
    assert mentions(evidence) == (
        (Span("d0", 2, 4), Span("d0", 10, 12)),
        (Span("d0", 20, 22),),
    )


def test_pairs_are_the_codes_that_were_asked_for_and_have_gold():
    one = encounter(
        Evidence(I10, Span("d0", 0, 4), mention=1),
        Evidence(I10, Span("d0", 11, 19), mention=1),
        Evidence(E11, Span("d0", 21, 29), mention=2),
    )
    quote = Quote(
        "d0",
        5,
        19,
        "blood pressure",
        0.9,
        None,
        Meaning("affirmed", "certain", "current", "patient"),
        (),
        False,
    )
    shown = {R52: [quote], I10: [quote]}
    (pair,) = pairs_of(one, shown, assigned={I10})
    assert pair.assigned
    assert pair.shown == (Span("d0", 5, 19),)
    assert pair.gold_mentions == ({0, 2},)
    assert (pair.gold_words, pair.shown_words) == ({0, 2}, {1, 2})
    assert pair.scores is None

    false, missed = pairs_of(one, shown, assigned={R52}, codes_without_gold=True)
    assert (false.gold, false.assigned, missed.assigned) == ((), True, False)
    scores = {I10: np.arange(4.0), R52: np.zeros(4)}
    np.testing.assert_array_equal(pairs_of(one, shown, (), scores)[0].scores, [0, 1, 2, 3])


def test_scored_spans_name_their_document():
    scored = [ScoredSpan(1, 2, 5, 0.7), ScoredSpan(0, 0, 1, 0.3)]
    assert spans_of(scored, ["a", "b"]) == (Span("b", 2, 5), Span("a", 0, 1))


@pytest.mark.parametrize("bounds", [[[0, 4], [3, 6]], [[5, 6], [0, 2]], [[2, 2]], [0, 4]])
def test_words_that_are_none_are_refused(bounds):
    with pytest.raises(InputError, match="document d"):
        EncounterWords({"d": np.array(bounds)})


def test_bad_input_is_named_and_quotes_no_text():
    words = EncounterWords.of({"d": "secret words"})
    with pytest.raises(InputError, match="document x"):
        words.touched([Span("x", 0, 1)])
    with pytest.raises(InputError, match=r"\(3,\) for 2 words"):
        EvidencePair(words, (), (), scores=np.zeros(3))
    with pytest.raises(InputError, match="not a finite number"):
        EvidencePair(words, (), (), scores=np.array([np.nan, 1]))
    assert "secret" not in repr(EvidencePair(words, (), ()))
