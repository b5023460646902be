"""What is read from finished runs: coders side by side, errors in a notebook, a learning curve.

The run is made up: synthetic encounters, and decision records of a coder that drops and adds codes.
"""

from __future__ import annotations

import json
import re
import sys
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from surecode.coder.dictionary import Dictionary
from surecode.data import table
from surecode.data.read import read
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.evaluation import paired
from surecode.evaluation.coded import look_up, read_coded
from surecode.evaluation.ranked import rank, write_ranked
from surecode.files import write_json, write_text
from surecode.record import CodeDecision, DecisionRecord, Meaning, Quote
from surecode.settings import LabelSpaceSettings, SpecialtySettings, TargetSettings
from surecode.source_settings import SyntheticSettings

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = str(ROOT / "scripts")
sys.path.insert(0, SCRIPTS)
comparing: Any = import_module("compare_coders")
curves: Any = import_module("learning_curve")
sys.path.remove(SCRIPTS)

EXTRA = Code("ICD-10-CM", "Z99.9")


def synthetic(encounters: int = 60) -> list[Encounter]:
    data = SyntheticSettings(
        source="synthetic",
        encounters=encounters,
        difficulty=0.3,
        typo_rate=0.01,
        start=date(2025, 10, 1),
        end=date(2026, 9, 30),
        seed=1,
        shares={"train": 0.5, "tune": 0.1, "calibrate": 0.1, "test": 0.3},
        maximum_characters=10_000,
    )
    specialty = SpecialtySettings(
        name="pathology",
        include={"specialty": ("pathology",)},
        label_space=LabelSpaceSettings(systems=("ICD-10-CM", "CPT"), minimum_count=1),
        target=TargetSettings(level=0.95, delta=0.1),
    )
    return list(read(data, specialty, 0).encounters)


def record_of(encounter: Encounter, codes: list[Code]) -> DecisionRecord:
    """A record whose codes stand on the first word of the note."""
    document = encounter.documents[0]
    word = re.search(r"\w+", document.text)
    assert word is not None
    meaning = Meaning("affirmed", "certain", "current", "patient")
    quote = Quote(
        document.document_id, *word.span(), word.group(), 1.0, None, meaning, (), low=False
    )
    return DecisionRecord(
        encounter_id=encounter.encounter_id,
        specialty="pathology",
        documents={},
        mode="assist",
        route="review",
        reasons=("made up",),
        codes=tuple(
            CodeDecision(c.system, c.value, "FY2026", None, 0.9, "neural", {}, (quote,), None, None)
            for c in codes
        ),
        confidence=0.5,
        threshold=None,
        certificate_id=None,
        versions={},
        hashes={},
    )


def write_run(folder: Path, encounters: list[Encounter], *, drop: int, add: int) -> None:
    """A run whose coder misses a code of every ``drop``-th encounter and adds one to every
    ``add``-th; it ranks its codes first and what it missed behind them.
    """
    table.write(encounters, folder / "encounters.parquet")
    test = [encounter for encounter in encounters if encounter.split == "test"]
    records, rankings = [], []
    for number, encounter in enumerate(test):
        gold = sorted(encounter.code_set)
        missed = gold[:1] if number % drop == 0 else []
        extra = [EXTRA] if number % add == 0 else []
        assigned = [code for code in gold if code not in missed] + extra
        records.append(record_of(encounter, assigned))
        scored = [(code, 0.9) for code in assigned] + [(code, 0.2) for code in missed]
        rankings.append(rank(encounter.encounter_id, scored))
    write_text(folder / "decisions.jsonl", "".join(r.to_json() + "\n" for r in records))
    write_ranked(rankings, folder / "ranked.parquet")
    figures = {"encounters": len(test), "split": "test", "data": "synthetic, difficulty 0.3"}
    write_json(folder / "evaluate.json", figures)


@pytest.fixture(scope="module")
def encounters() -> list[Encounter]:
    return synthetic()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, encounters: list[Encounter]) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "careful", encounters, drop=6, add=9)
    write_run(folder / "hasty", encounters, drop=1, add=2)
    return folder


def held_out_of(encounters: list[Encounter]) -> list[Encounter]:
    return [encounter for encounter in encounters if encounter.split == "test"]


# ---- reading -------------------------------------------------------------------------------------


