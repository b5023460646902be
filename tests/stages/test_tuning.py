"""What other specialties teach a confidence: nothing of calibrate's own patients."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from surecode.calibration.confidence_features import EncounterFacts
from surecode.coder.dictionary import Dictionary
from surecode.coder.seen_tokens import SeenTokens
from surecode.codes.label_space import LabelSpace
from surecode.config import compose_config, parse
from surecode.encounter import Code, Encounter, GoldCode
from surecode.errors import InputError
from surecode.facts import FactFinder
from surecode.settings import Config
from surecode.stages.tuning import Tuned, fit_calibrator, read_tune_features, write_tune_features

Build = Callable[..., Encounter]
N = 80
CODES = (Code("ICD-10-CM", "J18.9"), Code("ICD-10-CM", "R50.9"))


def config_of(folder: Path, *words: str) -> Config:
    overrides = ["specialty=radiology", f"artifacts={folder}", *words]
    return parse(Config, compose_config("calibrate", overrides))


def encounters_of(build: Build, prefix: str, n: int = N) -> list[Encounter]:
    return [
        replace(
            build("fever", encounter_id=f"{prefix}{i}"),
            patient_id=f"{prefix}{i}",
            codes=(GoldCode(CODES[i % 2]),),
        )
        for i in range(n)
    ]


def tune(config: Config, encounters: list[Encounter], held_back: list[Encounter]) -> Tuned:
    space = LabelSpace(CODES)
    finder = FactFinder(SeenTokens.collect([], 10), Dictionary({}).hashed())
    logits = np.random.default_rng(0).normal(size=(len(encounters), len(space)))
    facts = EncounterFacts.none(len(encounters), len(space))
    return fit_calibrator(
        config, encounters, logits.astype(np.float32), space, finder, facts, held_back
    )


def test_patients_of_calibrate_are_left_out_of_the_pool(
    tmp_path: Path, encounter_of: Build
) -> None:
    others = encounters_of(encounter_of, "o")
    config = config_of(tmp_path)
    path = tmp_path / "emergency" / "features.parquet"
    write_tune_features(path, others, tune(config, others, []))
    (tmp_path / "emergency" / "calibrate.json").write_text(json.dumps({"tune_features": str(path)}))
    read = read_tune_features(tmp_path, "emergency")
    assert len(read.clusters) == len(read.correct) == len(read.features) == N
    assert not {e.patient_id for e in others} & set(read.clusters)  # under a hash
    left = read.without(read.clusters[:30])
    assert left.clusters == read.clusters[30:]
    np.testing.assert_array_equal(left.features.values, read.features.values[30:])

    own, pooled = (
        encounters_of(encounter_of, "p"),
        config_of(tmp_path, "calibration.pool=[emergency]"),
    )
    alone = tune(config, own, [])
    # Every patient of the other specialty is in calibrate: the pool is empty.
    assert tune(pooled, own, others).confidence[0]["augrc"] == alone.confidence[0]["augrc"]
    assert tune(pooled, own, others).calibrator == alone.calibrator
    assert tune(pooled, own, []).calibrator != alone.calibrator


def test_a_specialty_does_not_pool_with_itself(tmp_path: Path, encounter_of: Build) -> None:
    with pytest.raises(InputError, match="names the specialty itself"):
        tune(
            config_of(tmp_path, "calibration.pool=[radiology]"),
            encounters_of(encounter_of, "p"),
            [],
        )
