from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binomtest

from surecode.errors import InputError
from surecode.evaluation.faithfulness import (
    Removal,
    Steps,
    faithfulness,
    flip_rate,
    mean_faithfulness,
    random_faithfulness,
    removal,
)

Probability = Callable[[np.ndarray], np.ndarray]


def logistic(weights: np.ndarray, bias: float = -2.0) -> Probability:
    """A coder whose logit is a sum over the words that are left."""
    return lambda masks: expit(bias + ~masks @ weights)


def linear(weights: np.ndarray) -> Probability:
    """A coder whose probability is a sum over the words that are left."""
    return lambda masks: ~masks @ weights


def edin(probability: Probability, scores: np.ndarray) -> tuple[float, float]:
    """Comprehensiveness and sufficiency as a loop over the index rules of Edin et al."""
    count = len(scores)
    whole = probability(np.zeros((1, count), bool))[0]

    def lost(numbers: np.ndarray) -> float:
        mask = np.zeros((1, count), bool)
        mask[0, numbers] = True
        return whole - probability(mask)[0]

    falling = np.argsort(-scores, kind="stable")
    rising = falling[::-1]
    drops = [lost(falling[: min(2 * i, count)]) for i in range(50)]
    lacks = [lost(rising[: min(max(count - 100, 0) + 2 * i, count)]) for i in range(50)]
    return np.mean(drops) / whole, np.mean(np.clip(lacks, 0, 100)) / whole


# Ties, words against the code, texts shorter and longer than the curve.
texts = st.tuples(st.sampled_from([1, 2, 3, 7, 99, 100, 101, 150]), st.integers(0, 1000)).map(
    lambda drawn: np.random.default_rng(drawn[1]).choice([-1.0, 0.0, 0.1, 0.5, 2.0], drawn[0])
)


@given(texts, st.integers(0, 100))
def test_both_figures_follow_the_published_rules(weights, seed):
    scores = np.random.default_rng(seed).permutation(weights)
    result = faithfulness(logistic(weights), scores)
    expected = edin(logistic(weights), scores)
    assert (result.comprehensiveness, result.sufficiency) == pytest.approx(expected)


@given(texts)
def test_an_additive_coder_has_closed_curves(weights):
    result = faithfulness(logistic(weights), weights)
    best = np.sort(weights)[::-1]
    held = np.concatenate([[0.0], np.cumsum(best)])
    total = weights.sum()
    np.testing.assert_allclose(result.without, expit(-2 + total - held[result.removed]))
    np.testing.assert_allclose(result.only, expit(-2 + held[result.kept]))
    assert result.probability == pytest.approx(expit(-2 + total))
    assert len(result.removed) == len(result.kept) == 50
    assert result.removed[0] == 0


def test_a_linear_coder_by_hand():
    # 4 words with .4, .3, .2, .1 of the probability: without 0, 2, 4, 4, … words it is
    # 1, .3, 0, 0, …; of the best 4, 2, 0, 0, … it is 1, .7, 0, 0, ….
    weights = np.array([0.1, 0.4, 0.2, 0.3])
    result = faithfulness(linear(weights), weights)
    assert result.comprehensiveness == pytest.approx((0 + 0.7 + 48) / 50)
    assert result.sufficiency == pytest.approx((0 + 0.3 + 48) / 50)
    single = faithfulness(linear(weights), weights, Steps(1, 3))
    assert single.comprehensiveness == pytest.approx((0 + 0.4 + 0.7) / 3)
    # The three best words, then two, then one.
    assert single.sufficiency == pytest.approx((0.1 + 0.3 + 0.6) / 3)
    np.testing.assert_array_equal(single.kept, [3, 2, 1])


@given(texts.filter(lambda w: len(w) <= 7), st.randoms(use_true_random=False))
def test_no_order_beats_the_weights_of_an_additive_coder(weights, random):
    coder = logistic(weights)
    best = faithfulness(coder, weights, Steps(1, len(weights)))
    other = faithfulness(coder, random.sample(list(weights), len(weights)), Steps(1, len(weights)))
    worst = faithfulness(coder, -weights, Steps(1, len(weights)))
    assert worst.comprehensiveness <= other.comprehensiveness + 1e-12
    assert other.comprehensiveness <= best.comprehensiveness + 1e-12
    assert best.sufficiency <= other.sufficiency + 1e-12


@given(texts, st.integers(0, 50))
def test_order_of_words_and_a_rising_map_of_scores_change_nothing(weights, seed):
    scores = weights + np.linspace(0, 0.05, len(weights))  # no ties
    result = faithfulness(logistic(weights), scores)
    order = np.random.default_rng(seed).permutation(len(weights))
    moved = faithfulness(logistic(weights[order]), np.exp(scores[order]))
    np.testing.assert_allclose(moved.without, result.without)
    np.testing.assert_allclose(moved.only, result.only)


def test_of_equal_words_the_earlier_goes_first():
    weights = np.array([0.0, 0.6, 0.4])
    result = faithfulness(linear(weights), np.ones(3), Steps(1, 3))
    np.testing.assert_allclose(result.without, [1, 1, 0.4])
    np.testing.assert_allclose(result.only, [1, 0.6, 0])


