"""CodiEsp v4 (CLEF eHealth 2020): clinical cases with ICD-10-CM and ICD-10-PCS codes.

1,000 documents, one case each, in Spanish and in machine-translated English (Miranda-Escalada et
al. 2020, doi 10.5281/zenodo.3837305, CC BY 4.0). Evidence spans exist in Spanish only. An article
has one case or more, so the article is the group that no split may cut.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from typing import Literal

from surecode.codes.systems import normalise
from surecode.data.located import located
from surecode.data.sources.text_files import corpus_folder, read_offsets, read_rows, read_text
from surecode.data.splits import Sourced
from surecode.encounter import Code, Document, Encounter, Evidence, GoldCode, Span
from surecode.errors import InputError

Language = Literal["es", "en", "both"]
Kind = Literal["diagnosis", "procedure"]

_SYSTEM = {"diagnosis": "ICD-10-CM", "procedure": "ICD-10-PCS"}
_FILE_LETTER = {"diagnosis": "D", "procedure": "P"}
_LABEL = {"DIAGNOSTICO": "diagnosis", "PROCEDIMIENTO": "procedure"}
_TEXTS = {"es": "text_files", "en": "text_files_en"}
_TRANSLATED = "-en"  # ends the id of the English document beside a Spanish one

# The journal's ISSN tells the specialty; journals of other fields have too few cases.
_SPECIALTY = {
    "0004-0614": "urology",
    "0210-4806": "urology",
    "0365-6691": "ophthalmology",
    "1130-0558": "oral_maxillofacial_surgery",
    "1698-4447": "oral_maxillofacial_surgery",
    "1698-6946": "oral_maxillofacial_surgery",
    "0213-1285": "oral_maxillofacial_surgery",
    "1137-6627": "internal_medicine",
    "0212-7199": "internal_medicine",
    "1130-0108": "gastroenterology",
    "1139-7632": "pediatrics",
    "0211-6995": "nephrology",
    "0376-7892": "plastic_surgery",
}


def read(
    root: Path,
    language: Language = "es",
    kinds: Collection[Kind] = ("diagnosis", "procedure"),
) -> Iterator[Sourced]:
    """The cases of ``train``, ``dev`` and, where its gold is there, ``test``.

    ``root`` is the corpus folder or the folder that holds it as ``codiesp``. The date of service
    is January 1st of the article's year, the only date that the corpus gives. Offsets are kept as
    published: seven of 13,658 spans of train and dev miss their quote by a character or so.
    ``both`` gives an encounter two documents, the Spanish one and its machine translation. The
    codes of ``test`` are enough for a report: without ``testX.tsv`` it has no evidence.
    Raises `InputError` for missing or damaged files and unknown options.
    """
    if language not in (*_TEXTS, "both"):
        raise InputError(f"codiesp: language {language!r} is not one of {', '.join(_TEXTS)}, both")
    unknown = sorted(set(kinds) - set(_SYSTEM))
    if unknown or not kinds:
        raise InputError(
            f"codiesp: kinds {', '.join(unknown) or '(none)'}: "
            f"give one or more of {', '.join(_SYSTEM)}"
        )
    folder = corpus_folder(root, "codiesp", "train")
    splits = ["train", "dev"]
    if (folder / "test" / "testD.tsv").is_file():
        splits.append("test")
    ordered = [kind for kind in _SYSTEM if kind in kinds]
    for split in splits:
        yield from _read_split(folder / split, split, language, ordered)


def _read_split(
    folder: Path, split: str, language: Language, kinds: list[str]
) -> Iterator[Sourced]:
    first = _TEXTS["en" if language == "en" else "es"]
    texts = {path.stem: path for path in sorted((folder / first).glob("*.txt"))}
    codes = _read_codes(folder, split, kinds, texts)
    marked = language != "en" and (split != "test" or (folder / "testX.tsv").is_file())
    evidence = _read_evidence(folder, split, kinds, texts) if marked else {}
    for name, path in texts.items():
        encounter = Encounter(
            encounter_id=name,
            patient_id=name,
            specialty=_SPECIALTY.get(name[1:10], "other"),
            setting="professional",
            payer="unknown",
            date_of_service=_date_of(name, path),
            documents=_documents(name, path, folder / _TEXTS["en"] if language == "both" else None),
            codes=tuple(
                GoldCode(code, sequence)
                for sequence, code in enumerate(codes.get(name, ()), start=1)
            ),
            evidence=tuple(evidence.get(name, ())),
        )
        yield Sourced(encounter, group=name.rpartition("-")[0], official_split=split)


def _documents(name: str, path: Path, translations: Path | None) -> tuple[Document, ...]:
    """The case, and behind it its translation where that is asked for."""
    case = Document(name, "case_report", read_text(path))
    if translations is None:
        return (case,)
    translated = read_text(translations / path.name)
    return case, Document(f"{name}{_TRANSLATED}", "translation", translated)


def _date_of(name: str, path: Path) -> date:
    """January 1st of the year in an id such as S0004-06142005000700014-1."""
    try:
        return date(int(name[10:14]), 1, 1)
    except ValueError:
        raise InputError(
            f"{path}: the file name is no CodiEsp id such as S0004-06142005000700014-1; "
            "remove the file or correct its name"
        ) from None


def _read_codes(
    folder: Path, split: str, kinds: list[str], texts: Collection[str]
) -> dict[str, list[Code]]:
    codes: defaultdict[str, list[Code]] = defaultdict(list)
    for kind in kinds:
        path = folder / f"{split}{_FILE_LETTER[kind]}.tsv"
        for line, (name, value) in read_rows(path, columns=2):
            codes[name].append(_code(kind, value, name, texts, f"{path}, line {line}"))
    return codes


def _read_evidence(
    folder: Path, split: str, kinds: list[str], texts: Collection[str]
) -> dict[str, list[Evidence]]:
    evidence: defaultdict[str, list[Evidence]] = defaultdict(list)
    mentions: Counter[str] = Counter()
    path = folder / f"{split}X.tsv"
    for line, (name, label, value, _, offsets) in read_rows(path, columns=5):
        where = f"{path}, line {line}"
        kind = _LABEL.get(label)
        if kind is None:
            raise InputError(f"{where}: label {label!r} is not one of {', '.join(_LABEL)}")
        if kind in kinds:
            code = _code(kind, value, name, texts, where)
            evidence[name] += [
                Evidence(code, Span(name, start, end), mentions[name])
                for start, end in read_offsets(offsets, " ", where)
                # Four mentions have a piece without a character, such as 1320 1320.
                if start != end
            ]
            mentions[name] += 1
    return evidence


def _code(kind: str, value: str, name: str, texts: Collection[str], where: str) -> Code:
    if name not in texts:
        raise InputError(f"{where}: document {name} has no text file; complete the data folder")
    with located(where):
        return normalise(_SYSTEM[kind], value)
