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
    if wrong + right <= 0.0:
        return 0.0, 1.0
    excluded = float(special.betaln(_PRIOR, _PRIOR)) + math.log(1.0 / delta)
    excluded -= float(special.betaln(_PRIOR + wrong, _PRIOR + right))
    return _lower(wrong, right, excluded), 1.0 - _lower(right, wrong, excluded)


def _lower(wrong: float, right: float, excluded: float) -> float:
    """The lower limit of the rate of ``wrong``: 0 where no rate is excluded.

    A rate is excluded where minus its log likelihood is above ``excluded``. That is convex and not
    above it at the observed rate, so there is one root, sought in the logarithm: limits may lie
    many orders of magnitude below 1.
    """

    def evidence(log_rate: float) -> float:
        return -wrong * log_rate - right * math.log1p(-math.exp(log_rate)) - excluded

    least = math.log(math.ulp(0.0))
    if wrong <= 0.0 or evidence(least) <= 0.0:
        return 0.0
    observed = min(math.log(wrong / (wrong + right)), -math.ulp(0.5))
    return math.exp(float(optimize.brentq(evidence, least, observed, xtol=1e-13)))
