"""Which kind of probability map to take: the simplest that cross-fitting cannot beat.

Every encounter is judged by a map that was fitted without it and without its cluster. A richer
kind replaces a simpler one where its log loss is lower by more than one standard error of the
difference (the one-standard-error rule of Breiman et al., "Classification and regression trees",
1984, here with paired differences).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from surecode.calibration.folds import folds_of
from surecode.calibration.reliability import expected_calibration_error, top_k
from surecode.errors import InputError

Floats = NDArray[np.float64]
# Logits and gold `[M, K]` of the encounters to learn from → log-odds `[L, K]` of other logits.
Fit = Callable[[Floats, NDArray[np.bool_]], Callable[[Floats], Floats]]


@dataclass(frozen=True)
class KindComparison:
    """How one kind did on encounters held out.

    ``log_loss`` is the mean over encounters of the log loss summed over codes, in nats, and
    ``standard_error`` its own. ``gain`` is by how many nats per encounter the kind is better than
    the simpler one that it had to beat, with the standard error ``gain_error``: it did so where
    gain exceeds gain_error. ``calibration_error`` is that of the k most probable codes. Without
    two clusters to hold out from each other all of these are NaN.
    """

    kind: str
    log_loss: float
    standard_error: float
    gain: float
    gain_error: float
    calibration_error: float
    chosen: bool = False


def compare_kinds(
    fits: Iterable[tuple[str, Fit]],
    logits: Floats,
    gold: NDArray[np.bool_],
    *,
    folds: int,
    clusters: Sequence[Hashable] | None,
    seed: int,
    k: int,
    bins: int,
) -> list[KindComparison]:
    """One row per kind, in the order of ``fits``: from simple to rich. One row is chosen.

    Raises `InputError` below two folds and where ``clusters`` has another length than logits.
    """
    if clusters is not None and len(clusters) != len(logits):
        raise InputError(
            f"probability calibration: {len(clusters)} clusters for {len(logits)} encounters; "
            "give one per encounter, or none"
        )
    names = [str(name) for name in (range(len(logits)) if clusters is None else clusters)]
    fold = folds_of(names, folds, seed)
    cluster = np.unique(np.array(names, dtype=object), return_inverse=True)[1]
    divisible = len(set(names)) >= 2
    rows: list[KindComparison] = []
    chosen, best = 0, np.full(len(logits), np.nan)
    for number, (kind, fit) in enumerate(fits):
        losses = np.full(len(logits), np.nan)
        error = float("nan")
        if divisible:
            losses, error = _cross_fitted(fit, logits, gold, fold, k, bins)
        if number == 0:
            best = losses
        gain, gain_error = _mean_and_error(best - losses, cluster)
        mean, mean_error = _mean_and_error(losses, cluster)
        rows.append(KindComparison(kind, mean, mean_error, gain, gain_error, error))
        if gain > gain_error:
            chosen, best = number, losses
    rows[chosen] = replace(rows[chosen], chosen=True)
    return rows


def _cross_fitted(
    fit: Fit,
    logits: Floats,
    gold: NDArray[np.bool_],
    fold: NDArray[np.int64],
    k: int,
    bins: int,
) -> tuple[Floats, float]:
    """Log loss `[N]` in nats, summed over codes, and the calibration error of the top k."""
    losses = np.zeros(len(logits))
    top = np.zeros((len(logits), min(k, logits.shape[1])))
    top_gold = np.zeros(top.shape, dtype=bool)
    for held_out in np.unique(fold):
        out = fold == held_out
        log_odds = fit(logits[~out], gold[~out])(logits[out])
        losses[out] = np.logaddexp(0.0, np.where(gold[out], -log_odds, log_odds)).sum(axis=1)
        top[out], top_gold[out] = top_k(special.expit(log_odds), gold[out], k)
    return losses, expected_calibration_error(top.ravel(), top_gold.ravel(), bins)


def _mean_and_error(values: Floats, cluster: NDArray[np.intp]) -> tuple[float, float]:
    """The mean of values `[N]` and its standard error, which knows that clusters go together."""
    n_clusters = len(np.unique(cluster))
    if n_clusters < 2:
        return float("nan"), float("nan")
    mean = float(values.mean())
    sums = np.bincount(cluster, weights=values - mean)
    error = math.sqrt(n_clusters / (n_clusters - 1) * float(sums @ sums)) / len(values)
    return mean, error
