"""MDACE's annotations, joined with notes that are invented around the offsets."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.config import compose_config, parse
from surecode.data.read import read as read_data
from surecode.data.sources import mdace
from surecode.data.splits import Sourced, check_splits
from surecode.data.table import check_encounters
from surecode.encounter import Code, Span
from surecode.errors import InputError
from surecode.settings import Config

TEXT = 'Invented.\r\nHeart "failure",\n\tNIDDM; 80 €.'
NOTE_COLUMNS = "ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE,CHARTTIME,CATEGORY,DESCRIPTION,TEXT"


def mark(begin: int, end: int, code: str, system: str = "ICD-10-CM") -> dict[str, Any]:
    return {"begin": begin, "end": end, "code": code, "code_system": system, "type": "Human"}


def invented() -> dict[str, Any]:
    """Six charts of two notes: HADM_ID → the content of its file."""
    return {
        str(chart): {
            "hadm_id": chart,
            "comment": "",
            "notes": [
                {
                    "note_id": 10 * chart,
                    "category": "Physician",
                    "description": "Note",
                    "annotations": [mark(29, 34, "E11.9"), mark(11, 25, "I50.9")],
                },
                {
                    "note_id": 10 * chart + 1,
                    "category": "Discharge summary",
                    "description": "Report",
                    "annotations": [
                        mark(11, 25, "I50.9"),
                        mark(11, 25, "I50.9"),
                        mark(0, 8, "02HV33Z", "ICD-10-PCS"),
                    ],
                },
            ],
        }
        for chart in range(1, 7)
    }


def note_rows(charts: dict[str, Any]) -> list[list[str]]:
    quoted = '"' + TEXT.replace('"', '""') + '"'
    return [
        [
            str(note["note_id"]),
            f"9{chart}",
            chart,
            f"2150-0{n + 1}-01",
            "",
            note["category"] + " ",
            "",
            quoted,
        ]
        for chart, content in charts.items()
        for n, note in enumerate(content["notes"])
    ]


def write(root: Path, charts: dict[str, Any], notes: list[list[str]] | None = None) -> Path:
    folder = root / "mdace" / "data" / "Inpatient" / "ICD-10" / "1.0"
    folder.mkdir(parents=True)
    for chart, content in charts.items():
        (folder / f"{chart}-ICD-10.json").write_text(json.dumps(content))
    splits = root / "mdace" / "splits" / "Inpatient"
    splits.mkdir(parents=True)
    for split, listed in (("train", (1, 2)), ("val", (3, 4)), ("test", (5, 6))):
        (splits / f"MDace-ev-{split}.csv").write_text("".join(f"{chart}\n" for chart in listed))
    lines = [NOTE_COLUMNS, *(",".join(row) for row in notes or note_rows(charts)), ""]
    (root / "NOTEEVENTS.csv").write_bytes("\n".join(lines).encode())
    return root


def read(root: Path, categories: tuple[str, ...] = ()) -> list[Sourced]:
    return mdace.read(root, categories=categories, check_published=False)


def test_annotations_become_evidence_in_the_notes_own_text(tmp_path: Path) -> None:
    items = read(write(tmp_path, invented()))
    assert [(i.encounter.encounter_id, i.official_split) for i in items] == [
        *(("1", "train"), ("2", "train"), ("3", "dev"), ("4", "dev"), ("5", "test"), ("6", "test"))
    ]
    first = items[0].encounter
    assert [(d.document_id, d.kind, d.text) for d in first.documents] == [
        ("10", "Physician", TEXT),
        ("11", "Discharge summary", TEXT),
    ]
    assert (first.patient_id, first.setting) == ("91", "facility")
    assert first.date_of_service == date(2150, 2, 1)
    assert [str(gold.code) for gold in first.codes] == [
        *("ICD-10-CM:E11.9", "ICD-10-CM:I50.9", "ICD-10-PCS:02HV33Z")
    ]
    # A mark that stands there twice counts once.
    assert [(str(e.code), e.span, e.mention) for e in first.evidence] == [
        ("ICD-10-CM:E11.9", Span("10", 29, 34), 0),
        ("ICD-10-CM:I50.9", Span("10", 11, 25), 1),
        ("ICD-10-CM:I50.9", Span("11", 11, 25), 2),
        ("ICD-10-PCS:02HV33Z", Span("11", 0, 8), 3),
    ]
    quotes = [TEXT[e.span.start : e.span.end] for e in first.evidence]
    assert quotes == ["NIDDM", 'Heart "failure', 'Heart "failure', "Invented"]
    check_encounters(item.encounter for item in items)


def test_notes_of_some_categories_alone(tmp_path: Path) -> None:
    charts = invented()
    del charts["6"]["notes"][1]  # a chart without such a note is left out
    items = read(write(tmp_path, charts), ("Discharge Summary",))
    assert [item.encounter.encounter_id for item in items] == ["1", "2", "3", "4", "5"]
    first = items[0].encounter
    assert [document.document_id for document in first.documents] == ["11"]
    assert {str(code) for code in first.code_set} == {"ICD-10-CM:I50.9", "ICD-10-PCS:02HV33Z"}
    with pytest.raises(InputError, match=r"no note is of Echo; .* Discharge summary, Physician"):
        read(tmp_path, ("Echo",))


@settings(deadline=None, max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_notes_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    root, charts = tmp_path_factory.mktemp("mdace"), invented()
    expected = read(write(root / "a", charts))
    rows = [*note_rows(charts), ["999", "1", "", "2150-01-01", "", "ECG", "", "Of no chart."]]
    random.shuffle(rows)
    assert read(write(root / "b", charts, rows)) == expected


def first_note(charts: dict[str, Any]) -> Any:
    return charts["1"]["notes"][0]


def cut(rows: list[list[str]], column: int, value: str) -> list[list[str]]:
    rows[0][column] = value
    return rows


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: first_note(c)["annotations"].append(mark(30, 42, "I10")),
         "chart 1 of MDACE: the span 30-42 of ICD-10-CM:I10 does not fit note 10 of 41 characters"),
        (lambda c: first_note(c)["annotations"].append(mark(5, 5, "I10")), "the span 5-5 of"),
        (lambda c: first_note(c)["annotations"].append(mark(1, 2, "486")),
         "1-ICD-10.json: code '486' is no ICD-10-CM code"),
        (lambda c: first_note(c)["annotations"][0].pop("end"), "1-ICD-10.json: is no chart"),
        (lambda c: first_note(c)["annotations"][0].update(code=486), "1-ICD-10.json: is no chart"),
        (lambda c: c["1"].update(hadm_id=2), "1-ICD-10.json: is no chart of MDACE"),
        (lambda c: c.pop("4"), "4-ICD-10.json: not found"),
        (lambda c: c.update({"7": c["1"]}), "chart 7 is in none of the splits"),
        (lambda c: cut(note_rows(c), 0, "12"), "chart 1 of MDACE needs note 10"),
        (lambda c: cut(note_rows(c), 2, "3"), "row 1: note 10 is not the one that MDACE annotated"),
        (lambda c: cut(note_rows(c), 5, "ECG"), "row 1: note 10 is not the one"),
        (lambda c: cut(note_rows(c), 7, " "), "row 1: note 10 is not the one that MDACE annotated"),
        (lambda c: cut(note_rows(c), 7, "Heart"), "does not fit note 10 of 5 characters"),
        (lambda c: cut(note_rows(c), 1, "92"), "chart 1 of MDACE: its notes name two patients"),
        (lambda c: note_rows(c) + note_rows(c)[:1], "row 13: note 10 is not the one"),
        (lambda c: cut(note_rows(c), 3, ""), "row 1, column CHARTDATE: no date"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_in_one_line(
    tmp_path: Path, damage: Callable[[dict[str, Any]], Any], message: str
) -> None:
    charts = invented()
    notes = note_rows(charts)
    damaged = damage(charts)
    if isinstance(damaged, list):
        notes = damaged
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        read(write(tmp_path, charts, notes))
    line = str(refused.value)
    assert "\n" not in line
    assert "Heart" not in line


def test_other_splits_than_the_published_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lists 2 admissions of train, published are 181"):
        mdace.read(write(tmp_path, invented()))


# ---- the annotations as published ----------------------------------------------------------------


def published_notes(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        for note in content["notes"]:
            yield str(content["hadm_id"]), note


@pytest.fixture
def with_notes(real_data: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """MDACE as published beside a NOTEEVENTS whose texts are as long as the offsets ask for."""
    published = real_data("mdace")

    def build(charts: str) -> Path:
        (tmp_path / "mdace").symlink_to(published)
        lines = [NOTE_COLUMNS]
        for chart, note in published_notes(published / "data" / charts / "ICD-10" / "1.0"):
            length = max([mark["end"] for mark in note["annotations"]], default=10)
            cells = (note["note_id"], f"9{chart}", chart, "2150-01-01", "", note["category"], "")
            lines.append(",".join([*map(str, cells), "x" * length]))
        (tmp_path / "NOTEEVENTS.csv").write_text("\n".join([*lines, ""]))
        return tmp_path

    return build


@pytest.mark.parametrize(
    ("charts", "folder", "splits", "marks", "systems"),
    [
        ("inpatient", "Inpatient", (181, 60, 61), 3936,
         {"ICD-10-CM": 3662, "ICD-10-PCS": 272, "ICD-9-CM": 2}),
        ("profee", "Profee", (31, 10, 11), 5563, {"ICD-10-CM": 5217, "CPT": 346}),
    ],
)  # fmt: skip
def test_the_published_charts_pass_their_checks(
    with_notes: Callable[[str], Path],
    charts: mdace.Charts,
    folder: str,
    splits: tuple[int, int, int],
    marks: int,
    systems: dict[str, int],
) -> None:
    root = with_notes(folder)
    items = mdace.read(root, charts)
    counts = Counter(item.official_split for item in items)
    assert (counts["train"], counts["dev"], counts["test"]) == splits
    check_encounters(item.encounter for item in items)
    # Every annotation is there, but for those that stand twice with the same note, span and code.
    source = [
        (chart, note["note_id"], mark["begin"], mark["end"], mark["code_system"], mark["code"])
        for chart, note in published_notes(root / "mdace" / "data" / folder / "ICD-10" / "1.0")
        for mark in note["annotations"]
    ]
    assert (len(source), Counter(row[4] for row in source)) == (marks, systems)
    found = [
        (item.encounter.encounter_id, int(e.span.document_id), e.span.start, e.span.end,
         e.code.system, e.code.value)
        for item in items
        for e in item.encounter.evidence
    ]  # fmt: skip
    assert sorted(found) == sorted(set(source))
    assert len(mdace.read(root, charts, "ICD-9")) == sum(splits)


def test_the_experiment_reads_the_published_charts(with_notes: Callable[[str], Path]) -> None:
    root = with_notes("Inpatient")
    config = parse(Config, compose_config("run", ["experiment=mdace", f"data.root={root}"]))
    dataset = read_data(config.data, config.specialty, config.seed)
    check_splits(dataset.encounters)
    counts = {split: len(dataset.of(split)) for split in ("train", "tune", "calibrate", "test")}
    assert counts == {"train": 181, "tune": 30, "calibrate": 30, "test": 61}
    assert dataset.name == "MDACE, inpatient, ICD-10"
    systems = {code.system for e in dataset.encounters for code in e.code_set}
    assert systems == {"ICD-10-CM", "ICD-10-PCS"}
    assert Code("ICD-10-CM", "I50.9") in {c for e in dataset.encounters for c in e.code_set}
