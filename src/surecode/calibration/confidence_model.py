"""The estimated probability that the whole code set of an encounter is right, learned from tune.

A logistic map of some features (Platt 1999 for one of them; Park & Read, arXiv 2209.04163, for a
combination). Encounters of several specialties share the slopes, each specialty has an intercept:
pooling helps the confidence, while the certificate tests each specialty by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from surecode.calibration import confidence_training as training
from surecode.calibration.confidence_features import NAMES, RAW, Features
from surecode.errors import InputError

Link = Literal["logistic", "identity"]
# Log-odds beyond this are compressed, see `_probability`.
CERTAIN = 16.0


@dataclass(frozen=True)
class ConfidenceModel:
    """confidence = sigmoid(intercept + sum over j of weight[j] * (x[j] - mean[j]) / scale[j]).

    With the link ``identity`` it is the one raw feature itself, as :meth:`product` and
    :meth:`minimum` make it. Raises `InputError` where numbers are not finite or do not fit.
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float = 0.0
    link: Link = "logistic"

    def __post_init__(self) -> None:
        lengths = {len(self.features), len(self.means), len(self.scales), len(self.weights)}
        numbers = (*self.means, *self.scales, *self.weights, self.intercept)
        if (
            len(lengths) != 1
            or not self.features
            or len(set(self.features)) != len(self.features)
            or not all(math.isfinite(number) for number in numbers)
            or not all(scale > 0.0 for scale in self.scales)
        ):
            raise InputError(
                "confidence model: each feature needs a name of its own and a finite mean, a "
                "positive scale and a weight; fit it again on the tune split"
            )
        plain = self.features[0] in RAW and numbers == (0.0, 1.0, 1.0, 0.0)
        if self.link not in ("logistic", "identity") or (self.link == "identity" and not plain):
            raise InputError(
                f"confidence model: link {self.link!r} does not fit; it is logistic, or identity "
                "for a raw confidence as it is"
            )

    @classmethod
    def product(cls) -> ConfidenceModel:
        """The probability that all decisions are right, taken as independent; nothing fitted."""
        return cls(("product",), (0.0,), (1.0,), (1.0,), link="identity")

    @classmethod
    def minimum(cls) -> ConfidenceModel:
        """The probability of the least certain decision; nothing fitted."""
        return cls(("minimum",), (0.0,), (1.0,), (1.0,), link="identity")

    def __call__(self, features: Features) -> NDArray[np.float64]:
        """Confidence `[N]` in [0, 1]; NaN where a feature is. Each row by itself, to the digit."""
        if self.link == "identity":
            return features.column(self.features[0]).copy()
        return _probability(self.log_odds(features))

    def log_odds(self, features: Features) -> NDArray[np.float64]:
        """Log-odds `[N]` before they become a confidence: the same order, and no upper end."""
        if self.link == "identity":
            return np.asarray(special.logit(features.column(self.features[0])))
        # One feature after the other: a matrix product would sum a row differently in a batch.
        total = np.full(len(features), self.intercept)
        for name, mean, scale, weight in zip(
            self.features, self.means, self.scales, self.weights, strict=True
        ):
            total += weight * ((features.column(name) - mean) / scale)
        return total

    @classmethod
    def fit(
        cls,
        features: Features,
        correct: ArrayLike,
        *,
        names: Sequence[str] | None = None,
        specialties: Sequence[str] | None = None,
        specialty: str | None = None,
        ridge: float | None = None,
        clusters: Sequence[str] | None = None,
        folds: int = 5,
        seed: int = 0,
    ) -> ConfidenceModel:
        """Fit on encounters that calibrate does not contain, the same for any order of them.

        One name gives a simple score: its weight is positive, so encounters keep its order.
        Several, by default all but the raw ones, give a ridge logistic regression on features of
        unit variance, shrunken towards the map of ``logit_product`` alone; without ``ridge`` its
        strength is the one with the least log loss on held-out clusters. Features that are
        constant are dropped. Where there is nothing to learn slopes from (no encounter, all right
        or all wrong, all features constant) the model is that of ``logit_product`` alone, or of
        the first name where it is absent, near slope 1: without encounters the product itself.

        Args:
            features: of N encounters; those with NaN are left out.
            correct: `[N]` of bool, whether the code set equals its gold.
            names: the features to use.
            specialties: `[N]`, where encounters of several are given; slopes are shared.
            specialty: the one that the model is for; needed with ``specialties``.
            ridge: penalty of a squared weight, in encounters; None chooses among `RIDGES`.
            clusters: `[N]`, patients for instance, which folds do not part.
            folds: into how many the choice of ``ridge`` parts the clusters.
            seed: of the folds.

        Raises:
            InputError: lengths differ, a name is unknown, ``ridge`` is not positive, or only one
                of ``specialties`` and ``specialty`` is given.
        """
        if (specialties is None) != (specialty is None):
            raise InputError("confidence model: give specialties and specialty, or neither")
        data = training.sample(features, correct, names, specialties, clusters)
        fitted = training.fit(data, ridge, folds, seed)
        place = data.specialties.index(specialty) if specialty in data.specialties else None
        offset = 0.0 if place is None else float(fitted.map.offsets[place])
        return cls(
            fitted.names,
            tuple(fitted.means.tolist()),
            tuple(fitted.scales.tolist()),
            tuple(fitted.map.weights.tolist()),
            fitted.map.intercept + offset,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, from which :meth:`from_dict` makes an equal model."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ConfidenceModel:
        """The inverse of :meth:`to_dict`; raises `InputError` on a wrong key, type or name."""
        lists = ("features", "means", "scales", "weights")
        fits = (
            isinstance(values, Mapping)
            and set(values) == {*lists, "intercept", "link"}
            and all(isinstance(values[name], list) for name in lists)
            and all(name in NAMES for name in values["features"])
            and all(_is_number(v) for name in lists[1:] for v in values[name])
            and _is_number(values["intercept"])
        )
        if not fits:
            raise InputError(
                "confidence model: expected link, intercept and lists of known features, means, "
                "scales and weights; write the file again with surecode calibrate"
            )
        means, scales, weights = (tuple(float(v) for v in values[name]) for name in lists[1:])
        features, intercept = tuple(values["features"]), float(values["intercept"])
        return cls(features, means, scales, weights, intercept, values["link"])


def cross_fitted(
    features: Features,
    correct: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    specialties: Sequence[str] | None = None,
    ridge: float | None = None,
    clusters: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Confidence `[N]` of each encounter by a model that was fitted without its cluster.

    Arguments as in :meth:`ConfidenceModel.fit`; every encounter gets the model of its own
    specialty. NaN where a feature is NaN. Without clusters, encounters with equal features count
    as one.
    """
    data = training.sample(features, correct, names, specialties, clusters)
    confidence = np.full(len(features), np.nan)
    confidence[data.rows] = _probability(training.cross_fit(data, ridge, folds, seed))
    return confidence


def _probability(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sigmoid `[N]` that keeps distinct log-odds distinct.

    Beyond 37 every sigmoid is 1 in float64, a tie that no threshold could part. No tune split can
    tell 1 - 1e-7 from more, so log-odds above `CERTAIN` grow on as a logarithm only.
    """
    over = np.maximum(log_odds - CERTAIN, 0.0)
    return np.asarray(special.expit(np.minimum(log_odds, CERTAIN) + np.log1p(over)))


def _is_number(value: Any) -> bool:
    """Whether a JSON value is a number that float64 holds."""
    if isinstance(value, float):
        return math.isfinite(value)
    return type(value) is int and abs(value) < 2**53
