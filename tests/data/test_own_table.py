from __future__ import annotations

import json
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from surecode.data.sources import table
from surecode.encounter import Code, Encounter
from surecode.errors import InputError

HYPERTENSION = Code("ICD-10-CM", "I10")
FLAT = b"""\
encounter_id,specialty,date_of_service,text,codes,evidence
e1,urology,2026-03-31,"High blood
pressure, ""known"".",ICD-10-CM:i10;CPT:71046,ICD-10-CM:I10@0-4+11-19
e2,urology,2026-04-01,Nothing found,,
e1,urology,2026-03-31,Chest film,CPT:71046,CPT:71046@0-10
"""


def read(path: Path) -> list[Encounter]:
    return [item.encounter for item in table.read(path)]


def written(folder: Path, content: bytes, name: str = "notes.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_the_rows_of_an_encounter_are_gathered(tmp_path: Path) -> None:
    first, second = read(written(tmp_path, FLAT))
    assert [d.document_id for d in first.documents] == ["e1-1", "e1-2"]
    assert [d.text for d in first.documents] == ['High blood\npressure, "known".', "Chest film"]
    assert [(g.code, g.sequence) for g in first.codes] == [
        (HYPERTENSION, 1),
        (Code("CPT", "71046"), 2),
    ]
    assert [(e.span.start, e.span.end, e.mention) for e in first.evidence] == [
        (0, 4, 0),
        (11, 19, 0),
        (0, 10, 1),
    ]
    assert first.patient_id == "e1"
    assert (first.setting, first.payer) == ("professional", "unknown")
    assert first.documents[0].kind == "note"
    assert second.codes == ()
    assert second.date_of_service == date(2026, 4, 1)


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + FLAT.replace(b"\n", b"\r\n"))
    assert len(read(path)) == 2


def test_a_note_may_be_longer_than_the_csv_librarys_limit(tmp_path: Path) -> None:
    text = "word " * 50_000
    path = written(
        tmp_path,
        f'encounter_id,specialty,date_of_service,text\ne1,urology,2026-03-31,"{text}"\n'.encode(),
    )
    assert read(path)[0].documents[0].text == text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"Nothing", b"Nothin\xe9", "byte 191 is not UTF-8; convert the file"),
        (
            b"specialty,date",
            b"speciality,date",
            "column 'speciality' is unknown; did you mean spec",
        ),
        (b",evidence\n", b",codes\n", "a column stands twice in the header"),
        (b"specialty,date", b"payer,date", "column specialty is missing"),
        (b"e2,urology", b"e2,", "row 2, column specialty: the value is missing"),
        (b"Nothing found", b"  ", "row 2, column text: the value is missing"),
        (b"Nothing found", b"Nothing, found", "row 2: 7 cells where the header has 6"),
        (b"e1,urology,2026-03-31,Ch", b"e1,urology,2026-03-30,Ch", "row 3, column date_of_service"),
        (b"2026-04-01", b"April 1st", "row 2: encounter e2: date_of_service is not an ISO 8601"),
        (b"ICD-10-CM:i10", b"ICD-10:i10", "row 1: code system 'ICD-10' is unknown; did you mean"),
        (b"ICD-10-CM:i10", b"I10", "row 1: code 'I10' names no code system"),
        (b"ICD-10-CM:i10", b"ICD-10-CM:E11", "row 1: code E11 is not in ICD-10-CM FY2026"),
        (b"@0-4+11-19", b"@0-4+11-99", "row 1: encounter e1: evidence of ICD-10-CM:I10 ends at 99"),
        (b"@0-4+11-19", b"@4", "row 1: evidence of ICD-10-CM:I10: '4' is no pair of offsets"),
        (b"@0-4+11-19", b"", "row 1: evidence of ICD-10-CM:I10: '' is no pair of offsets"),
        (b'.",ICD', b'." x,ICD', "no CSV"),
    ],
)
def test_a_wrong_csv_ends_in_one_clear_line(
    old: bytes, new: bytes, message: str, tmp_path: Path
) -> None:
    assert old in FLAT
    path = written(tmp_path, FLAT.replace(old, new, 1))
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        read(path)
    line = str(refused.value)
    assert line.startswith(str(path))
    assert "\n" not in line
    assert "pressure" not in line
    assert "found" not in line


def test_a_file_without_header_shows_no_text(tmp_path: Path) -> None:
    path = written(tmp_path, b"Mrs Example has a cough,urology,2026-03-31\n")
    with pytest.raises(InputError, match="column number 1 is unknown"):
        read(path)


