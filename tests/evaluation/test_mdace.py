from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Span
from surecode.errors import InputError
from surecode.evaluation.evidence_pairs import EncounterWords, EvidencePair
from surecode.evaluation.mdace import Quoted, mdace_scores, merge, trim
from surecode.evaluation.metrics import Scores

TEXT = "Hypertension, CHF. Plan: hypertension stable, type 2 diabetes, BP 120."
WORDS = EncounterWords.of({"d": TEXT})


def span(quote: str, place: int = 0) -> Span:
    start = -1
    for _ in range(place + 1):
        start = TEXT.index(quote, start + 1)
    return Span("d", start, start + len(quote))


def pair(gold: list[Span], shown: list[Span]) -> EvidencePair:
    return EvidencePair(WORDS, tuple((one,) for one in gold), tuple(shown))


def f1(one: EvidencePair, clean: bool = False) -> dict[str, float]:
    return {name: s["f1"] for name, s in asdict(mdace_scores([one], clean=clean)).items()}


ALL = dict.fromkeys(["exact_span", "independent_span", "exact_token", "independent_token"], 1.0)


def test_the_same_words_elsewhere_are_position_independent():
    one = pair([span("Hypertension")], [span("hypertension")])
    assert f1(one) == ALL | {"exact_span": 0, "exact_token": 0}


def test_a_part_of_a_span_counts_by_token():
    one = pair([span("type 2 diabetes")], [span("diabetes")])
    # Of the three tokens one is found, and none is wrong; 2 is not above 10.
    assert f1(one) == pytest.approx(ALL | {
        "exact_span": 0, "independent_span": 0, "exact_token": 0.5, "independent_token": 0.5,
    })  # fmt: skip


def test_numbers_above_ten_are_no_tokens():
    assert f1(pair([span("BP 120")], [span("BP")])) == ALL | {
        "exact_span": 0,
        "independent_span": 0,
    }
    # Ten is one.
    ten = EncounterWords.of({"d": "stage 10"})
    result = mdace_scores([EvidencePair(ten, ((Span("d", 0, 8),),), (Span("d", 0, 5),))])
    assert result.exact_token == Scores(1, 1 / 2, 2 / 3)
    # A superscript is a digit to Python, and no number.
    odd = EncounterWords.of({"d": "m² 9"})
    both = (Span("d", 0, 4),)
    assert mdace_scores([EvidencePair(odd, (both,), both)]).exact_token == Scores(1, 1, 1)


def test_what_is_given_twice_counts_once():
    twice = [span("Hypertension"), span("hypertension"), span("hypertension")]
    result = mdace_scores([pair([span("Hypertension")], twice)])
    assert result.exact_span == Scores(1 / 2, 1, 2 / 3)
    assert result.independent_span == Scores(1, 1, 1)


def test_each_code_and_document_is_compared_alone():
    texts = EncounterWords.of({"a": "fever", "b": "fever"})
    here, there = Span("a", 0, 5), Span("b", 0, 5)
    result = mdace_scores([EvidencePair(texts, ((here,),), (there,))])
    assert result.independent_span.f1 == 0
    swapped = [pair([span("CHF")], [span("BP")]), pair([span("BP")], [span("CHF")])]
    assert mdace_scores(swapped).exact_span.f1 == 0


def test_a_code_without_gold_lowers_precision():
    result = mdace_scores([pair([span("CHF")], [span("CHF")]), pair([], [span("BP")])])
    assert result.exact_span == Scores(1 / 2, 1, 2 / 3)


def test_pieces_of_a_mention_are_spans():
    gold = ((span("type"), span("diabetes")),)
    result = mdace_scores([EvidencePair(WORDS, gold, (span("diabetes"),))])
    assert result.exact_span == Scores(1, 1 / 2, 2 / 3)


def test_cleaning_trims_and_merges():
    one = pair([span("Hypertension, CHF")], [span("Hypertension,"), span(" CHF.")])
    assert f1(one)["exact_span"] == 0
    assert f1(one, clean=True) == ALL
    # A word between them keeps them apart, and a sign alone is no span.
    apart = pair([span("Hypertension"), span("Plan")], [span("Hypertension, CHF"), span("Plan:")])
    assert mdace_scores([apart], clean=True).exact_span == Scores(0, 0, 0)
    sign = pair([span("CHF")], [span("CHF"), span("BP"), Span("d", 69, 70)])
    assert mdace_scores([sign], clean=True).exact_span == Scores(1 / 2, 1, 2 / 3)


@pytest.mark.parametrize(
    ("quote", "start", "left"),
    [("(mild) ", 3, "(mild)"), (") mild (", 5, "mild"), ("- ., ", 8, ""), ("a-b", 3, "a-b")],
)
def test_trimming(quote, start, left):
    assert trim(Quoted("d", 3, quote)) == Quoted("d", start, left)


def test_a_span_inside_another_does_not_shorten_it():
    inside = [Span("d", 0, 17), Span("d", 0, 12), Span("d", 2, 4)]
    assert merge(inside, {"d": TEXT}) == [Span("d", 0, 17)]


spans = st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 20)).map(
    lambda s: Span("d", s[0], min(sum(s), len(TEXT)))
)
pairs = st.builds(pair, st.lists(spans, max_size=3), st.lists(spans, max_size=3))


@given(st.lists(pairs, min_size=1, max_size=5), st.booleans(), st.randoms(use_true_random=False))
def test_scores_are_bounded_symmetric_and_without_order(some, clean, random):
    result = mdace_scores(some, clean=clean)
    assert mdace_scores(random.sample(some, len(some)), clean=clean) == result
    swapped = [pair(list(p.shown), [m[0] for m in p.gold]) for p in some]
    for name, scores in asdict(mdace_scores(swapped, clean=clean)).items():
        ours = getattr(result, name)
        assert (scores["precision"], scores["recall"]) == (ours.recall, ours.precision)
        assert 0 <= ours.f1 <= 1


@given(st.lists(spans, min_size=1, max_size=4), st.booleans())
def test_gold_shown_is_perfect(gold, clean):
    result = mdace_scores([pair([span("CHF"), *gold], [*gold, span("CHF")])], clean=clean)
    assert {scores["f1"] for scores in asdict(result).values()} == {1.0}


def test_bad_input_is_one_line():
    with pytest.raises(InputError, match="no pair"):
        mdace_scores([])
    bare = EncounterWords(WORDS.bounds)
    with pytest.raises(InputError, match="text of document d is missing"):
        mdace_scores([EvidencePair(bare, (), (Span("d", 0, 3),))])
