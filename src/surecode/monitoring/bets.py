"""Bets against "at most ``alpha`` of the automated encounters are wrong".

A bet of size lambda multiplies its capital by 1 + lambda * w * (loss - alpha) at every audit. Under
the null hypothesis that factor is at most 1 on average, and it is positive as long as lambda is
below 1 / alpha and the weight w is at most 1. Waudby-Smith & Ramdas, "Estimating means of bounded
random variables by betting" (2020, arXiv 2010.09686); Podkopaev & Ramdas, "Tracking the risk of a
deployed model and detecting harmful distribution shifts" (2021, arXiv 2110.06177).

Weights: where encounters are audited with different probabilities, w = lowest probability / own
probability. An automated encounter that is not audited leaves the capital as it is, so the factor
per automated encounter has mean 1 + lambda * lowest probability * (error rate - alpha): audits are
weighed by the inverse of their probability, and the bound 1 / lowest probability is divided out.
With one rate for all, w is 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ODDS_RATIOS = (1.25, 1.5, 2.0, 3.0)
"""How many times the odds of an error rise in the drifts that the bets are best at.

At alpha = .05 these are error rates of .062, .073, .095 and .136: the drifts that take many audits
to notice. Greater ones are noticed within a few weeks whatever the bet.
"""


def bet_sizes(alpha: float, odds_ratios: Sequence[float] = ODDS_RATIOS) -> NDArray[np.float64]:
    """Bet sizes `[K]` in (0, 1 / alpha), one per odds ratio r > 1: (r - 1) / (1 + alpha * (r - 1)).

    For losses of 0 and 1 the factor of such a bet is the likelihood ratio of the error rate whose
    odds are r times those of alpha, so no other bet grows faster there.
    """
    excess = np.asarray(odds_ratios, dtype=np.float64) - 1.0
    return np.asarray(excess / (1.0 + alpha * excess), dtype=np.float64)


def log_factors(
    loss: float, weight: float, alpha: float, sizes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm `[K]` of what one audit multiplies the capital of each bet by."""
    return np.asarray(np.log1p(sizes * (weight * (loss - alpha))), dtype=np.float64)


def log_mean(log_capital: NDArray[np.float64]) -> float:
    """Logarithm of the mean over K bets of the capital whose logarithm is given `[K]`."""
    return float(np.logaddexp.reduce(log_capital) - np.log(len(log_capital)))
