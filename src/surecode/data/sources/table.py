"""A user's own data: a CSV, Parquet or JSON Lines file with the columns of docs/data.md.

Parquet and JSON Lines have one row for each encounter, in the layout of the encounter table; CSV
is flat (`surecode.data.sources.flat_csv`). Codes may be spelled without dot and in lower case;
they are normalised and must be valid on the date of service where the release's table is at hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from surecode.codes import releases
from surecode.codes.systems import normalise
from surecode.data import table
from surecode.data.located import located
from surecode.data.sources import flat_csv
from surecode.data.sources.flat_csv import Row
from surecode.data.sources.text_files import read_table_text
from surecode.data.splits import Sourced
from surecode.data.table import CodeCheck
from surecode.encounter import Encounter
from surecode.errors import InputError


def read(path: Path, code_check: CodeCheck = "release") -> Iterator[Sourced]:
    """The encounters of a file, its kind told by the suffix .csv, .parquet, .jsonl or .ndjson.

    The group is the patient; the official split is that of the ``split`` column, which holds for
    every encounter or for none (`surecode.data.splits.KEEP` keeps it). Raises `InputError` naming
    file, row and column.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; set data.root to a .csv, .parquet or .jsonl file of encounters"
        )
    readers = {
        ".csv": flat_csv.rows,
        ".parquet": _parquet_rows,
        ".jsonl": _json_rows,
        ".ndjson": _json_rows,
    }
    rows_of = readers.get(path.suffix.lower())
    if rows_of is None:
        raise InputError(
            f"{path}: the suffix is not one of {', '.join(readers)}; convert the file to one"
        )
    with_split: bool | None = None
    for where, row in rows_of(path):
        encounter = _encounter(row, where, code_check)
        split = encounter.split
        if with_split not in (None, split is not None):
            raise InputError(
                f"{where}, column split: some encounters have a split and some have none; "
                "name one for every encounter or leave the column out"
            )
        with_split = split is not None
        yield Sourced(replace(encounter, split=None), encounter.patient_id, split)
    if with_split is None:
        raise InputError(f"{path}: no encounters in the file; give at least one row")


def _encounter(row: dict[str, Any], where: str, code_check: CodeCheck) -> Encounter:
    _fill_in(row)
    with located(where):
        _normalise_codes(row)
    encounter = table.to_encounter(row, where)
    if code_check == "release":
        with located(where):
            for code in sorted(encounter.code_set):
                releases.check(code, encounter.date_of_service)
    return encounter


def _fill_in(row: dict[str, Any]) -> None:
    """Give the optional columns their defaults; what is wrong is left to the schema check."""
    name = row.get("encounter_id")
    defaults: dict[str, Any] = {
        "patient_id": name,
        "setting": "professional",
        "payer": "unknown",
        "codes": [],
        "evidence": [],
    }
    for column, default in defaults.items():
        _default(row, column, default)
    if isinstance(row.get("date_of_service"), datetime):
        row["date_of_service"] = row["date_of_service"].date()
    for number, document in enumerate(_objects(row, "documents"), start=1):
        _default(document, "document_id", f"{name}-{number}")
        _default(document, "kind", "note")
    for number, gold in enumerate(_objects(row, "codes"), start=1):
        _default(gold, "sequence", number)
        _default(gold, "source", "gold")
    for number, item in enumerate(_objects(row, "evidence")):
        _default(item, "mention", number)


def _default(row: dict[str, Any], column: str, value: Any) -> None:
    if row.get(column) is None:
        row[column] = value


def _normalise_codes(row: Mapping[str, Any]) -> None:
    for item in (*_objects(row, "codes"), *_objects(row, "evidence")):
        if isinstance(item.get("system"), str) and isinstance(item.get("value"), str):
            item["value"] = normalise(item["system"], item["value"]).value


def _objects(row: Mapping[str, Any], column: str) -> list[dict[str, Any]]:
    items = row.get(column)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _parquet_rows(path: Path) -> Iterator[Row]:
    for number, row in enumerate(table.rows(path), start=1):
        yield f"{path}, row {number}", row


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_table_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{where}: no JSON object; write one object on each line")
        yield where, row
