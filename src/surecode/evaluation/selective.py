"""What coding without a person is worth: automation rate, accuracy, risk against coverage.

The curve of risk against coverage and its areas are those by which calibration chooses a
confidence, `surecode.calibration.risk_coverage`; they are offered here too. Letters: N encounters.
"""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy.stats import binomtest

from surecode.calibration.risk_coverage import (
    augrc,
    aurc,
    coverage_at_accuracy,
    flags,
    risk_coverage,
    same_length,
)
from surecode.errors import InputError

__all__ = [
    "Rate",
    "accuracy_among_automated",
    "augrc",
    "aurc",
    "automation_rate",
    "coverage_at_accuracy",
    "rate",
    "risk_coverage",
]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share ``count / total`` with its exact two-sided interval ``low`` to ``high``."""

    value: float
    low: float
    high: float
    count: int
    total: int


def rate(count: int, total: int, *, confidence_level: float = 0.95) -> Rate:
    """A share with the interval of Clopper and Pearson 1934 (Biometrika 26), which never covers
    less often than ``confidence_level``.

    Raises `InputError` if ``total`` is 0.
    """
    if total <= 0:
        raise InputError("rate: no encounters to take a share of; give at least one")
    test = binomtest(count, total)
    interval = test.proportion_ci(confidence_level=confidence_level, method="exact")
    return Rate(count / total, float(interval.low), float(interval.high), count, total)


def automation_rate(automated: ArrayLike, *, confidence_level: float = 0.95) -> Rate:
    """The share of encounters with route ``auto``, of all received in scope.

    ``automated`` is ``[N]`` of bool over *all* received encounters: the stopped, the failed and
    the late stay in the denominator. Raises `InputError` if there are none.
    """
    routes = flags("automated", automated)
    return rate(int(routes.sum()), len(routes), confidence_level=confidence_level)


def accuracy_among_automated(
    automated: ArrayLike, correct: ArrayLike, *, confidence_level: float = 0.95
) -> Rate | None:
    """The share of automated encounters that are right; None where none is automated.

    ``automated`` and ``correct`` are ``[N]`` of bool. Raises `InputError` if their lengths differ
    or there are no encounters.
    """
    routes, right = flags("automated", automated), flags("correct", correct)
    same_length("automated", routes, right)
    if not routes.any():
        return None
    return rate(int(right[routes].sum()), int(routes.sum()), confidence_level=confidence_level)
