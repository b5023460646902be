from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from surecode.errors import InputError
from surecode.evaluation.naopc import Limits, aopc, aopc_limits, naopc


def tabled(values: np.ndarray):
    """A coder with any probability at any set of words: values ``[2^n]`` by the set as binary."""
    return lambda masks: values[masks @ (1 << np.arange(masks.shape[1]))]


def area(values: np.ndarray, order: tuple[int, ...]) -> float:
    """The definition, word by word."""
    taken, total = 0, 0.0
    for word in order:
        taken |= 1 << word
        total += values[0] - values[taken]
    return total / len(order)


def by_permutations(values: np.ndarray, words: int) -> tuple[float, float]:
    areas = [area(values, order) for order in permutations(range(words))]
    return min(areas), max(areas)


# Few distinct probabilities, so that ties are frequent.
tables = st.integers(1, 5).flatmap(
    lambda words: st.lists(
        st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=1 << words, max_size=1 << words
    ).map(lambda values: (words, np.array(values)))
)


@given(tables, st.data())
def test_an_area_is_its_definition(table, data):
    words, values = table
    order = data.draw(st.permutations(range(words)))
    assert aopc(tabled(values), order) == pytest.approx(area(values, order))


@given(tables)
def test_limits_are_those_of_all_orders(table):
    words, values = table
    found = aopc_limits(tabled(values), words, width=None)
    assert found.exact
    assert (found.lower, found.upper) == pytest.approx(by_permutations(values, words))


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_limits_of_seven_words_are_those_of_all_orders(seed):
    values = np.random.default_rng(seed).random(1 << 7)
    found = aopc_limits(tabled(values), 7, width=None)
    assert (found.lower, found.upper) == pytest.approx(by_permutations(values, 7))


@given(tables, st.integers(1, 10))
def test_a_search_stays_inside_the_limits_and_a_wide_one_reaches_them(table, width):
    words, values = table
    exact = aopc_limits(tabled(values), words, width=None)
    found = aopc_limits(tabled(values), words, width)
    assert not found.exact
    assert exact.lower - 1e-12 <= found.lower <= found.upper <= exact.upper + 1e-12
    if width == 10:  # no more than 10 sets of one size among 5 words
        assert (found.lower, found.upper) == pytest.approx((exact.lower, exact.upper))


def test_a_narrow_search_misses_words_that_matter_together():
    # Word 0 alone costs .1; words 1 and 2 cost nothing alone and everything together.
    values = np.array([1.0, 0.9, 1.0, 0.9, 1.0, 0.9, 0.0, 0.0])
    assert aopc_limits(tabled(values), 3, None).upper == pytest.approx((0 + 1 + 1) / 3)
    assert aopc_limits(tabled(values), 3, 1).upper == pytest.approx((0.1 + 0.1 + 1) / 3)
    assert aopc_limits(tabled(values), 3, 3).upper == pytest.approx((0 + 1 + 1) / 3)


@pytest.mark.parametrize("scores", [[0, 2, 1], [2, 0, 1]])
def test_an_order_that_beats_the_search_widens_the_limits(scores):
    values = np.array([1.0, 0.9, 1.0, 0.9, 1.0, 0.9, 0.0, 0.0])
    found = naopc(tabled(values), scores, width=1, exact_words=0)
    searched = aopc_limits(tabled(values), 3, 1)
    best, worst = max(found.falling, found.rising), min(found.falling, found.rising)
    assert best == found.limits.upper > searched.upper
    assert found.limits.lower == min(worst, searched.lower)
    # The same coder upside down: the search misses the least area.
    turned = naopc(tabled(1 - values), scores, width=1, exact_words=0)
    assert turned.limits.lower == pytest.approx(-best)
    assert turned.limits.lower < aopc_limits(tabled(1 - values), 3, 1).lower


weights = st.lists(st.sampled_from([-1.0, -0.5, 0.25, 0.5, 2.0]), min_size=2, max_size=12).map(
    np.array
)


