"""How well the scores of words rank the gold words, whatever a span policy would cut off.

All words of all pairs are pooled, each pair's scores as shares of what speaks for its code.
Letters: M pooled words, G thresholds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError
from surecode.evaluation.evidence_pairs import EvidencePair
from surecode.evaluation.plausibility import with_gold

GRID = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class WordRanking:
    """Ranking of words over ``pairs`` pairs.

    Attributes:
        auprc: average precision of the exact ranking, equal scores taken together.
        auprc_grid: area by trapezes over the 101 thresholds 0, 0.01, …, 1, as Edin et al. 2024
            print it. It is lower where many words share the mass, and depends on the grid.
        iou_at_gold: mean over pairs of the IOU of as many best-scored words as are gold.
    """

    pairs: int
    auprc: float
    auprc_grid: float
    iou_at_gold: float


def word_ranking(pairs: Iterable[EvidencePair]) -> WordRanking:
    """All three figures; raises `InputError` without gold evidence or without scores."""
    kept = with_gold(pairs)
    flags, shares = [], []
    for pair in kept:
        if pair.scores is None:
            raise InputError("word ranking: a pair has no scores of words; give scores to pairs_of")
        flags.append(np.isin(np.arange(len(pair.words)), sorted(pair.gold_words)))
        shares.append(positive_shares(pair.scores))
    gold, pooled = np.concatenate(flags), np.concatenate(shares)
    return WordRanking(
        pairs=len(kept),
        auprc=average_precision(gold, pooled),
        auprc_grid=grid_auprc(gold, pooled),
        iou_at_gold=float(np.mean([iou_at_gold(f, s) for f, s in zip(flags, shares, strict=True)])),
    )


def positive_shares(scores: ArrayLike) -> NDArray[np.float64]:
    """``[n]`` share of each word in what speaks for the code; words against it have none.

    Zeros where no word speaks for it. Raises `InputError` for scores that are not finite.
    """
    positive = np.clip(_finite(scores), 0, None)
    if not positive.any():
        return positive
    # Scaled by a power of two, which rounds nothing, so that the sum stays in the range of floats
    # and scores in the same proportions make the same shares.
    scaled = np.ldexp(positive, -int(np.frexp(positive.max())[1]))
    return np.asarray(scaled / scaled.sum())


def average_precision(gold: ArrayLike, scores: ArrayLike) -> float:
    """Sum over distinct scores, best first, of precision times gain in recall.

    What scikit-learn's ``average_precision_score`` computes: words of one score enter together, so
    no order among them is favoured.

    Args:
        gold: ``[M]`` whether a word is gold.
        scores: ``[M]`` its score, the greater the better.

    Raises:
        InputError: no word is gold, the lengths differ, or a score is not finite.
    """
    flags, values = _pair(gold, scores)
    order = np.argsort(-values, kind="stable")
    hits, ranked = np.cumsum(flags[order]), values[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    true = hits[last]
    return float(np.sum(true / (last + 1) * np.diff(true, prepend=0)) / hits[-1])


def grid_auprc(gold: ArrayLike, scores: ArrayLike, thresholds: NDArray[np.float64] = GRID) -> float:
    """Area under precision over recall at ``thresholds`` ``[G]``, by trapezes.

    A word is shown if its score exceeds the threshold; precision is 0 where none is, so that the
    curve ends at (0, 0) and falls short of 1 even for a perfect ranking. Raises as
    `average_precision`.
    """
    flags, values = _pair(gold, scores)
    ordered, ordered_gold = np.sort(values), np.sort(values[flags])
    shown = len(values) - np.searchsorted(ordered, thresholds, side="right")
    true = len(ordered_gold) - np.searchsorted(ordered_gold, thresholds, side="right")
    precision = np.divide(true, shown, out=np.zeros(len(thresholds)), where=shown != 0)
    return float(-np.trapezoid(precision, true / len(ordered_gold)))


def iou_at_gold(gold: ArrayLike, scores: ArrayLike) -> float:
    """Shared over all words of the gold ones and as many best-scored ones.

    Among equal scores the earlier word is the better. Raises as `average_precision`.
    """
    flags, values = _pair(gold, scores)
    count = int(flags.sum())
    shared = int(flags[np.argsort(-values, kind="stable")[:count]].sum())
    return shared / (2 * count - shared)


def _pair(gold: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    flags, values = np.asarray(gold, dtype=bool), _finite(scores)
    if flags.shape != values.shape or flags.ndim != 1:
        raise InputError(
            f"word ranking: gold has shape {flags.shape}, scores {values.shape}; "
            "give one of each per word"
        )
    if not flags.any():
        raise InputError("word ranking: no word is gold; leave out pairs without gold evidence")
    return flags, values


def _finite(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("word ranking: a score is not a finite number; find out what made it")
    return values
