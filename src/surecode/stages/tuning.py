"""What calibrate chooses on the tune split: probabilities, cut and confidence.

Letters: N encounters of tune, K codes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from surecode.calibration.confidence_choice import LEARNED, SIMPLE, choose_confidence
from surecode.calibration.confidence_features import EncounterFacts, Features, confidence_features
from surecode.calibration.confidence_model import ConfidenceModel
from surecode.calibration.decoding import Decoding
from surecode.calibration.folds import folds_of
from surecode.calibration.probabilities import ProbabilityCalibrator, compare
from surecode.calibration.probability_map import KINDS
from surecode.calibrator import Calibrator
from surecode.codes.label_space import LabelSpace
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.facts import FactFinder
from surecode.files import read_json, whole
from surecode.settings import Config

FOLDS = 5
# Fewer tune encounters than this are not parted for held-out probabilities.
FEWEST_TO_PART = 20


@dataclass(frozen=True)
class Gold:
    """Gold of N encounters: code sets `[N, K]`, and the number of codes outside the label space."""

    codes: NDArray[np.bool_]
    outside: NDArray[np.int64]

    @classmethod
    def of(cls, encounters: Sequence[Encounter], space: LabelSpace) -> Gold:
        """Encode the gold of some encounters."""
        codes = space.encode([encounter.code_set for encounter in encounters])
        total = np.array([len(encounter.code_set) for encounter in encounters], dtype=np.int64)
        return cls(codes, total - codes.sum(axis=1))

    def correct(self, assigned: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which code sets `[N, K]` equal the gold, bool `[N]`."""
        right = (assigned == self.codes).all(axis=1) & (self.outside == 0)
        return np.asarray(right, dtype=bool)


@dataclass(frozen=True)
class Tuned:
    """The calibrator, the tables that chose it, and tune's features for other specialties."""

    calibrator: Calibrator
    probabilities: list[dict[str, Any]]
    confidence: list[dict[str, Any]]
    features: Features
    correct: NDArray[np.bool_]