@given(weights, st.integers(1, 3))
def test_the_weights_of_an_additive_coder_are_the_limits(some, width):
    def coder(masks):
        return expit(-1 + ~masks @ some)

    falling = np.sort(some)[::-1]
    rest = some.sum() - np.cumsum(falling)
    upper = np.mean(expit(-1 + some.sum()) - expit(-1 + rest))
    lower = np.mean(expit(-1 + some.sum()) - expit(-1 + some.sum() - np.cumsum(falling[::-1])))
    found = naopc(coder, some, width=width, exact_words=0)
    assert (found.falling, found.rising) == pytest.approx((upper, lower))
    assert (found.limits.lower, found.limits.upper) == pytest.approx((lower, upper))
    if upper - lower > 1e-9:
        assert found.comprehensiveness == pytest.approx(1)
        assert found.sufficiency == pytest.approx(0)
        reverse = naopc(coder, -some, width=width, exact_words=0)
        assert reverse.comprehensiveness == pytest.approx(0)
        assert reverse.sufficiency == pytest.approx(1)


@given(tables, st.integers(1, 3), st.sampled_from([0, 7]), st.data())
def test_normalised_figures_lie_between_their_limits(table, width, exact_words, data):
    words, values = table
    scores = data.draw(st.lists(st.integers(-2, 2), min_size=words, max_size=words))
    found = naopc(tabled(values), scores, width=width, exact_words=exact_words)
    assert found.limits.exact == (words <= exact_words)
    lower, upper = by_permutations(values, words)
    assert lower - 1e-12 <= found.limits.lower <= found.limits.upper <= upper + 1e-12
    for figure, value in (
        (found.comprehensiveness, found.falling),
        (found.sufficiency, found.rising),
    ):
        if figure is None:
            assert found.limits.lower == found.limits.upper == value
        else:
            assert 0 <= figure <= 1
            span = found.limits.upper - found.limits.lower
            assert figure * span == pytest.approx(value - found.limits.lower)


def test_a_figure_does_not_depend_on_the_scale_of_the_probability():
    values = np.random.default_rng(0).random(1 << 4)
    scores = [3.0, 1.0, 2.0, 0.0]
    one, half = (naopc(tabled(scale * values), scores) for scale in (1.0, 0.5))
    assert half.falling == pytest.approx(one.falling / 2)
    assert half.comprehensiveness == pytest.approx(one.comprehensiveness)


def test_words_that_change_nothing_have_no_order():
    found = naopc(lambda masks: np.full(len(masks), 0.3), np.arange(4))
    assert (found.falling, found.rising) == (0, 0)
    assert found.limits == Limits(0, 0, exact=True)
    assert found.comprehensiveness is None
    assert found.sufficiency is None
    one = naopc(tabled(np.array([0.9, 0.1])), [1.0])
    assert one.falling == one.rising == pytest.approx(0.8)
    assert one.comprehensiveness is None


def test_a_search_asks_for_no_more_than_it_says():
    asked = 0

    def coder(masks):
        nonlocal asked
        asked += len(masks)
        return expit(masks @ np.linspace(-1, 1, 30))

    aopc_limits(coder, 30, width=5)
    assert 0 < asked <= 5 * 30 * 30


def test_bad_input_is_one_line():
    coder = tabled(np.array([0.9, 0.1]))
    with pytest.raises(InputError, match="no words"):
        aopc_limits(coder, 0, 5)
    with pytest.raises(InputError, match="give a width"):
        aopc_limits(coder, 17, None)
    with pytest.raises(InputError, match="holds nothing"):
        aopc_limits(coder, 1, 0)
    with pytest.raises(InputError, match="at most 16"):
        naopc(coder, [1.0], exact_words=17)
    with pytest.raises(InputError, match="each of the n words once"):
        aopc(coder, [0, 0])
    with pytest.raises(InputError, match="one score for each word"):
        naopc(coder, [])
    with pytest.raises(InputError, match=r"outside \[0, 1\]"):
        naopc(lambda masks: np.full(len(masks), np.nan), [1.0])
