"""A CSV that lists codes, such as those of a new release: the columns system and value."""

from __future__ import annotations

from pathlib import Path

from surecode.codes.systems import normalise
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.files import csv_rows, read_table_text

_REMEDY = "give a CSV with the columns system,value"


def read_code_list(path: Path) -> list[Code]:
    """The codes of a CSV in their order; further columns are ignored.

    Raises:
        InputError: the file is absent or no such CSV, or a value is no code of its system.
    """
    rows = csv_rows(path, read_table_text(path, _REMEDY))
    header = [name.strip() for name in next(rows)[1]]
    if "system" not in header or "value" not in header:
        raise InputError(f"{path}: the first line does not name system and value; {_REMEDY}")
    system, value = header.index("system"), header.index("value")
    codes = []
    for where, cells in rows:
        try:
            codes.append(normalise(cells[system].strip(), cells[value]))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    if not codes:
        raise InputError(f"{path}: lists no code; {_REMEDY}")
    return codes
