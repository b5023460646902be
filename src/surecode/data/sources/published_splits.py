"""Splits that a publisher gives as lists of admissions, checked against what was published.

An admission is named by its ``HADM_ID``. ``val`` and ``dev`` are the same split, here ``dev``.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from surecode.data.sources.text_files import read_table_text
from surecode.data.splits import Sourced
from surecode.encounter import Encounter
from surecode.errors import InputError

OFFICIAL = ("train", "dev", "test")
_SPELLINGS = {"train": "train", "val": "dev", "dev": "dev", "test": "test"}
_UNCHECKED = "or set data.check_published=false for data of your own choice"


@dataclass(frozen=True)
class Published:
    """What a publisher's split files hold.

    Attributes:
        listed: admissions that the files list, per split.
        coded: those of them that have codes, which figures are about.
        digest: SHA-256 of the sorted lines ``HADM_ID split``, whatever the files' format.
    """

    listed: Mapping[str, int]
    coded: Mapping[str, int]
    digest: str


def read_id_lists(files: Mapping[str, Path]) -> dict[str, str]:
    """HADM_ID → split, from one file per split with an id on each line.

    Raises `InputError` for a missing file, a line that is no id, and an id that stands twice.
    """
    split_of: dict[str, str] = {}
    for split, path in files.items():
        for number, line in enumerate(read_table_text(path).splitlines(), start=1):
            name = line.strip()
            if name:
                _add(split_of, name, split, f"{path}, line {number}")
    return split_of


def read_split_table(path: Path) -> dict[str, str]:
    """HADM_ID → split, from a Feather file with the columns ``_id`` and ``split``.

    Raises `InputError` as `read_id_lists`, and for other columns and split names.
    """
    try:
        with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
            table = reader.read_all()
    except (pa.ArrowInvalid, OSError):
        raise InputError(
            f"{path}: the file is missing, damaged or no Feather; get it anew from its publisher"
        ) from None
    for column in ("_id", "split"):
        if column not in table.column_names:
            raise InputError(f"{path}: column {column} is missing; give the publisher's file")
    split_of: dict[str, str] = {}
    cells = zip(table["_id"].to_pylist(), table["split"].to_pylist(), strict=True)
    for number, (name, split) in enumerate(cells, start=1):
        where = f"{path}, row {number}"
        if split not in _SPELLINGS:
            raise InputError(
                f"{where}: split {split!r} is not one of {', '.join(_SPELLINGS)}; "
                "give the publisher's file"
            )
        _add(split_of, str(name), _SPELLINGS[split], where)
    return split_of


def check_listed(split_of: Mapping[str, str], published: Published, where: str) -> None:
    """Raise `InputError` unless the files list exactly the admissions that were published."""
    _check_counts(Counter(split_of.values()), published.listed, f"{where} lists", "")
    lines = sorted(f"{name} {split}" for name, split in split_of.items())
    if hashlib.sha256("\n".join(lines).encode()).hexdigest() != published.digest:
        raise InputError(
            f"{where} lists as many admissions as were published, but other ones; get the file "
            f"anew (docs/benchmarks.md), {_UNCHECKED}"
        )


def check_coded(items: Iterable[Sourced], published: Published, where: str) -> None:
    """Raise `InputError` unless as many admissions of each split have codes as in publications."""
    counts = Counter(item.official_split or "" for item in items)
    _check_counts(counts, published.coded, f"{where} has", " with codes")


def check_noted(noted: Collection[str], split_of: Mapping[str, str], where: str) -> None:
    """Raise `InputError` unless every listed admission has a note."""
    missing = sorted(set(split_of) - set(noted), key=_by_number)
    if missing:
        raise InputError(
            f"{where}: {len(missing)} of {len(split_of)} admissions of the splits have no note "
            f"there, the first is {missing[0]} ({split_of[missing[0]]}); "
            "get the release that docs/benchmarks.md names"
        )


def sourced(encounters: Iterable[Encounter], split_of: Mapping[str, str]) -> list[Sourced]:
    """Encounters with their official splits, by HADM_ID; the patient is what splits keep together.

    A patient whom the publisher has in two splits stays there and counts as one person per split
    (``patient_id`` tells the split): figures stay comparable, and the number of such patients is
    printed, as they are one group.
    """
    splits_of_patient: defaultdict[str, set[str]] = defaultdict(set)
    found = sorted(encounters, key=lambda encounter: _by_number(encounter.encounter_id))
    for encounter in found:
        splits_of_patient[encounter.patient_id].add(split_of[encounter.encounter_id])
    items = []
    for encounter in found:
        patient, split = encounter.patient_id, split_of[encounter.encounter_id]
        if len(splits_of_patient[patient]) > 1:
            encounter = replace(encounter, patient_id=f"{patient}@{split}")
        items.append(Sourced(encounter, group=patient, official_split=split))
    return items


def _add(split_of: dict[str, str], name: str, split: str, where: str) -> None:
    if not (name.isascii() and name.isdecimal()):
        raise InputError(f"{where}: no HADM_ID, which is a whole number; give the publisher's file")
    if name in split_of:
        raise InputError(
            f"{where}: admission {name} stands there a second time ({split_of[name]}, then "
            f"{split}); give the publisher's file"
        )
    split_of[name] = split


def _check_counts(
    counts: Mapping[str, int], expected: Mapping[str, int], where: str, what: str
) -> None:
    for split in OFFICIAL:
        if counts.get(split, 0) != expected[split]:
            raise InputError(
                f"{where} {counts.get(split, 0):,} admissions of {split}{what}, published are "
                f"{expected[split]:,}; get the release that docs/benchmarks.md names, {_UNCHECKED}"
            )


def _by_number(name: str) -> tuple[int, str]:
    return len(name), name
