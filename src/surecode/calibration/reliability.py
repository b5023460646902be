"""Does a confidence of .9 come true nine times in ten? Bins, calibration error and Brier score."""

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
