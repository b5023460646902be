"""Limits for the error rate of automated encounters that hold at all times at once.

For a candidate rate m, the mixture over q ~ Beta(1/2, 1/2) of the likelihood ratios of q against m
starts at 1 and is a supermartingale where m is the error rate, so it ever reaches 1 / delta with
probability delta at most (Ville). The candidates at which it stays below are the interval (Robbins,
"Statistical methods related to the law of the iterated logarithm", 1970; in terms of betting,
Waudby-Smith & Ramdas, 2010.09686).

Losses between 0 and 1 and weights of at most 1 keep the promise: with lambda = (q - m) / (m (1 -
m)), (q/m)^(w x) ((1-q)/(1-m))^(w (1-x)) <= 1 + lambda w (x - m) by concavity of the logarithm,
twice, and the right side is a fair bet. So two sums are all that has to be kept.
"""

from __future__ import annotations

import math

from scipy import optimize, special

_PRIOR = 0.5


def error_rate_interval(wrong: float, right: float, delta: float) -> tuple[float, float]:
    """Limits of the error rate from sums over audits of weight * loss and weight * (1 - loss).

    With probability 1 - ``delta`` the interval holds after every audit, as long as the error rate
    stays the same. After a drift it lags behind: it speaks about all audits, not about the latest.
    Without an audit the limits are 0 and 1.
    """
    total = wrong + right
    if total <= 0.0:
        return 0.0, 1.0
    normalizer = float(special.betaln(_PRIOR + wrong, _PRIOR + right))
    normalizer -= float(special.betaln(_PRIOR, _PRIOR)) + math.log(1.0 / delta)

    def evidence(rate: float) -> float:
        """Logarithm of the mixture over 1 / delta: positive where the rate is excluded."""
        return normalizer - wrong * math.log(rate) - right * math.log1p(-rate)

    # The evidence is convex and not positive at the observed rate, so each side has one root.
    observed, least, most = wrong / total, math.ulp(0.0), 1.0 - math.ulp(0.5)
    low, high = 0.0, 1.0
    if least < observed and evidence(least) > 0.0:
        low = float(optimize.brentq(evidence, least, min(observed, most), xtol=1e-15))
    if observed < most and evidence(most) > 0.0:
        high = float(optimize.brentq(evidence, max(observed, least), most, xtol=1e-15))
    return low, high
