"""How many audits a week does it take to notice a drift in time?

There is no closed form: the answer is found by simulating monitors and bisecting.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surecode.errors import InputError
from surecode.monitoring.alarm_settings import AVERAGE_RUN_LENGTH_WEEKS, AlarmSettings
from surecode.monitoring.simulation import simulate_alarms

MOST_AUDITS = 4096
"""A week; :func:`required_audits` looks no further."""

STABLE_SHARE = 0.8
"""Before the drift the error rate is this share of alpha, unless another is given."""


@dataclass(frozen=True)
class DetectionDelay:
    """Weeks from a drift to its alarm, over simulations; 1 is the first week after it.

    ``median_weeks`` and ``weeks_90`` are quantiles, infinite where so many alarms did not come
    within the horizon. ``early_alarms`` is the share of simulations whose alarm came before the
    drift; the quantiles are about the others.
    """

    median_weeks: float
    weeks_90: float
    early_alarms: float


def detection_delay(
    alpha: float,
    drifted: float,
    audits_per_week: int,
    *,
    stable: float | None = None,
    stable_weeks: int = 26,
    horizon_weeks: int = 104,
    average_run_length_weeks: float = AVERAGE_RUN_LENGTH_WEEKS,
    simulations: int = 2000,
    seed: int = 0,
) -> DetectionDelay:
    """How long a rise of the error rate from ``stable`` to ``drifted`` stays without an alarm.

    The drift comes all at once after ``stable_weeks``; ``stable`` is .8 ``alpha`` where it is not
    given. ``experiments/drift_alarm`` has figures.
    """
    settings = AlarmSettings(alpha, audits_per_week, average_run_length_weeks)
    before = STABLE_SHARE * alpha if stable is None else stable
    _check_drift(alpha, before, drifted)
    if audits_per_week < 1 or stable_weeks < 0 or horizon_weeks < 1 or simulations < 1:
        raise InputError(
            "detection delay: audits_per_week, horizon_weeks and simulations must be at least 1, "
            "stable_weeks at least 0"
        )
    rates = [before] * stable_weeks + [drifted] * horizon_weeks
    alarm = simulate_alarms(settings, rates, simulations, seed)
    delay = weeks_after(alarm, audits_per_week, stable_weeks)
    late = delay[delay > 0]
    if not late.size:
        return DetectionDelay(float("nan"), float("nan"), 1.0)
    return DetectionDelay(
        median_weeks=float(np.quantile(late, 0.5, method="higher")),
        weeks_90=float(np.quantile(late, 0.9, method="higher")),
        early_alarms=float(np.mean(delay <= 0)),
    )


def weeks_after(
    audits: NDArray[np.int64], audits_per_week: int, start_week: int
) -> NDArray[np.float64]:
    """Weeks `[S]` from the end of ``start_week`` to the audit `[S]`: 1 in the first week after it.

    0 or less where the audit came before, infinite where there is none (0).
    """
    week = np.ceil(audits / audits_per_week) - start_week
    return np.where(audits == 0, np.inf, week)


def required_audits(
    alpha: float,
    drifted: float,
    weeks: int,
    average_run_length_weeks: float = AVERAGE_RUN_LENGTH_WEEKS,
    share: float = 0.5,
    *,
    stable: float | None = None,
    stable_weeks: int = 26,
    simulations: int = 2000,
    seed: int = 0,
) -> int:
    """Audits a week so that a drift to ``drifted`` is alarmed within ``weeks`` in a ``share``.

    The share is that of simulations without an alarm before the drift, which is as in
    :func:`detection_delay`. With 2,000 simulations it has a standard error of about .01, which is
    worth an audit or two in fifty; the same seed gives the same answer.

    Raises `InputError` where the drift is none or `MOST_AUDITS` a week do not suffice.
    """
    before = STABLE_SHARE * alpha if stable is None else stable
    _check_drift(alpha, before, drifted)
    if weeks < 1 or stable_weeks < 0 or simulations < 1 or not 0.0 < share < 1.0:
        raise InputError(
            "required audits: weeks and simulations must be at least 1, stable_weeks at least 0, "
            "share strictly between 0 and 1"
        )
    rates = [before] * stable_weeks + [drifted] * weeks

    def enough(audits_per_week: int) -> bool:
        settings = AlarmSettings(alpha, audits_per_week, average_run_length_weeks)
        alarm = simulate_alarms(settings, rates, simulations, seed)
        delay = weeks_after(alarm, audits_per_week, stable_weeks)
        late = delay[delay > 0]
        return bool(late.size) and bool(np.mean(late <= weeks) >= share)

    most = 1
    while not enough(most):
        most *= 2
        if most > MOST_AUDITS:
            raise InputError(
                f"required audits: {MOST_AUDITS} a week do not find an error rate of {drifted:g} "
                f"within {weeks} weeks; allow more weeks or a larger drift"
            )
    return bisect_left(range(most), True, lo=most // 2 + 1, key=enough)


def _check_drift(alpha: float, stable: float, drifted: float) -> None:
    if not 0.0 <= stable <= alpha < drifted <= 1.0:
        raise InputError(
            f"drift: error rates must be 0 <= stable <= alpha < drifted <= 1, and are stable "
            f"{stable:g}, alpha {alpha:g}, drifted {drifted:g}"
        )
