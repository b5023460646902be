"""Terms in a run: the codes that they bring, and lists that are wrong or do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from surecode.cli import main
from surecode.codes.label_space import LabelSpace
from surecode.codes.releases import valid_codes
from surecode.config import compose_config, parse
from surecode.encounter import Code, Document, Encounter, GoldCode, Split
from surecode.errors import InputError
from surecode.lexicon.terms_shipped import shipped_terms
from surecode.settings import Config
from surecode.stages.run_folder import RunFolder, learning_fingerprint
from surecode.stages.terms import own_terms, tune_logits, with_terms

SMALL = ["specialty=pathology", "data.encounters=60", "data.difficulty=0", "coder=lexicon"]
ENGLISH = "The patient was seen in the clinic and she has a history of "


def config(*words: str) -> Config:
    return parse(Config, compose_config("run", [*SMALL, *words]))


def encounter(number: int, split: Split, text: str, *codes: Code) -> Encounter:
    return Encounter(
        f"e{number}",
        f"p{number}",
        "pathology",
        "professional",
        "x",
        date(2026, 1, 1),
        (Document(f"d{number}", "note", ENGLISH + text),),
        tuple(GoldCode(code, n) for n, code in enumerate(codes, start=1)),
        (),
        split,
    )


def icd(value: str) -> Code:
    return Code("ICD-10-CM", value)


ENCOUNTERS = [
    encounter(1, "train", "fever.", icd("R50.9"), Code("CPT", "88305")),
    encounter(2, "tune", "cough.", icd("R05.9"), Code("ICD-O-3", "8000/3")),
    encounter(3, "calibrate", "pain.", icd("M25.561")),
    encounter(4, "test", "gout.", icd("M10.9")),
]


def test_codes_of_train_and_tune_and_of_lists_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("system,value,term\nICD-10-CM,I10,high blood pressure\n")
    none = ("coder.tables=[]", "coder.wordings=[]")
    plain = with_terms(config(*none), ENCOUNTERS)
    assert set(plain.codes) == {icd("R50.9"), icd("R05.9"), Code("CPT", "88305")}
    more = with_terms(config(*none, f"coder.terms=[{path}]"), ENCOUNTERS)
    assert set(more.codes) == {*plain.codes, icd("I10")}


def test_codes_of_shipped_lists_in_the_documents_language_and_valid_on_their_day() -> None:
    codes = set(with_terms(config("coder.tables=[]"), ENCOUNTERS).codes)
    english, spanish = (
        {term.code for term in shipped_terms({"ICD-10-CM"}, {language}) if len(term.text) > 1}
        for language in ("en", "es")
    )
    valid = valid_codes("ICD-10-CM", "FY2026")
    assert valid is not None
    assert {code for code in english if code.value in valid} <= codes
    gold = {icd("R50.9"), icd("R05.9"), Code("CPT", "88305")}
    assert not {code for code in codes - gold if code.value not in valid}
    assert not codes & {code for code in spanish - english - gold if code.value in valid}
    older = [replace(e, date_of_service=date(2021, 1, 1)) for e in ENCOUNTERS]
    then = valid_codes("ICD-10-CM", "FY2021")
    assert then is not None
    new = {code for code in english if code.value in valid - then} - gold
    assert new
    assert new <= codes
    assert not new & set(with_terms(config("coder.tables=[]"), older).codes)
    assert set(with_terms(config("coder.tables=[]", "coder.wordings=[ICD-O-3]"), older).codes) <= {
        *gold,
        *(term.code for term in shipped_terms({"ICD-O-3"})),
    }


@pytest.mark.slow
def test_codes_of_the_tables_that_a_text_of_training_names() -> None:
    """ "Gout, unspecified" stands in test alone, so its code is not there; asthma is in train."""
    some = [*ENCOUNTERS, encounter(5, "train", "uncomplicated asthma.", icd("R50.9"))]
    codes = with_terms(config("coder.wordings=[]"), some).codes
    assert icd("J45.909") in codes
    assert icd("M10.9") not in codes


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("ICD-10-CM,I10,fine\nICD-10-CM,Q99.99,odd thing", "line 3, term 'odd thing'"),
        ("ICD-10-CM,nonsense,odd thing", "line 2, term 'odd thing'"),
        ("ICD-10-CM,I10,", "line 2, term ''"),
    ],
)
def test_a_list_with_a_code_that_does_not_exist_names_line_and_term(
    rows: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.csv").write_text(f"system,value,term\n{rows}\n")
    assert main(["prepare", *SMALL, "coder.terms=[own.csv]"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_list_in_another_language_than_the_documents_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("system,value,term,language\nICD-10-CM,R50.9,fiebre,es\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"of the language es, and the documents are of en"):
        own_terms(config(f"coder.terms=[{path}]"), ENCOUNTERS)
    path.write_text("system,value,term,language\nICD-10-CM,R50.9,fiebre,\n", encoding="utf-8")
    assert len(own_terms(config(f"coder.terms=[{path}]"), ENCOUNTERS)) == 1


SPACE = LabelSpace((icd("I10"), icd("R50.9")))


def test_an_edited_list_is_learned_anew(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("system,value,term\nICD-10-CM,R50.9,fever\n", encoding="utf-8")
    space = with_terms(config("coder.tables=[]", f"coder.terms=[{path}]"), ENCOUNTERS)
    before = learning_fingerprint(ENCOUNTERS, space, [path])
    assert learning_fingerprint(ENCOUNTERS, space, [path]) == before
    path.write_text("system,value,term\nICD-10-CM,R50.9,high fever\n", encoding="utf-8")
    assert learning_fingerprint(ENCOUNTERS, space, [path]) != before


def test_logits_of_tune_come_in_the_order_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encounter_of: Callable[..., Encounter]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(config())
    one, two, three = (encounter_of("x", encounter_id=name) for name in "abc")
    with pytest.raises(InputError, match="run `surecode train` again"):
        tune_logits(folder, [one], SPACE)
    folder.tune_logits.parent.mkdir(parents=True)
    folder.tune_logits.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="run `surecode train` again"):
        tune_logits(folder, [one], SPACE)
    rows = [
        {"encounter_id": "a", "logits": [1.0, 2.0]},
        {"encounter_id": "b", "logits": [3.0, 4.0]},
    ]
    written = pa.Table.from_pylist(rows).replace_schema_metadata({"label_space": SPACE.hash})
    pq.write_table(written, folder.tune_logits)
    np.testing.assert_array_equal(tune_logits(folder, [two, one], SPACE), [[3.0, 4.0], [1.0, 2.0]])
    with pytest.raises(InputError, match="or of other encounters or codes"):
        tune_logits(folder, [two, one], LabelSpace((icd("I10"), icd("R05.9"))))
    with pytest.raises(InputError, match="run `surecode train` again") as caught:
        tune_logits(folder, [one, three], SPACE)
    assert "\n" not in str(caught.value)
