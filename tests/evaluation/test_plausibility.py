from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score, precision_recall_fscore_support

from surecode.encounter import Span
from surecode.errors import InputError
from surecode.evaluation.evidence_pairs import NEAR, EncounterWords, EvidencePair
from surecode.evaluation.plausibility import (
    SPLITS,
    match_class,
    plausibility,
    plausibility_by_split,
)

LENGTH = 30  # words "a" of one document, word i at the characters 2 i to 2 i + 1
WORDS = EncounterWords.of({"d": "a " * LENGTH})


def span(first: int, last: int | None = None) -> Span:
    """The words first to last, inclusive."""
    return Span("d", 2 * first, 2 * (first if last is None else last) + 1)


def pair(gold: list[list[Span]], shown: list[Span], assigned: bool = True) -> EvidencePair:
    return EvidencePair(WORDS, tuple(map(tuple, gold)), tuple(shown), assigned)


words = st.integers(0, LENGTH - 1)
spans = st.tuples(words, st.integers(0, 4)).map(lambda s: span(s[0], min(sum(s), LENGTH - 1)))
gold_mentions = st.lists(st.lists(spans, min_size=1, max_size=3), min_size=1, max_size=3)
pairs = st.builds(pair, gold_mentions, st.lists(spans, max_size=4), st.booleans())
many = st.lists(pairs, min_size=1, max_size=8)


def flags(numbers: frozenset[int]) -> np.ndarray:
    return np.isin(np.arange(LENGTH), sorted(numbers))


@given(many)
def test_scores_of_words_and_iou_agree_with_scikit_learn(some):
    result = plausibility(some)
    gold = np.concatenate([flags(p.gold_words) for p in some])
    shown = np.concatenate([flags(p.shown_words) for p in some])
    theirs = precision_recall_fscore_support(gold, shown, average="binary", zero_division=0)
    ours = (result.words.precision, result.words.recall, result.words.f1)
    assert ours == pytest.approx(theirs[:3])
    each = [jaccard_score(flags(p.gold_words), flags(p.shown_words)) for p in some]
    assert result.iou == pytest.approx(np.mean(each))


