"""Coders of terms alone and of terms beside a network through the whole line."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import surecode
from surecode.bundle.load import load_bundle, load_trained
from surecode.cli import main
from surecode.data import table
from surecode.encounter import Encounter
from surecode.errors import InputError

pytestmark = pytest.mark.slow

ONE_LIST = ("coder.tables=[]", "coder.wordings=[]", "coder.terms=[own.csv]")
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
# A network that one epoch taught is far from linear: 20 steps leave a gap above 1%.
EXACTLY = (
    "attribution.integrated_gradients_share=0.2",
    "attribution.integrated_gradients_steps=60",
)
URI = "models:/surecode-pathology@challenger"


def figures(stage: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(f"artifacts/pathology/{stage}.json").read_text())
    return content


def the_run() -> Path:
    (folder,) = (path for path in Path("runs/pathology").iterdir() if path.is_dir())
    return folder


def decisions(folder: Path) -> dict[str, str]:
    lines = (folder / "decisions.jsonl").read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["encounter_id"]: line for line in lines}


def of_test(folder: Path) -> list[Encounter]:
    return [e for e in table.read(folder / "encounters.parquet") if e.split == "test"]


def same_everywhere(folder: Path, today: date) -> list[dict[str, Any]]:
    """Records from the run's folder and the registry, alone and in another order."""
    encounters, written = of_test(folder), decisions(folder)
    assert set(written) == {e.encounter_id for e in encounters}
    here, registered = load_bundle(folder / "bundle"), surecode.load(URI)
    for encounter in encounters[::-1][:6]:
        record = here.code(encounter, today).to_json()
        assert record == registered.code(encounter, today).to_json()
        assert record == written[encounter.encounter_id]
    return [json.loads(written[e.encounter_id]) for e in encounters]


def quotes_are_of(encounter: Encounter, code: dict[str, Any]) -> None:
    for quote in code["evidence"]:
        assert encounter.text(quote["document_id"])[quote["start"] : quote["end"]] == quote["quote"]


def test_a_coder_of_terms_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # One code that no encounter has, by a list; a title would need the whole table.
    Path("own.csv").write_text("system,value,term\nICD-10-CM,I10,clinical history\n")
    words = [*SMALL, "coder=lexicon", *ONE_LIST]
    assert main(["run", *words]) == 0
    folder = the_run()
    names = {p.relative_to(folder / "bundle").as_posix() for p in (folder / "bundle").rglob("*.*")}
    assert "terms.json" in names
    assert not {name for name in names if name.endswith(".safetensors")}
    card = (folder / "bundle" / "card.md").read_text(encoding="utf-8")
    assert "- Coder: lexicon; terms of train and tune and of 1 lists, words as hashes" in card
    assert "adapter" not in card
    assert figures("evaluate")["coder"]["micro_f1"] > 0.5
    records = same_everywhere(folder, date.today())
    encounters = {e.encounter_id: e for e in of_test(folder)}
    codes = [(encounters[r["encounter_id"]], code) for r in records for code in r["codes"]]
    by_terms = [(encounter, code) for encounter, code in codes if code["source"] == "lexicon"]
    assert len(by_terms) > len(records) / 2
    for encounter, code in codes:
        quotes_are_of(encounter, code)
        assert set(code["parts"]) == {"terms"}
        assert code["verification"]["status"] in {"verified", "partial", "diffuse", "none"}
    for _, code in by_terms:
        assert code["evidence"]
        assert all(q["rule"].startswith(("training:", "user:own:")) for q in code["evidence"])
    assert any(code["verification"]["status"] == "verified" for _, code in by_terms)
    coder = surecode.load(URI)
    assert (coder.network, coder.columns) == (None, None)
    assert "I10" in {code.value for code in coder.label_space.codes}

    # Trained already: it is reused, and gives the same figures.
    before = figures("train")
    assert main(["train", *words]) == 0
    assert figures("train") == before | {"reused": True}

    # A damaged file of terms, and one of another kind of coder, are told in one line.
    bundle = tmp_path / "copy"
    shutil.copytree(folder / "bundle", bundle)
    (bundle / "manifest.json").unlink()
    text = (bundle / "terms.json").read_text()
    for content in (text[:-10], "{}", json.dumps(json.loads(text) | {"weights": {}})):
        (bundle / "terms.json").write_text(content)
        with pytest.raises(InputError) as caught:
            load_trained(bundle)
        assert "\n" not in str(caught.value)
    joint = {"mean": [0.0] * 7, "scale": [1.0] * 7, "weights": [0.0] * 7, "bias": 0.0, "steps": []}
    (bundle / "terms.json").write_text(json.dumps(json.loads(text) | {"joint": joint}))
    with pytest.raises(InputError, match="is of another kind of coder"):
        load_trained(bundle)
    (bundle / "terms.json").write_text(text)
    assert load_trained(bundle).network is None

    # Logits of tune that are lost are told by calibrate.
    (folder / "tune_logits.parquet").unlink()
    capsys.readouterr()
    assert main(["calibrate", *words]) == 2
    said = capsys.readouterr().err
    assert "tune_logits.parquet" in said
    assert said.count("\n") == 1