def test_a_run_is_read_with_its_rankings(runs: Path, encounters: list[Encounter]) -> None:
    coded = read_coded(runs / "careful")
    assert coded.name == "careful"
    assert list(coded.encounter_ids) == [e.encounter_id for e in held_out_of(encounters)]
    gold = sorted(held_out_of(encounters)[0].code_set)
    assert coded.predicted[0] == {*gold[1:], EXTRA}
    assert coded.ranked is not None
    assert coded.ranked[0] == (*gold[1:], EXTRA, gold[0])
    assert coded.probabilities[0][gold[0]] == 0.2
    assert {mention.code for mention in coded.mentions[0]} == coded.predicted[0]
    turned = coded.of(coded.encounter_ids[::-1])
    assert turned.predicted == coded.predicted[::-1]
    assert turned.of(coded.encounter_ids) == coded


def test_records_without_rankings_have_none(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.jsonl").write_bytes((runs / "hasty" / "decisions.jsonl").read_bytes())
    coded = read_coded(tmp_path / "alone.jsonl", "alone")
    assert (coded.name, coded.ranked) == ("alone", None)
    assert coded.predicted == read_coded(runs / "hasty").predicted
    assert set(coded.probabilities[0].values()) <= {0.9}


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_coded(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_records_that_do_not_fit_are_refused(runs: Path, tmp_path: Path) -> None:
    assert "decisions.jsonl: not found" in refused(tmp_path)
    lines = (runs / "hasty" / "decisions.jsonl").read_text("utf-8").splitlines()
    file = tmp_path / "decisions.jsonl"
    file.write_text("\n".join([*lines, lines[0]]), "utf-8")
    assert "an encounter has two records" in refused(tmp_path)
    file.write_text(lines[0].replace('"mode": "assist"', '"mode": "other"'), "utf-8")
    assert "record 1: decision record: mode is wrong" in refused(tmp_path)
    file.write_text(lines[0], "utf-8")
    (tmp_path / "ranked.parquet").write_bytes((runs / "hasty" / "ranked.parquet").read_bytes())
    assert "ranks other encounters than decisions.jsonl" in refused(tmp_path)
    with pytest.raises(
        InputError, match="careful: 1 of 1 encounters are not coded, the first is x"
    ):
        read_coded(runs / "careful").of(["x"])


def test_the_dictionary_is_a_coder_like_any(encounters: list[Encounter]) -> None:
    dictionary = Dictionary.fit([e for e in encounters if e.split == "train"])
    coded = look_up(dictionary, held_out_of(encounters))
    for row, encounter in enumerate(held_out_of(encounters)):
        assert coded.ranked is not None
        assert list(coded.ranked[row]) == dictionary.code(encounter)
        assert coded.predicted[row] == {mention.code for mention in coded.mentions[row]}


# ---- scripts/compare_coders.py -------------------------------------------------------------------


def compare(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: Any
) -> Any:
    monkeypatch.setattr(sys, "argv", ["compare_coders.py", *map(str, words)])
    code = comparing.main()
    output = capsys.readouterr()
    return code, output.out, output.err


def test_coders_stand_side_by_side(
    runs: Path,
    encounters: list[Encounter],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = (runs / "careful", "dictionary", runs / "hasty", "--draws", 400)
    code, printed, complaint = compare(capsys, monkeypatch, *words)
    assert (code, complaint) == (0, "")
    figures = json.loads(printed.splitlines()[-1])
    test = held_out_of(encounters)
    gold = [encounter.code_set for encounter in test]
    careful, hasty = (read_coded(runs / name) for name in ("careful", "hasty"))
    scores = {row["coder"]: row for row in figures["scores"] if row["codes"] == "all"}
    assert list(scores) == ["careful", "dictionary", "hasty"]
    expected = paired.paired(
        paired.micro_f1(gold, hasty.predicted),
        paired.micro_f1(gold, careful.predicted),
        clusters=[encounter.patient_id for encounter in test],
        draws=400,
    )
    found = scores["hasty"]["f1_difference"]
    assert (found["difference"], found["low"], found["high"]) == (
        expected.difference,
        expected.low,
        expected.high,
    )
    assert expected.high < 0.0
    assert str(expected) in printed
    assert scores["careful"]["f1_difference"] is None
    systems = {row["codes"] for row in figures["scores"]}
    assert systems == {"all", *{code.system for codes in gold for code in codes}}


@pytest.mark.slow  # the table of titles takes seconds to load
def test_errors_are_counted_and_no_text_is_printed(
    runs: Path,
    encounters: list[Encounter],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, printed, _ = compare(capsys, monkeypatch, runs / "hasty", "--errors", 5)
    assert code == 0
    figures = json.loads(printed.splitlines()[-1])
    test = held_out_of(encounters)
    # What the made-up coder misses and adds is what is counted.
    wrong = figures["errors"]["hasty"]
    assert sum(wrong["missed"].values()) == len(test)
    assert sum(wrong["spurious"].values()) == len(range(0, len(test), 2))
    assert wrong["spurious"]["mention not found"] == sum(wrong["spurious"].values())
    first_words = {re.findall(r"\w+", e.documents[0].text)[0] for e in test}
    assert not [word for word in first_words if word in printed]


def test_the_dictionary_alone_needs_a_table_and_a_split(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encounters = runs / "careful" / "encounters.parquet"
    code, printed, _ = compare(
        capsys, monkeypatch, "dictionary", "--encounters", encounters, "--split", "calibrate,test"
    )
    assert code == 0
    figures = json.loads(printed.splitlines()[-1])
    assert (figures["encounters"], figures["train"]) == (24, 30)
    wider = ("--encounters", encounters, "--train", "train,tune")
    _, printed, _ = compare(capsys, monkeypatch, "dictionary", *wider)
    assert json.loads(printed.splitlines()[-1])["train"] == 36


def test_what_cannot_be_compared_is_refused_in_one_line(
    runs: Path,
    encounters: list[Encounter],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def complaint(*words: Any) -> str:
        code, _, message = compare(capsys, monkeypatch, *words)
        assert (code, message.count("\n")) == (2, 1)
        return str(message)

    assert "give a run folder or --encounters" in complaint("dictionary")
    table_of = ("--encounters", runs / "careful" / "encounters.parquet")
    assert "'tests' is not one of train, tune" in complaint(
        "dictionary", *table_of, "--split", "tests"
    )
    assert "are in train as well" in complaint("dictionary", *table_of, "--split", "train,test")
    table.write(held_out_of(encounters)[:3], tmp_path / "few.parquet")
    assert "coded encounters are not in it" in complaint(
        runs / "careful", "--encounters", tmp_path / "few.parquet"
    )
    assert "--root needs a run folder" in complaint("dictionary", *table_of, "--root", tmp_path)


# ---- scripts/learning_curve.py -------------------------------------------------------------------


def test_a_point_of_the_curve_is_the_score_of_the_coder_fitted_on_so_many(
    encounters: list[Encounter],
) -> None:
    train, held_out = encounters[:40], encounters[40:]
    points = curves.learning_curve(curves.CODERS["dictionary"], train, held_out, [10, 40], [0, 1])
    assert [(p.size, p.seed, p.codes) for p in points[:4]] == [
        (10, 0, "all"),
        (10, 0, "D"),
        (10, 0, "P"),
        (40, 0, "all"),
    ]
    whole = look_up(Dictionary.fit(train), held_out)
    of_all = [p.score for p in points if (p.size, p.codes) == (40, "all")]
    assert of_all[0] == of_all[1]  # the whole of train, in whatever order
    gold = [encounter.code_set for encounter in held_out]
    assert of_all[0] == curves.coding_score(gold, whole.predicted, whole.ranked)
    assert curves.codiesp_score("D", gold, whole.predicted, whole.ranked) in [
        p.score for p in points if (p.size, p.codes) == (40, "D")
    ]


def test_the_cut_assigns_and_probabilities_rank(encounters: list[Encounter]) -> None:
    right = {e.encounter_id: sorted(e.code_set) for e in encounters}

    def fit(train: Any) -> Any:
        """Gold codes at .6 behind a wrong one at .9; more documents make no difference."""
        return curves.Fitted(
            lambda e: [(code, 0.6) for code in right[e.encounter_id]] + [(EXTRA, 0.9)], cut
        )

    cut = 0.7
    (point, *_) = curves.learning_curve(fit, encounters, encounters[:5], [1], [0])
    assert (point.score.true_positive, point.score.predicted) == (0, 5)
    assert 0 < point.score.mean_average_precision < 1
    cut = 0.5
    (point, *_) = curves.learning_curve(fit, encounters, encounters[:5], [1], [0])
    assert point.score.recall == 1.0
    with pytest.raises(InputError, match="train has 60 documents"):
        curves.learning_curve(fit, encounters, encounters[:5], [61], [0])


def test_the_lexicon_of_the_curve_learns_from_all_of_train(encounters: list[Encounter]) -> None:
    train, held_out = encounters[:40], encounters[40:]
    fitted = curves.fit_lexicon(train)
    assert 0.0 < fitted.cut < 1.0
    known = {code for encounter in train for code in encounter.code_set}
    scored = [fitted.code(encounter) for encounter in held_out]
    assert all({code for code, _ in pairs} == known for pairs in scored)
    assigned = [[code for code, p in pairs if p >= fitted.cut] for pairs in scored]
    score = curves.coding_score([e.code_set for e in held_out], assigned, None)
    assert score.f1 > 0.5


# ---- notebooks/read_the_errors.ipynb -------------------------------------------------------------


def errors_notebook() -> NotebookNode:
    text = (ROOT / "notebooks" / "read_the_errors.ipynb").read_text(encoding="utf-8")
    notebook: NotebookNode = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def executed(run: Path) -> NotebookNode:
    notebook = errors_notebook()
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SURECODE_RUN", str(run))
        client = NotebookClient(notebook, timeout=180, kernel_name="python3", resources=resources)
        return client.execute()


def outputs(notebook: NotebookNode, cell: str, kind: str) -> list[str]:
    found = next(c for c in notebook.cells if c.id == cell).outputs
    if kind == "stdout":
        return ["".join(o.get("text", "") for o in found)]
    return [o.data[kind] for o in found if kind in o.get("data", {})]


@pytest.fixture(scope="module")
def errors_read(runs: Path) -> NotebookNode:
    return executed(runs / "hasty")


def test_the_notebook_warns_of_outputs_of_real_notes() -> None:
    first = errors_notebook().cells[0]
    assert "must not be committed" in first.source


def test_errors_are_read_without_a_warning(errors_read: NotebookNode) -> None:
    streams = [o for c in errors_read.cells for o in c.get("outputs", []) if "name" in o]
    assert {stream.name for stream in streams} == {"stdout"}
    assert "synthetic, difficulty 0.3" in outputs(errors_read, "run", "stdout")[0]
    assert "rankings: all codes" in outputs(errors_read, "coded", "stdout")[0]
    assert re.search(r"interval: [+-]0\.\d+ \[", outputs(errors_read, "paired", "stdout")[0])


def test_tables_count_the_errors_of_the_run(
    errors_read: NotebookNode, encounters: list[Encounter]
) -> None:
    (kinds,) = outputs(errors_read, "kinds", "text/plain")
    counts = re.findall(r"^\d+ +(missed|spurious) +[a-z -]+? +(\d+) ", kinds, re.MULTILINE)
    assert len(counts) == 14
    missed = sum(int(n) for side, n in counts if side == "missed")
    assert missed == len(held_out_of(encounters))
    (frequent,) = outputs(errors_read, "frequent", "text/plain")
    assert str(EXTRA) in frequent
    (parts,) = outputs(errors_read, "slices", "text/plain")
    assert "20+" in parts
    assert "dictionary" in parts


def test_each_kind_is_shown_in_a_note(errors_read: NotebookNode) -> None:
    pages = outputs(errors_read, "notes", "text/html")
    assert any("<mark" in page for page in pages)
    assert any("no place in the note" in page for page in pages)  # the code that nothing names
    assert all(page.startswith("<h4>") for page in pages)


@pytest.mark.slow
def test_a_run_without_rankings_is_read_as_well(runs: Path, tmp_path: Path) -> None:
    for name in ("decisions.jsonl", "encounters.parquet", "evaluate.json"):
        (tmp_path / name).write_bytes((runs / "careful" / name).read_bytes())
    notebook = executed(tmp_path)
    assert "assigned codes only" in outputs(notebook, "coded", "stdout")[0]
    (parts,) = outputs(notebook, "slices", "text/plain")
    assert "None" in parts or "NaN" in parts
