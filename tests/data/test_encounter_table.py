from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surecode.data import table
from surecode.data.sources import table as own
from surecode.data.splits import KEEP, assign_official
from surecode.encounter import (
    SETTINGS,
    SPLITS,
    Code,
    Document,
    Encounter,
    Evidence,
    GoldCode,
    Span,
)
from surecode.errors import InputError

CODES = (
    Code("ICD-10-CM", "I10"),
    Code("ICD-10-CM", "S00.32X"),
    Code("ICD-10-PCS", "BW03ZZZ"),
    Code("ICD-O-3", "8000/6/H"),
    Code("CPT", "71046"),
)
# Every code point but half surrogate pairs: line ends, astral characters, NUL.
_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60) | st.text(
    st.sampled_from('a ,;"\r\n\t\x00\ufeff\u2028é𝔸🩺'), min_size=1, max_size=30
)
_TEXTS = _TEXT.filter(lambda text: any(character.isalnum() for character in text))
_NAMES = st.text(st.sampled_from("abcé-_.0123456789"), min_size=1, max_size=12)


@st.composite
def encounters(draw: st.DrawFn) -> list[Encounter]:
    ids = draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True))
    return [draw(encounter(name)) for name in sorted(ids)]


@st.composite
def encounter(draw: st.DrawFn, name: str) -> Encounter:
    documents = tuple(
        Document(f"{name}/{n}", draw(_NAMES), text)
        for n, text in enumerate(draw(st.lists(_TEXTS, min_size=1, max_size=3)))
    )
    codes = draw(st.lists(st.sampled_from(CODES), unique=True))
    evidence: list[Evidence] = []
    if codes:
        # In the order of the documents, as a flat file lists them.
        for document in documents:
            for _ in range(draw(st.integers(0, 2))):
                start = draw(st.integers(0, len(document.text) - 1))
                end = draw(st.integers(start + 1, len(document.text)))
                span = Span(document.document_id, start, end)
                evidence.append(Evidence(draw(st.sampled_from(codes)), span, len(evidence)))
    return Encounter(
        name,
        draw(_NAMES),
        draw(_NAMES),
        draw(st.sampled_from(SETTINGS)),
        draw(_NAMES),
        draw(st.dates(date(2000, 1, 1), date(2024, 1, 1))),
        documents,
        tuple(GoldCode(code, place) for place, code in enumerate(codes, start=1)),
        tuple(evidence),
        draw(st.sampled_from(SPLITS)),
    )


ROUND_TRIP = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write_csv(path: Path, items: list[Encounter]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                *("encounter_id", "patient_id", "specialty", "setting", "payer"),
                *("date_of_service", "split", "document_id", "kind", "text", "codes", "evidence"),
            ]
        )
        for item in items:
            for document in item.documents:
                writer.writerow(
                    [
                        *(item.encounter_id, item.patient_id, item.specialty, item.setting),
                        *(item.payer, item.date_of_service.isoformat(), item.split),
                        *(document.document_id, document.kind, document.text),
                        ";".join(str(gold.code) for gold in item.codes),
                        "; ".join(
                            f"{e.code}@{e.span.start}-{e.span.end}"
                            for e in item.evidence
                            if e.span.document_id == document.document_id
                        ),
                    ]
                )


def read_own(path: Path) -> list[Encounter]:
    """The file read as a user's own, with the splits that it names."""
    assigned = assign_official(own.read(path, code_check="syntax"), KEEP, seed=0)
    return assigned.encounters


@given(items=encounters())
@ROUND_TRIP
def test_every_format_gives_back_what_was_written(tmp_path: Path, items: list[Encounter]) -> None:
    parquet, flat, lines = (tmp_path / f"own.{kind}" for kind in ("parquet", "csv", "jsonl"))
    table.write(items, parquet)
    assert table.read(parquet) == items
    assert read_own(parquet) == items
    write_csv(flat, items)
    assert read_own(flat) == items
    dumped = [json.dumps(item.to_dict(), ensure_ascii=n % 2 == 0) for n, item in enumerate(items)]
    lines.write_bytes("\n".join(dumped).encode())
    assert read_own(lines) == items


def example() -> Encounter:
    return Encounter(
        "e1",
        "p1",
        "urology",
        "professional",
        "unknown",
        date(2026, 3, 31),
        (Document("d1", "note", "high blood pressure"),),
        (GoldCode(CODES[0]),),
        (Evidence(CODES[0], Span("d1", 0, 4), 0), Evidence(CODES[0], Span("d1", 11, 19), 0)),
        "train",
    )


