"""Text files of a corpus, read strictly: UTF-8 or an error, and every character kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from surecode.errors import InputError


def corpus_folder(root: Path, name: str, marker: str) -> Path:
    """The folder of a corpus: ``root`` itself or ``root/name``, whichever holds ``marker``.

    Raises `InputError` where neither does.
    """
    for folder in (root, root / name):
        if (folder / marker).is_dir():
            return folder
    raise InputError(
        f"{root}: no {name} data here, neither {marker}/ nor {name}/{marker}/; "
        "set data.root or SURECODE_DATA to the folder that holds them"
    )


def read_text(path: Path) -> str:
    """The text of a file with its line ends as they are, so that published offsets stay exact.

    Raises `InputError` for a missing file and, with the position of the byte, for one that is not
    UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.start} is not UTF-8; convert the file to UTF-8"
        ) from None
    except OSError:
        raise InputError(
            f"{path}: the file is missing or cannot be read; complete the data folder, "
            "or set data.root or SURECODE_DATA to another one"
        ) from None


def read_table_text(path: Path) -> str:
    """The text of a table without the byte order mark that spreadsheets put before it."""
    return read_text(path).removeprefix("\ufeff")


def read_rows(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line of a tab-separated file that is not blank.

    Raises `InputError` for a line with another number of cells.
    """
    # str.splitlines would also cut at a form feed or a line separator inside a quote.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        cells = line.removesuffix("\r").split("\t")
        if len(cells) != columns:
            raise InputError(
                f"{path}, line {number}: {len(cells)} cells where {columns} belong; "
                "get the corpus anew from its publisher"
            )
        yield number, cells


def read_offsets(text: str, separator: str, where: str) -> list[tuple[int, int]]:
    """The pieces ``start, end`` of a mention such as ``182 190;201 207``.

    ``where`` names file and line in messages.
    """
    pieces = []
    for piece in text.split(";"):
        start, found, end = piece.strip().partition(separator)
        if not (found and start.isdecimal() and end.isdecimal()):
            raise InputError(
                f"{where}: {piece.strip()!r} is no pair of offsets; "
                f"write start{separator}end, both whole numbers"
            )
        pieces.append((int(start), int(end)))
    return pieces
