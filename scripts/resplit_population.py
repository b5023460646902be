"""Documents as a certificate sees them: a confidence and a loss each, by models without them.

Cut and confidence are chosen on the other folds of each fold, for one target. Letters: N
documents, K codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from resplit_coder import Flags, Floats, Fold, Part

from surecode.calibration.confidence_choice import choose_confidence
from surecode.calibration.confidence_features import confidence_features
from surecode.calibration.decoding import Decoding
from surecode.calibration.targets import Losses, Target, encounter_losses

Cut = Literal["exact match", "micro-F1", "precision"]


@dataclass(frozen=True)
class Population:
    """N documents under one target.

    ``eligible`` `[N]`: has a code to bill. ``right`` and ``gold`` `[N]` count the codes assigned
    rightly and those of the gold.
    """

    target: Target
    encounter_ids: tuple[str, ...]
    confidence: Floats
    losses: Losses
    eligible: Flags
    right: NDArray[np.int64]
    gold: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.confidence)

    def take(self, rows: NDArray[np.intp]) -> Population:
        """Some documents."""
        return Population(
            self.target,
            tuple(self.encounter_ids[i] for i in rows),
            self.confidence[rows],
            self.losses.take(rows),
            self.eligible[rows],
            self.right[rows],
            self.gold[rows],
        )


def population(
    encounter_ids: Sequence[str], folds: Sequence[Fold], target: Target, cut: Cut
) -> Population:
    """Every document with the code set, confidence and loss that its fold's models give it."""
    n = len(encounter_ids)
    confidence, error, size = np.full(n, np.nan), np.zeros(n), np.zeros(n)
    clipped, eligible = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    right, gold = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for fold in folds:
        decoding = fit_cut(fold.others, target, cut)
        held, rows = fold.held, fold.held.rows
        assigned = decoding(held.probabilities)
        losses = encounter_losses(target, assigned, held.gold, held.outside)
        confidence[rows] = _confidence(fold, decoding, target)
        error[rows], size[rows], clipped[rows] = losses.error, losses.size, losses.clipped
        eligible[rows] = assigned.any(axis=1)
        right[rows] = (assigned & held.gold).sum(axis=1)
        gold[rows] = held.gold.sum(axis=1) + held.outside
    return Population(
        target,
        tuple(encounter_ids),
        confidence,
        Losses(error, size, losses.cap, losses.binary, clipped),
        eligible,
        right,
        gold,
    )


def fit_cut(part: Part, target: Target, cut: Cut) -> Decoding:
    """The cut with the most exact matches or the best micro-F1, or the precise one."""
    if cut == "precision":
        return Decoding(precise_cut(part.probabilities, part.gold, target.level))
    objective: Literal["exact_match", "micro_f1"] = (
        "exact_match" if cut == "exact match" else "micro_f1"
    )
    return Decoding.fit(part.probabilities, part.gold, objective, part.outside)


def precise_cut(probabilities: Floats, gold: Flags, level: float) -> float:
    """The smallest probability from which all codes together have precision ``level``.

    Where no cut reaches it, the largest probability.
    """
    p, right = probabilities.ravel(), gold.ravel()
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.diff(p[order], append=-np.inf))  # equal probabilities go together
    precision = np.cumsum(right[order])[ends] / (ends + 1.0)
    reached = np.flatnonzero(precision >= level)
    return float(p[order][ends[reached[-1] if len(reached) else 0]])


def errors_to_spare(probabilities: Floats, assigned: Flags, level: float) -> Floats:
    """Wrong codes that the level allows each document, less those expected `[N]`.

    The sum of p - level over the assigned codes: whoever automates documents in this order stays
    within the level for the longest, as far as the probabilities are right.
    """
    return np.asarray(np.where(assigned, probabilities - level, 0.0).sum(axis=1))


def _confidence(fold: Fold, decoding: Decoding, target: Target) -> Floats:
    held, others = fold.held, fold.others
    assigned = decoding(held.probabilities)
    if target.metric == "precision":
        return errors_to_spare(held.probabilities, assigned, target.level)
    learned = decoding(others.probabilities)
    choice = choose_confidence(
        confidence_features(others.probabilities, learned, decoding.threshold, others.facts),
        (learned == others.gold).all(axis=1) & (others.outside == 0),
        level=target.level,
        clusters=others.articles,
    )
    return choice.model(
        confidence_features(held.probabilities, assigned, decoding.threshold, held.facts)
    )
