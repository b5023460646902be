"""Other adapters, heads and losses through the whole line, and codes added to a trained coder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import surecode
from surecode.cli import main
from surecode.encounter import Code

SMALL = (
    "specialty=pathology",
    "specialty.target.level=0.5",
    "data.encounters=60",
    "data.difficulty=0",
    "trainer.epochs=1",
    "trainer.progress=false",
    "encoder.window_length=64",
    "encoder.window_overlap=8",
    "runtime.training=fp32",
    "runtime.coding=fp32",
    "runtime.attention=sdpa",
)
# Codes that no pathology report of the generator has.
ADDED = ("ICD-10-CM:I50.9", "ICD-10-CM:J18.9")


def figures(stage: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(f"artifacts/pathology/{stage}.json").read_text())
    return content


@pytest.mark.parametrize(
    "words",
    [
        ("adapter=dora", "adapter.layers=[5]", "head=cross_attention", "loss=asymmetric"),
        ("adapter=rslora", "adapter.dropout=0.1", "loss=focal", "loss.evidence_weight=0.1"),
        ("adapter=full", "adapter.layers=[5]", "loss.label_smoothing=0.05"),
        ("adapter=frozen", "head=descriptions", "runtime.training=bf16", "runtime.coding=bf16"),
    ],
    ids=lambda words: words[0],
)
def test_a_choice_goes_through_the_whole_line(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *SMALL, *words]) == 0
    coder = surecode.load("models:/surecode-pathology@challenger")
    # What serves is what was calibrated.
    precision = "bf16" if "runtime.coding=bf16" in words else "fp32"
    assert coder.runtime == figures("calibrate")["runtime"]
    assert coder.runtime.endswith(f"-cpu-{precision}-sdpa")
    assert figures("train")["runtime"]
    record = coder.code("Colon, sigmoid, biopsy: tubular adenoma.")
    assert record.to_json() == coder.code("Colon, sigmoid, biopsy: tubular adenoma.").to_json()


def test_a_loss_that_does_not_exist_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*SMALL, "adapter.layers=[5]", "loss=focal", "loss.focus_positive=1"]
    assert main(["prepare", *words]) == 0
    assert main(["train", *words]) == 2
    assert "loss=focal: it has one focus" in capsys.readouterr().err
    assert not Path("cache").exists()


def test_codes_are_added_without_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *SMALL, "head=descriptions", "adapter.layers=[5]"]) == 0
    before = surecode.load("models:/surecode-pathology@challenger")
    capsys.readouterr()
    words = ["specialty=pathology", f"codes=[{','.join(ADDED)}]", "date_of_service=2026-03-31"]
    assert main(["codes", "add", *words]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["version"] == figures("register")["version"] + 1
    assert printed["added"] == sorted(ADDED)
    after = surecode.load("models:/surecode-pathology@challenger")
    assert len(after.label_space) == len(before.label_space) + 2 == printed["codes"]
    assert Code("ICD-10-CM", "I50.9") in after.label_space
    note = "Gallbladder: chronic cholecystitis with cholelithiasis."
    old, new = before.code(note), after.code(note)
    assert new.mode == "assist"
    assert new.certificate_id is None
    known = {(c.system, c.value): c.probability for c in new.codes}
    for code in old.codes:
        assert known[code.system, code.value] == pytest.approx(code.probability, abs=1e-6)
    # Once more with the same codes: one line, and the registry is left alone.
    assert main(["codes", "add", *words]) == 2
    assert "is in the label space already" in capsys.readouterr().err
    assert surecode.load("models:/surecode-pathology@challenger").label_space == after.label_space


def test_a_head_without_descriptions_takes_no_codes(
    sealed_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "specialty=radiology",
        "codes=[ICD-10-CM:I50.9]",
        f"model={sealed_bundle}",
        f"output={tmp_path / 'grown'}",
        "date_of_service=2026-03-31",
    ]
    assert main(["codes", "add", *words]) == 2
    line = capsys.readouterr().err
    assert "train with head=descriptions" in line
    assert line.count("\n") == 1
    assert not (tmp_path / "grown").exists()


def test_other_promises_on_one_trained_coder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another target, groups, a family and a learned confidence, each by calibrating alone."""
    monkeypatch.chdir(tmp_path)
    words = (*SMALL, "data.encounters=160", "adapter=frozen")
    for stage in ("prepare", "train"):
        assert main([stage, *words]) == 0
    capsys.readouterr()
    level = "specialty.target.level=0.3"
    assert main(["calibrate", *words, level, "calibration.confidence=learned"]) == 0
    assert "Automation by level" in capsys.readouterr().out
    first = figures("calibrate")
    assert [row["chosen"] for row in first["confidence"] if row["name"] == "learned"] in (
        [True],
        [],
    )
    assert first["test_number"] == 1
    calibrator = json.loads(next(Path("runs").rglob("calibrator.json")).read_text())
    assert calibrator["facts"] is not None
    code_precision = ("target@specialty.target=code_precision", level)
    assert main(["calibrate", *words, *code_precision, "calibration.group_by=[setting]"]) == 0
    second = figures("calibrate")
    assert second["promise"][0].startswith("at least 30% of the codes assigned to automatically")
    assert all(group["name"].startswith("setting=") for group in second["groups"])
    assert second["test_number"] == 2
    # The confidence of another specialty learns from this one's tune split.
    holm = ("calibration.family=holm", "calibration.specialties=[radiology]")
    assert main(["calibrate", *words, level, *holm]) == 0
    assert figures("calibrate")["groups"][0]["delta"] == pytest.approx(0.05)
    assert main(["calibrate", *words, level, "calibration.pool=[radiology]"]) == 2
    assert "run `surecode calibrate specialty=radiology` first" in capsys.readouterr().err
    Path("artifacts/radiology").mkdir()
    Path("artifacts/radiology/calibrate.json").write_text(json.dumps(first))
    assert main(["calibrate", *words, level, "calibration.pool=[radiology]"]) == 0