def test_the_same_encounters_give_the_same_bytes(tmp_path: Path) -> None:
    items = [replace(example(), encounter_id=f"e{number}") for number in range(3000)]
    table.write(items, tmp_path / "a.parquet")
    table.write(iter(items), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert table.read(tmp_path / "a.parquet") == items
    assert pq.read_schema(tmp_path / "a.parquet").equals(table.SCHEMA)


def test_a_failed_write_leaves_the_old_table_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "encounters.parquet"
    table.write([example()], path)

    def broken() -> Any:
        yield example()
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError):
        table.write(broken(), path)
    assert table.read(path) == [example()]
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    table.write([], tmp_path / "empty.parquet")
    assert table.read(tmp_path / "empty.parquet") == []


def changed(**changes: Any) -> dict[str, Any]:
    return example().to_dict() | changes


_EVIDENCE = {"system": "ICD-10-CM", "value": "I10", "document_id": "d1", "mention": 0}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (changed(payer=None), "row 2, column payer: the value is missing"),
        (changed(payer=7), "row 2, column payer: the value is not a Unicode text"),
        (changed(codes="I10"), "row 2, column codes: the value is not a list"),
        (changed(codes=["I10"]), r"row 2, column codes\[0\]: the value is not an object"),
        (
            changed(codes=[{"system": "CPT", "value": "71046", "sequence": "1", "source": "gold"}]),
            r"column codes\[0\]\.sequence: the value is not an integer",
        ),
        (
            changed(documents=[{"document_id": "d1", "kind": "note", "text": "half \ud83e"}]),
            r"column documents\[0\]\.text: the value is not a Unicode text",
        ),
        (
            changed(documents=[{"document_id": "d1", "kind": "note", "text": "a", "page": 1}]),
            r"column documents\[0\]\.page: the field is unknown",
        ),
        (changed(note="text"), "row 2: column 'note' is unknown"),
        (changed(date_of_service=20260331), "column date_of_service: the value is not a date"),
        (changed(date_of_service="31.3.2026"), "date_of_service is not an ISO 8601 date"),
        (changed(setting="inpatient"), "row 2: encounter e1: setting 'inpatient'"),
        (changed(split="validation"), "row 2: encounter e1: split 'validation'"),
        (
            changed(evidence=[_EVIDENCE | {"start": 11, "end": 20}]),
            "row 2: encounter e1: evidence of ICD-10-CM:I10 ends at 20, outside document d1",
        ),
        (
            changed(evidence=[_EVIDENCE | {"start": 5, "end": 5}]),
            "row 2: span 5-5 of document d1",
        ),
    ],
)
def test_the_schema_check_names_row_and_column(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        table.to_encounter(row, "notes.parquet, row 2")
    assert str(refused.value).startswith("notes.parquet, row 2")
    assert "\n" not in str(refused.value)
    assert "blood pressure" not in str(refused.value)


def test_a_changed_text_does_not_fit_its_sha256() -> None:
    row = example().to_dict()
    row["documents"][0]["text"] = "another text"
    with pytest.raises(InputError, match="does not fit its sha256"):
        table.to_encounter(row, "row 1")


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encounters.parquet"
    with pytest.raises(InputError, match="no such file"):
        table.read(path)
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="is no Parquet or is damaged"):
        table.read(path)
    table.write([example()], path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is no Parquet or is damaged"):
        table.read(path)


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encounters.parquet"
    pq.write_table(pa.table({"id": [1]}), path)
    with pytest.raises(InputError, match="row 1: column 'id' is unknown"):
        table.read(path)


def test_an_encounter_id_that_occurs_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "encounters.parquet"
    table.write([example(), example()], path)
    with pytest.raises(InputError, match="encounter e1: the id occurs twice"):
        table.read(path)


def test_the_check_names_what_does_not_hold() -> None:
    good = example()
    table.check_encounters([good], maximum_characters=19, code_check="release")
    with pytest.raises(InputError, match="document d1 has 19 characters, more than the limit"):
        table.check_encounters([good], maximum_characters=18)
    category = replace(good, codes=(GoldCode(Code("ICD-10-CM", "E11")),), evidence=())
    table.check_encounters([category], code_check="syntax")
    with pytest.raises(InputError, match="encounter e1: code E11 is not in ICD-10-CM FY2026"):
        table.check_encounters([category], code_check="release")
    lower = replace(good, codes=(GoldCode(Code("ICD-10-CM", "e11.9")),), evidence=())
    with pytest.raises(InputError, match=r"encounter e1: code 'e11\.9' is no ICD-10-CM code"):
        table.check_encounters([lower])
    with pytest.raises(InputError, match="none of the encounter's codes"):
        table.check_encounters([replace(good, codes=())])
