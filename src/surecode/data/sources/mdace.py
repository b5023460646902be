"""MDACE: coders' evidence for codes, as spans in notes of MIMIC-III (Cheng et al. 2023).

302 inpatient and 52 professional (profee) charts (ACL 2023, long.416). The annotations are MIT and
hold offsets alone; the text is that of NOTEEVENTS and needs credentials of PhysioNet. A span counts
characters of the note as it is, so nothing of a text may be changed, not even its line ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from surecode.codes.systems import normalise
from surecode.data.sources.admission_codes import gold
from surecode.data.sources.admission_notes import Note, day_of, has_words, matching
from surecode.data.sources.csv_stream import find_table
from surecode.data.sources.published_splits import (
    Published,
    check_listed,
    read_id_lists,
    sourced,
)
from surecode.data.sources.text_files import corpus_folder
from surecode.data.splits import Sourced
from surecode.encounter import Code, Document, Encounter, Evidence, Setting, Span
from surecode.errors import InputError
from surecode.files import read_json

Charts = Literal["inpatient", "profee"]
Coding = Literal["ICD-10", "ICD-9"]

PUBLISHED = {
    "inpatient": Published(
        {"train": 181, "dev": 60, "test": 61},
        {"train": 181, "dev": 60, "test": 61},
        "4d41bed452ec52b30a14ca16652991fea622adae8bfbbd02e69c934353dadee1",
    ),
    "profee": Published(
        {"train": 31, "dev": 10, "test": 11},
        {"train": 31, "dev": 10, "test": 11},
        "7f8fe925e8cbe5afa3b847ee76fe4370d2b5fc573fa4be241a818224a522149f",
    ),
}
_FOLDER = {"inpatient": "Inpatient", "profee": "Profee"}
_SETTING: dict[str, Setting] = {"inpatient": "facility", "profee": "professional"}
_SPECIALTY = {"inpatient": "inpatient", "profee": "professional"}
_SPLIT_FILES = {"train": "train", "dev": "val", "test": "test"}
_COLUMNS = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CATEGORY", "TEXT")
_REMEDY = "get MDACE anew from its publisher"


@dataclass(frozen=True)
class _Annotated:
    """One note of a chart: who it is, and spans with their codes in the chart's order."""

    chart: str
    note_id: str
    category: str
    marks: tuple[tuple[Code, int, int], ...]


def read(
    root: Path,
    charts: Charts = "inpatient",
    coding: Coding = "ICD-10",
    categories: Collection[str] = (),
    check_published: bool = True,
) -> list[Sourced]:
    """The charts of the evidence splits, sorted by HADM_ID.

    Args:
        root: folder that holds MDACE (itself or as ``mdace/``) and NOTEEVENTS, or above it.
        charts: inpatient or professional ones.
        coding: the coders' ICD-10 codes, or ICD-9, partly mapped from them.
        categories: the notes' categories, such as ``Discharge summary``; none for all. A chart
            without such notes is left out.
        check_published: refuse splits that are not the published ones.

    Raises:
        InputError: a file or a column is missing, a chart and the splits do not agree, a note is
            not the one annotated, or a span does not fit its text.
    """
    folder = corpus_folder(root, "mdace", "data/Inpatient")
    split_of = read_id_lists(
        {
            split: folder / "splits" / _FOLDER[charts] / f"MDace-ev-{name}.csv"
            for split, name in _SPLIT_FILES.items()
        }
    )
    if check_published:
        check_listed(split_of, PUBLISHED[charts], f"{folder / 'splits' / _FOLDER[charts]}")
    annotated = [
        note
        for chart in _charts(folder / "data" / _FOLDER[charts] / coding / "1.0", coding, split_of)
        for note in chart
    ]
    chosen = {category.lower() for category in categories}
    notes = [note for note in annotated if not chosen or note.category.lower() in chosen]
    if not notes:
        present = ", ".join(sorted({note.category for note in annotated}))
        raise InputError(
            f"{folder}: no note is of {', '.join(categories)}; set data.categories to some of "
            f"{present or '(none)'}"
        )
    path = find_table(root, "NOTEEVENTS")
    texts = _texts(path, {note.note_id: note for note in notes})
    of_chart: dict[str, list[_Annotated]] = {}
    for note in notes:
        if note.note_id not in texts:
            raise InputError(
                f"{path}: chart {note.chart} of MDACE needs note {note.note_id}, which is not "
                "there; give NOTEEVENTS of MIMIC-III v1.4"
            )
        of_chart.setdefault(note.chart, []).append(note)
    return sourced((_encounter(own, texts, charts) for own in of_chart.values()), split_of)


