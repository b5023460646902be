"""Monte Carlo and exact: alarms and proofs come as rarely, and as fast, as promised.

A rate of false proofs is judged by the exact binomial bound: more than the 99.9% quantile of
Binomial(simulations, promise) fail. That a share is reached is proven the other way round: no more
than the 99.9% quantile of Binomial(simulations, share) fail, so that a monitor which truly only
just misses it passes once in a thousand times. The seeds are fixed; powers are asserted beside it.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from surecode.monitoring import AlarmSettings, RiskMonitor, detection_delay
from surecode.monitoring.required import weeks_after
from surecode.monitoring.simulation import breach_boundary, simulate_alarms, simulate_breaches

SEED = 20261125
FIFTY = AlarmSettings(alpha=0.05, audits_per_week=50)
RARER = AlarmSettings(alpha=0.05, audits_per_week=50, average_run_length_weeks=520)
TWO_YEARS = [0.05] * 104


def most(simulations: int, promise: float) -> int:
    """As many events as a true rate of ``promise`` brings in 999 of 1,000 experiments."""
    return int(stats.binom.ppf(0.999, simulations, promise))


def drift(settings_: AlarmSettings, simulations: int, to: float = 0.08) -> NDArray[np.float64]:
    """Weeks from a drift after half a year at .04 to its alarm."""
    alarm = simulate_alarms(settings_, [0.04] * 26 + [to] * 60, simulations, SEED)
    return weeks_after(alarm, int(settings_.audits_per_week), 26)


# ---- the simulation is the monitor ---------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.5), st.sampled_from([3, 40, 130]))
def test_simulated_monitors_are_the_monitor(seed: int, rate: float, audits: int) -> None:
    settings_ = AlarmSettings(0.05, audits, average_run_length_weeks=100 / audits + 1)
    rates = [0.05, rate, rate]
    alarms = simulate_alarms(settings_, rates, 4, seed)
    breaches = simulate_breaches(settings_, rates, 4, seed)
    rng = np.random.default_rng(seed)
    blocks = [
        rng.random((min(100, audits - start), 4)) < p
        for p in rates
        for start in range(0, audits, 100)
    ]
    for i, losses in enumerate(np.concatenate(blocks).T):
        monitor = RiskMonitor(settings_)
        monitor.update(losses)
        assert (monitor.memory.alarm_audit or 0) == alarms[i]
        assert (monitor.memory.breach_audit or 0) == breaches[i]


# ---- breach proof --------------------------------------------------------------------------------


def chance_of_a_proof(settings_: AlarmSettings, rate: float, audits: int) -> float:
    """Exact: the distribution of the error count, audit by audit, absorbed at the boundary."""
    boundary = breach_boundary(settings_, audits)
    alive = np.zeros(int(boundary.max()) + 2)
    alive[0] = 1.0
    proven = 0.0
    for least in boundary:
        moved = (1.0 - rate) * alive
        moved[1:] += rate * alive[:-1]
        proven += float(moved[least:].sum())
        moved[least:] = 0.0
        alive = moved
    return proven


def test_five_years_of_audits_prove_a_breach_falsely_less_often_than_delta() -> None:
    chance = chance_of_a_proof(FIFTY, 0.05, 5 * 52 * 50)
    assert 0.03 < chance <= 0.05  # neither broken nor wasteful
    assert chance_of_a_proof(FIFTY, 0.04, 2 * 52 * 50) < 0.005
    assert chance_of_a_proof(FIFTY, 0.08, 2 * 52 * 50) > 0.99


@pytest.mark.parametrize("delta", [0.05, 0.2])
def test_false_proofs_by_monte_carlo(delta: float) -> None:
    settings_ = AlarmSettings(0.05, 50, delta=delta)
    proven = int((simulate_breaches(settings_, TWO_YEARS, 3000, SEED) > 0).sum())
    assert proven <= most(3000, delta)
    exact = chance_of_a_proof(settings_, 0.05, len(TWO_YEARS) * 50)
    assert stats.binomtest(proven, 3000, exact).pvalue > 0.001
    # A monitor that errs half as often again is found.
    assert stats.binom.sf(most(3000, delta), 3000, 1.5 * delta) > 0.99


def test_peeking_at_a_p_value_fails_the_same_harness() -> None:
    rng = np.random.default_rng(SEED)
    errors = np.cumsum(rng.random((2000, 2000)) < 0.05, axis=1)
    looks = np.arange(49, 2000, 50)
    p_values = stats.binom.sf(errors[:, looks] - 1, looks + 1, 0.05)
    assert int((p_values <= 0.05).any(axis=1).sum()) > most(2000, 0.05)


@pytest.mark.slow
def test_false_proofs_where_groups_are_audited_at_different_rates() -> None:
    """Error rates .02 and .08, mean .05; the second group is audited four times as often."""
    simulations, audits = 1000, 1000
    weighted = AlarmSettings(0.05, 50, lowest_rate=0.1)
    rng = np.random.default_rng(SEED)
    proven = careless = 0
    for _ in range(simulations):
        second = rng.random(audits) < 0.8
        losses = rng.random(audits) < np.where(second, 0.08, 0.02)
        probability = np.where(second, 0.4, 0.1)
        proven += RiskMonitor(weighted).update(losses, probability).breach_proven
        careless += RiskMonitor(FIFTY).update(losses).breach_proven
    assert proven <= most(simulations, 0.05)
    assert careless > most(simulations, 0.05)  # without the weights the promise is broken


# ---- drift alarm: not too often ------------------------------------------------------------------


def run_length(settings_: AlarmSettings, rate: float, simulations: int) -> tuple[float, float]:
    """Mean audits to the alarm and its standard error; runs of 500 weeks end there."""
    alarm = simulate_alarms(settings_, [rate] * 500, simulations, SEED)
    length = np.where(alarm == 0, 500 * settings_.audits_per_week, alarm)
    return float(length.mean()), float(length.std() / np.sqrt(simulations))


@pytest.mark.parametrize("threshold", [50.0, 400.0])
def test_average_run_length(threshold: float) -> None:
    """At least A audits at exactly alpha. Runs cut off count as shorter than they are."""
    settings_ = AlarmSettings(0.05, 100, average_run_length_weeks=threshold / 100)
    mean, error = run_length(settings_, 0.05, 2000)
    assert mean - 3.1 * error > settings_.alarm_threshold
    # A wrong unit, or a threshold of a third, would be found.
    wrong = AlarmSettings(0.05, 100, average_run_length_weeks=threshold / 300)
    mean, error = run_length(wrong, 0.05, 2000)
    assert mean + 3.1 * error < settings_.alarm_threshold


@pytest.mark.parametrize(("settings_", "measured"), [(FIFTY, 0.26), (RARER, 0.134)])
def test_false_alarms_at_exactly_alpha_within_two_years(
    settings_: AlarmSettings, measured: float
) -> None:
    """R - audits is a martingale, so P(alarm) <= 104 weeks / average run length; in fact less."""
    promise = 104 / settings_.average_run_length_weeks
    false = int((simulate_alarms(settings_, TWO_YEARS, 1000, SEED) > 0).sum())
    assert false <= most(1000, measured) < 1000 * promise
    # A threshold of half the size is found.
    half = AlarmSettings(0.05, 50, settings_.average_run_length_weeks / 2)
    assert int((simulate_alarms(half, TWO_YEARS, 1000, SEED) > 0).sum()) > most(1000, measured)


def test_false_alarms_of_a_healthy_specialty() -> None:
    """At .04 at most one in a hundred within half a year."""
    false = int((simulate_alarms(FIFTY, [0.04] * 26, 1000, SEED) > 0).sum())
    assert false <= most(1000, 0.01)


@pytest.mark.slow
def test_average_run_length_of_five_years() -> None:
    """The setting that is shipped, at exactly alpha: at least 260 weeks of 50 audits."""
    simulations, weeks = 2000, 1040
    alarm = simulate_alarms(FIFTY, [0.05] * weeks, simulations, SEED)
    length = np.where(alarm == 0, weeks * 50, alarm) / 50
    assert length.mean() - 3.1 * length.std() / np.sqrt(simulations) > 260


@pytest.mark.slow
@pytest.mark.parametrize("audits", [25, 50, 100])
@pytest.mark.parametrize(
    ("run_length_weeks", "at_alpha", "at_four"), [(260, 0.28, 0.026), (520, 0.145, 0.009)]
)
def test_false_alarms_within_two_years_by_many_simulations(
    audits: int, run_length_weeks: int, at_alpha: float, at_four: float
) -> None:
    settings_ = AlarmSettings(0.05, audits, run_length_weeks)
    for rate, highest in ((0.05, at_alpha), (0.04, at_four)):
        false = int((simulate_alarms(settings_, [rate] * 104, 10_000, SEED) > 0).sum())
        assert false <= most(10_000, highest)


# ---- drift alarm: soon enough --------------------------------------------------------------------


def test_a_drift_from_four_to_eight_percent_is_found_in_twelve_weeks() -> None:
    """50 audits a week: half within 12 weeks, nine in ten within 22, false alarms below 1%."""
    delay = drift(FIFTY, 1000)
    early = int((delay <= 0).sum())
    late = delay[delay > 0]
    assert (late <= 12).sum() > most(late.size, 0.5)
    assert (late <= 22).sum() > most(late.size, 0.9)
    assert early <= most(1000, 0.005)
    # The share within 12 weeks that was measured, .70, passes; a true share of .5 passes once in a
    # thousand times, one of .46 never.
    assert stats.binom.sf(most(1000, 0.5), 1000, 0.70) > 0.999
    assert stats.binom.sf(most(1000, 0.5), 1000, 0.46) < 1e-7


def test_the_median_is_what_the_delays_say() -> None:
    delay = drift(FIFTY, 1000)
    summary = detection_delay(0.05, 0.08, 50, horizon_weeks=60, simulations=1000, seed=SEED)
    late = delay[delay > 0]
    assert (late < summary.median_weeks).mean() < 0.5 <= (late <= summary.median_weeks).mean()
    assert (late < summary.weeks_90).mean() < 0.9 <= (late <= summary.weeks_90).mean()
    assert summary.early_alarms == (delay <= 0).mean()
    assert summary.median_weeks <= 12
    assert summary.weeks_90 <= 22


@pytest.mark.slow
@pytest.mark.parametrize("settings_", [FIFTY, RARER], ids=["260", "520"])
def test_the_drift_goal_by_many_simulations(settings_: AlarmSettings) -> None:
    delay = drift(settings_, 20_000)
    late = delay[delay > 0]
    assert (late <= 12).sum() > most(late.size, 0.5)
    assert (late <= 22).sum() > most(late.size, 0.9)
    assert (delay <= 0).sum() <= most(20_000, 0.01)
    greater = drift(settings_, 5000, to=0.12)
    greater = greater[greater > 0]
    assert (greater <= 4).sum() > most(greater.size, 0.5)
    assert (greater <= 7).sum() > most(greater.size, 0.9)
