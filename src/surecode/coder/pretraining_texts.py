"""Texts from files and tables, one by one, with the place that a message names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from surecode.data.sources.text_files import read_table_text, read_text
from surecode.errors import InputError
from surecode.files import csv_rows

_TABLES = (".csv", ".parquet", ".jsonl", ".ndjson")

Located = Iterator[tuple[str, str]]  # a place for messages, and the text there


def file_texts(files: Iterable[Path]) -> Located:
    """The texts of files; raises `InputError` for one that is no UTF-8."""
    for path in files:
        yield str(path), read_text(path).removeprefix("\ufeff")


def table_texts(path: Path, column: str) -> Located:
    """The texts of a column, one for each row; a row without a value is blank.

    Raises:
        InputError: the file is no table, has no such column, or a value is no text; the message
            names file and row.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; set corpus.root to a file with one of the suffixes "
            f"{', '.join(_TABLES)}"
        )
    match path.suffix.lower():
        case ".csv":
            yield from _csv_texts(path, column)
        case ".parquet":
            yield from _parquet_texts(path, column)
        case ".jsonl" | ".ndjson":
            yield from _json_texts(path, column)
        case _:
            raise InputError(
                f"{path}: the suffix is not one of {', '.join(_TABLES)}; convert the file to one"
            )


def _csv_texts(path: Path, column: str) -> Located:
    rows = csv_rows(path, read_table_text(path))
    header = [name.strip() for name in next(rows)[1]]
    if header.count(column) != 1:
        raise _no_column(path, column)
    place = header.index(column)
    for where, cells in rows:
        yield where, cells[place]


def _parquet_texts(path: Path, column: str) -> Located:
    try:
        cells = pq.read_table(path, columns=[column]).column(column)
    except (pa.ArrowException, KeyError, OSError, ValueError):
        raise InputError(
            f"{path}: is no Parquet file with a column {column!r}; set corpus.column, or convert it"
        ) from None
    for row, cell in enumerate(cells, start=1):
        yield f"{path}, row {row}", _text(cell.as_py(), f"{path}, row {row}", column)


def _json_texts(path: Path, column: str) -> Located:
    for line, content in enumerate(read_table_text(path).split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {line}: no JSON object; write one object on each line")
        if column not in row:
            raise _no_column(path, column)
        yield f"{path}, line {line}", _text(row[column], f"{path}, line {line}", column)


def _text(cell: Any, where: str, column: str) -> str:
    """A cell of a column of texts; one without a value is a blank text."""
    if cell is None:
        return ""
    if not isinstance(cell, str):
        raise InputError(f"{where}, column {column}: no text; write text or leave the value out")
    return cell


def _no_column(path: Path, column: str) -> InputError:
    return InputError(f"{path}: no column {column!r}, or several; set corpus.column to its name")
