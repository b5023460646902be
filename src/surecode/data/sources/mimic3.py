"""MIMIC-III: discharge summaries with ICD-9 codes, in the splits that publications use.

The text needs credentials of PhysioNet; nothing of it comes with the project. `docs/benchmarks.md`
says which files lie where. An encounter is a hospital admission: its discharge summaries and their
addenda are its documents, in this order, each with its ``ROW_ID``.

- ``full`` and ``top50``: Mullenbach et al. 2018 (NAACL, N18-1100).
- ``clean``: Edin et al. 2023 (SIGIR, arXiv 2304.10909), codes in ten admissions or more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal, get_args

from surecode.data.sources.admission_codes import CodeTable, read_codes, without_rare
from surecode.data.sources.admission_notes import (
    Note,
    by_admission,
    day_of,
    has_words,
    matching,
)
from surecode.data.sources.admissions import join
from surecode.data.sources.csv_stream import find_file, find_table
from surecode.data.sources.published_splits import (
    OFFICIAL,
    Published,
    check_listed,
    read_id_lists,
    read_split_table,
)
from surecode.data.splits import Sourced
from surecode.encounter import Code, Document

Benchmark = Literal["full", "top50", "clean"]
BENCHMARKS: tuple[Benchmark, ...] = get_args(Benchmark)

# The fifty codes of Mullenbach et al., as their notebook prints them. Counted anew on v1.4 they
# would be others (Edin et al. 2023).
_DIAGNOSES = (
    "038.9 244.9 250.00 272.0 272.4 276.1 276.2 285.1 285.9 287.5 305.1 311 401.9 403.90 410.71 "
    "412 414.01 424.0 427.31 428.0 486 496 507.0 511.9 518.81 530.81 584.9 585.9 599.0 995.92 "
    "V15.82 V45.81 V58.61"
)
_PROCEDURES = (
    "33.24 36.15 37.22 37.23 38.91 38.93 39.61 39.95 45.13 88.56 88.72 96.04 96.6 96.71 96.72 "
    "99.04 99.15"
)
TOP_50 = frozenset(
    {Code("ICD-9-CM", value) for value in _DIAGNOSES.split()}
    | {Code("ICD-9-PCS", value) for value in _PROCEDURES.split()}
)

PUBLISHED = {
    # Four admissions of train have no code in v1.4 and are left out, as in Edin et al. 2023.
    "full": Published(
        {"train": 47723, "dev": 1631, "test": 3372},
        {"train": 47719, "dev": 1631, "test": 3372},
        "3fd6bcc35bb56da6399e1a4cfb154bc97946758bb2e24883b62ca20766791872",
    ),
    "top50": Published(
        {"train": 8066, "dev": 1573, "test": 1729},
        {"train": 8066, "dev": 1573, "test": 1729},
        "c592a39758a4bdec60d817b520c4993b9f29a3bffa8611443f79fc1b3bf61a69",
    ),
    "clean": Published(
        {"train": 38401, "dev": 5577, "test": 8734},
        {"train": 38401, "dev": 5577, "test": 8734},
        "775f9db0b9dfccbc3f3c089937e06eed4dfc71a071649f8c3c91da1ddc5a3e72",
    ),
}
_MINIMUM_COUNT = {"full": 1, "top50": 1, "clean": 10}
_COLUMNS = (
    "ROW_ID",
    "SUBJECT_ID",
    "HADM_ID",
    "CHARTDATE",
    "CHARTTIME",
    "CATEGORY",
    "DESCRIPTION",
    "TEXT",
)


def read(
    root: Path,
    benchmark: Benchmark,
    minimum_code_count: int | None = None,
    check_published: bool = True,
) -> list[Sourced]:
    """The admissions of a benchmark that have codes, sorted by HADM_ID.

    Args:
        root: folder with the tables and the split files, or above them.
        benchmark: which splits and codes.
        minimum_code_count: codes of fewer admissions, over all splits, are left out of the gold;
            None: as published (10 for ``clean``).
        check_published: refuse splits and counts that are not those of the publications.

    Raises:
        InputError: a file or a column is missing, a listed admission has no note, a code is none
            of ICD-9, or the counts are not the published ones.
    """
    split_of = _splits(root, benchmark)
    published = PUBLISHED[benchmark]
    if check_published:
        check_listed(split_of, published, f"{root}: {benchmark}")
    codes = read_codes(
        (
            CodeTable(find_table(root, table), "HADM_ID", "SEQ_NUM", "ICD9_CODE", {"": system})
            for table, system in (("DIAGNOSES_ICD", "ICD-9-CM"), ("PROCEDURES_ICD", "ICD-9-PCS"))
        ),
        split_of.keys(),
    )
    if benchmark == "top50":
        codes = {name: tuple(c for c in own if c in TOP_50) for name, own in codes.items()}
    codes = without_rare(codes, minimum_code_count or _MINIMUM_COUNT[benchmark])
    path = find_table(root, "NOTEEVENTS")
    notes = by_admission(_summaries(path, split_of.keys()))
    return join(notes, codes, split_of, published if check_published else None, str(path))


def _splits(root: Path, benchmark: Benchmark) -> dict[str, str]:
    if benchmark == "clean":
        return read_split_table(find_file(root, "mimiciii_clean_splits.feather"))
    suffix = "50" if benchmark == "top50" else "full"
    return read_id_lists(
        {split: find_file(root, f"{split}_{suffix}_hadm_ids.csv") for split in OFFICIAL}
    )


def _summaries(path: Path, admissions: Collection[str]) -> Iterator[Note]:
    """Discharge summaries and addenda of these admissions; reports come before their addenda."""
    for where, cells in matching(
        path, _COLUMNS, "HADM_ID", admissions, {"CATEGORY": "Discharge summary"}
    ):
        if not has_words(cells["TEXT"]):
            continue
        kind = "addendum" if cells["DESCRIPTION"].strip() == "Addendum" else "report"
        row = cells["ROW_ID"]
        yield Note(
            note_id=row,
            admission=cells["HADM_ID"],
            patient=cells["SUBJECT_ID"],
            day=day_of(cells["CHARTDATE"], where, "CHARTDATE"),
            order=(
                "1" if kind == "addendum" else "0",
                cells["CHARTDATE"],
                cells["CHARTTIME"],
                row.zfill(12),
            ),
            document=Document(row, f"discharge_{kind}", cells["TEXT"]),
        )