def _lost_is_told(bundle: Path, copy: Path, name: str) -> None:
    """That a file of numbers is cut, empty or gone."""
    shutil.copytree(bundle, copy)
    path = copy / f"{name}.safetensors"
    content = path.read_bytes()
    for changed in (content[:-40], b"", None):
        if changed is None:
            path.unlink()
        else:
            path.write_bytes(changed)
        with pytest.raises(InputError) as caught:
            load_trained(copy)
        assert "\n" not in str(caught.value)
    path.write_bytes(content)
    assert load_trained(copy).hashes[name]


def test_a_coder_of_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text("system,value,term\nICD-10-CM,I10,clinical history\n")
    words = [*SMALL, "coder=hybrid", *ONE_LIST, "adapter=frozen", "coder.tagger=network"]
    assert main(["run", *words, *EXACTLY]) == 0
    folder = the_run()
    card = (folder / "bundle" / "card.md").read_text(encoding="utf-8")
    said = "terms of train and tune and of 1 lists, similarity to wordings of codes"
    assert f"hybrid; {said}, a tagger of words that people mark (network);" in card
    checked = figures("explain")
    assert checked["integrated_gradients_encounters"] > 0
    assert checked["completeness_gap_median"] < 0.01
    records = same_everywhere(folder, date.today())
    encounters = {e.encounter_id: e for e in of_test(folder)}
    coder = surecode.load(URI)
    assert coder.network is not None
    assert coder.terms is not None
    assert coder.terms.joint is not None
    assert coder.columns is not None
    assert coder.terms.titles is not None
    assert all(record["hashes"]["similarity"] for record in records)
    assert all(record["hashes"]["tagger"] for record in records)
    for name in ("similarity", "tagger"):
        _lost_is_told(folder / "bundle", tmp_path / f"no {name}", name)
    known = {(c.system, c.value) for k in coder.columns for c in [coder.label_space.codes[k]]}
    # The list's code is in no encounter: the terms know it and the network does not.
    assert ("ICD-10-CM", "I10") not in known
    assert len(coder.label_space) > len(coder.columns)
    codes = [(encounters[r["encounter_id"]], code) for r in records for code in r["codes"]]
    assert any(code["source"] == "lexicon" for _, code in codes)
    seen = set()
    for encounter, code in codes:
        quotes_are_of(encounter, code)
        both = (code["system"], code["value"]) in known
        assert set(code["parts"]) == ({"network", "terms"} if both else {"terms"})
        seen.add(both)
    assert True in seen
    # Gradients are those of the codes that the network knows, and of no other.
    written = [json.loads(line) for line in decisions(folder).values()]
    some = [r for r in written if r["codes"]][: checked["integrated_gradients_encounters"]]
    asked = [code for record in some for code in record["codes"]]
    by_network = [code for code in asked if "network" in code["parts"]]
    assert checked["integrated_gradients_codes"] == len(by_network) < len(asked)
