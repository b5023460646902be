"""Log-odds that are linear in words: logistic regression with few weights that are not zero.

Rows are lists of names such as words; each name falls into one of 2^18 columns by its hash
(Weinberger et al. 2009, arXiv 0902.2206), so no name is kept. The absolute penalty leaves some
hundred weights of some ten thousand.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression

from surecode.errors import InputError

_COLUMNS = 1 << 18
_LIMIT = 30.0  # of log-odds, so that no chance is 0
_SPARSEST = 1e-6  # of a chance, where all or none were right


def hashed(
    rows: Iterable[Sequence[str]], *, columns: int = _COLUMNS, signed: bool = True
) -> sparse.csr_matrix:
    """``[n, columns]`` for n rows of names.

    Names that share a column add up; with signs they add up or cancel.
    """
    rest = iter(rows)
    first = next(rest, None)
    if first is None:
        return sparse.csr_matrix((0, columns))
    hasher = FeatureHasher(columns, input_type="string", alternate_sign=signed)
    return sparse.csr_matrix(hasher.transform(chain([first], rest)))


@dataclass(frozen=True)
class SparseModel:
    """``bias + sum of weights[i] x[columns[i]]``."""

    columns: tuple[int, ...]
    weights: tuple[float, ...]
    bias: float

    @classmethod
    def fit(cls, x: sparse.csr_matrix, right: ArrayLike, strength: float) -> SparseModel:
        """Fit on rows ``[n, 2^18]`` and whether each is right ``[n]``.

        ``strength`` is the inverse of that of the penalty. Where all or none are right, or there
        are no rows, the bias alone says so.
        """
        y = np.asarray(right, dtype=bool)
        if not y.any() or y.all():
            chance = min(max(float(y.mean()) if len(y) else 0.0, _SPARSEST), 1.0 - _SPARSEST)
            return cls((), (), math.log(chance / (1.0 - chance)))
        model = LogisticRegression(
            C=strength, l1_ratio=1.0, solver="liblinear", max_iter=1000, random_state=0
        )
        with warnings.catch_warnings():
            # A rare value that some words tell wholly moves a little for very many rounds.
            warnings.simplefilter("ignore", ConvergenceWarning)
            weights = model.fit(x, y.astype(np.int64)).coef_[0]
        columns = np.flatnonzero(weights)
        return cls(
            tuple(columns.tolist()),
            tuple(weights[columns].tolist()),
            float(model.intercept_[0]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "columns": list(self.columns),
            "weights": list(self.weights),
            "bias": self.bias,
        }

    @classmethod
    def from_dict(cls, values: Any) -> SparseModel:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        try:
            model = cls(
                tuple(map(int, values["columns"])),
                tuple(map(float, values["weights"])),
                float(values["bias"]),
            )
            rising = all(a < b for a, b in zip(model.columns, model.columns[1:], strict=False))
            sound = rising and len(model.columns) == len(model.weights)
        except (KeyError, TypeError, ValueError, OverflowError):
            sound = False
        if (
            not sound
            or not all(0 <= column < _COLUMNS for column in model.columns)
            or not all(map(math.isfinite, (*model.weights, model.bias)))
        ):
            raise InputError("words around places: damaged; run `surecode train` again")
        return model


@dataclass(frozen=True)
class SparseModels:
    """M models that are asked together."""

    models: tuple[SparseModel, ...]

    def __call__(self, x: sparse.csr_matrix) -> NDArray[np.float64]:
        """Probabilities ``[n, M]``; each row's own, whatever stands beside it."""
        odds = (x @ self._weights).toarray() + self._biases
        probabilities: NDArray[np.float64] = expit(np.clip(odds, -_LIMIT, _LIMIT))
        return probabilities

    @cached_property
    def _weights(self) -> sparse.csr_matrix:
        rows = [column for model in self.models for column in model.columns]
        columns = [k for k, model in enumerate(self.models) for _ in model.columns]
        weights = [weight for model in self.models for weight in model.weights]
        return sparse.csr_matrix((weights, (rows, columns)), (_COLUMNS, len(self.models)))

    @cached_property
    def _biases(self) -> NDArray[np.float64]:
        return np.array([model.bias for model in self.models], dtype=np.float64)
