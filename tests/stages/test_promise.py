"""From settings to targets and protocol, the family, and how often calibrate served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surecode.codes.label_space import LabelSpace
from surecode.config import compose_config, parse
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.settings import Config
from surecode.stages.promise import protocol, targets, times_tested

SPACE = LabelSpace((Code("CPT", "71046"), Code("ICD-10-CM", "I10")))


def config_of(folder: Path, *words: str) -> Config:
    overrides = ["specialty=radiology", f"artifacts={folder / 'artifacts'}", *words]
    return parse(Config, compose_config("calibrate", overrides))


def test_every_target_of_the_configuration(tmp_path: Path) -> None:
    weights = tmp_path / "charges.csv"
    weights.write_text("system,value,weight\nCPT,71046,38\nICD-10-CM,I10,0\n")
    config = config_of(
        tmp_path,
        "target@specialty.target=code_precision",
        "specialty.target.delta=0.05",
        "specialty.target.also=[{metric: exact, level: 0.9}, "
        f"{{metric: cost, level: 0.8, over: 2.0, weights: {weights}}}]",
    )
    (precision, exact, cost), (none, nothing, charges) = targets(config, SPACE)
    assert (precision.metric, precision.average, precision.cap) == ("precision", "codes", 10.0)
    assert (exact.metric, exact.level, exact.average) == ("exact", 0.9, "encounters")
    assert (cost.metric, cost.over, cost.under, len(cost.weights)) == ("cost", 2.0, 1.0, 64)
    assert {target.delta for target in (precision, exact, cost)} == {0.05}
    assert none is nothing is None
    assert charges is not None
    np.testing.assert_array_equal(charges.own, [38.0, 0.0])


def test_the_protocol_of_the_configuration(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        "calibration.family=bonferroni",
        "calibration.specialties=[emergency,urology]",
        "calibration.clusters=sum",
        "calibration.grid_size=50",
    )
    made = protocol(config, targets(config, SPACE)[0])
    assert (made.family, made.others, made.others_whole) == ("bonferroni", 2, 0)
    assert (made.clustering, made.grid_size, made.comparison) == ("sum", 50, False)


HOLM = ("calibration.family=holm", "calibration.specialties=[emergency,urology]")


def calibrated(folder: Path, specialty: str, **changes: Any) -> None:
    figures = {
        "family": "holm",
        "family_specialties": ["emergency", "radiology", "urology"],
        "delta": 0.1,
        "whole": True,
    }
    path = folder / "artifacts" / specialty / "calibrate.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures | changes))


def test_holm_counts_the_specialties_that_certified_every_threshold(tmp_path: Path) -> None:
    config = config_of(tmp_path, *HOLM)
    promised, _ = targets(config, SPACE)
    assert protocol(config, promised).others_whole == 0
    calibrated(tmp_path, "emergency", whole=False)
    assert protocol(config, promised).others_whole == 0
    calibrated(tmp_path, "urology")
    assert protocol(config, promised).others_whole == 1


@pytest.mark.parametrize(
    "changes",
    [{"family": "each"}, {"family_specialties": ["emergency", "radiology"]}, {"delta": 0.2}],
    ids=lambda changes: next(iter(changes)),
)
def test_holm_takes_nothing_from_outside_the_family(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    config = config_of(tmp_path, *HOLM)
    calibrated(tmp_path, "emergency", **changes)
    assert protocol(config, targets(config, SPACE)[0]).others_whole == 0
    calibrated(tmp_path, "emergency")
    assert protocol(config, targets(config, SPACE)[0]).others_whole == 1


def test_a_specialty_is_no_other_of_its_own_family(tmp_path: Path) -> None:
    config = config_of(tmp_path, "calibration.family=holm", "calibration.specialties=[radiology]")
    with pytest.raises(InputError, match="names the specialty itself"):
        protocol(config, targets(config, SPACE)[0])


def test_every_new_setting_on_one_split_is_another_test(tmp_path: Path) -> None:
    assert times_tested(tmp_path, "split", {"level": 0.95}) == 1
    assert times_tested(tmp_path, "split", {"level": 0.90}) == 2
    assert times_tested(tmp_path, "split", {"level": 0.95}) == 1  # the same test again
    assert times_tested(tmp_path, "another split", {"level": 0.90}) == 1
