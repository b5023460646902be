"""The notes of hospital admissions, picked out of a large table while it streams by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from surecode.data.sources.csv_stream import rows
from surecode.encounter import Document
from surecode.errors import InputError


@dataclass(frozen=True)
class Note:
    """One note of an admission; the text is kept character for character."""

    note_id: str
    admission: str
    patient: str
    day: date
    order: tuple[str, ...]  # what sorts the notes of an admission
    document: Document


def matching(
    path: Path,
    columns: Sequence[str],
    key: str,
    wanted: Collection[str],
    equal: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells of every row whose ``key`` is wanted and whose columns are as in ``equal``.

    White space around the values of ``equal`` is ignored. Raises `InputError` as
    `surecode.data.sources.csv_stream.rows`.
    """
    names = tuple(columns)
    at = names.index(key)
    also = [(names.index(column), value) for column, value in (equal or {}).items()]
    for number, cells in rows(path, names):
        if cells[at] in wanted and all(cells[place].strip() == value for place, value in also):
            yield f"{path}, row {number}", dict(zip(names, cells, strict=True))


def has_words(text: str) -> bool:
    """Whether a text is one: no letter and no digit make no document."""
    return any(character.isalnum() for character in text)


def day_of(cell: str, where: str, column: str) -> date:
    """The day of ``2151-07-16`` or ``2151-07-16 00:00:00``; `InputError` for anything else."""
    try:
        return date.fromisoformat(cell.strip()[:10])
    except ValueError:
        raise InputError(
            f"{where}, column {column}: no date such as 2151-07-16; get the file anew from its "
            "publisher"
        ) from None


def by_admission(notes: Iterator[Note]) -> dict[str, list[Note]]:
    """The notes of each admission in their order, whatever the order in the file.

    A text that stands twice in an admission is kept once, as in Edin et al. (2023).

    Raises:
        InputError: two patients share an admission, or two notes an id.
    """
    found: defaultdict[str, list[Note]] = defaultdict(list)
    for note in notes:
        found[note.admission].append(note)
    for admission, of_one in found.items():
        of_one.sort(key=lambda note: note.order)
        if len({note.patient for note in of_one}) > 1:
            raise InputError(
                f"admission {admission}: its notes name two patients; "
                "get the notes anew from their publisher"
            )
        if len({note.note_id for note in of_one}) < len(of_one):
            raise InputError(
                f"admission {admission}: two notes share an id; "
                "get the notes anew from their publisher"
            )
        first = {note.document.text: note for note in reversed(of_one)}
        of_one[:] = [note for note in of_one if first[note.document.text] is note]
    return dict(found)
