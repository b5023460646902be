"""A large CSV file, plain or gzipped, read row by row: only the columns asked for are kept.

NOTEEVENTS of MIMIC-III has 3.8 GB; one row of it is in memory at a time. The standard library reads
it, as offsets of evidence need every character: Arrow's streaming reader (pyarrow 25) loses the
line feed after a carriage return where a block ends between them, and takes a quote that is never
closed for the last cell.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from surecode.errors import InputError

# No note is so long by far; a quote that is left open is found here and not at the file's end.
_MAXIMUM_CELL = 1 << 24
# The PhysioNet download has files/mimiciv/2.2/hosp/: three folders below ``files``.
_DEPTH = 3
_ANEW = "get the file anew from its publisher"


def find_file(root: Path, *names: str) -> Path:
    """The one file of these names in ``root`` or up to three folders below it.

    Names are alternatives, the better one first: ``NOTEEVENTS.csv``, ``NOTEEVENTS.csv.gz``.

    Raises:
        InputError: there is none, or several folders have one.
    """
    for name in names:
        found = sorted(
            path
            for depth in range(_DEPTH + 1)
            for path in root.glob("/".join(["*"] * depth + [name]))
            if path.is_file()
        )
        if len(found) > 1:
            raise InputError(
                f"{root}: {name} lies there {len(found)} times, in {found[0].parent} and "
                f"{found[1].parent}; set data.root to a folder with one of them"
            )
        if found:
            return found[0]
    raise InputError(
        f"{root}: no file {' or '.join(names)} in it or up to {_DEPTH} folders below; "
        "set data.root or SURECODE_DATA to the folder that holds the data"
    )


def find_table(root: Path, name: str) -> Path:
    """The table of that name, plain or gzipped, in upper or lower case; `find_file` says where."""
    cases = dict.fromkeys((name, name.lower()))
    return find_file(root, *(f"{case}.csv{gz}" for case in cases for gz in ("", ".gz")))


def rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The number (from 1) and the cells of every row, in the order of ``columns``.

    Columns are found whatever their case (MIMIC-III writes ``HADM_ID``, its demo ``hadm_id``). An
    empty cell is an empty text, and a text keeps its line ends.

    Raises:
        InputError: the file is missing, lacks a column, or is damaged. No message quotes a cell.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _MAXIMUM_CELL))
    number = 0
    try:
        with _opened(path) as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            places = _places(header, columns, path)
            for number, cells in enumerate((cells for cells in reader if cells), start=1):
                if len(cells) != len(header):
                    raise InputError(
                        f"{path}, row {number}: {len(cells)} cells where the header has "
                        f"{len(header)}; {_ANEW}"
                    )
                yield number, tuple(cells[place] for place in places)
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 after row {number}; {_ANEW}") from None
    except csv.Error:
        raise InputError(
            f"{path}: no CSV after row {number}, or a quote is left open; {_ANEW}"
        ) from None
    except (OSError, EOFError, zlib.error):
        raise InputError(
            f"{path}: missing, cut off or damaged after row {number}; {_ANEW}"
        ) from None


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _places(header: Sequence[str], columns: Sequence[str], path: Path) -> list[int]:
    """Where the columns stand in the header."""
    place_of = {name.strip().lower(): place for place, name in enumerate(header)}
    missing = [name for name in columns if name.lower() not in place_of]
    if missing:
        raise InputError(
            f"{path}: column {missing[0]} is missing; give the publisher's file, whose first line "
            "names its columns"
        )
    return [place_of[name.lower()] for name in columns]
