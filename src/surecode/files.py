"""Writing whole or not at all: a reader never meets half a file."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from surecode.errors import InputError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file in the same folder that takes ``path``'s place when the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp lets only the owner read; a written file follows the user's umask like any other.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON that is the same for the same content."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, remedy: str) -> Any:
    """Read JSON; raises `InputError` with the remedy where the file is absent or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; {remedy}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is damaged, no JSON; {remedy}") from None


def read_json_lines(path: Path, remedy: str) -> list[Any]:
    """Read JSON Lines; raises `InputError` with the remedy where the file is absent or damaged."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except FileNotFoundError:
        raise InputError(f"{path}: not found; {remedy}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is damaged, no JSON Lines; {remedy}") from None


def read_table_text(path: Path, remedy: str) -> str:
    """The text of a user's table, without the byte order mark that spreadsheets put before it.

    Raises:
        InputError: the file is absent or no UTF-8; with the remedy.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 at byte {error.start}; convert it, e.g. with iconv -t UTF-8"
        ) from None


def csv_rows(path: Path, text: str) -> Iterator[tuple[str, list[str]]]:
    """Place and cells of every row of a CSV that is not blank, the header first.

    Args:
        path: what messages name.
        text: content of the file.

    Raises:
        InputError: a row has another number of cells than the header, or a quote is left open.
    """
    # The library refuses long fields unless told otherwise; a note may be long.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        yield str(path), header
        for number, cells in enumerate((cells for cells in reader if cells), start=1):
            where = f"{path}, row {number}"
            if len(cells) != len(header):
                raise InputError(
                    f"{where}: {len(cells)} cells where the header has {len(header)}; "
                    "put texts with commas or line ends in double quotes"
                )
            yield where, cells
    except csv.Error:
        raise InputError(
            f"{path}, line {reader.line_num}: no CSV; separate cells by commas, put texts in "
            "double quotes and double every quote inside"
        ) from None


def read_note(path: Path, maximum_characters: int) -> str:
    """Read one note in UTF-8.

    Raises:
        InputError: it is absent, no UTF-8, or longer than ``maximum_characters``.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give the path of a text file"
        ) from None
    return decode_note(raw, str(path), maximum_characters)


def decode_note(raw: bytes, name: str, maximum_characters: int) -> str:
    """Bytes → text; raises `InputError` as :func:`read_note` does."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: not UTF-8 at byte {error.start}; convert it, e.g. with iconv -t UTF-8"
        ) from None
    if len(text) > maximum_characters:
        raise InputError(
            f"{name}: {len(text):,} characters, the limit is {maximum_characters:,}; split the "
            "note into documents or raise maximum_characters"
        )
    return text
