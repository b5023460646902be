"""CMS's order file of ICD-10-CM: every category and code of a release, billable or not.

As CMS publishes it (``icd10cm_order_2021.txt``: order number, code without its dot, 1 where it is
billable, short and long title, in fixed columns), or as a CSV with the columns ``code``,
``billable``, ``short`` and ``long``, packed by gzip or not.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from surecode.codes.systems import normalise
from surecode.errors import InputError
from surecode.files import csv_rows

_COLUMNS = ["code", "billable", "short", "long"]
# Fixed columns of the published file: code, billable, short title, long title.
_CODE, _BILLABLE, _SHORT, _LONG = slice(6, 13), slice(14, 15), slice(16, 76), slice(77, None)
_REMEDY = "give one release's order file as CMS published it"


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One line: a category or code with its dot, whether it may be billed, its long title."""

    value: str
    billable: bool
    title: str


def read_order_file(path: Path) -> tuple[OrderRow, ...]:
    """The lines of an order file, in their order.

    Raises:
        InputError: the file is absent or no order file, a code is none of ICD-10-CM, stands twice
            (two tables in one file) or not below its category (half a table).
            Categories themselves come in CMS's order, which is no alphabet: U07 is the last.
    """
    rows: list[OrderRow] = []
    seen: set[str] = set()
    category = "none yet"
    cells = _csv_cells if _is_csv(path) else _fixed_cells
    for where, (code, billable, _, title) in cells(path):
        if billable not in ("0", "1"):
            raise InputError(f"{where}: billable is neither 0 nor 1; give CMS's order file")
        try:
            value = normalise("ICD-10-CM", code).value
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if value in seen:
            raise InputError(f"{where}: {value} stands twice; {_REMEDY}")
        if not value.startswith(category) and len(value) > 3:
            raise InputError(f"{where}: {value} is out of order, not below its category; {_REMEDY}")
        category = value[:3]
        seen.add(value)
        rows.append(OrderRow(value, billable == "1", title))
    if not rows:
        raise InputError(f"{path}: holds no code; give CMS's order file of ICD-10-CM")
    return tuple(rows)


def _is_csv(path: Path) -> bool:
    return ".csv" in path.suffixes


def _csv_cells(path: Path) -> Iterator[tuple[str, list[str]]]:
    rows = csv_rows(path, _text(path))
    if next(rows)[1] != _COLUMNS:
        raise InputError(
            f"{path}: the first line must name the columns {','.join(_COLUMNS)}; put it there"
        )
    return rows


def _fixed_cells(path: Path) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if line.strip():
            parts = (line[piece].strip() for piece in (_CODE, _BILLABLE, _SHORT, _LONG))
            yield f"{path}, line {number}", list(parts)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: not found; give CMS's order file of ICD-10-CM") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        raise InputError(
            f"{path}: cannot be read as text; give CMS's order file of ICD-10-CM"
        ) from None
