from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from surecode.errors import InputError
from surecode.monitoring import detection_delay, required_audits
from surecode.monitoring.bets import bet_sizes
from surecode.monitoring.required import weeks_after


def found_in_time(
    audits: int, drifted: float, weeks: int, simulations: int, seed: int
) -> tuple[int, int]:
    """How many monitors find the drift, and how many have not erred before: by the definition.

    Another implementation than the package's: logarithms, no simulation is ever taken out, and
    alarms are looked up afterwards.
    """
    rates = np.repeat([0.04, drifted], [26 * audits, weeks * audits])
    losses = np.random.default_rng(seed).random((simulations, len(rates))) < rates
    growth = np.log1p(bet_sizes(0.05) * np.array([[-0.05], [0.95]]))
    log_detector = np.full((simulations, growth.shape[1]), -np.inf)
    alarmed = np.zeros(losses.shape, dtype=bool)
    for t, loss in enumerate(losses.T.astype(int)):
        log_detector = np.logaddexp(0.0, log_detector) + growth[loss]
        alarmed[:, t] = np.exp(log_detector).mean(axis=1) >= 260 * audits
    early = alarmed[:, : 26 * audits].any(axis=1)
    return int((alarmed.any(axis=1) & ~early).sum()), int((~early).sum())


@pytest.mark.parametrize(
    ("drifted", "weeks", "share", "most_audits"),
    [(0.08, 12, 0.5, 40), (0.12, 4, 0.5, 50), (0.12, 6, 0.8, 60)],
)
def test_an_independent_simulation_agrees(
    drifted: float, weeks: int, share: float, most_audits: int
) -> None:
    audits = required_audits(0.05, drifted, weeks, share=share)
    assert 1 < audits <= most_audits
    found, healthy = found_in_time(audits, drifted, weeks, 1000, seed=7)
    # Three standard errors of the difference between 1,000 simulations here and 2,000 there.
    assert abs(found / healthy - share) < 3 * math.sqrt(share * (1 - share) * (1 / 1000 + 1 / 2000))
    # Two thirds of the audits would not do.
    fewer, healthy = found_in_time(math.ceil(audits * 2 / 3), drifted, weeks, 1000, seed=8)
    assert fewer < stats.binom.ppf(0.001, healthy, share)


def test_more_is_asked_for_where_more_is_wanted() -> None:
    plain = required_audits(0.05, 0.10, 8, simulations=200)
    assert required_audits(0.05, 0.10, 8, simulations=200) == plain
    assert required_audits(0.05, 0.10, 4, simulations=200) > plain
    assert required_audits(0.05, 0.08, 8, simulations=200) > plain
    assert required_audits(0.05, 0.10, 8, share=0.9, simulations=200) > plain
    assert required_audits(0.05, 0.10, 8, 2600, simulations=200) > plain


def test_as_few_audits_as_there_are() -> None:
    assert required_audits(0.05, 1.0, 52, simulations=100) == 1


def test_the_delay_falls_with_audits_and_with_the_drift() -> None:
    delays = [
        detection_delay(0.05, drifted, audits, simulations=400).median_weeks
        for audits, drifted in ((20, 0.08), (50, 0.08), (50, 0.12), (50, 1.0))
    ]
    assert delays == sorted(delays, reverse=True)
    assert delays[-1] == 1.0


def test_a_drift_that_is_not_found_takes_forever() -> None:
    delay = detection_delay(0.05, 0.0501, 1, horizon_weeks=10, simulations=50)
    assert delay.median_weeks == delay.weeks_90 == math.inf


def test_alarms_before_the_drift_are_counted_apart() -> None:
    delay = detection_delay(
        0.05,
        0.2,
        50,
        stable=0.05,
        stable_weeks=200,
        horizon_weeks=1,
        average_run_length_weeks=1,
        simulations=50,
    )
    assert delay.early_alarms == 1.0
    assert math.isnan(delay.median_weeks)


def test_weeks_are_counted_from_one() -> None:
    audits = np.array([0, 1, 50, 51, 100, 101])
    assert weeks_after(audits, 50, 1).tolist() == [math.inf, 0.0, 0.0, 1.0, 1.0, 2.0]


def test_refuses_what_is_no_drift() -> None:
    with pytest.raises(InputError, match="stable <= alpha < drifted"):
        required_audits(0.05, 0.05, 12)
    with pytest.raises(InputError, match="stable <= alpha < drifted"):
        detection_delay(0.05, 0.08, 50, stable=0.06)
    with pytest.raises(InputError, match="share"):
        required_audits(0.05, 0.08, 12, share=1.0)
    with pytest.raises(InputError, match="at least 1"):
        required_audits(0.05, 0.08, 0)
    with pytest.raises(InputError, match="at least 1"):
        detection_delay(0.05, 0.08, 50, horizon_weeks=0)


def test_refuses_a_drift_too_small_to_find() -> None:
    with pytest.raises(InputError, match="allow more weeks or a larger drift"):
        required_audits(0.05, 0.0501, 1, simulations=20, stable_weeks=1)
