"""One group of encounters: its grid, its tests and what came of them.

Letters: N encounters of calibrate, J thresholds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.calibration.bounds import clopper_pearson
from surecode.calibration.certificate import GroupResult, TargetResult
from surecode.calibration.clusters import Units
from surecode.calibration.fixed_sequence import (
    SequenceResult,
    default_start_n,
    fixed_sequence,
    quantile_grid,
    smallest_start_n,
)
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses, Target
from surecode.calibration.threshold_test import ThresholdTest, choose_bound, guessed_variance
from surecode.errors import InputError


def certify_group(
    name: str,
    calibrate: Sample,
    units: Units,
    tune: Sample,
    protocol: Protocol,
    first_delta: float,
    delta: float,
) -> tuple[GroupResult, bool]:
    """The result at ``delta``, and whether the most lenient threshold passed.

    Order and bets are those of ``first_delta``, the least that the group may get, so that a larger
    delta accepts no less.
    """
    members = np.array([True] * len(calibrate), dtype=bool)
    if calibrate.groups is not None:
        members = np.array([group == name for group in calibrate.groups], dtype=bool)
    sample = calibrate.take(members & units.kept)
    place, per_unit = units.place[members & units.kept], units.per_unit
    learned = tune.of(name)
    grid = quantile_grid(learned.confidence[learned.candidate], protocol.grid_size)
    candidate = np.flatnonzero(sample.candidate)
    tests = tuple(
        _test(target, losses, guess, place[candidate], per_unit, first_delta, protocol)
        for target, losses, guess in zip(
            protocol.targets,
            (losses.take(candidate) for losses in sample.losses),
            learned.losses,
            strict=True,
        )
    )
    starts = _starts(tests, learned, grid, len(candidate), protocol.start_n)
    result = fixed_sequence(sample.confidence[candidate], tests, grid, delta, starts[:-1])
    # The last entry is that of all encounters: the one that counts where there is no threshold.
    start_n = int(starts[result.first])
    threshold = float(grid[result.position]) if result.certified else None
    chosen = np.zeros(0, dtype=np.intp)
    if result.position >= 0:
        chosen = np.flatnonzero(sample.confidence[candidate] >= grid[result.position])
    results = tuple(
        _target_result(test, chosen, p) for test, p in zip(tests, result.p_values, strict=True)
    )
    automated = result.n_selected if result.certified else 0
    low, high = clopper_pearson(automated, len(sample), 0.95)
    return GroupResult(
        name=name,
        delta=delta,
        certified=result.certified,
        complete=result.complete,
        reason=_reason(result, results, len(candidate), start_n),
        threshold=threshold,
        n_calibrate=len(sample),
        n_eligible=len(candidate),
        start_n=start_n,
        n_selected=result.n_selected,
        results=results,
        automation_rate=automated / max(len(sample), 1),
        automation_rate_interval=(float(low), float(high)),
        grid_hash=hashlib.sha256(grid.astype("<f8").tobytes()).hexdigest(),
    ), result.complete


def _test(
    target: Target,
    losses: Losses,
    guess: Losses,
    place: NDArray[np.intp],
    per_unit: int,
    delta: float,
    protocol: Protocol,
) -> ThresholdTest:
    return ThresholdTest(
        target=target,
        losses=losses,
        bound=choose_bound(losses, per_unit, protocol.comparison),
        delta=delta,
        variance=guessed_variance(target, guess if len(guess) else None, losses.cap),
        units=place,
        per_unit=per_unit,
    )


def _starts(
    tests: Sequence[ThresholdTest],
    tune: Sample,
    grid: NDArray[np.float64],
    n: int,
    start_n: int | None,
) -> NDArray[np.int64]:
    """How many encounters each threshold must select to be the first, `[J + 1]`.

    Where errors are summed over codes it depends on how many codes encounters have, and confident
    ones have fewer: tune's mean from each threshold on. The last entry is that of all encounters.
    Raises `InputError` where ``start_n`` asks for fewer than even zero errors need.
    """
    order = np.argsort(-tune.confidence, kind="stable")
    selected = np.searchsorted(-tune.confidence[order], -grid, side="right")
    needed = np.ones((len(tests), len(grid) + 1), dtype=np.int64)
    for row, (test, losses) in enumerate(zip(tests, tune.losses, strict=True)):
        mean_error = _mean_error(losses)
        sums = np.concatenate([[0.0], np.cumsum(losses.size[order])])
        counts = np.append(selected, len(order))
        means = np.where(counts > 0, sums[counts] / np.maximum(counts, 1), 1.0)
        # A few sizes to work out, not hundreds, and rather too many encounters than too few.
        means = np.maximum(np.floor(4.0 * means), 1.0) / 4.0
        settings: dict[str, Any] = {"bound": test.bound, "per_unit": test.per_unit}
        for size in np.unique(means):
            default = default_start_n(
                n,
                test.target,
                test.delta,
                float(size),
                variance=test.variance,
                mean_error=mean_error,
                **settings,
            )
            needed[row, means == size] = default if start_n is None else start_n
        floor = smallest_start_n(test.target, test.delta, float(means.max()), **settings)
        if start_n is not None and start_n < floor:
            raise InputError(
                f"certify: start_n {start_n} is below {floor}, too few for any threshold"
            )
    return np.asarray(needed.max(axis=0), dtype=np.int64)


def _mean_error(tune: Losses) -> float:
    """The mean error of the encounters that have one, 1 where none has."""
    wrong = tune.error[tune.error > 0.0]
    return float(wrong.mean()) if len(wrong) else 1.0


def _target_result(test: ThresholdTest, rows: NDArray[np.intp], p_value: float) -> TargetResult:
    errors, size = float(test.losses.error[rows].sum()), float(test.losses.size[rows].sum())
    return TargetResult(
        bound=test.bound,
        errors=errors,
        size=size,
        estimate=1.0 - errors / size if size > 0.0 else None,
        lower_bound=test.lower_bound(rows) if len(rows) else None,
        p_value=p_value,
        clipped=int(test.losses.clipped[rows].sum()),
    )


def _reason(
    result: SequenceResult, results: Sequence[TargetResult], n_eligible: int, start_n: int
) -> str:
    if result.certified:
        return "certified"
    if result.tested:
        worst = max(results, key=lambda found: found.p_value)
        return (
            "error too high at the strictest testable threshold: "
            f"{worst.errors:g} errors in {worst.size:g}"
        )
    if n_eligible < start_n:
        return f"too few encounters: {n_eligible} given, at least {start_n} needed"
    return (
        f"too few encounters: {result.n_selected} reach the most lenient threshold, "
        f"at least {start_n} needed"
    )
