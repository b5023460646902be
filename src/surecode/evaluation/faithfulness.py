"""Faithfulness: whether the coder needs the words that the evidence shows, and they suffice.

Everything is asked of a function ``probability``, so that a network is one case of many: it takes
masks ``[B, n]`` of bool, true where a word is taken away, and returns the probability ``[B]`` of
one code. How a word is taken away, such as by mask tokens in its place, is the function's part.

The settings are those of Edin et al. 2024 (arXiv 2406.08958, and their
``faithfulness_metrics.py``), after DeYoung et al. 2020 (ERASER). Figures of two coders cannot be
compared, not even the same coder's before and after training: see `naopc`.
Letters: n words, m points of a curve, B masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError
from surecode.evaluation.selective import Rate, rate

Probability = Callable[[NDArray[np.bool_]], ArrayLike]


@dataclass(frozen=True, slots=True)
class Steps:
    """Words are taken ``size`` at a time, ``words`` at most; Edin et al. take 2 and 100."""

    size: int = 2
    words: int = 100

    def __post_init__(self) -> None:
        if self.size < 1 or self.words < 1:
            raise InputError(
                f"steps of {self.size} words, {self.words} at most: both must be at least 1"
            )

    @property
    def taken(self) -> NDArray[np.int64]:
        """``[m]`` words taken at each point: 0, 2, …, 98. Nothing taken is a point, too."""
        return np.arange(0, self.words, self.size)


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """What one code of one encounter loses with its words.

    Attributes:
        probability: of the whole text.
        removed: ``[m]`` how many of the best words are taken away, 0 first.
        without: ``[m]`` probability without them.
        kept: ``[m]`` how many of the best words are left, most first; all others are taken away.
        only: ``[m]`` probability of them alone.
    """

    probability: float
    removed: NDArray[np.int64]
    without: NDArray[np.float64]
    kept: NDArray[np.int64]
    only: NDArray[np.float64]

    @property
    def comprehensiveness(self) -> float:
        """Mean share of the probability that is lost without the best words; high is good.

        The first point takes nothing away, so that 1 is out of reach: 0.98 at 50 points.
        """
        return float(np.mean((self.probability - self.without) / self.probability))

    @property
    def sufficiency(self) -> float:
        """Mean share of the probability that the best words alone lack; low is good.

        A probability above that of the whole text lacks nothing.
        """
        return float(np.mean(np.maximum(0, self.probability - self.only) / self.probability))


@dataclass(frozen=True, slots=True)
class MeanFaithfulness:
    """Means over ``count`` pairs of encounter and code, or over random orders."""

    comprehensiveness: float
    sufficiency: float
    count: int


@dataclass(frozen=True, slots=True)
class Removal:
    """The probability of the whole text, without the evidence and of the evidence alone."""

    probability: float
    without: float
    only: float


def faithfulness(
    probability: Probability, scores: ArrayLike, steps: Steps | None = None
) -> Faithfulness:
    """Both curves of one code.

    Of a text shorter than the curve, Edin et al. repeat the last point, all words taken away; so
    does this. It asks ``probability`` once, for each different mask.

    Args:
        probability: of the code, at masks of the encounter's words.
        scores: ``[n]`` how much each word speaks for the code. Of equal words the earlier goes
            first.
        steps: default 2 words at a time, up to 100.

    Raises:
        InputError: no words, scores that are not finite, or a ``probability`` that is 0 for the
            whole text or returns something else than one number in [0, 1] per mask.
    """
    rank = np.argsort(falling_order(scores))
    taken, count = (steps or Steps()).taken, len(rank)
    removed = np.minimum(taken, count)
    kept = np.maximum(min(count, (steps or Steps()).words) - taken, 0)
    masks = np.concatenate(
        [np.zeros((1, count), bool), rank < removed[:, None], rank >= kept[:, None]]
    )
    values = ask_each_once(probability, masks)
    if values[0] == 0:
        raise InputError(
            "faithfulness: the code has probability 0 already; measure codes that are assigned"
        )
    without, only = np.split(values[1:], 2)
    return Faithfulness(float(values[0]), removed, without, kept, only)


def mean_faithfulness(results: Iterable[Faithfulness]) -> MeanFaithfulness:
    """Means over pairs, as published; raises `InputError` if there are none."""
    figures = [(one.comprehensiveness, one.sufficiency) for one in results]
    if not figures:
        raise InputError("faithfulness: no pair of encounter and code; give at least one")
    comprehensiveness, sufficiency = np.mean(figures, axis=0)
    return MeanFaithfulness(float(comprehensiveness), float(sufficiency), len(figures))


def random_faithfulness(
    probability: Probability, words: int, *, draws: int, seed: int, steps: Steps | None = None
) -> MeanFaithfulness:
    """What ``draws`` random orders of ``words`` words reach: the floor of any evidence.

    The same seed gives the same orders. Raises as `faithfulness`.
    """
    generator = np.random.default_rng(seed)
    return mean_faithfulness(
        faithfulness(probability, generator.permutation(words), steps) for _ in range(draws)
    )


def removal(probability: Probability, evidence: ArrayLike) -> Removal:
    """What one code is without its evidence and by it alone.

    Args:
        probability: of the code.
        evidence: ``[n]`` of bool, true for the words that are shown.

    Raises:
        InputError: as `faithfulness`, save that the probability may be 0.
    """
    shown = np.asarray(evidence, dtype=bool)
    if shown.ndim != 1 or not len(shown):
        raise InputError(f"evidence of shape {shown.shape}: give one flag for each word")
    values = ask_each_once(probability, np.stack([np.zeros_like(shown), shown, ~shown]))
    return Removal(*map(float, values))


def flip_rate(removals: Sequence[Removal], cut: float | Sequence[float]) -> Rate | None:
    """The share of assigned codes that would not be assigned without their evidence.

    ``cut`` is the probability from which a code is assigned, one for all or one for each. None
    where no code is assigned. Raises `InputError` for cuts of another number.
    """
    cuts = np.asarray(cut, dtype=np.float64)
    if cuts.ndim and cuts.shape != (len(removals),):
        raise InputError(f"{cuts.size} cuts for {len(removals)} codes; give one, or one for each")
    before = np.array([one.probability for one in removals]) >= cuts
    after = np.array([one.without for one in removals]) >= cuts
    if not before.any():
        return None
    return rate(int((before & ~after).sum()), int(before.sum()))


def ask_each_once(probability: Probability, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``[B]`` probabilities at masks ``[B, n]``; equal masks are asked once.

    Raises `InputError` unless the function gives one number in [0, 1] per mask.
    """
    _, first, place = np.unique(
        np.packbits(masks, axis=1), axis=0, return_index=True, return_inverse=True
    )
    values = np.asarray(probability(masks[first]), dtype=np.float64)
    if values.shape != first.shape:
        raise InputError(
            f"probability returned shape {values.shape} for {len(first)} masks; "
            "return one number per mask"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError("probability returned a number outside [0, 1]; return probabilities")
    return values[place.reshape(-1)]


def falling_order(scores: ArrayLike) -> NDArray[np.int64]:
    """``[n]`` the numbers of the words, the best first; of equal words the earlier first.

    Raises `InputError` for no words and for scores that are not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise InputError(f"scores of shape {values.shape}: give one score for each word")
    if not np.isfinite(values).all():
        raise InputError("a word's score is not a finite number; find out which code made it")
    return np.argsort(-values, kind="stable")
