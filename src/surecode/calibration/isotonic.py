"""A probability that never falls as the logit rises and has no other shape: isotonic regression.

Zadrozny & Elkan, "Transforming classifier scores into accurate multiclass probability estimates"
(2002). It may bend anywhere, so it needs more labels than a map with a few parameters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def fit_isotonic(logits: Floats, gold: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Knots: rising logits `[B]` and their probabilities `[B]`, strictly within 0 and 1.

    ``logits`` (finite) and ``gold`` (bool) have the same shape, with at least one label. Half a
    positive and half a negative are added at the lowest logit and at the highest. A block at the
    end that holds s positives among n labels so gets the probability (s + 1/2) / (n + 1), unless
    that breaks the order; then it is joined to its neighbour, as any blocks are.
    """
    # Here and not above: coding evaluates knots and need not load the library.
    from sklearn.isotonic import IsotonicRegression

    positive, negative = np.sort(logits[gold]), np.sort(logits[~gold])
    ends = np.array([logits.min(), logits.max()])
    # Nearly all labels of a long tail are negative, and no block begins between two negatives: the
    # first and the last of those between two points stand for them all.
    points = np.unique(np.concatenate([positive, ends]))
    below, upto = (np.searchsorted(negative, points, side=side) for side in ("left", "right"))
    start, stop = upto[:-1], below[1:]
    start, stop = start[stop > start], stop[stop > start]
    left, right = (np.searchsorted(positive, points, side=side) for side in ("left", "right"))
    added = np.isin(points, ends) * (2.0 / len(np.unique(ends)))
    positives = right - left + 0.5 * added
    labels = right - left + upto - below + added
    x = [points, negative[start], negative[stop - 1]]
    share = [positives / labels, np.zeros(2 * len(start))]
    weight = [labels, np.ones(len(start)), stop - start - 1]
    fitted = IsotonicRegression().fit(
        np.concatenate(x), np.concatenate(share), sample_weight=np.concatenate(weight)
    )
    # Rounding must not let the map fall.
    return fitted.X_thresholds_, np.maximum.accumulate(fitted.y_thresholds_)


def interpolate(logits: Floats, knot_logits: Floats, probabilities: Floats) -> Floats:
    """Probabilities of logits of any shape: straight lines between knots `[B]`, level outside.

    Never falls, not even by rounding. NaN stays NaN.
    """
    if len(knot_logits) == 1:
        return np.where(np.isnan(logits), np.nan, probabilities[0])
    z = np.clip(logits, knot_logits[0], knot_logits[-1])
    left = np.searchsorted(knot_logits, z, side="right") - 1
    left = np.minimum(left, len(knot_logits) - 2)
    share = (z - knot_logits[left]) / (knot_logits[left + 1] - knot_logits[left])
    low, high = probabilities[left], probabilities[left + 1]
    return np.minimum(low + share * (high - low), high)
