"""What coding without a person is worth: automation rate, accuracy, risk against coverage.

Coverage is the share of encounters that is automated when the most confident come first; risk is
the share of errors among them. Encounters of equal confidence enter together, since no threshold
can part them; within such a tie the errors count as evenly spread, the mean over all orders, so
that no figure depends on the order of the input. Letters: N encounters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from surecode.errors import InputError


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
    routes = _flags("automated", automated)
    return rate(int(routes.sum()), len(routes), confidence_level=confidence_level)


def accuracy_among_automated(
    automated: ArrayLike, correct: ArrayLike, *, confidence_level: float = 0.95
) -> Rate | None:
    """The share of automated encounters that are right; None where none is automated.

    ``automated`` and ``correct`` are ``[N]`` of bool. Raises `InputError` if their lengths differ
    or there are no encounters.
    """
    routes, right = _flags("automated", automated), _flags("correct", correct)
    _same_length("automated", routes, right)
    if not routes.any():
        return None
    return rate(int(right[routes].sum()), int(routes.sum()), confidence_level=confidence_level)


def risk_coverage(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coverage and risk, each ``[T]``, at the T distinct confidences, from high to low.

    ``confidence`` is ``[N]``, finite, ``correct`` is ``[N]`` of bool. The last coverage is 1.
    Raises `InputError` if the input is empty, uneven in length or not finite.
    """
    covered, errors = _steps(confidence, correct)
    return covered / covered[-1], errors / covered


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk-coverage curve: the mean over i of (errors among the top i) / i.

    El-Yaniv and Wiener 2010 (JMLR 11); Geifman et al. 2019 (arXiv 1805.08206).
    """
    errors = _errors_among_top(confidence, correct)
    return float(np.mean(errors / np.arange(1, len(errors) + 1)))


def augrc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the generalised curve: the mean over i of (errors among the top i) / N.

    The mean risk of an undetected failure (Traub et al. 2024, arXiv 2407.01032).
    """
    errors = _errors_among_top(confidence, correct)
    return float(np.mean(errors) / len(errors))


def coverage_at_accuracy(confidence: ArrayLike, correct: ArrayLike, accuracy: float) -> float:
    """The largest coverage with at least this accuracy among the covered, 0 where there is none.

    A description of these encounters, not a promise for others: a certificate makes that.
    Raises `InputError` if ``accuracy`` is not in [0, 1].
    """
    if not 0.0 <= accuracy <= 1.0:
        raise InputError(f"coverage at accuracy: {accuracy} is not an accuracy; give 0 to 1")
    covered, errors = _steps(confidence, correct)
    # Counts of whole encounters, not 1 - risk, which rounds: 19 of 20 right is 0.95.
    reached = (covered - errors) / covered >= accuracy
    return float(covered[reached].max(initial=0) / covered[-1])


def _steps(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Encounters and errors at or above each distinct confidence, ``[T]`` each, high to low."""
    scores, right = np.asarray(confidence, dtype=np.float64), _flags("correct", correct)
    _same_length("confidence", scores, right)
    if not np.isfinite(scores).all():
        raise InputError("risk-coverage: a confidence is not finite; give numbers only")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf)).astype(np.int64)
    return last + 1, np.cumsum(~right[order], dtype=np.int64)[last]


def _errors_among_top(confidence: ArrayLike, correct: ArrayLike) -> NDArray[np.float64]:
    """Expected errors among the top 1 to N, ``[N]``: a straight line across every tie."""
    covered, errors = _steps(confidence, correct)
    tops = np.arange(1, covered[-1] + 1)
    expected: NDArray[np.float64] = np.interp(tops, [0, *covered], [0, *errors])
    return expected


def _flags(name: str, values: ArrayLike) -> NDArray[np.bool_]:
    flags = np.asarray(values)
    if flags.ndim != 1 or not len(flags):
        raise InputError(f"{name}: shape {flags.shape}; give one value for each of the encounters")
    if not np.isin(flags, (0, 1)).all():
        raise InputError(f"{name}: a value is neither true nor false; give booleans")
    return flags.astype(bool)


def _same_length(
    name: str, first: NDArray[np.float64] | NDArray[np.bool_], correct: NDArray[np.bool_]
) -> None:
    if first.shape != correct.shape:
        raise InputError(
            f"{name} has shape {first.shape}, correct {correct.shape}; give one of each "
            "per encounter, in the same order"
        )
