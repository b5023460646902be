"""Log-odds that are linear in standardised features: logistic regression as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

# Inverse strength of the squared penalty, without steps and with them. Cross-validated micro-F1 on
# CodiEsp's train split moves by less than .002 between 0.03 and 3.
_STRENGTH, _STEPS_STRENGTH = 0.3, 0.1
_BINS = 6  # of a feature's values, equally full
_LIMIT = 12.0  # log-odds beyond this say more than counts can

Steps = tuple[tuple[float, ...], tuple[float, ...]]  # cuts, and a value for each bin between them


@dataclass(frozen=True)
class LinearModel:
    """``bias + sum_f weights[f] (x[f] - mean[f]) / scale[f] + steps[f](x[f])``, kept within ±12.

    ``steps[f]`` is constant between cuts, so that a feature may count otherwise where it is small;
    a model without steps has none for any feature.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    steps: tuple[Steps, ...] = ()

    @classmethod
    def fit(cls, features: ArrayLike, right: ArrayLike, *, steps: bool = False) -> LinearModel:
        """Fit on features ``[n, F]`` and whether each is right ``[n]``.

        Where all or none are right there is nothing to weigh, and the bias alone says how often.
        """
        x = np.asarray(features, dtype=np.float64)
        y = np.asarray(right, dtype=bool)
        mean, scale = x.mean(axis=0), x.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        rows = [tuple(map(float, each)) for each in (mean, scale)]
        if y.all() or not y.any():
            odds = (y.sum() + 0.5) / ((~y).sum() + 0.5)
            return cls(rows[0], rows[1], (0.0,) * x.shape[1], math.log(odds))
        from sklearn.linear_model import LogisticRegression

        cuts = [_cuts(column) for column in x.T] if steps else []
        stepped = [
            np.eye(len(cut) + 1)[np.searchsorted(cut, column, side="right")]
            for cut, column in zip(cuts, x.T, strict=steps)
        ]
        strength = _STEPS_STRENGTH if steps else _STRENGTH
        fitted = LogisticRegression(C=strength, max_iter=5000).fit(
            np.hstack([(x - mean) / scale, *stepped]), y
        )
        weights = fitted.coef_[0].tolist()
        rest = iter(weights[x.shape[1] :])
        values = [tuple(next(rest) for _ in range(len(cut) + 1)) for cut in cuts]
        return cls(
            rows[0],
            rows[1],
            tuple(weights[: x.shape[1]]),
            float(fitted.intercept_[0]),
            tuple(zip(cuts, values, strict=True)),
        )

    def __call__(self, features: ArrayLike) -> NDArray[np.float64]:
        """Log-odds ``[n]`` of features ``[n, F]``; each row's own, whatever stands beside it."""
        x = np.asarray(features, dtype=np.float64).reshape(-1, len(self.weights))
        terms = (x - np.array(self.mean)) / np.array(self.scale) * np.array(self.weights)
        if self.steps:
            stepped = [
                np.array(values)[np.searchsorted(cuts, column, side="right")]
                for (cuts, values), column in zip(self.steps, x.T, strict=True)
            ]
            terms = np.column_stack([terms, *stepped])
        # Row by row, so that the last bits do not depend on how many rows there are.
        sums = np.array([math.fsum(row) for row in terms.tolist()]) + self.bias
        clipped: NDArray[np.float64] = np.clip(sums, -_LIMIT, _LIMIT)
        return clipped

    def shifted(self, by: float) -> LinearModel:
        """The same with other odds throughout, such as those of rows before some were left out."""
        return replace(self, bias=self.bias + by)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "mean": list(self.mean),
            "scale": list(self.scale),
            "weights": list(self.weights),
            "bias": self.bias,
            "steps": [[list(cuts), list(values)] for cuts, values in self.steps],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], features: int) -> LinearModel:
        """The inverse of :meth:`to_dict` for so many features; raises `InputError` on others."""
        try:
            rows = [tuple(map(float, values[name])) for name in ("mean", "scale", "weights")]
            steps = [
                (tuple(map(float, cuts)), tuple(map(float, each))) for cuts, each in values["steps"]
            ]
            model = cls(rows[0], rows[1], rows[2], float(values["bias"]), tuple(steps))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError("linear model: damaged; run `surecode train` again") from None
        sizes = {len(row) for row in rows}
        numbers = [*model.mean, *model.scale, *model.weights, model.bias]
        numbers += [number for pair in model.steps for row in pair for number in row]
        if sizes != {features} or not all(map(math.isfinite, numbers)) or 0.0 in model.scale:
            raise InputError(
                f"linear model: expected {features} finite features; run `surecode train` again"
            )
        if len(model.steps) not in (0, features) or not all(
            len(each) == len(cuts) + 1 and list(cuts) == sorted(cuts) for cuts, each in model.steps
        ):
            raise InputError("linear model: damaged steps; run `surecode train` again")
        return model


def _cuts(column: NDArray[np.float64]) -> tuple[float, ...]:
    """Values that part a column into bins that are about equally full; each begins one."""
    inner = np.linspace(0.0, 1.0, _BINS + 1)[1:-1]
    found = np.unique(np.quantile(column, inner, method="averaged_inverted_cdf"))
    return tuple(found[found > column.min()].tolist())
