"""CANTEMIST (IberLEF 2020): Spanish oncology cases with ICD-O-3 morphology codes.

1,001 documents in train-set, dev-set1 and dev-set2 (Miranda-Escalada et al. 2020, Zenodo 3978041,
CC BY 4.0). ``cantemist-coding`` holds the gold codes, ``cantemist-norm`` the texts and the
mentions in brat's standoff format. Documents without codes stay, with an empty code set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from surecode.codes.systems import normalise
from surecode.data.located import located
from surecode.data.sources.text_files import corpus_folder, read_offsets, read_rows, read_text
from surecode.data.splits import Sourced
from surecode.encounter import Code, Document, Encounter, Evidence, GoldCode, Span
from surecode.errors import InputError

_OFFICIAL_SPLITS = ("train-set", "dev-set1", "dev-set2", "test-set")
# Neither texts nor ids give a date: the year of the task stands for it.
_DATE = date(2020, 1, 1)


def read(root: Path) -> Iterator[Sourced]:
    """The cases of train-set, dev-set1, dev-set2 and, where it is there, test-set.

    ``root`` is the corpus folder or the folder that holds it as ``cantemist``. The codes of
    test-set are enough for a report: a document of it without a brat file has no evidence. Raises
    `InputError` for other missing or damaged files and where mentions and gold codes of a document
    disagree.
    """
    folder = corpus_folder(root, "cantemist", "train-set")
    for split in _OFFICIAL_SPLITS:
        if split != "test-set" or (folder / split / "cantemist-coding").is_dir():
            yield from _read_split(folder / split, split)


def _read_split(folder: Path, split: str) -> Iterator[Sourced]:
    codes = _read_codes(folder / "cantemist-coding")
    texts = {path.stem: path for path in sorted((folder / "cantemist-norm").glob("*.txt"))}
    missing = sorted(set(codes) - set(texts))
    if missing:
        raise InputError(
            f"{folder}: document {missing[0]} has codes and no text file; complete the data folder"
        )
    for name, path in texts.items():
        gold = codes.get(name, [])
        marks = path.with_suffix(".ann")
        marked = split != "test-set" or marks.is_file()
        evidence = _read_mentions(marks, name) if marked else []
        if marked and {item.code for item in evidence} != set(gold):
            raise InputError(
                f"{marks}: the mentions have other codes than cantemist-coding; "
                "get the corpus anew from its publisher"
            )
        encounter = Encounter(
            encounter_id=name,
            patient_id=name,
            specialty="oncology",
            setting="professional",
            payer="unknown",
            date_of_service=_DATE,
            documents=(Document(name, "case_report", read_text(path)),),
            codes=tuple(GoldCode(code, sequence) for sequence, code in enumerate(gold, start=1)),
            evidence=tuple(evidence),
        )
        yield Sourced(encounter, group=name, official_split=split)


def _read_codes(folder: Path) -> dict[str, list[Code]]:
    """Document → its codes in the file's order, once each (one row of train stands there twice)."""
    files = sorted(folder.glob("*-coding.tsv"))
    if len(files) != 1:
        raise InputError(
            f"{folder}: {len(files)} files *-coding.tsv where one belongs; complete the data folder"
        )
    codes: defaultdict[str, dict[Code, None]] = defaultdict(dict)
    for line, cells in read_rows(files[0], columns=2):
        if line > 1:
            codes[cells[0]][_code(cells[1], f"{files[0]}, line {line}")] = None
    return {name: list(distinct) for name, distinct in codes.items()}


def _read_mentions(path: Path, name: str) -> list[Evidence]:
    """Evidence of one brat file: lines ``T1``, the mention, and ``#1``, the code of it."""
    offsets: dict[str, tuple[int, str]] = {}
    codes: dict[str, Code] = {}
    for line, (key, annotation, value) in read_rows(path, columns=3):
        kind, _, rest = annotation.partition(" ")
        if key.startswith("T"):
            offsets[key] = (line, rest)
        elif key.startswith("#") and kind == "AnnotatorNotes":
            codes[rest] = _code(value, f"{path}, line {line}")
    if offsets.keys() != codes.keys():
        key = min(offsets.keys() ^ codes.keys())
        raise InputError(
            f"{path}: mention {key} lacks its code or its span; get the corpus anew from its "
            "publisher"
        )
    return [
        Evidence(codes[key], Span(name, start, end), mention)
        for mention, (key, (line, text)) in enumerate(offsets.items())
        for start, end in read_offsets(text, " ", f"{path}, line {line}")
    ]


def _code(value: str, where: str) -> Code:
    with located(where):
        return normalise("ICD-O-3", value)