def nested(**changes: Any) -> dict[str, Any]:
    return {
        "encounter_id": "e1",
        "specialty": "urology",
        "date_of_service": "2026-03-31",
        "documents": [{"text": "High blood pressure"}],
        "codes": [{"system": "ICD-10-CM", "value": "i10"}],
        "evidence": [
            {
                "system": "ICD-10-CM",
                "value": "i10",
                "document_id": "e1-1",
                "start": 0,
                "end": 19,
            }
        ],
    } | changes


def json_lines(folder: Path, *rows: Any) -> Path:
    return written(folder, "\n\n".join(map(json.dumps, rows)).encode(), "notes.jsonl")


def test_json_lines_fill_in_what_is_optional(tmp_path: Path) -> None:
    (encounter,) = read(json_lines(tmp_path, nested()))
    assert encounter.patient_id == "e1"
    assert encounter.code_set == {HYPERTENSION}
    assert encounter.evidence[0].code == HYPERTENSION
    assert encounter.text("e1-1") == "High blood pressure"


def test_parquet_dates_may_be_timestamps(tmp_path: Path) -> None:
    path = tmp_path / "notes.parquet"
    row = nested(date_of_service=datetime(2026, 3, 31, 8, 30))
    pq.write_table(pa.Table.from_pylist([row]), path)
    (encounter,) = read(path)
    assert encounter.date_of_service == date(2026, 3, 31)
    assert type(encounter.date_of_service) is date


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (nested(encounter_id=None), "column encounter_id: the value is missing"),
        (nested(documents=None), "column documents: the value is missing"),
        (nested(documents=[]), "no documents"),
        (nested(documents=[{"text": 5}]), "documents[0].text: the value is not a Unicode text"),
        (nested(documents=[{"text": "\ud800"}]), "documents[0].text: the value is not a Unicode"),
        (nested(codes=["I10"]), "column codes[0]: the value is not an object"),
        (nested(codes=[{"system": "ICD-10-CM"}]), "column codes[0].value: the value is missing"),
        (nested(codes=[{"system": "LOINC", "value": "1"}]), "code system 'LOINC' is unknown"),
        (nested(text="a"), "column 'text' is unknown"),
        (["e1"], "no JSON object"),
    ],
)
def test_a_wrong_json_line_is_named(row: Any, message: str, tmp_path: Path) -> None:
    path = json_lines(tmp_path, nested(encounter_id="e0", evidence=[]), row)
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        read(path)
    assert str(refused.value).startswith(f"{path}, line 3")


def test_splits_are_kept_for_all_or_for_none(tmp_path: Path) -> None:
    first, second = nested(split="train"), nested(encounter_id="e2", evidence=[], split="test")
    items = list(table.read(json_lines(tmp_path, first, second)))
    assert [(i.official_split, i.encounter.split) for i in items] == [
        ("train", None),
        ("test", None),
    ]
    with pytest.raises(InputError, match="line 3, column split: some encounters have a split"):
        list(table.read(json_lines(tmp_path, first, second | {"split": None})))
    with pytest.raises(InputError, match="split 'validation' is not one of"):
        list(table.read(json_lines(tmp_path, nested(split="validation"))))


def test_encounters_of_a_patient_are_one_group(tmp_path: Path) -> None:
    rows = [nested(encounter_id=f"e{n}", patient_id="p", evidence=[]) for n in range(2)]
    assert {item.group for item in table.read(json_lines(tmp_path, *rows))} == {"p"}


@pytest.mark.parametrize("name", ["notes.csv", "notes.jsonl"])
def test_a_file_without_encounters_is_refused(name: str, tmp_path: Path) -> None:
    content = FLAT.splitlines(keepends=True)[0] if name.endswith("csv") else b"\n"
    with pytest.raises(InputError, match="no encounters in the file"):
        read(written(tmp_path, content, name))


def test_a_missing_file_and_another_suffix_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; set data\.root"):
        read(tmp_path / "notes.csv")
    with pytest.raises(InputError, match=r"the suffix is not one of \.csv, \.parquet, \.jsonl"):
        read(written(tmp_path, b"", "notes.xlsx"))


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_the_documented_examples_are_read(kind: str, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"```{kind}\n(.*?)```", page, flags=re.DOTALL)
    name = "notes.csv" if kind == "csv" else "notes.jsonl"
    (encounter,) = read(written(tmp_path, block.encode(), name))
    assert HYPERTENSION in encounter.code_set
    span = encounter.evidence[0].span
    assert encounter.text(span.document_id)[span.start : span.end] == "hypertension"
