"""Penalised logistic regression by Newton's method, finite for any data there may be.

Letters: N encounters, P features, G specialties. The log-odds of an encounter are

    intercept + offset[its specialty] + sum over j of weight[j] * x[j]

and the loss is the summed log loss plus half of each parameter's squared distance from its prior
mean over its prior variance. Every parameter has a proper prior, so there is one minimum, also
without encounters and where all are right; slopes and intercept are shared, which is how
specialties learn from each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

# Standard deviations of the priors, in log-odds: an intercept may be nearly anything, specialties
# differ from each other by about as much as easy and hard ones do.
INTERCEPT_SD = 4.0
OFFSET_SD = 1.0
_STEPS = 100
# Of the squared Newton decrement, in nats per encounter: the next step is the last. So near the
# minimum it squares the distance, and the loss is too flat to tell whether it came closer.
_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """Weights `[P]`, intercept and the offset of each specialty `[G]`."""

    weights: Floats
    intercept: float
    offsets: Floats

    def log_odds(self, x: Floats, specialty: Places) -> Floats:
        """Log-odds `[N]` of x `[N, P]` for encounters of the specialties `[N]`, 0 to G - 1."""
        return np.asarray(self.intercept + self.offsets[specialty] + x @ self.weights)


def fit_logistic(
    x: Floats,
    right: NDArray[np.bool_],
    specialty: Places,
    n_specialties: int,
    *,
    mean: Floats,
    precision: Floats,
    at_least: float = -np.inf,
) -> LogisticFit:
    """The least penalised log loss of ``right`` `[N]` on x `[N, P]`, both finite.

    ``specialty`` `[N]` is from 0 to G - 1. ``mean`` and ``precision`` `[P]` (inverse variance,
    positive) are the priors of the weights. ``at_least`` bounds the weight where P is 1: the
    problem is convex, so if the free minimum lies below, the minimum is at the bound.
    """
    n_offsets = n_specialties if n_specialties > 1 else 0
    known = np.zeros((len(x), n_offsets))
    if n_offsets:
        known[np.arange(len(x)), specialty] = 1.0
    design = np.concatenate([x, np.ones((len(x), 1)), known], axis=1)
    start = np.concatenate([mean, np.zeros(1 + n_offsets)])
    precisions = np.concatenate(
        [precision, [INTERCEPT_SD**-2.0], np.full(n_offsets, OFFSET_SD**-2.0)]
    )
    found = _newton(design, right, start, precisions)
    p = x.shape[1]
    if p == 1 and found[0] < at_least:
        rest = _newton(design[:, 1:], right, start[1:], precisions[1:], at_least * design[:, 0])
        found = np.concatenate([[at_least], rest])
    offsets = found[p + 1 :] if n_offsets else np.zeros(max(n_specialties, 1))
    return LogisticFit(found[:p], float(found[p]), offsets)


def _newton(
    design: Floats,
    right: NDArray[np.bool_],
    prior: Floats,
    precision: Floats,
    fixed: Floats | float = 0.0,
) -> Floats:
    sign = np.where(right, -1.0, 1.0)

    def loss(at: Floats) -> float:
        signed = sign * (fixed + design @ at)
        penalty = 0.5 * float((precision * (at - prior) ** 2).sum())
        return float(np.logaddexp(0.0, signed).sum()) + penalty

    at, value = prior.copy(), loss(prior)
    for _ in range(_STEPS):
        eta = fixed + design @ at
        slope = design.T @ (special.expit(eta) - right) + precision * (at - prior)
        spread = special.expit(eta) * special.expit(-eta)
        curvature = (design * spread[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, slope)
        decrement = float(slope @ step)
        if decrement <= _TOLERANCE * (1.0 + len(right)):
            return at - step
        # Armijo's rule: far from the minimum a whole step may overshoot.
        length, tried = 1.0, loss(at - step)
        while tried > value - 1e-4 * length * decrement and length > 1e-10:
            length /= 2.0
            tried = loss(at - length * step)
        if not tried < value:
            break  # nothing left to gain at this precision
        at, value = at - length * step, tried
    return at
