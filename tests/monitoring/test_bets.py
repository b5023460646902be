"""By enumeration of everything that can happen: the bets are fair, with and without weights."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.monitoring import AlarmSettings, RiskMonitor
from surecode.monitoring.bets import bet_sizes, log_factors, log_mean

SETTINGS = AlarmSettings(alpha=0.05, audits_per_week=10)


@pytest.mark.parametrize("n", [1, 2, 7, 12])
@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_e_value_and_detector_on_average(n: int, alpha: float) -> None:
    """All 2^n outcomes: E[e-value] <= 1 and E[R] <= n for every p <= alpha, equal at alpha."""
    e_values, detectors, errors = [], [], []
    for outcome in itertools.product([0.0, 1.0], repeat=n):
        state = RiskMonitor(AlarmSettings(alpha, 10)).update(outcome)
        e_values.append(state.e_value)
        detectors.append(state.detector)
        errors.append(sum(outcome))
    wrong = np.array(errors)
    for p in np.linspace(0.0, 1.0, 11) * alpha:
        probability = p**wrong * (1.0 - p) ** (n - wrong)
        assert probability.sum() == pytest.approx(1.0)
        assert probability @ np.array(e_values) <= 1.0 + 1e-12
        assert probability @ np.array(detectors) <= n * (1.0 + 1e-12)
    assert probability @ np.array(e_values) == pytest.approx(1.0, rel=1e-12)
    assert probability @ np.array(detectors) == pytest.approx(n, rel=1e-12)
    # And they do speak where the promise is broken.
    broken = 2.0 * alpha
    probability = broken**wrong * (1.0 - broken) ** (n - wrong)
    assert probability @ np.array(e_values) > 1.0
    assert probability @ np.array(detectors) > n


@pytest.mark.parametrize("shares", [(0.0, 0.1), (0.05, 0.05), (0.1, 0.0), (0.02, 0.08)])
def test_two_groups_audited_at_different_rates(shares: tuple[float, float]) -> None:
    """All 5^5 histories of five automated encounters: group, audited or not, wrong or right.

    The groups arrive equally often, so the error rate is exactly alpha in all four cases, and both
    means must be as with one rate: 1, and the mean number of audits.
    """
    rates = (0.1, 0.4)
    outcomes = [(0.5 * (1 - rates[0]) + 0.5 * (1 - rates[1]), None, 0.0)]
    for rate, p in zip(rates, shares, strict=True):
        outcomes += [(0.5 * rate * p, rate, 1.0), (0.5 * rate * (1 - p), rate, 0.0)]
    e_mean = detector_mean = audits_mean = 0.0
    weighted = AlarmSettings(0.05, 10, lowest_rate=0.1)
    for history in itertools.product(outcomes, repeat=5):
        probability = float(np.prod([chance for chance, _, _ in history]))
        audited = [(loss, rate) for _, rate, loss in history if rate is not None]
        state = RiskMonitor(weighted).update([x for x, _ in audited], [r for _, r in audited])
        e_mean += probability * state.e_value
        detector_mean += probability * state.detector
        audits_mean += probability * state.audits
    assert e_mean == pytest.approx(1.0, rel=1e-12)
    assert audits_mean == pytest.approx(5 * 0.25, rel=1e-12)
    assert detector_mean == pytest.approx(audits_mean, rel=1e-12)


@settings(deadline=None)
@given(
    st.floats(0.001, 0.9),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.lists(st.floats(1.01, 50.0), min_size=1, max_size=5),
)
def test_capital_is_never_lost_whole_and_errors_pay(
    alpha: float, loss: float, weight: float, ratios: list[float]
) -> None:
    sizes = bet_sizes(alpha, ratios)
    assert ((sizes > 0.0) & (sizes < 1.0 / alpha)).all()
    factors = log_factors(loss, weight, alpha, sizes)
    assert np.isfinite(factors).all()
    assert (factors <= log_factors(1.0, weight, alpha, sizes)).all()
    assert (factors >= log_factors(0.0, weight, alpha, sizes)).all()


@settings(deadline=None)
@given(st.floats(0.01, 0.5), st.floats(1.1, 9.0))
def test_a_bet_is_the_likelihood_ratio_of_its_error_rate(alpha: float, ratio: float) -> None:
    odds = ratio * alpha / (1.0 - alpha)
    drifted = odds / (1.0 + odds)
    size = bet_sizes(alpha, [ratio])
    wrong, right = (float(log_factors(x, 1.0, alpha, size)[0]) for x in (1.0, 0.0))
    assert wrong == pytest.approx(np.log(drifted / alpha), rel=1e-9)
    assert right == pytest.approx(np.log((1 - drifted) / (1 - alpha)), rel=1e-9)


def test_mean_of_capital_far_beyond_floats() -> None:
    assert log_mean(np.array([-5000.0, -5000.0])) == pytest.approx(-5000.0)
    assert log_mean(np.array([9000.0, -9000.0])) == pytest.approx(9000.0 - np.log(2.0))
