"""What a monitor watches for and how rarely it may be wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass

from surecode.errors import InputError

AVERAGE_RUN_LENGTH_WEEKS = 260.0
"""Five years: mean time to a drift alarm where the error rate is ``alpha`` all the time."""


@dataclass(frozen=True)
class AlarmSettings:
    """What is promised, and how rarely an alarm may come without cause.

    ``alpha``: highest error rate that the certificate allows, 1 - its level.
    ``audits_per_week``: audits of this specialty in an ordinary week.
    ``average_run_length_weeks``: mean weeks to a drift alarm as long as the promise is kept.
    ``delta``: probability that a breach is ever proven although the promise is kept.
    ``lowest_rate``: smallest inclusion probability (`AuditSampler.lowest_rate`); 1 where all have
    the same, which then cancels and need not be given.
    """

    alpha: float
    audits_per_week: float
    average_run_length_weeks: float = AVERAGE_RUN_LENGTH_WEEKS
    delta: float = 0.05
    lowest_rate: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("delta", self.delta)):
            if not 0.0 < value < 1.0:
                raise InputError(f"monitor: {name} {value!r} must lie strictly between 0 and 1")
        if not 0.0 < self.lowest_rate <= 1.0:
            raise InputError(f"monitor: lowest_rate {self.lowest_rate!r} is not in (0, 1]")
        if not (self.audits_per_week > 0.0 and self.average_run_length_weeks > 0.0):
            raise InputError(
                "monitor: audits_per_week and average_run_length_weeks must be above 0"
            )
        if not 1.0 <= self.alarm_threshold < math.inf:
            raise InputError(
                f"monitor: the average run length is {self.alarm_threshold:g} audits; it must be "
                "finite and at least 1: raise audits_per_week or average_run_length_weeks"
            )

    @property
    def alarm_threshold(self) -> float:
        """The detector's threshold A, in audits."""
        return self.average_run_length_weeks * self.audits_per_week
