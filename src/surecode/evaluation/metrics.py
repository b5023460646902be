"""Metrics of code sets as pure functions.

Inputs are sequences with one collection of codes per encounter: gold codes may lie outside the
label space, so the metrics compare sets and no label matrix is needed. Where one exists,
`indicator_counts` gives the same counts. A ratio without a denominator is 0, as in scikit-learn
with ``zero_division=0``. Letters: N encounters, K codes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

CodeSets = Sequence[Collection[Hashable]]
Rankings = Sequence[Sequence[Hashable]]

MAP_DEPTH = 1000  # trectools, and trec_eval before it, read no ranking further


@dataclass(frozen=True, slots=True)
class Scores:
    """Precision, recall and F1, each in [0, 1]."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class MacroScores:
    """Means over ``codes`` codes, with both figures that the literature calls macro F1.

    ``macro_f1_of_means`` is the harmonic mean of mean precision and mean recall;
    ``macro_f1_mean`` is the mean of the codes' own F1. The first is never the smaller and can be
    the larger by 0.5 (Opitz and Burst 2019, arXiv 1911.03347): compare like with like.
    """

    precision: float
    recall: float
    macro_f1_of_means: float
    macro_f1_mean: float
    codes: int


@dataclass(frozen=True, slots=True)
class Counts:
    """True positives, false positives and false negatives of each code, ``[K]`` each."""

    true_positive: NDArray[np.int64]
    false_positive: NDArray[np.int64]
    false_negative: NDArray[np.int64]


def micro(gold: CodeSets, predicted: CodeSets) -> Scores:
    """Precision, recall and F1 of all assigned codes pooled: ratios of sums."""
    return micro_of(set_counts(gold, predicted))


def macro(
    gold: CodeSets, predicted: CodeSets, codes: Collection[Hashable] | None = None
) -> MacroScores:
    """Means over codes, by default over every code that is in some gold or predicted set.

    Which codes are in the mean changes its value: a code without gold support has recall 0 by
    convention, so a mean over a whole label space falls with every code that the test split
    happens to lack. Edin et al. 2023 (arXiv 2304.10909) leave such codes out; for their figure
    give the gold's codes as ``codes``. Raises `InputError` if there is no code to average over.
    """
    return macro_of(set_counts(gold, predicted, codes))


def exact_match(gold: CodeSets, predicted: CodeSets) -> float:
    """The share of encounters whose whole code set is right."""
    _check(gold, predicted)
    hits = sum(frozenset(g) == frozenset(p) for g, p in zip(gold, predicted, strict=True))
    return hits / len(gold)


def average_precision(gold: Collection[Hashable], ranked: Sequence[Hashable]) -> float:
    """Mean over the gold codes of the precision at each one's rank, 0 where it is not ranked.

    A code that is ranked twice counts at its first place only. Without gold codes the value is 0.
    """
    wanted = frozenset(gold)
    hits, total = 0, 0.0
    for rank, code in enumerate(list(dict.fromkeys(ranked))[:MAP_DEPTH], start=1):
        if code in wanted:
            hits += 1
            total += hits / rank
    return _ratio(total, len(wanted))


def mean_average_precision(
    gold: CodeSets,
    ranked: Rankings,
    *,
    valid: Collection[Hashable] | None = None,
    count_unanswered: bool = False,
) -> float:
    """Mean average precision as the official CodiEsp scorer prints it.

    The rule of ``codiespD_P_evaluation.py`` (TeMU-BSC, CLEF eHealth 2020) over ``get_map`` of
    trectools: codes ranked again later are dropped, then codes outside ``valid`` (the track's
    list of codes; None keeps all), and the ranks close up; encounters without gold codes are left
    out, and so are *encounters without one ranked valid code*. That last rule favours a coder
    which stays silent where it is unsure: ``count_unanswered=True`` counts them as 0 instead.
    The official scorer also lower-cases codes, which is the caller's part. 0 where nothing is left
    to average.
    """
    _check(gold, ranked)
    if valid is not None:
        known = frozenset(valid)
        ranked = [[code for code in ranking if code in known] for ranking in ranked]
    values = [
        average_precision(g, r)
        for g, r in zip(gold, ranked, strict=True)
        if g and (r or count_unanswered)
    ]
    return _ratio(sum(values), len(values))


def set_counts(
    gold: CodeSets, predicted: CodeSets, codes: Collection[Hashable] | None = None
) -> Counts:
    """Counts of each code in ``codes``, by default of every code in gold or predicted sets.

    Raises `InputError` if there are no encounters or the two sequences differ in length.
    """
    _check(gold, predicted)
    golds, guesses = [frozenset(g) for g in gold], [frozenset(p) for p in predicted]
    if codes is None:
        codes = frozenset().union(*golds, *guesses)
    row = {code: index for index, code in enumerate(dict.fromkeys(codes))}

    def count(sets: list[frozenset[Hashable]]) -> NDArray[np.int64]:
        places = [row[code] for one in sets for code in one if code in row]
        return np.bincount(np.array(places, dtype=np.int64), minlength=len(row))

    both = count([g & p for g, p in zip(golds, guesses, strict=True)])
    return Counts(both, count(guesses) - both, count(golds) - both)


def indicator_counts(gold: ArrayLike, predicted: ArrayLike) -> Counts:
    """The counts of ``[N, K]`` indicator matrices; raises `InputError` unless the shapes agree."""
    actual, guess = np.asarray(gold, dtype=bool), np.asarray(predicted, dtype=bool)
    if actual.shape != guess.shape or actual.ndim != 2 or not len(actual):
        raise InputError(
            f"metrics: gold has shape {actual.shape}, predicted {guess.shape}; "
            "give two matrices of the same encounters by the same codes"
        )
    return Counts(
        (actual & guess).sum(axis=0), (~actual & guess).sum(axis=0), (actual & ~guess).sum(axis=0)
    )


def micro_of(counts: Counts) -> Scores:
    """The micro scores of counts."""
    true, false = int(counts.true_positive.sum()), int(counts.false_positive.sum())
    missed = int(counts.false_negative.sum())
    return Scores(
        _ratio(true, true + false),
        _ratio(true, true + missed),
        _ratio(2 * true, 2 * true + false + missed),
    )


def macro_of(counts: Counts) -> MacroScores:
    """The macro scores of counts, over all K codes."""
    true, false, missed = counts.true_positive, counts.false_positive, counts.false_negative
    if not len(true):
        raise InputError("macro scores: no code is in gold, predicted or codes; give some codes")
    precision = _mean(_ratios(true, true + false))
    recall = _mean(_ratios(true, true + missed))
    return MacroScores(
        precision,
        recall,
        _ratio(2 * precision * recall, precision + recall),
        _mean(_ratios(2 * true, 2 * true + false + missed)),
        len(true),
    )


def _check(gold: Sequence[object], predicted: Sequence[object]) -> None:
    if len(gold) != len(predicted):
        raise InputError(
            f"metrics: {len(gold)} gold and {len(predicted)} predicted code sets; "
            "give one of each per encounter, in the same order"
        )
    if not len(gold):
        raise InputError("metrics: no encounters; give at least one")


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _mean(values: NDArray[np.float64]) -> float:
    """The mean, correctly rounded: the codes come in another order in every process."""
    return math.fsum(values) / len(values)


def _ratios(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole != 0)
