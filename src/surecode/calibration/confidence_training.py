"""How a confidence model is fitted and cross-fitted: the sample, the ridge, the folds.

Letters: N encounters, P features, G specialties.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.calibration.confidence_features import RAW, Features
from surecode.calibration.folds import folds_of
from surecode.calibration.logistic_fit import LogisticFit, fit_logistic
from surecode.errors import InputError

Floats = NDArray[np.float64]

# Penalties of a squared weight, in encounters: how many speak against each standard deviation.
RIDGES = (0.3, 3.0, 30.0, 300.0)
# The map of a simple score: its weight is near 1, where a calibrated probability's logit has it,
# and never so small that neighbouring scores become one confidence.
SLOPE_SD = 1.0
SMALLEST_SLOPE = 0.01
ANCHOR = "logit_product"


@dataclass(frozen=True, eq=False)
class Sample:
    """Encounters to learn from, in an order that their content gives.

    ``rows`` `[N]` are their places among the encounters that were given; ``x`` `[N, P]`;
    ``place`` `[N]` is the specialty's place among ``specialties`` `[G]`.
    """

    names: tuple[str, ...]
    rows: NDArray[np.int64]
    x: Floats
    right: NDArray[np.bool_]
    place: NDArray[np.int64]
    specialties: tuple[str, ...]
    clusters: tuple[str, ...]

    def part(self, keep: NDArray[np.bool_]) -> Sample:
        """Some of the encounters; the specialties stay the same."""
        clusters = tuple(name for name, kept in zip(self.clusters, keep, strict=True) if kept)
        return Sample(
            self.names,
            self.rows[keep],
            self.x[keep],
            self.right[keep],
            self.place[keep],
            self.specialties,
            clusters,
        )


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted map of the named features, each less its mean over its scale `[P]`."""

    names: tuple[str, ...]
    means: Floats
    scales: Floats
    map: LogisticFit

    def log_odds(self, data: Sample) -> Floats:
        """Log-odds `[N]`, each encounter under its own specialty."""
        x = data.x[:, [data.names.index(name) for name in self.names]]
        return self.map.log_odds((x - self.means) / self.scales, data.place)


def sample(
    features: Features,
    correct: ArrayLike,
    names: Sequence[str] | None,
    specialties: Sequence[str] | None,
    clusters: Sequence[str] | None,
) -> Sample:
    """The finite encounters in canonical order; raises `InputError` where lengths differ."""
    chosen = tuple(n for n in features.names if n not in RAW) if names is None else tuple(names)
    if not chosen or set(chosen) & set(RAW):
        raise InputError(
            "confidence model: the raw confidences cannot be fitted; use logit_product and others"
        )
    check_lengths(features, correct, specialties, clusters)
    right = np.asarray(correct)
    x = features.columns(chosen)
    rows = np.flatnonzero(np.isfinite(x).all(axis=1))
    at = rows.tolist()
    # Without names, encounters with the same features share a fold: nothing parts them anyway.
    group = [x[i].tobytes().hex() if clusters is None else clusters[i] for i in at]
    known = tuple(sorted(set(specialties))) if specialties is not None else ("",)
    place = np.array(
        [0 if specialties is None else known.index(specialties[i]) for i in at], dtype=np.int64
    )
    ranks = {name: rank for rank, name in enumerate(sorted(set(group)))}
    order = np.lexsort(
        [[ranks[name] for name in group], place, right[rows].astype(bool), *x[rows].T]
    )
    return Sample(
        chosen,
        rows[order],
        x[rows][order],
        right[rows][order].astype(bool),
        place[order],
        known,
        tuple(group[i] for i in order),
    )


def check_lengths(
    features: Features,
    correct: ArrayLike,
    specialties: Sequence[str] | None,
    clusters: Sequence[str] | None,
) -> None:
    """Raises `InputError` unless there is one value, and a truth value, for each encounter."""
    right = np.asarray(correct)
    given = [len(values) for values in (specialties, clusters) if values is not None]
    if right.ndim != 1 or {len(right), *given} != {len(features)}:
        raise InputError(
            f"confidence model: {len(features)} encounters, correct {right.shape}; give one value "
            "of correct, specialties and clusters for each encounter"
        )
    if not np.isin(right, (0, 1)).all():
        raise InputError("confidence model: correct is neither true nor false; give booleans")


