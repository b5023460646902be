import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from surecode.errors import InputError
from surecode.evaluation import selective

encounters = st.lists(
    st.tuples(st.sampled_from([0.1, 0.5, 0.5000001, 0.8, 0.9, 1.0]), st.booleans()),
    min_size=1,
    max_size=30,
)


def unzip(pairs):
    confidence, correct = zip(*pairs, strict=True)
    return np.array(confidence), np.array(correct)


def test_automation_rate_has_the_exact_interval():
    rate = selective.automation_rate([True] * 30 + [False] * 70)
    assert (rate.value, rate.count, rate.total) == (0.3, 30, 100)
    assert rate.low == pytest.approx(beta.ppf(0.025, 30, 71))
    assert rate.high == pytest.approx(beta.ppf(0.975, 31, 70))


def test_interval_at_the_ends():
    none, whole = selective.automation_rate([False] * 20), selective.automation_rate([True] * 20)
    assert none.low == 0.0
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert whole.high == 1.0
    assert whole.low == pytest.approx(0.025 ** (1 / 20))


def test_the_interval_covers_at_least_as_often_as_it_says():
    for probability in (0.03, 0.4, 0.95):
        draws = np.random.default_rng(0).binomial(40, probability, size=400)
        intervals = {count: selective.rate(int(count), 40) for count in set(draws)}
        covered = [intervals[c].low <= probability <= intervals[c].high for c in draws]
        assert np.mean(covered) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 400)


def test_accuracy_counts_automated_encounters_only():
    automated, correct = [1, 1, 1, 0, 0], [1, 1, 0, 0, 1]
    rate = selective.accuracy_among_automated(automated, correct)
    assert (rate.count, rate.total) == (2, 3)
    assert selective.accuracy_among_automated([0, 0], [1, 0]) is None


def test_ties_enter_together():
    coverage, risk = selective.risk_coverage([0.9, 0.5, 0.5, 0.5], [True, False, True, True])
    np.testing.assert_allclose(coverage, [0.25, 1.0])
    np.testing.assert_allclose(risk, [0.0, 0.25])


@given(encounters, st.randoms(use_true_random=False))
def test_nothing_depends_on_the_order_of_encounters(pairs, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    first, second = unzip(pairs), unzip(shuffled)
    for one, other in zip(
        selective.risk_coverage(*first), selective.risk_coverage(*second), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert selective.aurc(*first) == selective.aurc(*second)
    assert selective.augrc(*first) == selective.augrc(*second)


@given(encounters)
def test_curve_agrees_with_every_threshold_tried_by_hand(pairs):
    confidence, correct = unzip(pairs)
    coverage, risk = selective.risk_coverage(confidence, correct)
    thresholds = sorted(set(confidence), reverse=True)
    np.testing.assert_allclose(coverage, [(confidence >= t).mean() for t in thresholds])
    np.testing.assert_allclose(risk, [1 - correct[confidence >= t].mean() for t in thresholds])
    assert coverage[-1] == 1.0


@given(st.permutations(range(12)), st.lists(st.booleans(), min_size=12, max_size=12))
def test_areas_are_the_means_of_their_definitions(confidence, correct):
    errors = np.cumsum(~np.array(correct)[np.argsort(confidence)[::-1]])
    tops = np.arange(1, 13)
    assert selective.aurc(confidence, correct) == pytest.approx((errors / tops).mean())
    assert selective.augrc(confidence, correct) == pytest.approx((errors / 12).mean())


def test_areas_of_a_tie_are_the_mean_over_its_orders():
    tied = [0.7] * 3
    orders = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    parted = [0.9, 0.8, 0.7]
    assert selective.aurc(tied, orders[0]) == pytest.approx(
        np.mean([selective.aurc(parted, order) for order in orders])
    )
    assert selective.augrc(tied, orders[0]) == pytest.approx(
        np.mean([selective.augrc(parted, order) for order in orders])
    )


def test_coverage_at_accuracy():
    confidence = np.linspace(1, 0, 20)
    correct = np.array([True] * 18 + [False, True])
    assert selective.coverage_at_accuracy(confidence, correct, 1.0) == 0.9
    assert selective.coverage_at_accuracy(confidence, correct, 0.95) == 1.0
    assert selective.coverage_at_accuracy(confidence, ~correct, 0.9) == 0.0


@given(encounters, st.sampled_from([0.0, 0.5, 0.75, 1.0]))
def test_coverage_at_accuracy_is_the_largest_that_reaches_it(pairs, accuracy):
    confidence, correct = unzip(pairs)
    coverages = [
        (confidence >= t).mean()
        for t in set(confidence)
        if correct[confidence >= t].mean() >= accuracy
    ]
    assert selective.coverage_at_accuracy(confidence, correct, accuracy) == max(
        coverages, default=0
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: selective.automation_rate([]), "automated"),
        (lambda: selective.automation_rate([0.5]), "neither true nor false"),
        (lambda: selective.rate(0, 0), "no encounters"),
        (lambda: selective.accuracy_among_automated([1], [1, 0]), "shape"),
        (lambda: selective.risk_coverage([], []), "shape"),
        (lambda: selective.risk_coverage([0.5], [1, 0]), "shape"),
        (lambda: selective.aurc([float("nan")], [1]), "finite"),
        (lambda: selective.coverage_at_accuracy([0.5], [1], 95), "0 to 1"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
