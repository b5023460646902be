"""How many audited encounters a certificate takes: what a small specialty has to plan for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from surecode.calibration.bounds import p_binomial
from surecode.calibration.targets import Target
from surecode.errors import InputError

LARGEST_N = 100_000_000


def required_selected(
    accuracy: float, level: float, delta: float, power: float = 0.8
) -> int | None:
    """About the fewest automated encounters that pass the exact binomial test with ``power``.

    ``accuracy`` is the true one. None where it does not exceed ``level``: no number is enough.
    """
    if accuracy <= level:
        return None
    low, high = 0, 1
    while not _power(high, accuracy, level, delta) >= power:
        low, high = high, high * 2
        if high > LARGEST_N:
            return None
    while high - low > 1:  # the power rises in saw-teeth; the number found is on the safe tooth
        middle = (low + high) // 2
        low, high = (
            (low, middle)
            if _power(middle, accuracy, level, delta) >= power
            else (
                middle,
                high,
            )
        )
    return high


def required_n(
    accuracy: float, automation_rate: float, target: Target, power: float = 0.8
) -> int | None:
    """Audited encounters that certify a threshold of this accuracy and automation rate.

    With probability ``power``, for the target ``exact``; for others a guide, too low where one
    encounter counts with several errors. None where no number is enough. Raises `InputError` for a
    share outside its range.
    """
    for name, value in (("accuracy", accuracy), ("automation_rate", automation_rate)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"required_n: {name} {value} is not in [0, 1]; give a share")
    if not 0.0 < power < 1.0:
        raise InputError(f"required_n: power {power} must lie strictly between 0 and 1")
    selected = required_selected(accuracy, target.level, target.delta, power)
    if selected is None or automation_rate == 0.0:
        return None
    return math.ceil(selected / automation_rate)


@dataclass(frozen=True)
class Plan:
    """What tune promises at one level: a threshold, and how many encounters would prove it."""

    level: float
    threshold: float | None
    accuracy: float | None
    automation_rate: float | None
    encounters: int | None


def plan(
    confidence: ArrayLike, correct: ArrayLike, levels: ArrayLike, delta: float, power: float = 0.8
) -> tuple[Plan, ...]:
    """For each level the threshold on tune that takes the fewest encounters to certify.

    ``confidence`` and ``correct`` `[M]` are tune's, so this looks at no calibrate encounter. The
    accuracy from each threshold on is shrunk by one half error (Jeffreys), lest a handful of right
    encounters promise everything. It is a plan, not a promise. Raises `InputError` where shapes
    differ or a level or ``delta`` is not between 0 and 1.
    """
    score, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=bool)
    if score.ndim != 1 or score.shape != right.shape:
        raise InputError(
            f"plan: confidence {score.shape} and correct {right.shape} must both be [M]"
        )
    finite = np.isfinite(score)
    order = np.argsort(-score[finite], kind="stable")
    ordered = score[finite][order]
    ends = np.flatnonzero(np.diff(ordered, append=-np.inf)) + 1
    ends = ends[ends >= 10]
    accuracy = (np.cumsum(right[finite][order])[ends - 1] + 0.5) / (ends + 1.0)
    return tuple(
        _plan(float(level), ends, accuracy, ordered, len(score), delta, power)
        for level in np.atleast_1d(np.asarray(levels, dtype=np.float64))
    )


def _plan(
    level: float,
    ends: NDArray[np.int64],
    accuracy: NDArray[np.float64],
    ordered: NDArray[np.float64],
    total: int,
    delta: float,
    power: float,
) -> Plan:
    target = Target("exact", level, delta)
    best: Plan = Plan(level, None, None, None, None)
    # From the most lenient threshold on: a stricter one that is no more accurate takes no fewer.
    for end, share in zip(ends[::-1].tolist(), accuracy[::-1].tolist(), strict=True):
        if share <= max(level, best.accuracy or 0.0):
            continue
        rate = end / total
        n = required_n(share, rate, target, power)
        if n is not None and (best.encounters is None or n < best.encounters):
            best = Plan(level, float(ordered[end - 1]), share, rate, n)
    return best


def _power(n: int, accuracy: float, level: float, delta: float) -> float:
    """Probability that ``n`` encounters of this accuracy pass the exact binomial test."""
    low, high = -1, n
    while high - low > 1:  # the largest number of errors that passes
        middle = (low + high) // 2
        low, high = (middle, high) if p_binomial(middle, n, 1.0 - level) <= delta else (low, middle)
    return 0.0 if low < 0 else float(special.bdtr(low, n, 1.0 - accuracy))
