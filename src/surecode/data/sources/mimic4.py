"""MIMIC-IV: discharge summaries with ICD-9 or ICD-10 codes, in the splits of Edin et al. 2023.

The text needs credentials of PhysioNet; nothing of it comes with the project. `docs/benchmarks.md`
says which files lie where. An encounter is a hospital admission; codes in fewer than ten
admissions of all splits are left out, as in the publication (SIGIR, arXiv 2304.10909).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

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
    Published,
    check_listed,
    read_split_table,
)
from surecode.data.splits import Sourced
from surecode.encounter import Document

Benchmark = Literal["icd9", "icd10"]

PUBLISHED = {
    "icd9": Published(
        {"train": 154542, "dev": 21980, "test": 32804},
        {"train": 154542, "dev": 21980, "test": 32804},
        "6df1b0e44e0155974a0e7a25de2a8a72111f77d4bd1da0bc44deec0bfe9d9843",
    ),
    "icd10": Published(
        {"train": 89099, "dev": 13378, "test": 19802},
        {"train": 89099, "dev": 13378, "test": 19802},
        "ee9c09b573f86bf085d0b3c3e2270dcbaa486aa1f4e9840af740844cba26c5c7",
    ),
}
_SYSTEMS = {
    "icd9": {"diagnoses_icd": {"9": "ICD-9-CM"}, "procedures_icd": {"9": "ICD-9-PCS"}},
    "icd10": {"diagnoses_icd": {"10": "ICD-10-CM"}, "procedures_icd": {"10": "ICD-10-PCS"}},
}
_MINIMUM_COUNT = 10
_COLUMNS = ("note_id", "subject_id", "hadm_id", "note_seq", "charttime", "text")


def read(
    root: Path,
    benchmark: Benchmark,
    minimum_code_count: int | None = None,
    check_published: bool = True,
) -> list[Sourced]:
    """The admissions of a benchmark that have codes, sorted by hadm_id.

    Args:
        root: folder with the tables of MIMIC-IV and MIMIC-IV-Note and the split file, or above
            them.
        benchmark: which version of ICD.
        minimum_code_count: codes of fewer admissions, over all splits, are left out of the gold;
            None: as published, 10.
        check_published: refuse splits and counts that are not those of the publication.

    Raises:
        InputError: a file or a column is missing, a listed admission has no note, a code is none
            of its system, or the counts are not the published ones.
    """
    split_file = find_file(root, f"mimiciv_{benchmark}_split.feather")
    split_of = read_split_table(split_file)
    published = PUBLISHED[benchmark]
    if check_published:
        check_listed(split_of, published, str(split_file))
    tables = (
        CodeTable(find_table(root, name), "hadm_id", "seq_num", "icd_code", systems, "icd_version")
        for name, systems in _SYSTEMS[benchmark].items()
    )
    codes = without_rare(read_codes(tables, split_of.keys()), minimum_code_count or _MINIMUM_COUNT)
    path = find_table(root, "discharge")
    notes = by_admission(_summaries(path, split_of.keys()))
    return join(notes, codes, split_of, published if check_published else None, str(path))


def _summaries(path: Path, admissions: Collection[str]) -> Iterator[Note]:
    for where, cells in matching(path, _COLUMNS, "hadm_id", admissions):
        if has_words(cells["text"]):
            yield Note(
                note_id=cells["note_id"],
                admission=cells["hadm_id"],
                patient=cells["subject_id"],
                day=day_of(cells["charttime"], where, "charttime"),
                order=(cells["charttime"], cells["note_seq"].zfill(6), cells["note_id"]),
                document=Document(cells["note_id"], "discharge_summary", cells["text"]),
            )
