from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from surecode.calibration.bounds import clopper_pearson
from surecode.monitoring import AlarmSettings, RiskMonitor, error_rate_interval


def mixture(wrong: float, right: float, rate: float) -> float:
    """Likelihood ratio of q against the rate, integrated over q ~ Beta(1/2, 1/2) numerically."""

    def under_the_root(angle: float) -> float:
        # q = sin(angle)^2 turns the density 1 / (pi sqrt(q (1 - q))) into the constant 2 / pi.
        q = math.sin(angle) ** 2
        log_ratio = special.xlogy(wrong, q / rate) + special.xlogy(right, (1 - q) / (1 - rate))
        return math.exp(float(log_ratio)) * 2.0 / math.pi

    peak = math.asin(math.sqrt(wrong / (wrong + right)))
    pieces = [integrate.quad(under_the_root, *ends)[0] for ends in ((0, peak), (peak, math.pi / 2))]
    return float(sum(pieces))


@settings(deadline=None, max_examples=60)
@given(st.floats(0.0, 60.0), st.floats(0.0, 200.0), st.sampled_from([0.01, 0.05, 0.2]))
def test_the_limits_are_where_the_mixture_reaches_one_over_delta(
    wrong: float, right: float, delta: float
) -> None:
    assume(wrong + right > 0.01)
    low, high = error_rate_interval(wrong, right, delta)
    assert 0.0 <= low <= wrong / (wrong + right) <= high <= 1.0
    for limit in (low, high):
        if 1e-9 < limit < 1 - 1e-9:
            assert mixture(wrong, right, limit) == pytest.approx(1 / delta, rel=1e-5)
    assert low == 0.0 or mixture(wrong, right, max(low * 0.9, 1e-300)) > 1 / delta


def test_all_right_all_wrong_and_nothing() -> None:
    assert error_rate_interval(0.0, 0.0, 0.05) == (0.0, 1.0)
    low, high = error_rate_interval(0.0, 1000.0, 0.05)
    assert low == 0.0
    assert 0.0 < high < 0.01
    mirrored = error_rate_interval(1000.0, 0.0, 0.05)
    assert mirrored == pytest.approx((1.0 - high, 1.0), abs=1e-12)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 500))
def test_wider_than_an_interval_for_one_look_but_not_by_much(errors: int, right: int) -> None:
    low, high = error_rate_interval(float(errors), float(right), 0.05)
    once_low, once_high = (float(x) for x in clopper_pearson(errors, errors + right, 0.95))
    assert low <= once_low
    assert high >= once_high
    assert high - low <= 2.5 * (once_high - once_low)


@pytest.mark.parametrize("losses", ["binary", "bounded", "weighted"])
def test_the_limits_hold_at_all_times_at_once(losses: str) -> None:
    """Missing at any of 1,000 audits counts; more misses than chance allows at .05 fail."""
    simulations, audits, rate, delta = 2000, 1000, 0.05, 0.05
    rng = np.random.default_rng(20261125)
    weight = np.ones((simulations, audits))
    if losses == "binary":
        loss = (rng.random((simulations, audits)) < rate).astype(float)
    elif losses == "bounded":
        loss = rng.beta(0.5, 9.5, (simulations, audits))
    else:
        # Among encounters both groups are equally frequent, with error rates .02 and .08; the
        # second is audited four times as often and weighs a quarter.
        second = rng.random((simulations, audits)) < 0.8
        loss = (rng.random((simulations, audits)) < np.where(second, 0.08, 0.02)).astype(float)
        weight = np.where(second, 0.25, 1.0)
    wrong = np.cumsum(weight * loss, axis=1)
    right = np.cumsum(weight * (1.0 - loss), axis=1)
    evidence = special.betaln(0.5 + wrong, 0.5 + right) - special.betaln(0.5, 0.5)
    evidence -= special.xlogy(wrong, rate) + special.xlog1py(right, -rate)
    missed = (evidence >= np.log(1 / delta)).any(axis=1)
    assert missed.sum() <= stats.binom.ppf(0.999, simulations, delta)
    # The same verdict as the interval's, where the audits end.
    for i in range(100):
        low, high = error_rate_interval(wrong[i, -1], right[i, -1], delta)
        assert (low < rate < high) == (evidence[i, -1] < np.log(1 / delta))


def test_a_monitor_shows_the_interval_of_its_audits() -> None:
    state = RiskMonitor(AlarmSettings(0.05, 50)).update([1.0] * 6 + [0.0] * 94)
    assert (state.error_low, state.error_high) == error_rate_interval(6.0, 94.0, 0.05)
    assert state.error_low < 0.06 < state.error_high
