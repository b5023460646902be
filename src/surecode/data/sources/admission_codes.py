"""The codes of hospital admissions from MIMIC's tables of diagnoses and procedures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from surecode.codes.systems import normalise
from surecode.data.located import located
from surecode.data.sources.csv_stream import rows
from surecode.encounter import Code, GoldCode


@dataclass(frozen=True)
class CodeTable:
    """One table: which columns to read, and the code system of each ``icd_version``.

    ``systems`` has the key "" where the table is of one version and has no such column. Rows of a
    version that it does not name are left out.
    """

    path: Path
    admission: str
    sequence: str
    value: str
    systems: Mapping[str, str]
    version: str | None = None


def read_codes(
    tables: Iterable[CodeTable], admissions: Collection[str]
) -> dict[str, tuple[Code, ...]]:
    """The codes of each admission, each once, in the order of the claim, diagnoses first.

    The order of rows does not matter: the claim's is in the sequence column, and the tables are
    taken in the order given. Rows without a code (47 of MIMIC-III's diagnoses) are left out.

    Raises:
        InputError: a table is missing or damaged, or a value is no code of its system, with its
            row.
    """
    found: defaultdict[str, list[tuple[int, int, Code]]] = defaultdict(list)
    known: dict[tuple[str, str], Code] = {}
    for position, table in enumerate(tables):
        columns = [table.admission, table.sequence, table.value]
        if table.version is not None:
            columns.append(table.version)
        for number, (admission, sequence, value, *version) in rows(table.path, columns):
            system = table.systems.get(version[0].strip() if version else "")
            if admission not in admissions or system is None or not value.strip():
                continue
            code = known.get((system, value))
            if code is None:
                with located(f"{table.path}, row {number}"):
                    code = known[system, value] = normalise(system, value)
            found[admission].append((position, _place(sequence), code))
    return {
        admission: tuple(dict.fromkeys(code for _, _, code in sorted(places)))
        for admission, places in found.items()
    }


def without_rare(
    codes: Mapping[str, tuple[Code, ...]], minimum_count: int
) -> dict[str, tuple[Code, ...]]:
    """The codes that stand in at least ``minimum_count`` of these admissions.

    The benchmarks of Edin et al. (2023) count over all splits: the code sets of test are without
    rare codes, too.
    """
    counts = Counter(code for of_one in codes.values() for code in of_one)
    return {
        admission: tuple(code for code in of_one if counts[code] >= minimum_count)
        for admission, of_one in codes.items()
    }


def gold(codes: Iterable[Code]) -> tuple[GoldCode, ...]:
    """Gold codes with their places on the claim."""
    return tuple(GoldCode(code, place) for place, code in enumerate(codes, start=1))


def _place(sequence: str) -> int:
    """The place on the claim; a code without one comes last."""
    return int(sequence) if sequence.isascii() and sequence.isdecimal() else 1 << 30
