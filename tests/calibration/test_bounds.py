from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surecode.calibration.bounds import (
    clopper_pearson,
    p_binomial,
    p_hoeffding_bentkus,
    required_encounters,
)


def test_p_value_equals_binomtest() -> None:
    for n in (1, 2, 7, 45, 77, 300):
        for errors in range(n + 1):
            expected = stats.binomtest(errors, n, 0.05, alternative="less").pvalue
            assert p_binomial(errors, n, 0.05) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.05, 0.25])
def test_p_value_equals_exact_fractions(alpha: float) -> None:
    exact = Fraction(alpha)  # the binary number itself, so nothing is rounded before the sum
    for n in (1, 12, 45, 60, 150, 300):
        tail = Fraction(0)
        for errors in range(min(n, 30) + 1):
            tail += comb(n, errors) * exact**errors * (1 - exact) ** (n - errors)
            assert p_binomial(errors, n, alpha) == pytest.approx(float(tail), rel=1e-10)


def test_p_value_is_vectorised_and_one_without_encounters() -> None:
    p = p_binomial(np.array([0, 0, 1]), np.array([0, 45, 45]), 0.05)
    assert p.shape == (3,)
    assert p[0] == 1.0
    assert p[1] == pytest.approx(0.95**45)


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(0.01, 0.5), st.floats(0.0, 1.0))
def test_p_value_is_super_uniform_under_the_null(n: int, alpha: float, u: float) -> None:
    errors = np.arange(n + 1)
    p = p_binomial(errors, n, alpha)
    assert stats.binom.pmf(errors, n, alpha)[p <= u].sum() <= u + 1e-12


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 500), st.data())
def test_clopper_pearson_equals_scipy(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    oracle = stats.binomtest(successes, n).proportion_ci(0.95, "exact")
    low, high = clopper_pearson(successes, n, 0.95)
    assert [low, high] == pytest.approx([oracle.low, oracle.high], abs=1e-9)
    greater = stats.binomtest(successes, n, alternative="greater").proportion_ci(0.9, "exact")
    assert clopper_pearson(successes, n, 0.9, "lower") == pytest.approx((greater.low, 1), abs=1e-9)
    less = stats.binomtest(successes, n, alternative="less").proportion_ci(0.9, "exact")
    assert clopper_pearson(successes, n, 0.9, "upper") == pytest.approx((0, less.high), abs=1e-9)


def test_clopper_pearson_without_encounters_says_nothing() -> None:
    low, high = clopper_pearson(0, 0, 0.95)
    assert (float(low), float(high)) == (0.0, 1.0)


@settings(deadline=None)
@given(st.integers(1, 400), st.floats(0.5, 0.99), st.floats(0.01, 0.3), st.data())
def test_lower_limit_reaches_the_level_exactly_where_the_p_value_passes(
    n: int, level: float, delta: float, data: st.DataObject
) -> None:
    errors = data.draw(st.integers(0, n))
    p = float(p_binomial(errors, n, 1 - level))
    low, _ = clopper_pearson(n - errors, n, 1 - delta, "lower")
    if abs(p - delta) > 1e-9:
        assert (p <= delta) == (low >= level)


@pytest.mark.parametrize(
    ("level", "delta", "errors", "n"),
    [
        (0.95, 0.1, 0, 45),
        (0.95, 0.05, 0, 59),
        (0.95, 0.0125, 0, 86),
        (0.95, 0.1, 1, 77),
        (0.95, 0.1, 2, 105),
        (0.95, 0.1, 3, 132),
        (0.5, 0.5, 0, 1),
    ],
)
def test_required_encounters(level: float, delta: float, errors: int, n: int) -> None:
    assert required_encounters(level, delta, errors) == n


def test_required_encounters_are_the_fewest() -> None:
    for errors in range(6):
        n = required_encounters(0.9, 0.1, errors)
        assert p_binomial(errors, n, 0.1) <= 0.1 < p_binomial(errors, n - 1, 0.1)


# ---- Hoeffding-Bentkus ---------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2, 0.5])
def test_hoeffding_bentkus_is_the_exact_p_value_or_up_to_e_times_it(alpha: float) -> None:
    for n in (1, 2, 10, 45, 77, 300, 5_000):
        errors = np.arange(n + 1)
        exact = p_binomial(errors, n, alpha)
        bound = p_hoeffding_bentkus(errors / n, n, alpha)
        assert (bound >= exact * (1.0 - 1e-9)).all()
        assert (bound <= np.minimum(np.e * exact * (1.0 + 1e-9), 1.0)).all()


def test_errors_of_a_mean_never_become_one_more() -> None:
    # Bentkus's part, e P(Binomial <= errors), is recovered wherever it is the smaller one.
    decided = 0
    for n in range(1, 301):
        errors = np.arange(n + 1)
        observed = p_hoeffding_bentkus(errors / n, n, 0.3)
        low = np.minimum(errors / n, 0.3)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = (
                np.where(low > 0.0, low * np.log(low / 0.3), 0.0),
                (1.0 - low) * np.log((1.0 - low) / 0.7),
            )
        hoeffding = np.exp(-n * (parts[0] + parts[1]))
        bentkus = np.e * stats.binom.cdf(errors, n, 0.3)
        np.testing.assert_allclose(
            observed, np.minimum(np.minimum(hoeffding, bentkus), 1.0), rtol=1e-8
        )
        decided += int((bentkus < np.minimum(hoeffding, 1.0)).sum())
    assert decided > 10_000  # cells where a miscounted error would have shown


@settings(max_examples=60)
@given(st.integers(1, 400), st.floats(0.01, 0.6), st.lists(st.floats(0.0, 1.0), min_size=2))
def test_hoeffding_bentkus_rises_with_the_mean(n: int, alpha: float, means: list[float]) -> None:
    p = p_hoeffding_bentkus(np.sort(means), n, alpha)
    assert (np.diff(p) >= -1e-12).all()
    assert ((p >= 0.0) & (p <= 1.0)).all()


def test_hoeffding_bentkus_without_encounters_and_with_all_wrong_is_one() -> None:
    p = p_hoeffding_bentkus([0.0, 1.0, 0.0], [0, 10, 45], 0.05)
    assert p.tolist()[:2] == [1.0, 1.0]
    assert p[2] == pytest.approx(0.95**45)


@settings(max_examples=60)
@given(st.integers(1, 60), st.floats(0.01, 0.5), st.floats(0.0, 1.0))
def test_hoeffding_bentkus_is_super_uniform_under_the_null(n: int, alpha: float, u: float) -> None:
    errors = np.arange(n + 1)
    p = p_hoeffding_bentkus(errors / n, n, alpha)
    assert stats.binom.pmf(errors, n, alpha)[p <= u].sum() <= u + 1e-12