def _charts(
    folder: Path, coding: Coding, split_of: Mapping[str, str]
) -> Iterator[list[_Annotated]]:
    unlisted = {path.name.partition("-")[0] for path in folder.glob("*.json")} - set(split_of)
    if unlisted:
        raise InputError(f"{folder}: chart {min(unlisted)} is in none of the splits; {_REMEDY}")
    for chart in split_of:
        path = folder / f"{chart}-{coding}.json"
        content = read_json(path, _REMEDY)
        try:
            if str(content["hadm_id"]) != chart:
                raise ValueError
            yield [_annotated(chart, note) for note in content["notes"]]
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(f"{path}: is no chart of MDACE; {_REMEDY}") from None


def _annotated(chart: str, note: Mapping[str, Any]) -> _Annotated:
    marks = [
        (
            normalise(mark["code_system"], mark["code"]),
            int(mark["begin"]),
            int(mark["end"]),
        )
        for mark in note["annotations"]
    ]
    return _Annotated(
        chart, str(int(note["note_id"])), str(note["category"]), tuple(dict.fromkeys(marks))
    )


def _texts(path: Path, wanted: Mapping[str, _Annotated]) -> dict[str, Note]:
    """The notes by ROW_ID, once it is sure that they are those that were annotated."""
    found: dict[str, Note] = {}
    for where, cells in matching(path, _COLUMNS, "ROW_ID", wanted.keys()):
        row = cells["ROW_ID"]
        note = wanted[row]
        same_chart = cells["HADM_ID"] in ("", note.chart)
        same_kind = cells["CATEGORY"].strip().lower() == note.category.strip().lower()
        if row in found or not (same_chart and same_kind and has_words(cells["TEXT"])):
            raise InputError(
                f"{where}: note {row} is not the one that MDACE annotated in chart {note.chart}; "
                "give NOTEEVENTS of MIMIC-III v1.4"
            )
        found[row] = Note(
            note_id=row,
            admission=note.chart,
            patient=cells["SUBJECT_ID"],
            day=day_of(cells["CHARTDATE"], where, "CHARTDATE"),
            order=(row,),
            document=Document(row, note.category.strip(), cells["TEXT"]),
        )
    return found


def _encounter(annotated: list[_Annotated], texts: Mapping[str, Note], charts: Charts) -> Encounter:
    chart = annotated[0].chart
    notes = [texts[note.note_id] for note in annotated]
    if len({note.patient for note in notes}) > 1:
        raise InputError(
            f"chart {chart} of MDACE: its notes name two patients; "
            "give NOTEEVENTS of MIMIC-III v1.4"
        )
    marks = [(note.note_id, *mark) for note in annotated for mark in note.marks]
    for note_id, code, start, end in marks:
        length = len(texts[note_id].document.text)
        if not 0 <= start < end <= length:
            raise InputError(
                f"chart {chart} of MDACE: the span {start}-{end} of {code} does not fit note "
                f"{note_id} of {length} characters; give NOTEEVENTS of MIMIC-III v1.4 unchanged"
            )
    return Encounter(
        encounter_id=chart,
        patient_id=notes[0].patient,
        specialty=_SPECIALTY[charts],
        setting=_SETTING[charts],
        payer="unknown",
        date_of_service=max(note.day for note in notes),
        documents=tuple(note.document for note in notes),
        codes=gold(dict.fromkeys(code for _, code, _, _ in marks)),
        evidence=tuple(
            Evidence(code, Span(note_id, start, end), mention)
            for mention, (note_id, code, start, end) in enumerate(marks)
        ),
    )
