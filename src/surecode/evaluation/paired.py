"""Is one coder better than another? The paired bootstrap over encounters.

Both coders have coded the same encounters. Encounters, or the patients or articles that they come
from, are drawn with replacement, both coders are measured on the same draw, and the interval is
that of the percentiles of the differences (Efron and Tibshirani 1993, An Introduction to the
Bootstrap, chapter 13; for systems of language processing Koehn 2004, ACL W04-3250).

Every metric here is a ratio of sums over encounters, so one matrix product measures all draws.
Percentiles are a little narrow with few encounters or clusters, as everywhere; below about 50 read
them as a lower bound on the doubt. Letters: N encounters, C clusters,
B draws.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surecode.errors import InputError
from surecode.evaluation.mention_score import MentionScore
from surecode.evaluation.metrics import average_precision

Floats = NDArray[np.float64]
CodeSets = Sequence[Collection[Hashable]]
Rankings = Sequence[Sequence[Hashable]]

DRAWS = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """A metric as a ratio of sums: ``above.sum() / below.sum()``, both ``[N]``; 0 where nothing is
    below.
    """

    above: Floats
    below: Floats

    @property
    def value(self) -> float:
        """The metric over all encounters."""
        return float(_ratio(self.above.sum(), self.below.sum()))


@dataclass(frozen=True, slots=True)
class Paired:
    """Two values, how much larger the first is, and the interval ``low`` to ``high`` of that."""

    first: float
    second: float
    difference: float
    low: float
    high: float
    level: float
    encounters: int
    clusters: int

    def __str__(self) -> str:
        return f"{self.difference:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"

    @property
    def decided(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0.0 or self.high < 0.0


def micro_f1(gold: CodeSets, predicted: CodeSets) -> Terms:
    """Micro F1 of assigned code sets."""
    right, shown, wanted = _counts(gold, predicted)
    return Terms(2.0 * right, shown + wanted)


def micro_precision(gold: CodeSets, predicted: CodeSets) -> Terms:
    """Micro precision of assigned code sets."""
    right, shown, _ = _counts(gold, predicted)
    return Terms(right, shown)


def micro_recall(gold: CodeSets, predicted: CodeSets) -> Terms:
    """Micro recall of assigned code sets."""
    right, _, wanted = _counts(gold, predicted)
    return Terms(right, wanted)


def mean_average_precision(gold: CodeSets, ranked: Rankings) -> Terms:
    """Mean average precision over the encounters with gold codes.

    An encounter without a ranked code counts as 0: the official rule leaves it out, and the two
    coders would then be measured on different encounters.
    """
    _check(len(gold), len(ranked))
    values = [average_precision(g, r) for g, r in zip(gold, ranked, strict=True)]
    return Terms(np.array(values), np.array([float(bool(g)) for g in gold]))


def mention_f1(scores: Sequence[MentionScore]) -> Terms:
    """Micro F1 of mentions, by the score of each encounter alone (CodiEsp-X, CANTEMIST-NORM)."""
    return Terms(
        np.array([2.0 * score.true_positive for score in scores]),
        np.array([float(score.predicted + score.gold) for score in scores]),
    )


def paired(
    first: Terms,
    second: Terms,
    *,
    clusters: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Paired:
    """How much better the first coder is than the second on the same N encounters.

    Args:
        first: the metric of the first coder.
        second: the same metric of the second coder.
        clusters: ``[N]`` the patient or source article of each encounter, drawn as a whole; None
            draws encounters.
        draws: how many draws; the same seed draws the same encounters, whatever the metric.
        level: how much of the draws the interval holds.
        seed: of the draws.

    Returns:
        Differences as first minus second. Swapping the coders gives the same interval, negated.

    Raises:
        InputError: the lengths differ, there is no encounter, or draws or level are out of range.
    """
    size = len(first.above)
    _check(size, len(second.above))
    if clusters is not None:
        _check(size, len(clusters))
    if not 0.0 < level < 1.0:
        raise InputError(f"paired: level is {level}; give a share between 0 and 1")
    # The k-th smallest and the k-th largest difference, k of (draws + 1): the same seen from
    # both ends, so that a swap negates the interval exactly.
    k = math.floor((draws + 1) * (1.0 - level) / 2.0 + 1e-9)
    if k < 1:
        raise InputError(f"paired: {draws} draws are too few for an interval of {level}; give more")
    names: Sequence[Hashable] = range(size) if clusters is None else clusters
    units = len(set(names))
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(units, np.full(units, 1.0 / units), size=draws)
    weights = drawn.astype(np.float64)
    differences = np.sort(_drawn(first, names, weights) - _drawn(second, names, weights))
    return Paired(
        first=first.value,
        second=second.value,
        difference=first.value - second.value,
        low=float(differences[k - 1]),
        high=float(differences[draws - k]),
        level=level,
        encounters=size,
        clusters=units,
    )


def _counts(gold: CodeSets, predicted: CodeSets) -> tuple[Floats, Floats, Floats]:
    """Codes right, shown and wanted of each encounter, ``[N]`` each."""
    _check(len(gold), len(predicted))
    golds, guesses = [frozenset(g) for g in gold], [frozenset(p) for p in predicted]
    return (
        np.array([len(g & p) for g, p in zip(golds, guesses, strict=True)], dtype=np.float64),
        np.array([len(p) for p in guesses], dtype=np.float64),
        np.array([len(g) for g in golds], dtype=np.float64),
    )


def _drawn(terms: Terms, clusters: Sequence[Hashable], weights: Floats) -> Floats:
    """The metric in each draw ``[B]``, from how often each cluster was drawn ``[B, C]``."""
    row = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros((len(row), 2))
    np.add.at(sums, [row[cluster] for cluster in clusters], np.stack([terms.above, terms.below], 1))
    above, below = (weights @ sums).T
    return _ratio(above, below)


def _ratio(above: Floats | float, below: Floats | float) -> Floats:
    top, bottom = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.divide(top, bottom, out=np.zeros(top.shape), where=bottom != 0)


def _check(first: int, second: int) -> None:
    if first != second:
        raise InputError(
            f"paired: {first} and {second} encounters; measure both coders on the same ones, in "
            "the same order"
        )
    if not first:
        raise InputError("paired: no encounters; give at least one")
