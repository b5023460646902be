"""Intervals by resampling encounters, which are right or wrong as a whole.

Every figure is a function of weights ``[E]``, how often each of E encounters was drawn; two
figures over the same encounters are compared under the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

Weights = NDArray[np.float64]
Figure = Callable[[Weights], float]

DRAWS = 400
OUTSIDE = (2.5, 97.5)  # percentiles: a 95 % interval


@dataclass(frozen=True)
class Interval:
    """A figure and the percentiles of its resampled values."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def interval(figure: Figure, encounters: int, *, draws: int = DRAWS, seed: int = 0) -> Interval:
    """The figure with its percentile interval (Efron 1979) over resampled encounters.

    The same seed draws the same encounters, whatever the figure.

    Raises:
        InputError: there is no encounter to draw.
    """
    if encounters < 1:
        raise InputError("interval: no encounters to draw; give at least one")
    generator = np.random.default_rng(seed)
    share = np.full(encounters, 1 / encounters)
    drawn = generator.multinomial(encounters, share, size=draws).astype(np.float64)
    # A draw may hold no code at all: its figure is no number, and it is left out.
    found = np.array([figure(weights) for weights in drawn])
    low, high = np.nanpercentile(found, OUTSIDE)
    return Interval(figure(np.ones(encounters)), float(low), float(high))


def difference(first: Figure, second: Figure) -> Figure:
    """How much better the first is, under the same draw."""
    return lambda weights: first(weights) - second(weights)


def f1_figure(counts: ArrayLike) -> Figure:
    """Micro F1 from ``[E, 3]`` words right, shown and gold of each encounter."""
    table = np.asarray(counts, dtype=np.float64).reshape(-1, 3)

    def figure(weights: Weights) -> float:
        right, shown, gold = weights @ table
        return float(2 * right / (shown + gold)) if shown + gold else float("nan")

    return figure


def mean_figure(values: Sequence[Sequence[float]]) -> Figure:
    """Mean over all codes, whose values come by encounter."""
    sums = np.array([sum(one) for one in values], dtype=np.float64)
    counts = np.array([len(one) for one in values], dtype=np.float64)

    def figure(weights: Weights) -> float:
        total = float(weights @ counts)
        return float(weights @ sums) / total if total else float("nan")

    return figure


def average_precision_figure(owner: ArrayLike, gold: ArrayLike, scores: ArrayLike) -> Figure:
    """Average precision of words pooled over encounters, equal scores taken together.

    Args:
        owner: ``[M]`` the number of each pooled word's encounter.
        gold: ``[M]`` whether it is gold.
        scores: ``[M]`` its score.
    """
    values = np.asarray(scores, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    who = np.asarray(owner, dtype=np.int64)[order]
    right = np.asarray(gold, dtype=np.float64)[order]
    last = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))

    def figure(weights: Weights) -> float:
        each = weights[who]
        shown = np.cumsum(each)[last]
        hits = np.cumsum(each * right)[last]
        if not len(hits) or not hits[-1]:
            return float("nan")
        precision = np.divide(hits, shown, out=np.zeros(len(hits)), where=shown > 0)
        return float(np.sum(precision * np.diff(hits, prepend=0)) / hits[-1])

    return figure
