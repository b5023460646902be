"""A user's CSV with one value for each code: ``system,value`` and one more column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from surecode.codes.systems import normalise
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.files import csv_rows, read_table_text


def code_rows(path: Path, column: str) -> Iterator[tuple[str, Code, str]]:
    """Place, code and the cell of ``column`` of every row.

    Raises:
        InputError: the file is absent or no such CSV, a value is no code of its system, or a code
            stands twice.
    """
    columns = ("system", "value", column)
    rows = csv_rows(path, read_table_text(path, f"give a CSV with the columns {','.join(columns)}"))
    if tuple(name.strip() for name in next(rows)[1]) != columns:
        raise InputError(
            f"{path}: the first line must name the columns {','.join(columns)} in this order; "
            "put it there"
        )
    seen: set[Code] = set()
    for where, (system, value, cell) in rows:
        try:
            code = normalise(system.strip(), value)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if code in seen:
            raise InputError(f"{where}: {code} stands twice; leave one {column} out")
        seen.add(code)
        yield where, code, cell
