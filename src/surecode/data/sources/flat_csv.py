"""A flat CSV of encounters: one row for each document, gathered into the rows of the table.

The columns are those of docs/data.md. A cell of codes or evidence holds entries between
semicolons, such as ``ICD-10-CM:I10;CPT:71046`` and ``ICD-10-CM:I10@12-24``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from surecode.codes.systems import parse
from surecode.data.located import located
from surecode.data.sources.text_files import read_offsets, read_table_text
from surecode.errors import InputError
from surecode.files import csv_rows

_ENCOUNTER_COLUMNS = ("patient_id", "specialty", "setting", "payer", "date_of_service", "split")
_DOCUMENT_COLUMNS = ("document_id", "kind", "text")
COLUMNS = ("encounter_id", *_ENCOUNTER_COLUMNS, *_DOCUMENT_COLUMNS, "codes", "evidence")
_REQUIRED = ("encounter_id", "specialty", "date_of_service", "text")

# The place that messages name, such as "notes.csv, row 3", and the row.
Row = tuple[str, dict[str, Any]]


def rows(path: Path) -> Iterator[Row]:
    """The nested rows of a CSV file with their places, in the order of their first documents.

    Raises `InputError` naming file, row and column for everything that does not fit.
    """
    gathered: dict[str, Row] = {}
    for where, cells in _csv_cells(path):
        for column in _REQUIRED:
            if not cells[column].strip():
                raise InputError(f"{where}, column {column}: the value is missing; fill it in")
        _, row = gathered.setdefault(cells["encounter_id"], (where, _new_row(cells)))
        for column in _ENCOUNTER_COLUMNS:
            if (cells.get(column) or None) != row.get(column):
                raise InputError(
                    f"{where}, column {column}: differs from an earlier row of the encounter; "
                    "give all rows of an encounter the same value"
                )
        _add_document(row, cells, where)
    yield from gathered.values()


def _csv_cells(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells of every row, stripped except for the text."""
    rows = csv_rows(path, read_table_text(path))
    header = [name.strip() for name in next(rows)[1]]
    _check_header(header, path)
    for where, cells in rows:
        named = dict(zip(header, cells, strict=True))
        yield where, {k: v if k == "text" else v.strip() for k, v in named.items()}


def _check_header(header: list[str], path: Path) -> None:
    for number, name in enumerate(header, start=1):
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            remedy = f"did you mean {near[0]}?" if near else "rename it or leave it out"
            # Without a header the first line holds patients' data, which no message may show.
            shown = repr(name) if name.isidentifier() else f"number {number}"
            raise InputError(
                f"{path}: column {shown} is unknown; {remedy} "
                f"(the first line names the columns {', '.join(COLUMNS)}, separated by commas)"
            )
    for name in _REQUIRED:
        if name not in header:
            raise InputError(f"{path}: column {name} is missing; docs/data.md lists the columns")
    if len(set(header)) != len(header):
        raise InputError(f"{path}: a column stands twice in the header; leave one out")


def _new_row(cells: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {"encounter_id": cells["encounter_id"]}
    row |= {column: cells.get(column) or None for column in _ENCOUNTER_COLUMNS}
    return row | {"documents": [], "codes": [], "evidence": []}


def _add_document(row: dict[str, Any], cells: Mapping[str, str], where: str) -> None:
    number = len(row["documents"]) + 1
    document_id = cells.get("document_id") or f"{row['encounter_id']}-{number}"
    kind = cells.get("kind") or None
    row["documents"].append({"document_id": document_id, "kind": kind, "text": cells["text"]})
    with located(where):
        for text in _entries(cells.get("codes", "")):
            code = parse(text)
            gold = {"system": code.system, "value": code.value}
            if gold not in row["codes"]:
                row["codes"].append(gold)
        for text in _entries(cells.get("evidence", "")):
            mention = len({item["mention"] for item in row["evidence"]})
            row["evidence"] += _evidence(text, document_id, mention)


def _evidence(text: str, document_id: str, mention: int) -> list[dict[str, Any]]:
    """The pieces of one mention such as ``ICD-10-CM:I10@12-24`` or ``...@12-24+30-35``."""
    name, _, offsets = text.partition("@")
    code = parse(name)
    return [
        {
            "system": code.system,
            "value": code.value,
            "document_id": document_id,
            "start": start,
            "end": end,
            "mention": mention,
        }
        for start, end in read_offsets(offsets.replace("+", ";"), "-", f"evidence of {code}")
    ]


def _entries(cell: str) -> list[str]:
    return [entry.strip() for entry in cell.split(";") if entry.strip()]
