"""One target's test of a threshold: which bound, and what it needs beside the losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surecode.calibration.betting import accuracy_lower_bound, p_betting
from surecode.calibration.bounds import clopper_pearson, p_binomial, p_hoeffding_bentkus
from surecode.calibration.targets import Losses, Target
from surecode.errors import InputError

Bound = Literal["exact binomial", "betting", "Hoeffding-Bentkus"]


@dataclass(frozen=True)
class ThresholdTest:
    """Losses of N encounters under one target, and the bound that tests them.

    ``variance`` is the guess that the bets are made for, ``delta`` the probability of failure that
    they aim at. ``units`` `[N]` numbers the unit of each encounter in the order of betting, each of
    ``per_unit`` encounters at most.
    """

    target: Target
    losses: Losses
    bound: Bound
    delta: float
    variance: float
    units: NDArray[np.intp]
    per_unit: int = 1

    def p_values(
        self, order: NDArray[np.intp], n_selected: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """P-values `[J]` where threshold j selects the first ``n_selected[j]`` of ``order``."""
        error = self.losses.error[order]
        if self.bound == "betting":
            return p_betting(
                error,
                self.losses.size[order],
                n_selected,
                self.target.alpha,
                self.delta,
                cap=self.losses.cap,
                variance=self.variance,
                units=self.units[order],
                per_unit=self.per_unit,
            )
        errors = np.concatenate([[0.0], np.cumsum(error)])[n_selected]
        if self.bound == "exact binomial":
            return p_binomial(errors, n_selected, self.target.alpha)
        mean = errors / np.maximum(n_selected, 1)
        return p_hoeffding_bentkus(mean, n_selected, self.target.alpha)

    def lower_bound(self, rows: NDArray[np.intp]) -> float:
        """The largest accuracy that the encounters ``rows`` prove at ``delta``, as if fixed before.

        NaN without encounters.
        """
        error = self.losses.error[rows]
        if not len(rows):
            return float("nan")
        if self.bound == "exact binomial":
            right = len(rows) - error.sum()
            return float(clopper_pearson(right, len(rows), 1.0 - self.delta, side="lower")[0])
        if self.bound == "betting":
            return accuracy_lower_bound(
                error,
                self.losses.size[rows],
                self.delta,
                cap=self.losses.cap,
                variance=self.variance,
                units=self.units[rows],
                per_unit=self.per_unit,
            )
        levels = np.linspace(0.0, 1.0, 10_002)[1:-1]
        proved = p_hoeffding_bentkus(error.mean(), len(rows), 1.0 - levels) <= self.delta
        return float(levels[proved].max(initial=0.0))


def choose_bound(losses: Losses, per_unit: int, comparison: bool = False) -> Bound:
    """Exact binomial for losses of 0 and 1, betting for all else.

    ``comparison`` asks for Hoeffding-Bentkus instead. Raises `InputError` where that does not hold:
    for sums over codes and for clusters.
    """
    if comparison:
        if losses.cap != 1.0 or not (losses.size == 1.0).all() or per_unit > 1:
            raise InputError(
                "certify: Hoeffding-Bentkus holds for encounter averages of single encounters "
                "only; set the bound to auto"
            )
        return "Hoeffding-Bentkus"
    return "exact binomial" if losses.binary and per_unit == 1 else "betting"


def guessed_variance(target: Target, tune: Losses | None, cap: float) -> float:
    """The variance of the excess that bets are made for, at the error that the target allows.

    From tune's losses, which no test sees: as if encounters with errors were thinned out until the
    error is ``alpha``. For losses of 0 and 1 that gives alpha (1 - alpha). Without tune, or without
    an error in it, the largest variance of an error within ``cap``, at a mean size of half of it.
    """
    alpha = target.alpha
    largest = alpha * (1.0 - alpha) * cap * max(cap / 2.0, 1.0)
    if tune is None or not tune.error.sum() > 0.0:
        return largest
    error, size = tune.error, tune.size
    thinned = min(alpha * float(size.mean()) / float(error.mean()), 10.0)
    square = float((error**2).mean()) - 2.0 * alpha * float((error * size).mean())
    guess = thinned * square + alpha**2 * float((size**2).mean())
    return max(guess, 0.01 * largest)
