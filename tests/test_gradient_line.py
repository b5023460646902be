"""``loss.gradient_weight`` through the whole line, from embeddings and from cached states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import surecode
from surecode.cli import main

SMALL = (
    "specialty=pathology",
    "specialty.target.level=0.5",
    "data.encounters=40",
    "data.difficulty=0",
    "trainer.epochs=1",
    "trainer.progress=false",
    "encoder.window_length=64",
    "encoder.window_overlap=8",
    "runtime.training=fp32",
    "runtime.coding=fp32",
    "runtime.attention=sdpa",
    "loss.gradient_weight=0.01",
)


@pytest.mark.parametrize(
    ("words", "cached"),
    [
        (("adapter.layers=null",), False),
        (("adapter.layers=[5]", "runtime.training=bf16", "loss.evidence_weight=0.1"), True),
        # Most encounters are more than one encoder call may be.
        pytest.param(
            ("adapter.layers=[5]", "trainer.batch_tokens=80", "loss=asymmetric"),
            True,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["all layers", "bf16", "call by call"],
)
def test_the_gradient_penalty_goes_through_the_whole_line(
    words: tuple[str, ...], cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *SMALL, *words]) == 0
    assert Path("cache/activations").exists() == cached
    train = json.loads(Path("artifacts/pathology/train.json").read_text())
    assert 0 < train["best_tune_loss"] < 100
    coder = surecode.load("models:/surecode-pathology@challenger")
    record = coder.code("Colon, sigmoid, biopsy: tubular adenoma.")
    assert record.to_json() == coder.code("Colon, sigmoid, biopsy: tubular adenoma.").to_json()
