"""The confidence threshold with a finite-sample guarantee: learn-then-test in a fixed sequence.

Angelopoulos et al., "Learn then test" (2021), with the exact binomial p-value: thresholds are
tested from strict to lenient, each against "at least 1 - level of what it automates is wrong",
and testing stops at the first p-value above delta. To certify a threshold that misses the target,
the first such threshold of the sequence has to pass its own test, which happens with probability
delta at most. No correction for the number of thresholds is needed.

The order is fixed without calibrate's gold:

- The thresholds are quantiles of *tune's* confidences, so they do not depend on calibrate at all.
- The sequence starts at the first threshold that selects ``start_n`` of calibrate's encounters: a
  count of confidences, which sees no gold. Let t be the strictest threshold that truly misses the
  target. If t selects ``start_n``, it has to pass, and given how many it selects its errors are
  binomial: at most delta. If it selects fewer, the sequence starts below t, and the bound holds as
  long as the encounters there are not right more often than the level, as with any confidence
  that falls with accuracy. A population that breaks this (the top is bad) was measured to stay
  below delta as well: ``tests/test_guarantees.py``.

Price: a sort and a binary search, about a millisecond for 5,000 encounters and 400 thresholds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.calibration.bounds import clopper_pearson, p_binomial, required_encounters
from surecode.calibration.certificate import (
    ASSUMPTIONS,
    METHOD,
    Certificate,
    Target,
    split_fingerprint,
)
from surecode.errors import InputError

GRID_SIZE = 400


@dataclass(frozen=True)
class SequenceResult:
    """Counts at the last threshold accepted; if none was, at the first (strictest) one tested.

    Where no threshold selects enough encounters to be tested, ``tested`` is false and the counts
    are those of the most lenient one. ``position`` indexes the grid (-1: the grid is empty).
    """

    certified: bool
    tested: bool
    position: int
    n_selected: int
    errors: int
    p_value: float


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


def default_start_n(n: int, target: Target) -> int:
    """How many of ``n`` encounters the first threshold must select.

    As many as one error allows (77 at .95 and .1), because a single unlucky error would end a
    stricter sequence at its start; in a split of less than four times that number, where a late
    start leaves little to test, as many as zero errors need (45). Numbers between these, or
    between 77 and the 105 that allow a second error, allow no more errors and only come later:
    simulated with 1,000 encounters (population C of the tests), a start at 77 reached .49 of the
    best possible automation, at 60 and at 99 .38.
    """
    with_one_error = required_encounters(target.level, target.delta, errors=1)
    if n >= 4 * with_one_error:
        return with_one_error
    return required_encounters(target.level, target.delta)


def fixed_sequence(
    confidence: NDArray[np.float64],
    correct: NDArray[np.bool_],
    grid: NDArray[np.float64],
    target: Target,
    start_n: int,
) -> SequenceResult:
    """Test ``grid`` `[J]` (strictly decreasing) on finite confidence `[N]` and correct `[N]`."""
    order = np.argsort(confidence, kind="stable")
    below = np.searchsorted(confidence[order], grid, side="left")
    n_selected = len(confidence) - below
    wrong_below = np.concatenate([[0], np.cumsum(~correct[order])])
    errors = wrong_below[-1] - wrong_below[below]
    p_values = p_binomial(errors, n_selected, 1.0 - target.level)
    start = int(np.searchsorted(n_selected, start_n, side="left"))
    passed = p_values[start:] <= target.delta
    accepted = len(passed) if passed.all() else int(np.argmin(passed))
    at = start + max(accepted - 1, 0)
    tested = start < len(grid)
    if not tested:
        at = len(grid) - 1
    if at < 0:
        return SequenceResult(False, False, -1, 0, 0, 1.0)
    return SequenceResult(
        accepted > 0, tested, at, int(n_selected[at]), int(errors[at]), float(p_values[at])
    )


def certify(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    grid: ArrayLike,
    encounter_ids: Sequence[str],
    specialty: str,
    created: date,
    expires: date,
    hashes: Mapping[str, str],
    target: Target | None = None,
    eligible: ArrayLike | None = None,
    start_n: int | None = None,
) -> Certificate:
    """Certify a threshold for one specialty on its calibrate split of N encounters.

    ``confidence`` `[N]`, ``correct`` `[N]` (bool: code set equals gold), ``eligible`` `[N]` (bool:
    not stopped by a rule and with codes to bill; all, by default). Encounters that are not
    eligible or have no finite confidence are never automated; they count in the automation rate
    and nowhere else. ``grid`` `[J]` comes from :func:`quantile_grid` on tune; ``hashes`` names
    what the certificate is bound to (model, calibrator, label space, rules).

    Raises `InputError` where lengths differ, an id occurs twice, the grid is not strictly
    decreasing or ``start_n`` is less than even zero errors need.
    """
    target = target or Target()
    score = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct)
    allowed = np.ones(score.shape, dtype=bool) if eligible is None else np.asarray(eligible)
    _check_flags("correct", right, score)
    _check_flags("eligible", allowed, score)
    candidate = np.isfinite(score) & allowed
    if len(encounter_ids) != len(score):
        raise InputError(
            f"certify: {len(encounter_ids)} encounter ids for {len(score)} confidences; "
            "give one id per encounter"
        )
    thresholds = np.asarray(grid, dtype=np.float64)
    if not np.isfinite(thresholds).all() or (np.diff(thresholds) >= 0.0).any():
        raise InputError("certify: the grid is not strictly decreasing; make it by quantile_grid")
    n_eligible = int(candidate.sum())
    floor = required_encounters(target.level, target.delta)
    start_n = default_start_n(n_eligible, target) if start_n is None else start_n
    if start_n < floor:
        raise InputError(f"certify: start_n {start_n} is below {floor}, too few for any threshold")

    result = fixed_sequence(score[candidate], right[candidate], thresholds, target, start_n)
    automated = result.n_selected if result.certified else 0
    successes = result.n_selected - result.errors
    lower, _ = clopper_pearson(successes, result.n_selected, 1.0 - target.delta, side="lower")
    rate_low, rate_high = clopper_pearson(automated, len(score), 0.95)
    return Certificate(
        id="",
        specialty=specialty,
        target=target,
        method=METHOD,
        certified=result.certified,
        reason=_reason(result, n_eligible, start_n),
        threshold=float(thresholds[result.position]) if result.certified else None,
        n_calibrate=len(score),
        n_eligible=n_eligible,
        start_n=start_n,
        n_selected=result.n_selected,
        errors=result.errors,
        p_value=result.p_value,
        accuracy_lower_bound=float(lower),
        automation_rate=automated / max(len(score), 1),
        automation_rate_interval=(float(rate_low), float(rate_high)),
        grid_hash=hashlib.sha256(thresholds.astype("<f8").tobytes()).hexdigest(),
        split_fingerprint=split_fingerprint(encounter_ids),
        hashes=dict(hashes),
        created=created,
        expires=expires,
        assumptions=ASSUMPTIONS,
    ).with_id()


def _check_flags(name: str, flags: NDArray[np.bool_], score: NDArray[np.float64]) -> None:
    if score.ndim != 1 or flags.shape != score.shape or flags.dtype != np.bool_:
        raise InputError(
            f"certify: confidence has shape {score.shape} and {name} is {flags.dtype} of shape "
            f"{flags.shape}; give numbers [N] and bool [N]"
        )


def _reason(result: SequenceResult, n_eligible: int, start_n: int) -> str:
    if result.certified:
        return "certified"
    if result.tested:
        return (
            "error too high at the strictest testable threshold: "
            f"{result.errors} errors in {result.n_selected}"
        )
    if n_eligible < start_n:
        return f"too few encounters: {n_eligible} given, at least {start_n} needed"
    return (
        f"too few encounters: {result.n_selected} reach the most lenient threshold, "
        f"at least {start_n} needed"
    )
