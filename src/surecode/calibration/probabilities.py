"""Calibrated probabilities for all codes of a coder.

A code of the long tail has too few positives on the tune split for a curve of its own (isotonic
regression per code overfits below about 50), so the curve is shared by all codes: one of the kinds
of `probability_map`, fitted as `logit_map_fit` and `isotonic` say and chosen by `kind_choice`. What
a code may have of its own is an offset, shrunken towards zero.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.calibration.isotonic import fit_isotonic
from surecode.calibration.kind_choice import Fit, KindComparison, compare_kinds
from surecode.calibration.logit_map_fit import beta_features, fit_logit_map
from surecode.calibration.probability_map import KINDS, LARGEST_LOGIT, Kind, ProbabilityMap
from surecode.errors import InputError

Floats = NDArray[np.float64]


class ProbabilityCalibrator(ProbabilityMap):
    """A probability map that is fitted on the tune split; the identity unless told otherwise."""

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        gold: ArrayLike,
        kind: Kind | Literal["auto"] = "auto",
        folds: int = 5,
        clusters: Sequence[Hashable] | None = None,
        seed: int = 0,
    ) -> ProbabilityCalibrator:
        """Fit on the tune split: logits `[N, K]` and gold `[N, K]` (bool) of the same shape.

        ``auto`` takes the kind that :func:`compare` chooses, with the same ``folds``, ``clusters``
        and ``seed``; the other kinds need none of these. Where gold is all negative or all positive
        there is nothing to learn, and the map is the identity.

        Raises `InputError` where the shapes differ, a logit is not finite, the kind is unknown or,
        for ``auto``, as :func:`compare`.
        """
        z, y = _checked(logits, gold)
        if kind not in (*KINDS, "auto"):
            raise InputError(
                f"probability calibration: kind {kind!r} is not auto, {', '.join(KINDS)}; choose "
                "one of them"
            )
        if y.all() or not y.any():
            return cls()
        if kind != "auto":
            return _fitted(kind, z, y)
        rows = compare(z, y, folds=folds, clusters=clusters, seed=seed)
        chosen = next(k for k, row in zip(KINDS, rows, strict=True) if row.chosen)
        return _fitted(chosen, z, y)


def compare(
    logits: ArrayLike,
    gold: ArrayLike,
    *,
    folds: int = 5,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
    k: int = 5,
    bins: int = 15,
) -> list[KindComparison]:
    """Cross-fit every kind on logits `[N, K]` and gold `[N, K]` (bool): one row each, one chosen.

    ``clusters`` `[N]` name what must not be parted, such as patients, and are known by their text
    (``str``): the fold of an encounter then does not depend on the order of the encounters. Without
    them every encounter is its own and is known by its position. ``k`` and ``bins`` are those of
    the calibration error.

    Raises `InputError` where shapes or lengths differ, a logit is not finite, or there are fewer
    than two folds.
    """
    z, y = _checked(logits, gold)
    return compare_kinds(
        [(kind, _log_odds_fit(kind)) for kind in KINDS],
        z,
        y,
        folds=folds,
        clusters=clusters,
        seed=seed,
        k=k,
        bins=bins,
    )


def _log_odds_fit(kind: Kind) -> Fit:
    return lambda logits, gold: ProbabilityCalibrator.fit(logits, gold, kind).log_odds


def _fitted(kind: Kind, z: Floats, y: NDArray[np.bool_]) -> ProbabilityCalibrator:
    if kind == "isotonic":
        logits, probabilities = fit_isotonic(z, y)
        knots = tuple(zip(logits.tolist(), probabilities.tolist(), strict=True))
        return ProbabilityCalibrator(kind=kind, knots=knots)
    if kind == "beta":
        found = fit_logit_map(z, y, beta_features)
        a, b = found.coefficients.tolist()
        return ProbabilityCalibrator(kind=kind, beta=(a, b, found.intercept))
    if kind == "temperature":
        found = fit_logit_map(z, y, with_intercept=False)
        return ProbabilityCalibrator(float(found.coefficients[0]), kind=kind)
    found = fit_logit_map(z, y, offset_sd=None)
    offsets = tuple(found.offsets.tolist()) if found.offset_sd > 0.0 else ()
    return ProbabilityCalibrator(float(found.coefficients[0]), found.intercept, offsets, kind)


def _checked(logits: ArrayLike, gold: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(gold, dtype=bool)
    if z.ndim != 2 or z.shape != y.shape:
        raise InputError(
            f"probability calibration: logits have shape {z.shape} and gold {y.shape}, not both "
            "[N, K]; give one gold value for each logit"
        )
    if not np.isfinite(z).all():
        raise InputError(
            "probability calibration: a logit is not finite; train again with a lower rate"
        )
    return np.clip(z, -LARGEST_LOGIT, LARGEST_LOGIT), y
