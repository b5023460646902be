"""Log-odds that are linear in standardised features: logistic regression as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

# Inverse strength of the squared penalty. Cross-validated micro-F1 on CodiEsp's train split moves
# by less than .002 between 0.03 and 3.
_STRENGTH = 0.3
_LIMIT = 12.0  # log-odds beyond this say more than counts can


@dataclass(frozen=True)
class LinearModel:
    """``bias + sum_f weights[f] (x[f] - mean[f]) / scale[f]``, kept within ±12."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    @classmethod
    def fit(cls, features: ArrayLike, right: ArrayLike) -> LinearModel:
        """Fit on features ``[n, F]`` and whether each is right ``[n]``.

        Where all or none are right there is nothing to weigh, and the bias alone says how often.
        """
        x = np.asarray(features, dtype=np.float64)
        y = np.asarray(right, dtype=bool)
        mean, scale = x.mean(axis=0), x.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        if y.all() or not y.any():
            odds = (y.sum() + 0.5) / ((~y).sum() + 0.5)
            weights, bias = np.zeros(x.shape[1]), math.log(odds)
        else:
            from sklearn.linear_model import LogisticRegression

            fitted = LogisticRegression(C=_STRENGTH, max_iter=5000).fit((x - mean) / scale, y)
            weights, bias = fitted.coef_[0], float(fitted.intercept_[0])
        rows = [tuple(map(float, each)) for each in (mean, scale, weights)]
        return cls(rows[0], rows[1], rows[2], float(bias))

    def __call__(self, features: ArrayLike) -> NDArray[np.float64]:
        """Log-odds ``[n]`` of features ``[n, F]``; each row's own, whatever stands beside it."""
        x = np.asarray(features, dtype=np.float64).reshape(-1, len(self.weights))
        terms = (x - np.array(self.mean)) / np.array(self.scale) * np.array(self.weights)
        # Row by row, so that the last bits do not depend on how many rows there are.
        sums = np.array([math.fsum(row) for row in terms.tolist()]) + self.bias
        clipped: NDArray[np.float64] = np.clip(sums, -_LIMIT, _LIMIT)
        return clipped

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "mean": list(self.mean),
            "scale": list(self.scale),
            "weights": list(self.weights),
            "bias": self.bias,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], features: int) -> LinearModel:
        """The inverse of :meth:`to_dict` for so many features; raises `InputError` on others."""
        try:
            rows = [tuple(map(float, values[name])) for name in ("mean", "scale", "weights")]
            model = cls(rows[0], rows[1], rows[2], float(values["bias"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError("linear model: damaged; run `surecode train` again") from None
        sizes = {len(row) for row in rows}
        numbers = [*model.mean, *model.scale, *model.weights, model.bias]
        if sizes != {features} or not all(map(math.isfinite, numbers)) or 0.0 in model.scale:
            raise InputError(
                f"linear model: expected {features} finite features; run `surecode train` again"
            )
        return model
