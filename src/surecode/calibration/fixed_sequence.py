"""The confidence threshold with a finite-sample guarantee: learn-then-test in a fixed sequence.

Angelopoulos et al., "Learn then test" (2021): thresholds are tested from strict to lenient, each
against "what it automates misses the target", and testing stops at the first p-value above delta.
To certify a threshold that misses the target, the first such threshold of the sequence has to pass
its own test, which happens with probability delta at most. No correction for the number of
thresholds is needed. Several targets must all hold, so the p-value of a threshold is their largest
(an intersection-union test: where one target is missed, its own test has to pass).

The order is fixed without calibrate's gold:

- The thresholds are quantiles of *tune's* confidences, so they do not depend on calibrate at all.
- The sequence starts at the first threshold that selects ``start_n`` of calibrate's encounters: a
  count of confidences, which sees no gold. Let t be the strictest threshold that truly misses the
  target. If t selects ``start_n``, it has to pass, and given how many it selects its errors are
  binomial: at most delta. If it selects fewer, the sequence starts below t, and the bound holds as
  long as the encounters there are not right more often than the level, as with any confidence
  that falls with accuracy. A population that breaks this (the top is bad) was measured to stay
  below delta as well: ``tests/test_guarantees.py``.

Price: a sort and a binary search, about a millisecond for 5,000 encounters and 400 thresholds;
about 50 where the losses need betting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.calibration.betting import LARGEST_BET
from surecode.calibration.bounds import required_encounters
from surecode.calibration.targets import Target, largest_error
from surecode.calibration.threshold_test import Bound, ThresholdTest
from surecode.errors import InputError

GRID_SIZE = 400
LARGEST_START = 2**30


@dataclass(frozen=True)
class SequenceResult:
    """The last threshold accepted; if none was, the first (strictest) one tested.

    Where no threshold selects enough encounters to be tested, ``tested`` is false and the counts
    are those of the most lenient one. ``position`` indexes the grid (-1: the grid is empty), and so
    does ``first``, the strictest threshold tested.
    ``p_values`` are by target; ``complete`` says that the most lenient threshold was accepted.
    """

    certified: bool
    tested: bool
    complete: bool
    first: int
    position: int
    n_selected: int
    p_values: tuple[float, ...]


def quantile_grid(confidence: ArrayLike, size: int = GRID_SIZE) -> NDArray[np.float64]:
    """Thresholds `[J]`, J <= size, from strict to lenient: quantiles of confidence `[M]` of tune.

    Every threshold is one of the confidences and occurs once, so equal confidences stay together
    and any strictly increasing map of the confidences maps the grid. NaN is left out.
    """
    if size < 2:
        raise InputError(f"grid: size {size} must be at least 2")
    score = np.asarray(confidence, dtype=np.float64)
    ordered = np.sort(score[np.isfinite(score)])
    if not ordered.size:
        return ordered
    ranks = np.linspace(0, ordered.size - 1, min(size, ordered.size)).round().astype(np.int64)
    return np.unique(ordered[ranks])[::-1].copy()


def smallest_start_n(
    target: Target,
    delta: float,
    mean_size: float = 1.0,
    *,
    bound: Bound = "exact binomial",
    per_unit: int = 1,
) -> int:
    """How many encounters prove the target where none has an error: 45 at .95 and .1.

    Betting takes a few more (48), because its largest bet keeps a rest of the capital; over codes
    as many times more as the cap is larger than the mean size; and summed by cluster ``per_unit``
    times as many (240 for clusters of 5), because the largest cluster limits all bets.
    """
    if bound != "betting":
        return required_encounters(target.level, delta)
    share = max(min(mean_size / largest_error(target), 1.0), 1e-9)
    gain = math.log1p(LARGEST_BET * target.alpha / (1.0 - target.alpha) * share)
    return math.ceil(-math.log(delta) / gain) * per_unit


def default_start_n(
    n: int,
    target: Target,
    delta: float,
    mean_size: float = 1.0,
    *,
    bound: Bound = "exact binomial",
    per_unit: int = 1,
    variance: float | None = None,
    mean_error: float = 1.0,
) -> int:
    """How many of ``n`` encounters the first threshold must select.

    As many as one error allows (77 at .95 and .1), because a single unlucky error would end a
    stricter sequence at its start; in a split of less than four times that number, where a late
    start leaves little to test, as many as zero errors need (45). Numbers between these, or
    between 77 and the 105 that allow a second error, allow no more errors and only come later:
    simulated with 1,000 encounters (population C of the tests), a start at 77 reached .49 of the
    best possible automation, at 60 and at 99 .38.

    Betting recovers from errors more slowly. Its first threshold selects as many encounters as
    reach 1 / delta at half the error that the target allows (a quarter where encounters are right
    or wrong), where a wrong encounter has the ``mean_error`` and bets are made for the ``variance``
    (alpha (1 - alpha), by default); in a smaller split a quarter of it, as long as zero errors need
    no more. A start where zero errors pass mostly ends at once: ``scripts/betting_power.py``.
    """
    floor = smallest_start_n(target, delta, mean_size, bound=bound, per_unit=per_unit)
    if bound != "betting":
        later = required_encounters(target.level, delta, errors=1)
        return later if n >= 4 * later else floor
    spread = target.alpha * (1.0 - target.alpha) if variance is None else variance
    later = _betting_start_n(target, delta, mean_size, per_unit, spread, mean_error)
    return max(floor, min(later, n // 4))


def _betting_start_n(
    target: Target,
    delta: float,
    mean_size: float,
    per_unit: int,
    variance: float,
    mean_error: float,
) -> int:
    """Fewest encounters whose capital is expected to reach 1 / delta at part of the error."""
    alpha, cap = target.alpha, largest_error(target)
    size, error = min(mean_size, cap), min(mean_error, cap)
    part = 0.25 if target.metric == "exact" else 0.5
    wrong = min(part * alpha * size / error, 0.5)
    most = LARGEST_BET / ((1.0 - alpha) * cap * per_unit)

    def enough(n: int) -> bool:
        bet = min(math.sqrt(-2.0 * math.log(delta) / (n * variance)), most)
        lost = math.log1p(-min(bet * max(error - alpha * size, 0.0), LARGEST_BET))
        growth = (1.0 - wrong) * math.log1p(bet * alpha * size) + wrong * lost
        return n * growth >= -math.log(delta)

    high = 2
    while not enough(high) and high < LARGEST_START:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def fixed_sequence(
    confidence: NDArray[np.float64],
    tests: Sequence[ThresholdTest],
    grid: NDArray[np.float64],
    delta: float,
    start_n: int | NDArray[np.int64],
) -> SequenceResult:
    """Test ``grid`` `[J]`, strictly decreasing, on finite confidence `[N]`, ``tests`` at once.

    ``start_n`` is how many encounters the first threshold must select, for each one or for all.
    """
    order = np.argsort(-confidence, kind="stable")
    n_selected = np.searchsorted(-confidence[order], -grid, side="right").astype(np.int64)
    if not len(grid):
        return SequenceResult(False, False, False, -1, -1, 0, tuple(1.0 for _ in tests))
    enough = np.flatnonzero(n_selected >= start_n)
    tested = bool(enough.size)
    first = int(enough[0]) if tested else len(grid) - 1
    p_values = np.stack([test.p_values(order, n_selected[first:]) for test in tests])
    passed = p_values.max(axis=0) <= delta
    accepted = 0
    if tested:
        accepted = len(passed) if passed.all() else int(np.argmin(passed))
    at = max(accepted - 1, 0)
    return SequenceResult(
        certified=accepted > 0,
        tested=tested,
        complete=tested and accepted == len(passed),
        first=first,
        position=first + at,
        n_selected=int(n_selected[first + at]),
        p_values=tuple(float(p) for p in p_values[:, at]),
    )
