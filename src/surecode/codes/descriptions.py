"""Descriptions of codes: from the table at hand, or from a file of the user's own.

The table is ICD-10-CM's (see `surecode.codes.releases`). CPT descriptors belong to the AMA and are
in no table here; who has a licence brings them in a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from surecode.codes.code_csv import code_rows
from surecode.codes.releases import title
from surecode.encounter import Code
from surecode.errors import InputError


def describe(code: Code) -> str | None:
    """Title and inclusion terms of an ICD-10-CM code; None for every other code."""
    return "; ".join(wordings(code)) or None


def wordings(code: Code) -> list[str]:
    """Title and inclusion terms of an ICD-10-CM code, each by itself; none of every other code."""
    heading = title(code)
    if heading is None:
        return []
    import simple_icd_10_cm

    terms = map(str, simple_icd_10_cm.get_inclusion_term(code.value))
    return list(dict.fromkeys([heading, *terms]))


def description_texts(codes: Sequence[Code], path: Path | None) -> list[str | None]:
    """A description of each code: the one in the file at ``path``, else that of the table.

    Raises:
        InputError: as `read_descriptions`.
    """
    own = {} if path is None else read_descriptions(path)
    return [own.get(code) or describe(code) for code in codes]


def read_descriptions(path: Path) -> dict[Code, str]:
    """Read a CSV with the columns system, value and text.

    Raises:
        InputError: the file is absent or no such CSV, a value is no code of its system, a text is
            empty, or a code stands twice.
    """
    descriptions: dict[Code, str] = {}
    for where, code, text in code_rows(path, "text"):
        if not any(character.isalnum() for character in text):
            raise InputError(
                f"{where}: the text is empty; write a description or leave the row out"
            )
        descriptions[code] = text.strip()
    return descriptions
