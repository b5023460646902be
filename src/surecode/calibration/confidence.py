"""The raw confidence of an encounter: its codes taken as independent, nothing learned.

Every code of the label space is a decision: assigned with probability p it is right with p,
rejected it is right with 1 - p. Both kinds count. A confidence from the assigned codes alone (the
smallest p among them, say) is blind to a missed code: it cannot tell a complete set from one that
lacks its most doubtful code, and measured no better than chance at finding wrong code sets
(AUROC .518 on simulated encounters, against .726 for "minimum" and .773 to .782 for "product").

An empty code set has a confidence too: that of there being nothing to code. Whether such an
encounter may be automated is not asked here. What is learned from tune on top of this is in
`confidence_features`, `confidence_model` and `confidence_choice`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

Method = Literal["product", "minimum"]


def encounter_confidence(
    probabilities: ArrayLike, assigned: ArrayLike, method: Method = "product"
) -> NDArray[np.float64]:
    """Confidence `[N]` in [0, 1] of code sets `[N, K]` (bool) with probabilities `[N, K]`.

    ``product``: the probability that all decisions are right, taken as independent, summed as
    logarithms. ``minimum``: the probability of the least certain decision; an upper limit of any
    joint probability. An encounter with a NaN probability has the confidence NaN, which no
    certificate automates. Raises `InputError` where shapes differ or the method is unknown.
    """
    p, chosen = decisions(probabilities, assigned)
    if method == "product":
        return np.asarray(np.exp(log_decisions(p, chosen).sum(axis=1)), dtype=np.float64)
    if method == "minimum":
        return np.asarray(np.where(chosen, p, 1.0 - p).min(axis=1, initial=1.0), dtype=np.float64)
    raise InputError(f"confidence: method {method!r} is not product or minimum")


def decisions(
    probabilities: ArrayLike, assigned: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities `[N, K]` and code sets `[N, K]`; raises `InputError` where shapes differ.

    Both come back row by row in memory, so that a row's sum has the same digits alone and in a
    batch.
    """
    p = np.ascontiguousarray(probabilities, dtype=np.float64)
    chosen = np.ascontiguousarray(assigned, dtype=bool)
    if p.ndim != 2 or p.shape != chosen.shape:
        raise InputError(
            f"confidence: probabilities {p.shape} and code sets {chosen.shape} must both be "
            "[N, K]; decode these very probabilities"
        )
    return p, chosen


def log_decisions(p: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The log probability `[N, K]` that each decision is right, from minus infinity to 0."""
    with np.errstate(divide="ignore"):  # log(0) is -inf and the product 0, as it should be
        return np.where(chosen, np.log(p), np.log1p(-p))
