from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Span
from surecode.errors import InputError
from surecode.evaluation.stability import Stability, jaccard, stability
from surecode.evaluation.whitespace import perturb_whitespace
from surecode.evidence.words import WORD
from surecode.record import Meaning, Quote

spans = st.builds(
    lambda name, start, length: Span(name, start, start + length),
    st.sampled_from(["a", "b"]),
    st.integers(0, 20),
    st.integers(1, 8),
)
lists = st.lists(spans, max_size=4)


def characters(some: list[Span]) -> set[tuple[str, int]]:
    return {(s.document_id, place) for s in some for place in range(s.start, s.end)}


@given(lists, lists, st.randoms(use_true_random=False))
def test_jaccard_is_that_of_the_sets_of_characters(left, right, random):
    one, two = characters(left), characters(right)
    value = jaccard(left, right)
    assert value == (len(one & two) / len(one | two) if one | two else 1)
    assert jaccard(right, left) == value
    assert jaccard(random.sample(left, len(left)), right + right) == value
    assert jaccard(left, left) == 1


def test_jaccard_by_hand():
    assert jaccard([Span("a", 0, 6)], [Span("a", 3, 9)]) == pytest.approx(3 / 9)
    assert jaccard([Span("a", 0, 6)], [Span("b", 0, 6)]) == 0
    assert (
        jaccard(
            [Span("a", 0, 6)],
            [
                Quote(
                    "a",
                    0,
                    6,
                    "",
                    0.4,
                    None,
                    Meaning("affirmed", "certain", "current", "patient"),
                    (),
                    False,
                )
            ],
        )
        == 1
    )
    assert jaccard([Span("a", 0, 6)], []) == jaccard([], [Span("a", 0, 6)]) == 0
    assert jaccard([], []) == 1


@given(
    st.lists(st.sampled_from(["fever", "of", " ", "  ", "\n", ", "]), min_size=3).map("".join),
    st.integers(0, 1000),
    st.data(),
)
def test_the_same_words_under_other_white_space_are_the_same(text, seed, data):
    new, origin = perturb_whitespace(text, seed, rate=0.8)
    old_words = [m.span() for m in WORD.finditer(text)]
    new_words = [m.span() for m in WORD.finditer(new)]
    if not old_words:
        return
    first = data.draw(st.integers(0, len(old_words) - 1))
    last = data.draw(st.integers(first, len(old_words) - 1))
    before = [Span("d", old_words[first][0], old_words[last][1])]
    after = [Span("d", new_words[first][0], new_words[last][1])]
    assert jaccard(before, after, {"d": origin}) == 1
    if last > first:
        shorter = [Span("d", new_words[first][0], new_words[last - 1][1])]
        assert jaccard(before, shorter, {"d": origin}) < 1


def test_characters_go_back_to_their_origin():
    # "ab cd" became "ab", two added spaces, "cd".
    origin = {"d": np.array([0, 1, -1, -1, 3, 4])}
    whole = [Span("d", 0, 5)]
    assert jaccard(whole, [Span("d", 0, 6)], origin) == 1
    assert jaccard(whole, [Span("d", 0, 2)], origin) == pytest.approx(1 / 2)
    assert jaccard([Span("d", 3, 5)], [Span("d", 4, 6)], origin) == 1
    # A document without origins did not change.
    assert jaccard([Span("e", 3, 5)], [Span("e", 3, 5)], origin) == 1
    assert jaccard([Span("e", 3, 5)], [Span("d", 4, 6)], origin) == 0


def test_a_shift_of_the_whole_text_is_undone():
    origin = {"d": np.concatenate([np.full(7, -1), np.arange(20)])}
    assert jaccard([Span("d", 2, 9)], [Span("d", 9, 16)], origin) == 1
    assert jaccard([Span("d", 2, 9)], [Span("d", 2, 9)], origin) < 1


def test_figures_over_pairs_by_hand():
    before = [[Span("a", 0, 4), Span("a", 10, 12)], [Span("a", 0, 4)], [Span("a", 0, 2)], []]
    after = [[Span("a", 10, 12), Span("a", 0, 4)], [Span("a", 0, 3)], [], []]
    result = stability(before, after)
    # The last pair has no evidence and says nothing; the first has another best span.
    assert result == Stability(
        3, pytest.approx((0 + 3 / 4 + 0) / 3), pytest.approx((1 + 3 / 4 + 0) / 3), 1 / 3
    )
    origins = [None, {"a": np.array([-1, 0, 1, 2, 3])}, None, None]
    moved = stability(before, [after[0], [Span("a", 1, 5)], [], []], origins)
    assert moved.top_span == pytest.approx((0 + 1 + 0) / 3)


@given(st.lists(lists, min_size=1, max_size=6).filter(any))
def test_nothing_changed_is_stable(some):
    result = stability(some, some)
    assert (result.top_span, result.all_spans, result.unchanged) == (1, 1, 1)
    assert result.pairs == sum(map(bool, some))


def test_bad_input_is_one_line():
    one = [[Span("a", 0, 3)]]
    with pytest.raises(InputError, match="1 pairs before, 2 after"):
        stability(one, one + one)
    with pytest.raises(InputError, match="2 origins"):
        stability(one, one, [None, None])
    for nothing in ([], [[]]):
        with pytest.raises(InputError, match="no pair has evidence"):
            stability(nothing, nothing)
    with pytest.raises(InputError, match="outside document a of 2"):
        jaccard(one[0], one[0], {"a": np.arange(2)})
