"""Probabilities to code sets by one cut for all codes, chosen exactly on the tune split.

Between two neighbouring probabilities every cut gives the same code sets, so the objective is a
step function with finitely many steps; all of them are visited by sorting and counting. There is
no grid of cuts: a grid (`linspace(0, 1, 100)` in Edin et al., "Automated medical coding on MIMIC",
2023) steps over the optimum where probabilities crowd together, as those of rare codes do near 0.

Choosing the cut and choosing when to automate are two decisions: this one says *which* codes, the
certificate says *whether* a person looks at them. Under independent codes the most probable set
is the one at 0.5; a cut for micro-F1 is lower and costs exact matches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

Objective = Literal["micro_f1", "exact_match"]
DEFAULT_CUT = 0.5


@dataclass(frozen=True)
class Decoding:
    """Assign every code whose probability is at least ``threshold``; ties are never split."""

    threshold: float = DEFAULT_CUT

    def __call__(self, probabilities: ArrayLike) -> NDArray[np.bool_]:
        """Code sets `[N, K]` (bool) of probabilities `[N, K]`; NaN is never assigned."""
        # In float64: a float32 comparison would round the cut onto a neighbouring probability.
        return np.asarray(probabilities, dtype=np.float64) >= self.threshold

    @classmethod
    def fit(
        cls,
        probabilities: ArrayLike,
        gold: ArrayLike,
        objective: Objective = "exact_match",
        gold_outside: ArrayLike | None = None,
    ) -> Decoding:
        """The cut with the best ``objective`` on probabilities and gold (bool), both `[N, K]`.

        ``gold_outside`` `[N]` counts the gold codes of each encounter outside the label space:
        no cut can assign them, so they are misses of micro-F1, and such an encounter is never an
        exact match. Among cuts that do equally well the one nearest to 0.5 is taken; without any
        gold code in the label space, where tune says nothing of a cut, it is 0.5 itself.

        Raises `InputError` where shapes differ, a probability is not in [0, 1] or the objective
        is unknown.
        """
        p = np.asarray(probabilities, dtype=np.float64)
        y = np.asarray(gold, dtype=bool)
        outside = np.zeros(len(p), dtype=np.int64)
        if gold_outside is not None:
            outside = np.asarray(gold_outside, dtype=np.int64)
        if p.ndim != 2 or p.shape != y.shape or outside.shape != (len(p),):
            raise InputError(
                f"decoding: probabilities {p.shape}, gold {y.shape} and gold_outside "
                f"{outside.shape} must be [N, K], [N, K] and [N]; give one row per encounter"
            )
        if not ((p >= 0.0) & (p <= 1.0)).all():
            raise InputError("decoding: a probability is not in [0, 1]; calibrate the logits first")
        if not y.any():
            return cls()
        if objective == "micro_f1":
            return cls(_best_cut(*_micro_f1_steps(p, y, outside)))
        if objective == "exact_match":
            return cls(_best_cut(*_exact_match_steps(p, y, outside)))
        raise InputError(f"decoding: objective {objective!r} is not micro_f1 or exact_match")


def _micro_f1_steps(
    p: NDArray[np.float64], y: NDArray[np.bool_], outside: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges `[S + 1]` and micro-F1 `[S]` of the cuts in (edge s, edge s + 1]."""
    values, position = np.unique(p, return_inverse=True)
    position = position.ravel()
    # Step s assigns the values s, s + 1, ...; the last step assigns none.
    assigned = np.append(np.bincount(position)[::-1].cumsum()[::-1], 0)
    hits = np.bincount(position[y.ravel()], minlength=len(values))
    hits = np.append(hits[::-1].cumsum()[::-1], 0)
    return _edges(values), 2.0 * hits / (assigned + y.sum() + outside.sum())


def _exact_match_steps(
    p: NDArray[np.float64], y: NDArray[np.bool_], outside: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges `[S + 1]` and exact matches `[S]` of the cuts in (edge s, edge s + 1].

    An encounter is right for the cuts in (largest probability outside its gold, smallest
    probability inside it], an interval that may be empty.
    """
    low = np.where(y, -np.inf, p).max(axis=1)
    high = np.where(y, p, np.inf).min(axis=1)
    possible = (low < high) & (outside == 0)
    low, high = np.sort(low[possible]), np.sort(high[possible])
    ends = np.unique(np.concatenate([low, high]))
    edges = _edges(ends[np.isfinite(ends)])
    opened = np.searchsorted(low, edges[:-1], side="right")
    closed = np.searchsorted(high, edges[:-1], side="right")
    return edges, (opened - closed).astype(np.float64)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[-np.inf], values, [np.inf]])


def _best_cut(edges: NDArray[np.float64], objective: NDArray[np.float64]) -> float:
    """The mid-point of the best step; of equally good steps the mid-point nearest to 0.5."""
    best = np.flatnonzero(objective == objective.max())
    cuts = [_middle(float(edges[s]), float(edges[s + 1])) for s in best]
    return min(cuts, key=lambda cut: abs(cut - DEFAULT_CUT))


def _middle(low: float, high: float) -> float:
    """The middle of (low, high] within [0, 1], or the nearest number that lies in the interval."""
    middle = (max(low, 0.0) + min(high, 1.0)) / 2.0
    if low < middle <= high:
        return middle
    return high if math.isfinite(high) else math.nextafter(low, math.inf)
