"""Short notes: lines as clinicians jot them, in English, with ICD-10-CM codes.

They were written for this project from general knowledge of medicine and coding; no patient stands
behind them. A line of ``notes_en.txt`` is one encounter, and each stretch of words that a code
stands on is marked in it: ``Known {HTN|I10}, no chest pain.`` What is denied, suspected, of the
family or conditional is not marked. README.md tells how they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from surecode.codes.systems import normalise
from surecode.data.located import located
from surecode.data.sources.text_files import read_text
from surecode.encounter import Code, Document, Encounter, Evidence, GoldCode, Span
from surecode.errors import InputError

_NOTES = Path(__file__).parent / "notes_en.txt"
_MARK = re.compile(r"\{([^{}|]+)\|([^{}|]+)\}")
# The codes are those of FY2026.
_DATE = date(2026, 3, 31)


def read(path: Path = _NOTES) -> Iterator[Encounter]:
    """The notes in the order of their file.

    Raises `InputError` naming file and line where a mark is broken or a code is none.
    """
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        with located(f"{path.name}, line {number}"):
            yield _encounter(f"en-{number:05d}", line)


def _encounter(name: str, line: str) -> Encounter:
    text, evidence = _marked(name, line)
    codes = dict.fromkeys(item.code for item in evidence)
    return Encounter(
        encounter_id=name,
        patient_id=name,
        specialty="short_notes",
        setting="professional",
        payer="unknown",
        date_of_service=_DATE,
        documents=(Document(name, "note", text),),
        codes=tuple(GoldCode(code, sequence) for sequence, code in enumerate(codes, start=1)),
        evidence=tuple(evidence),
    )


def _marked(name: str, line: str) -> tuple[str, list[Evidence]]:
    """The text without its marks, and where they stand; one code's marks are one mention."""
    text, end = "", 0
    mentions: dict[Code, int] = {}
    evidence = []
    for mark in _MARK.finditer(line):
        text += line[end : mark.start()]
        code = normalise("ICD-10-CM", mark[2])
        span = Span(name, len(text), len(text) + len(mark[1]))
        evidence.append(Evidence(code, span, mentions.setdefault(code, len(mentions))))
        text, end = text + mark[1], mark.end()
    text += line[end:]
    if not text.strip() or re.search(r"[{}|]", text):
        raise InputError("a mark is broken or the line is empty; write {words|CODE}")
    return text, evidence