def fit(data: Sample, ridge: float | None, folds: int, seed: int) -> Fitted:
    """The map of a sample, see `ConfidenceModel.fit`."""
    if ridge is not None and not (math.isfinite(ridge) and ridge > 0.0):
        raise InputError(f"confidence model: ridge {ridge} must be positive and finite")
    if len(data.names) == 1:
        return _simple(data, data.names[0])
    anchor = _anchor(data)
    if not _teaches(data):
        return anchor
    if ridge is None:
        ridge = _best_ridge(data, folds, seed)
    return _learned(data, anchor, ridge)


def cross_fit(data: Sample, ridge: float | None, folds: int, seed: int) -> Floats:
    """Log-odds `[N]` of the sample's encounters by maps that were fitted without their fold."""
    fold = folds_of(data.clusters, folds, seed)
    log_odds = np.full(len(fold), np.nan)
    for held in np.unique(fold):
        out = fold == held
        log_odds[out] = fit(data.part(~out), ridge, folds, seed).log_odds(data.part(out))
    return log_odds


def _simple(data: Sample, name: str) -> Fitted:
    x = data.x[:, [data.names.index(name)]]
    found = fit_logistic(
        x,
        data.right,
        data.place,
        len(data.specialties),
        mean=np.ones(1),
        precision=np.full(1, SLOPE_SD**-2.0),
        at_least=SMALLEST_SLOPE,
    )
    return Fitted((name,), np.zeros(1), np.ones(1), found)


def _anchor(data: Sample) -> Fitted:
    return _simple(data, ANCHOR if ANCHOR in data.names else data.names[0])


def _teaches(data: Sample) -> bool:
    """Whether there are slopes to learn: right and wrong encounters that differ in a feature."""
    return bool(data.right.any() and not data.right.all() and _varying(data).any())


def _learned(data: Sample, anchor: Fitted, ridge: float) -> Fitted:
    """Ridge towards the anchor: its slope is the prior mean of its weight, 0 that of the rest."""
    kept = _varying(data)
    names = tuple(name for name, keep in zip(data.names, kept, strict=True) if keep)
    x = data.x[:, kept]
    means, scales = x.mean(axis=0), x.std(axis=0)
    prior = np.zeros(len(names))
    if ANCHOR in names and anchor.names == (ANCHOR,):
        at = names.index(ANCHOR)
        prior[at] = anchor.map.weights[0] * scales[at]
    found = fit_logistic(
        (x - means) / scales,
        data.right,
        data.place,
        len(data.specialties),
        mean=prior,
        precision=np.full(len(names), ridge),
    )
    return Fitted(names, means, scales, found)


def _best_ridge(data: Sample, folds: int, seed: int) -> float:
    """The ridge with the least log loss on held-out clusters; of equals the strongest."""
    fold = folds_of(data.clusters, folds, seed)
    loss = np.zeros(len(RIDGES))
    for held in np.unique(fold):
        train, test = data.part(fold != held), data.part(fold == held)
        if not _teaches(train):
            continue  # the anchor whatever the ridge: the same loss for all
        anchor, sign = _anchor(train), np.where(test.right, -1.0, 1.0)
        for i, ridge in enumerate(RIDGES):
            signed = sign * _learned(train, anchor, ridge).log_odds(test)
            loss[i] += np.logaddexp(0.0, signed).sum()
    return RIDGES[int(np.flatnonzero(loss == loss.min())[-1])]


def _varying(data: Sample) -> NDArray[np.bool_]:
    """Which features `[P]` differ among encounters by more than their last digits."""
    if not len(data.x):
        return np.zeros(len(data.names), dtype=bool)
    spread = data.x.std(axis=0)
    return np.asarray(spread > 1e-12 * np.maximum(1.0, np.abs(data.x).max(axis=0)))
