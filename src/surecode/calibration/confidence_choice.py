"""Which confidence a specialty uses, chosen on its tune split.

Candidates are four simple scores over all codes of the label space and the learned model. They are
judged by how well they put wrong encounters last (AUGRC, Traub et al. 2024, arXiv 2407.01032) and
by the share that they could automate at the target's level. A simple score has nothing to learn
that could fail to hold elsewhere, so it stays wherever it is as good. The smallest probability of
the *assigned* codes is no candidate: it is blind to missed codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.calibration.confidence_features import RAW, Features
from surecode.calibration.confidence_model import ConfidenceModel, cross_fitted
from surecode.calibration.confidence_training import check_lengths
from surecode.calibration.reliability import brier_score
from surecode.calibration.risk_coverage import augrc, augrc_influence, coverage_at_accuracy
from surecode.errors import InputError

# By name, the feature that each simple score is; of equally good ones the first wins.
SIMPLE = {
    "product": "logit_product",
    "minimum": "logit_minimum",
    "margin": "log_margin_1",
    "expected_f1": "logit_expected_f1",
}
LEARNED = "learned"
# With fewer encounters, or fewer right or wrong ones, a comparison says nothing of a learned model.
FEWEST_ENCOUNTERS = 50
FEWEST_OF_EITHER = 10


@dataclass(frozen=True)
class Candidate:
    """One row of the table; figures are None where the specialty has no tune encounter.

    ``augrc`` and ``coverage`` (at the target's level) are of the score itself, or of held-out
    confidences for the learned model; ``brier`` is of held-out confidences for all.
    ``difference_error`` is the standard error of the AUGRC's paired difference to the best simple
    score, 0 for that score itself.
    """

    name: str
    augrc: float | None
    difference_error: float | None
    coverage: float | None
    brier: float | None
    chosen: bool

    def to_dict(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Choice:
    """The chosen model, fitted on all encounters given, and how each candidate did."""

    model: ConfidenceModel
    table: tuple[Candidate, ...]

    @property
    def name(self) -> str:
        """The chosen candidate."""
        return next(row.name for row in self.table if row.chosen)


def choose_confidence(
    features: Features,
    correct: ArrayLike,
    *,
    level: float,
    clusters: Sequence[str] | None = None,
    specialties: Sequence[str] | None = None,
    specialty: str | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Choice:
    """Choose among simple scores and the learned model on tune, whatever the encounters' order.

    The simple score with the lowest AUGRC wins, unless the learned model's is lower by more than
    one standard error of the paired difference and its coverage at ``level`` is not lower. The
    standard error is that of the difference's influence function, summed within clusters, with
    the scores taken as given. The learned model is judged on clusters that it was not fitted on;
    where the specialty has fewer than 50 encounters, or fewer than 10 right or wrong ones, it
    does not compete.

    Args:
        features: of N encounters; those with NaN are left out.
        correct: `[N]` of bool, whether the code set equals its gold.
        level: the target's accuracy, in [0, 1].
        clusters: `[N]`, patients for instance: neither parted by folds nor taken as independent.
        specialties: `[N]`, where encounters of others are given to learn from.
        specialty: the one that is chosen for, and on whose encounters alone; needed with
            ``specialties``.
        folds: of the cross-fitting.
        seed: of the folds.

    Raises:
        InputError: lengths differ, or ``specialties`` and ``specialty`` do not come together.
    """
    if (specialties is None) != (specialty is None):
        raise InputError("choice of confidence: give specialties and specialty, or neither")
    names: dict[str, tuple[str, ...]] = {name: (column,) for name, column in SIMPLE.items()}
    learned = tuple(name for name in features.names if name not in RAW)
    check_lengths(features, correct, specialties, clusters)
    own = np.asarray(np.isfinite(features.columns(learned)).all(axis=1))
    if specialties is not None:
        own &= np.array([name == specialty for name in specialties], dtype=bool)
    right = np.asarray(correct).astype(bool)[own]
    if _competes(right):
        names[LEARNED] = learned
    held_out = {
        name: cross_fitted(
            features,
            correct,
            names=columns,
            specialties=specialties,
            clusters=clusters,
            folds=folds,
            seed=seed,
        )[own]
        for name, columns in names.items()
    }
    scores = {
        name: features.column(SIMPLE[name])[own] if name in SIMPLE else held_out[name]
        for name in names
    }
    own_clusters = None
    if clusters is not None:
        own_clusters = [name for name, mine in zip(clusters, own, strict=True) if mine]
    table = _table(scores, held_out, right, own_clusters, level)
    chosen = next(row.name for row in table if row.chosen)
    model = ConfidenceModel.fit(
        features,
        correct,
        names=names[chosen],
        specialties=specialties,
        specialty=specialty,
        clusters=clusters,
        folds=folds,
        seed=seed,
    )
    return Choice(model, table)


def difference_error(
    first: ArrayLike, second: ArrayLike, correct: ArrayLike, clusters: Sequence[str] | None = None
) -> float:
    """Standard error of AUGRC(first) - AUGRC(second), scores `[N]` of the same encounters.

    From the influence function, summed within clusters; infinite for a single cluster, which
    says nothing of its like.
    """
    difference = augrc_influence(first, correct) - augrc_influence(second, correct)
    groups: dict[Any, list[float]] = {}
    for i, value in enumerate(difference.tolist()):
        groups.setdefault(i if clusters is None else clusters[i], []).append(value)
    if len(groups) < 2:
        return math.inf
    # fsum rounds once, so the order of the encounters leaves no trace.
    squares = math.fsum(math.fsum(values) ** 2 for values in groups.values())
    return math.sqrt(squares * len(groups) / (len(groups) - 1)) / len(difference)


def _competes(right: NDArray[np.bool_]) -> bool:
    n_right = int(right.sum())
    return (
        len(right) >= FEWEST_ENCOUNTERS and min(n_right, len(right) - n_right) >= FEWEST_OF_EITHER
    )


def _table(
    scores: dict[str, NDArray[np.float64]],
    held_out: dict[str, NDArray[np.float64]],
    right: NDArray[np.bool_],
    clusters: Sequence[str] | None,
    level: float,
) -> tuple[Candidate, ...]:
    if not len(right):
        first = next(iter(scores))
        return tuple(Candidate(name, None, None, None, None, name == first) for name in scores)
    areas = {name: augrc(score, right) for name, score in scores.items()}
    best = min(SIMPLE, key=lambda name: areas[name])
    errors = {
        name: 0.0 if name == best else difference_error(score, scores[best], right, clusters)
        for name, score in scores.items()
    }
    coverage = {name: coverage_at_accuracy(score, right, level) for name, score in scores.items()}
    learned_wins = (
        LEARNED in scores
        and areas[best] - areas[LEARNED] > errors[LEARNED]
        and coverage[LEARNED] >= coverage[best]
    )
    chosen = LEARNED if learned_wins else best
    return tuple(
        Candidate(
            name,
            areas[name],
            errors[name],
            coverage[name],
            _mean_square(held_out[name], right),
            name == chosen,
        )
        for name in scores
    )


def _mean_square(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Brier score over encounters in an order of their content, so that no order leaves a trace."""
    order = np.lexsort([right, confidence])
    return brier_score(confidence[order], right[order])
