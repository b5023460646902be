"""How much codes differ from each other, by empirical Bayes.

The Laplace approximation of the marginal likelihood of normal random effects, each code being an
effect: Breslow & Clayton, "Approximate inference in generalized linear mixed models" (1993).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

# Standard deviations of the offsets (in logits) between which the estimate is looked for; less than
# the first is none.
RANGE = (1e-3, 1e1)

Floats = NDArray[np.float64]


def most_likely_deviation(curvature: Floats, score: Floats) -> float:
    """Standard deviation of offsets around 0 with the greatest likelihood; 0 where that is best.

    The log likelihood of code k's offset b is taken for the parabola
    score * b - curvature * b^2 / 2, with ``curvature`` >= 0 and ``score`` `[K]`. That is a
    measurement score / curvature with the variance 1 / curvature; the quotients are not formed,
    because a code whose labels are all beyond doubt measures nothing and has the curvature 0.
    """

    def surprise(log_deviation: float) -> float:
        """Nats above those of the deviation 0, offsets integrated out."""
        variance = math.exp(2.0 * log_deviation)
        explained = variance * score**2 / (1.0 + variance * curvature)
        return 0.5 * float((np.log1p(variance * curvature) - explained).sum())

    grid = np.linspace(math.log(RANGE[0]), math.log(RANGE[1]), 47)
    best = int(np.argmin([surprise(log_deviation) for log_deviation in grid]))
    if best == 0:
        return 0.0
    bounds = (grid[best - 1], grid[min(best + 1, len(grid) - 1)])
    found = optimize.minimize_scalar(
        surprise, bounds=bounds, method="bounded", options={"xatol": 1e-7}
    )
    # The search keeps away from its bounds, where the best may be.
    log_deviation = min((float(found.x), *bounds), key=surprise)
    return math.exp(log_deviation) if surprise(log_deviation) < 0.0 else 0.0
