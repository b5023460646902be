"""Terms of the tables: ICD-10-CM titles and inclusion terms, ICD-10-PCS titles.

Titles are written to tell codes apart, notes are not, so a title gives several wordings:

* each part of "Fever of unknown origin; pyrexia";
* without a head or tail that says nothing: "unspecified", "not elsewhere classified", "NOS", "NEC";
* without what stands in brackets: in ICD-10-CM parentheses hold words that do not change the code,
  square brackets synonyms (Official Guidelines, section I.A.7);
* an abbreviation in square brackets at the end: "Attention and concentration deficit [ADHD]".

A wording that several of the codes share is as likely each of them; one that more than four share
is part of a title rather than one, and is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from surecode.codes.releases import title
from surecode.codes.systems import normalise
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.files import csv_rows, read_table_text
from surecode.lexicon.term import Source, Term
from surecode.lexicon.tokens import tokens

# P(gold code | its wording is found), before codes share it: shares of the hits on the English
# text of CodiEsp's train split, `python scripts/lexicon_measures.py --titles`.
TITLE_PROBABILITY = 0.7
INCLUSION_PROBABILITY = 0.7

_MOST_CODES = 4  # that share a wording

_EMPTY = r"(?:unspecified|not elsewhere classified|not otherwise specified|NOS|NEC)"
_TAIL = re.compile(rf",?\s+{_EMPTY}$", re.IGNORECASE)
_HEAD = re.compile(r"^(?:unspecified|other specified)\s+", re.IGNORECASE)
_BRACKETS = re.compile(r"\s*(?:\([^()]*\)|\[[^][]*\])")
_ABBREVIATION = re.compile(r"\[([A-Z][A-Z0-9-]+)\]$")

_PCS_COLUMNS = ("icd10pcs_code", "valid_billing_code", "icd10pcs_long_description")


def table_terms(codes: Iterable[Code]) -> list[Term]:
    """Titles and inclusion terms of ICD-10-CM codes, in English.

    Codes of other systems and codes that the table at hand lacks have none.
    """
    found: list[tuple[Code, Source, str, str]] = []
    for code in sorted(set(codes)):
        heading = title(code)
        if heading is None:
            continue
        import simple_icd_10_cm

        found += [(code, "title", f"{code}:title", one) for one in wordings(heading)]
        inclusions = map(str, simple_icd_10_cm.get_inclusion_term(code.value))
        for number, inclusion in enumerate(inclusions, start=1):
            rule = f"{code}:inclusion:{number}"
            found += [(code, "inclusion", rule, one) for one in wordings(inclusion)]
    return list(_shared(found))


def pcs_terms(path: Path, codes: Collection[Code] | None = None) -> list[Term]:
    """Titles of ICD-10-PCS codes in a table, in English; of all codes that may be billed, or some.

    Args:
        path: a CSV with at least the columns icd10pcs_code, valid_billing_code and
            icd10pcs_long_description, such as those of the R package icd10us.
        codes: those wanted.

    Raises:
        InputError: the file is absent or no such CSV, or a value is no ICD-10-PCS code.
    """
    text = read_table_text(path, "give a table of ICD-10-PCS")
    rows = csv_rows(path, text)
    header = [name.strip() for name in next(rows)[1]]
    missing = [name for name in _PCS_COLUMNS if name not in header]
    if missing:
        raise InputError(
            f"{path}: the column {missing[0]} is missing; give a table with the columns "
            f"{', '.join(_PCS_COLUMNS)}"
        )
    at = [header.index(name) for name in _PCS_COLUMNS]
    found: list[tuple[Code, Source, str, str]] = []
    for where, cells in rows:
        value, billed, heading = (cells[column].strip() for column in at)
        if billed not in ("1", "1.0"):
            continue
        try:
            code = normalise("ICD-10-PCS", value)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if codes is None or code in codes:
            found += [(code, "title", f"{code}:title", one) for one in wordings(heading)]
    return list(_shared(found))


def wordings(text: str) -> list[str]:
    """The wordings of one entry of a table, the entry's own first."""
    plain = _BRACKETS.sub("", text)
    parts = plain.split(";")
    found = dict.fromkeys([text.strip(), plain.strip()])
    for part in (text, plain, *(parts if len(parts) > 1 else ())):
        found.update(dict.fromkeys(_stripped(part)))
    abbreviation = _ABBREVIATION.search(text)
    if abbreviation:
        found[abbreviation[1]] = None
    # One letter or number, such as "A", is no wording of anything.
    return [each for each in found if sum(map(str.isalnum, each)) > 1]


def _stripped(text: str) -> Iterator[str]:
    """The text, and it without heads and tails that say nothing, one after the other."""
    text = text.strip()
    yield text
    for pattern in (_TAIL, _TAIL, _HEAD):
        shorter = pattern.sub("", text)
        if shorter != text:
            text = shorter
            yield text


def _shared(found: list[tuple[Code, Source, str, str]]) -> Iterator[Term]:
    cut = [tokens(text) for *_, text in found]
    pairs = {(words, code) for words, (code, *_) in zip(cut, found, strict=True)}
    codes = Counter(words for words, _ in pairs)
    for words, (code, source, rule, text) in zip(cut, found, strict=True):
        if codes[words] <= _MOST_CODES:
            whole = TITLE_PROBABILITY if source == "title" else INCLUSION_PROBABILITY
            yield Term(text, code, source, rule, whole / codes[words], "en", 0)
