"""Does a confidence of .9 come true nine times in ten? Bins, calibration error and Brier score.

Of N encounters with K codes each, nearly all probabilities are next to 0 and right: an error
averaged over all of them is small whatever the calibration. So it is looked at where decisions
fall: at the k most probable codes of each encounter, or at the probabilities within a band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError


@dataclass(frozen=True)
class ReliabilityBins:
    """The reliability diagram: per bin mean confidence `[B]`, accuracy `[B]` and count `[B]`."""

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]


def reliability_bins(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> ReliabilityBins:
    """Equal-mass bins of confidence `[N]` against correct `[N]` (bool), lowest first.

    Equal confidences share a bin, so the table does not depend on the order of the encounters;
    a bin that ties leave without an encounter is left out. Raises `InputError` where the lengths
    differ or a confidence is not in [0, 1].
    """
    score, right = _checked(confidence, correct)
    if bins < 1:
        raise InputError(f"reliability: {bins} bins; ask for at least one")
    rank = np.searchsorted(np.sort(score), score, side="left")
    which = rank * bins // max(len(score), 1)
    count = np.bincount(which, minlength=bins)
    used = count > 0
    return ReliabilityBins(
        confidence=np.bincount(which, weights=score, minlength=bins)[used] / count[used],
        accuracy=np.bincount(which, weights=right, minlength=bins)[used] / count[used],
        count=count[used].astype(np.int64),
    )


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Mean over encounters of |accuracy - mean confidence| of their equal-mass bin.

    NaN without encounters. Naeini et al. (2015), with the bins of Nguyen & O'Connor (2015).
    """
    table = reliability_bins(confidence, correct, bins)
    if not table.count.size:
        return float("nan")
    return float(np.average(np.abs(table.accuracy - table.confidence), weights=table.count))


@dataclass(frozen=True)
class BandCalibration:
    """Predictions from ``low`` to ``high``, both included: what they promise and what comes true.

    ``probability`` is the mean of the ``count`` probabilities, ``accuracy`` the share of them that
    is gold, ``error`` their calibration error; NaN where the band is empty.
    """

    low: float
    high: float
    count: int
    probability: float
    accuracy: float
    error: float


def calibration_in_band(
    probabilities: ArrayLike,
    gold: ArrayLike,
    low: float = 0.1,
    high: float = 0.99,
    bins: int = 15,
) -> BandCalibration:
    """Calibration of probabilities against gold (bool), both of one shape, in [``low``, ``high``].

    Raises `InputError` where the shapes differ, a probability is not in [0, 1] or the band is none.
    """
    if not 0.0 <= low <= high <= 1.0:
        raise InputError(
            f"reliability: from {low} to {high} is no band; give 0 <= low <= high <= 1"
        )
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(gold, dtype=bool)
    if p.shape != y.shape:
        raise InputError(
            f"reliability: probabilities {p.shape} and gold {y.shape} differ; give one gold value "
            "for each probability"
        )
    score, right = _checked(p.ravel(), y.ravel())
    inside = (score >= low) & (score <= high)
    score, right = score[inside], right[inside]
    return BandCalibration(
        low=low,
        high=high,
        count=len(score),
        probability=float(score.mean()) if score.size else float("nan"),
        accuracy=float(right.mean()) if score.size else float("nan"),
        error=expected_calibration_error(score, right, bins),
    )


def top_k(
    probabilities: ArrayLike, gold: ArrayLike, k: int = 5
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The k largest probabilities of each encounter, and whether they are gold: `[N, min(k, K)]`.

    Each row is in the order of the codes. Of equal probabilities at the k-th place the first codes
    are taken. Raises `InputError` where probabilities and gold (bool) are not both `[N, K]`, k is
    below 1 or a probability is not in [0, 1].
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(gold, dtype=bool)
    if p.ndim != 2 or p.shape != y.shape:
        raise InputError(
            f"reliability: probabilities {p.shape} and gold {y.shape} must both be [N, K]; "
            "give one of each per encounter and code"
        )
    if k < 1:
        raise InputError(f"reliability: the top {k} codes are none; set k to 1 or more")
    _checked(p.ravel(), y.ravel())
    taken = min(k, p.shape[1])
    if taken == p.shape[1]:
        return p.copy(), y.copy()
    place = p.shape[1] - taken
    limit = np.partition(p, place, axis=1)[:, place, None]
    above, equal = p > limit, p == limit
    chosen = above | (equal & (equal.cumsum(axis=1) <= taken - above.sum(axis=1, keepdims=True)))
    return p[chosen].reshape(-1, taken), y[chosen].reshape(-1, taken)


def reliability_at_k(
    probabilities: ArrayLike, gold: ArrayLike, k: int = 5, bins: int = 15
) -> ReliabilityBins:
    """Equal-mass bins of the k most probable codes of all encounters; see :func:`top_k`."""
    top, right = top_k(probabilities, gold, k)
    return reliability_bins(top.ravel(), right.ravel(), bins)


def calibration_error_at_k(
    probabilities: ArrayLike, gold: ArrayLike, k: int = 5, bins: int = 15
) -> float:
    """Calibration error of the k most probable codes of all encounters; see :func:`top_k`.

    Between 0 and 1; NaN without encounters or codes.
    """
    top, right = top_k(probabilities, gold, k)
    return expected_calibration_error(top.ravel(), right.ravel(), bins)


def brier_score(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean of (confidence - correct)^2 (Brier, 1950); NaN without encounters."""
    score, right = _checked(confidence, correct)
    return float(np.mean((score - right) ** 2)) if score.size else float("nan")


def _checked(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    score = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    if score.ndim != 1 or score.shape != right.shape:
        raise InputError(
            f"reliability: confidence {score.shape} and correct {right.shape} must both be [N]; "
            "give one of each per encounter"
        )
    if not ((score >= 0.0) & (score <= 1.0)).all():
        raise InputError(
            "reliability: a confidence is not in [0, 1]; leave out encounters without a confidence"
        )
    return score, right