def test_a_coder_that_ignores_its_words_and_one_that_gains():
    constant = faithfulness(lambda masks: np.full(len(masks), 0.4), np.arange(9))
    assert (constant.comprehensiveness, constant.sufficiency) == (0, 0)
    # Without its words the code is likelier: nothing is lacking, and comprehensiveness is negative.
    gaining = faithfulness(linear(np.array([0.5])), [1.0])
    assert gaining.comprehensiveness == pytest.approx(49 / 50)
    gaining = faithfulness(lambda masks: 0.5 + 0.5 * masks.mean(axis=1), np.ones(100))
    assert gaining.sufficiency == 0
    assert gaining.comprehensiveness < 0


def test_every_mask_is_asked_once():
    asked = []

    def coder(masks):
        asked.extend(mask.tobytes() for mask in masks)
        return 0.5 + 0 * masks[:, 0]

    faithfulness(coder, np.arange(10))
    # 0, 2, …, 10 words removed and 8, 6, 4, 2 best words kept.
    assert len(asked) == len(set(asked)) == 10


def test_random_orders_are_the_floor():
    weights = np.array([3.0, 2.0, *[0.0] * 118])
    coder = logistic(weights)
    floor = random_faithfulness(coder, 120, draws=20, seed=1)
    assert floor == random_faithfulness(coder, 120, draws=20, seed=1)
    assert floor != random_faithfulness(coder, 120, draws=20, seed=2)
    assert floor.count == 20
    result = faithfulness(coder, weights)
    assert result.comprehensiveness > floor.comprehensiveness + 0.3
    assert result.sufficiency < floor.sufficiency - 0.3


@pytest.mark.slow
def test_random_orders_reach_their_expectation():
    """With one word that matters among n, a random order has found it at step m with m / n."""
    count = 40
    coder = linear(np.eye(count)[7])
    floor = random_faithfulness(coder, count, draws=20_000, seed=3)
    expected = np.mean(np.minimum(np.arange(0, 100, 2), count) / count)
    assert floor.comprehensiveness == pytest.approx(expected, abs=0.01)
    kept = np.maximum(count - np.arange(0, 100, 2), 0)
    assert floor.sufficiency == pytest.approx(np.mean(1 - kept / count), abs=0.01)


def test_means_over_pairs():
    results = [faithfulness(linear(np.array(w)), w) for w in ([0.5, 0.25, 0.25], [1.0])]
    mean = mean_faithfulness(results)
    assert mean.count == 2
    assert mean.comprehensiveness == pytest.approx(
        np.mean([one.comprehensiveness for one in results])
    )
    assert mean_faithfulness(results[::-1]).sufficiency == pytest.approx(mean.sufficiency)
    with pytest.raises(InputError, match="no pair"):
        mean_faithfulness([])
    with pytest.raises(InputError, match="no pair"):
        random_faithfulness(linear(np.ones(1)), 1, draws=0, seed=0)


def test_removal_of_the_evidence():
    weights = np.array([0.1, 0.5, 0.3])
    result = removal(linear(weights), [False, True, False])
    assert result == Removal(*map(pytest.approx, (0.9, 0.4, 0.5)))
    nothing = removal(linear(weights), np.zeros(3))
    assert (nothing.without, nothing.only) == (nothing.probability, 0)
    everything = removal(linear(weights), np.ones(3))
    assert (everything.without, everything.only) == (0, everything.probability)


def test_flip_rate():
    removals = [
        Removal(0.9, 0.2, 0.9),  # flips
        Removal(0.9, 0.5, 0.9),  # still reaches the cut
        Removal(0.5, 0.4, 0.1),  # flips
        Removal(0.4, 0.1, 0.1),  # was not assigned
    ]
    found = flip_rate(removals, 0.5)
    assert (found.count, found.total) == (2, 3)
    interval = binomtest(2, 3).proportion_ci(method="exact")
    assert (found.value, found.low, found.high) == pytest.approx((2 / 3, *interval))
    each = flip_rate(removals, [0.5, 0.6, 0.6, 0.3])
    assert (each.count, each.total) == (3, 3)
    assert flip_rate(removals, 0.95) is None
    assert flip_rate([], 0.5) is None
    with pytest.raises(InputError, match="2 cuts for 4"):
        flip_rate(removals, [0.5, 0.5])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda masks: np.zeros(len(masks)), "probability 0 already"),
        (lambda masks: np.full(len(masks), np.nan), r"outside \[0, 1\]"),
        (lambda masks: np.full(len(masks), 1.5), r"outside \[0, 1\]"),
        (lambda masks: np.ones((len(masks), 1)), "one number per mask"),
        (lambda masks: 0.5, "one number per mask"),
    ],
)
def test_a_wrong_probability_is_refused(answer, message):
    with pytest.raises(InputError, match=message):
        faithfulness(answer, [1.0, 2.0])


def test_wrong_scores_and_steps_are_refused():
    coder = linear(np.array([0.5, 0.5]))
    with pytest.raises(InputError, match="one score for each word"):
        faithfulness(coder, [])
    with pytest.raises(InputError, match="not a finite number"):
        faithfulness(coder, [1.0, np.nan])
    with pytest.raises(InputError, match="one flag for each word"):
        removal(coder, [])
    with pytest.raises(InputError, match="at least 1"):
        Steps(0, 100)
