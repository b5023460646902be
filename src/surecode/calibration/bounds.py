"""Exact binomial statements about the accuracy of a sample of encounters.

All follow Clopper & Pearson, "The use of confidence or fiducial limits illustrated in the case of
the binomial", Biometrika 26 (1934). Nothing is approximated: the tail sums are regularised
incomplete beta functions.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Side = Literal["two-sided", "lower", "upper"]


def p_binomial(errors: ArrayLike, n: ArrayLike, alpha: float) -> NDArray[np.float64]:
    """P-value `[J]` of "the error rate is `alpha` or more": P(Binomial(n, alpha) <= errors).

    ``errors`` and ``n`` are counts `[J]` (broadcast), ``0 <= errors <= n``. Zero encounters give 1.
    Exact and super-uniform under the null; Bates et al., "Distribution-free, risk-controlling
    prediction sets" (2021), for losses of 0 and 1.
    """
    return np.asarray(special.bdtr(np.asarray(errors), np.asarray(n), alpha), dtype=np.float64)


def p_hoeffding_bentkus(mean: ArrayLike, n: ArrayLike, alpha: ArrayLike) -> NDArray[np.float64]:
    """P-value `[J]` of "the mean loss is `alpha` or more" for losses in [0, 1]: for comparison.

    The smaller of Hoeffding's and Bentkus's bounds: Bates et al. (2021), theorem 2; Angelopoulos
    et al., "Learn then test" (2021), proposition 2. ``mean`` and ``n`` `[J]` are the losses' mean
    and number. Never below the exact binomial p-value where losses are 0 or 1, and e times it at
    most.
    """
    observed, count = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(n, np.float64))
    allowed = np.asarray(alpha, np.float64)
    low = np.minimum(observed, allowed)
    divergence = special.rel_entr(low, allowed) + special.rel_entr(1.0 - low, 1.0 - allowed)
    # Rounded first: a sum of n losses whose mean is e / n must not count as e + 1 errors.
    errors = np.ceil(np.round(count * observed, 6))
    bentkus = np.e * special.bdtr(errors, count.astype(np.int64), allowed)
    smaller = np.minimum(np.exp(-count * divergence), bentkus)
    return np.asarray(np.where(count > 0, np.minimum(smaller, 1.0), 1.0), dtype=np.float64)


def clopper_pearson(
    successes: ArrayLike, n: ArrayLike, level: float, side: Side = "two-sided"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact confidence limits `[J]`, `[J]` of a proportion at confidence ``level``.

    ``side="lower"`` spends all of ``1 - level`` below (the upper limit is 1), ``"upper"`` above.
    Zero encounters give the limits 0 and 1.
    """
    k, total = np.broadcast_arrays(
        np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    )
    tail = (1.0 - level) / 2.0 if side == "two-sided" else 1.0 - level
    low = np.zeros(k.shape)
    high = np.ones(k.shape)
    if side != "upper":
        some = k > 0
        low[some] = special.betaincinv(k[some], total[some] - k[some] + 1.0, tail)
    if side != "lower":
        some = k < total
        high[some] = special.betaincinv(k[some] + 1.0, total[some] - k[some], 1.0 - tail)
    return low, high


@cache
def required_encounters(level: float, delta: float, errors: int = 0) -> int:
    """Fewest encounters that certify accuracy ``level`` with risk ``delta`` despite ``errors``.

    At .95 and .1: 45 without an error, 77 with one, 105 with two. Fewer than the first can certify
    nothing.
    """
    candidates = range(errors + 1, 2**31)
    enough = bisect_left(
        candidates, True, key=lambda n: bool(p_binomial(errors, n, 1.0 - level) <= delta)
    )
    return candidates[enough]