def fit_calibrator(
    config: Config,
    encounters: Sequence[Encounter],
    logits: NDArray[np.float32],
    space: LabelSpace,
    finder: FactFinder,
    facts: EncounterFacts,
    calibrate: Sequence[Encounter],
) -> Tuned:
    """Choose everything between logits ``[N, K]`` and confidence on tune.

    The confidence learns from held-out probabilities: those of a map that was fitted without the
    patient. ``finder`` is kept only where the chosen confidence reads facts. Of ``calibrate`` the
    patients alone are looked at: what other specialties know of them is left out.
    """
    chosen = config.calibration
    gold = Gold.of(encounters, space)
    patients = [encounter.patient_id for encounter in encounters]
    table = compare(logits, gold.codes, folds=FOLDS, clusters=patients, seed=config.seed)
    if chosen.probabilities != "auto":
        table = [replace(row, chosen=row.kind == chosen.probabilities) for row in table]
    kind = next(name for name, row in zip(KINDS, table, strict=True) if row.chosen)
    probabilities = ProbabilityCalibrator.fit(logits, gold.codes, kind)
    decoding = Decoding.fit(
        probabilities(logits), gold.codes, chosen.objective, gold_outside=gold.outside
    )
    held_out = _held_out(logits, gold, patients, probabilities, config.seed)
    assigned = decoding(held_out)
    features = confidence_features(held_out, assigned, decoding.threshold, facts)
    correct = gold.correct(assigned)
    held_back = {patient_hash(encounter) for encounter in calibrate}
    clusters = [patient_hash(encounter) for encounter in encounters]
    confidence, candidates = _confidence(config, features, correct, clusters, held_back)
    return Tuned(
        Calibrator(
            probabilities,
            decoding,
            confidence,
            finder if Calibrator.reads_facts(confidence) else None,
        ),
        [_plain(asdict(row)) for row in table],
        candidates,
        features,
        correct,
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row for JSON, which has no word for what could not be measured but null."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


def _held_out(
    logits: NDArray[np.float32],
    gold: Gold,
    patients: Sequence[str],
    fitted: ProbabilityCalibrator,
    seed: int,
) -> NDArray[np.float64]:
    """Probabilities ``[N, K]``, each by a map of the fitted kind that never saw the patient."""
    if len(logits) < FEWEST_TO_PART or len(set(patients)) < FOLDS:
        return fitted(logits)
    fold = folds_of(patients, FOLDS, seed)
    p = np.empty(logits.shape)
    for k in range(FOLDS):
        rest, part = fold != k, fold == k
        held_out = ProbabilityCalibrator.fit(logits[rest], gold.codes[rest], fitted.kind)
        p[part] = held_out(logits[part])
    return p


def _confidence(
    config: Config,
    features: Features,
    correct: NDArray[np.bool_],
    clusters: list[str],
    held_back: Collection[str],
) -> tuple[ConfidenceModel, list[dict[str, Any]]]:
    own = config.specialty.name
    specialties = [own] * len(features)
    parts, right = [features], [correct]
    for name in config.calibration.pool:
        if name == own:
            raise InputError("calibration.pool: names the specialty itself; name only others")
        other = read_tune_features(config.artifacts, name).without(held_back)
        parts.append(other.features)
        right.append(other.correct)
        specialties += [name] * len(other.correct)
        clusters = clusters + other.clusters
    together, outcome = Features.joined(parts), np.concatenate(right)
    choice = choose_confidence(
        together,
        outcome,
        level=config.specialty.target.level,
        clusters=clusters,
        specialties=specialties,
        specialty=own,
        seed=config.seed,
    )
    table = [_plain(row.to_dict()) for row in choice.table]
    asked = config.calibration.confidence
    if asked == "auto":
        return choice.model, table
    names = None if asked == LEARNED else (SIMPLE[asked],)
    model = ConfidenceModel.fit(
        together,
        outcome,
        names=names,
        specialties=specialties,
        specialty=own,
        clusters=clusters,
        seed=config.seed,
    )
    return model, [row | {"chosen": row["name"] == asked} for row in table]


@dataclass(frozen=True)
class TuneFeatures:
    """What one specialty's tune encounters teach another: features, right or wrong, no text."""

    features: Features
    correct: NDArray[np.bool_]
    clusters: list[str]

    def without(self, clusters: Collection[str]) -> TuneFeatures:
        """The encounters of other patients than these."""
        kept = np.flatnonzero([cluster not in clusters for cluster in self.clusters])
        return TuneFeatures(
            self.features.take(kept), self.correct[kept], [self.clusters[i] for i in kept]
        )


def patient_hash(encounter: Encounter) -> str:
    """The patient under a hash, the same in every specialty."""
    return hashlib.sha256(encounter.patient_id.encode("utf-8")).hexdigest()


def write_tune_features(path: Path, encounters: Sequence[Encounter], tuned: Tuned) -> None:
    """Keep tune's features for the confidence of other specialties; patients under a hash."""
    columns: dict[str, Any] = {
        "cluster": [patient_hash(encounter) for encounter in encounters],
        "correct": tuned.correct,
    }
    columns |= {name: tuned.features.column(name) for name in tuned.features.names}
    with whole(path) as temporary:
        pq.write_table(pa.table(columns), temporary)


def read_tune_features(artifacts: Path, specialty: str) -> TuneFeatures:
    """Tune's features of a specialty that was calibrated before.

    Raises `InputError` where it was not.
    """
    remedy = f"run `surecode calibrate specialty={specialty}` first, or leave it out of the pool"
    figures = read_json(artifacts / specialty / "calibrate.json", remedy)
    try:
        table = pq.read_table(Path(figures["tune_features"]))
        names = tuple(n for n in table.column_names if n not in ("cluster", "correct"))
        values = [table[name].to_numpy() for name in names]
        return TuneFeatures(
            Features(names, np.column_stack(values)),
            table["correct"].to_numpy(zero_copy_only=False).astype(bool),
            table["cluster"].to_pylist(),
        )
    except (KeyError, OSError, TypeError, ValueError):
        raise InputError(f"calibration.pool: no tune features of {specialty}; {remedy}") from None