@given(many, st.randoms(use_true_random=False))
def test_order_and_repetition_of_pairs_change_nothing(some, random):
    result = asdict(plausibility(some))
    shuffled = random.sample(some, len(some))
    again = asdict(plausibility(shuffled + some))
    again["pairs"] //= 2
    again["classes"] = {name: count // 2 for name, count in again["classes"].items()}
    for key in ("span_recall", "cover", "iou", "empty_rate"):
        assert again.pop(key) == pytest.approx(result.pop(key))
    assert again == result


@given(many)
def test_gold_shown_is_perfect_and_nothing_shown_is_nothing(some):
    perfect = plausibility(
        [pair(p.gold, [piece for mention in p.gold for piece in mention]) for p in some]
    )
    assert perfect.words.f1 == perfect.span_recall == perfect.cover == perfect.iou == 1
    assert (perfect.classes.exact, perfect.empty_rate) == (len(some), 0)
    empty = plausibility([pair(p.gold, []) for p in some])
    assert empty.words.f1 == empty.span_recall == empty.cover == empty.iou == 0
    assert (empty.classes.empty, empty.empty_rate) == (len(some), 1)


@given(pairs, st.data())
def test_one_more_gold_word_makes_nothing_worse(one, data):
    before = plausibility([one])
    word = data.draw(st.sampled_from(sorted(one.gold_words)))
    after = plausibility([pair(one.gold, [*one.shown, span(word)])])
    assert after.words.recall >= before.words.recall
    assert after.words.precision >= before.words.precision
    assert after.span_recall >= before.span_recall
    assert after.iou >= before.iou
    assert after.empty_rate == 0


@given(pairs)
def test_span_recall_and_cover_by_definition(one):
    found = [m for m in one.gold_mentions if m & one.shown_words]
    result = plausibility([one])
    assert result.span_recall == pytest.approx(len(found) / len(one.gold_mentions))
    held = sum(len(m & one.shown_words) for m in found)
    expected = held / sum(len(m) for m in found) if found else 0
    assert result.cover == pytest.approx(expected)


def test_means_over_pairs_by_hand():
    some = [
        # Of a mention of 4 words 1 is shown, of one of 2 words none.
        pair([[span(0, 3)], [span(10, 11)]], [span(3, 5)]),
        # One mention of two pieces, both touched; one word too many between them.
        pair([[span(0), span(4)]], [span(0), span(2), span(4)]),
        pair([[span(7)]], []),
    ]
    result = plausibility(some)
    assert result.words.precision == pytest.approx(3 / 6)
    assert result.words.recall == pytest.approx(3 / 9)
    assert result.words.f1 == pytest.approx(6 / 15)
    assert result.span_recall == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert result.cover == pytest.approx((1 / 4 + 1 + 0) / 3)
    assert result.iou == pytest.approx((1 / 8 + 2 / 3 + 0) / 3)
    assert result.empty_rate == pytest.approx(1 / 3)
    assert asdict(result.classes) == dict(exact=0, proximate=1, partial=1, none=0, empty=1)


@pytest.mark.parametrize(
    ("gold", "shown", "expected"),
    [
        ([[span(3, 4)]], [], "empty"),
        ([[span(3, 4)]], [span(3, 4)], "exact"),
        ([[span(3)], [span(4)]], [span(3, 4)], "exact"),
        ([[span(3, 4)]], [span(3), span(4)], "exact"),
        ([[span(3, 4)]], [span(4)], "proximate"),
        ([[span(3)]], [span(3), span(3 + NEAR)], "proximate"),
        ([[span(3)]], [span(3), span(4 + NEAR)], "partial"),
        ([[span(12)]], [span(12 - NEAR), span(12)], "proximate"),
        ([[span(12)]], [span(11 - NEAR), span(12)], "partial"),
        # Two mentions: one that is not touched makes the match partial, two pieces do not.
        ([[span(3)], [span(5)]], [span(3)], "partial"),
        ([[span(3), span(5)]], [span(3)], "proximate"),
        ([[span(3)]], [span(4)], "none"),
    ],
)
def test_match_classes(gold, shown, expected):
    assert match_class(pair(gold, shown)) == expected


def test_a_word_of_another_document_is_never_near():
    two = EncounterWords.of({"a": "x", "b": "y"})
    here, there = Span("a", 0, 1), Span("b", 0, 1)
    assert match_class(EvidencePair(two, ((here,),), (here, there))) == "partial"


@given(many)
def test_classes_partition_the_pairs(some):
    result = plausibility(some)
    assert sum(asdict(result.classes).values()) == result.pairs == len(some)
    assert result.classes.empty == round(result.empty_rate * len(some))


@given(many)
def test_splits_partition_the_pairs(some):
    parts = plausibility_by_split(some)
    assert tuple(parts) == SPLITS
    assert parts["all"] == plausibility(some)
    for name, wanted in (("predicted", True), ("not_predicted", False)):
        chosen = [p for p in some if p.assigned is wanted]
        assert parts[name] == (plausibility(chosen) if chosen else None)


def test_gold_without_a_word_is_left_out():
    text = EncounterWords.of({"d": "sodium ++ low"})
    sign = EvidencePair(text, ((Span("d", 7, 9),),), (Span("d", 0, 6),))
    half = EvidencePair(text, ((Span("d", 7, 9),), (Span("d", 10, 13),)), (Span("d", 10, 13),))
    result = plausibility([sign, half])
    assert (result.pairs, result.span_recall, result.classes.exact) == (1, 1.0, 1)
    with pytest.raises(InputError, match="no pair"):
        plausibility([sign])
    with pytest.raises(InputError, match="no pair"):
        plausibility([])
    assert plausibility_by_split([sign]) == dict.fromkeys(SPLITS)
