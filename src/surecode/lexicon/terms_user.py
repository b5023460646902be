"""Terms of a user's list: ``system,value,term``, if wanted ``language`` and ``probability``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import get_args

from surecode.codes.releases import check
from surecode.codes.systems import normalise
from surecode.errors import InputError
from surecode.evidence.language import Language
from surecode.files import read_table_text
from surecode.lexicon.term import Term
from surecode.lexicon.tokens import tokens

_NEEDED = ("system", "value", "term")
_OPTIONAL = ("language", "probability")
_REMEDY = "give a CSV with the columns system,value,term[,language][,probability]"


def read_term_list(path: Path, day: date) -> list[Term]:
    """Read a user's list of terms; a term without a probability is certain.

    A term may stand for several codes if all of its rows give a probability. The same row twice is
    one term.

    Args:
        path: the CSV, with a header.
        day: the date of service that the codes must be valid on.

    Raises:
        InputError: the file is absent or no such CSV; a code does not exist or is not valid on the
            day, a term is empty, a language is unknown, a probability is none, or a term stands for
            several codes without probabilities. The message names line and term.
    """
    terms: list[Term] = []
    seen: dict[tuple[tuple[str, ...], Language | None], list[tuple[int, Term, bool]]] = {}
    for line, row in _rows(path):
        term, is_weighed = _term(path, line, row, day)
        known = seen.setdefault((tokens(term.text), term.language), [])
        for before, other, was_weighed in known:
            _check_pair(
                f"{path}, line {line}, term {term.text!r}",
                before,
                other,
                term,
                (was_weighed and is_weighed),
            )
        if all(other.code != term.code for _, other, _ in known):
            terms.append(term)
        known.append((line, term, is_weighed))
    return terms


def _check_pair(where: str, before: int, other: Term, term: Term, weighed: bool) -> None:
    if other.code == term.code and other.probability != term.probability:
        raise InputError(
            f"{where}: {term.code} stands in line {before} with another probability; "
            "leave one of them out"
        )
    if other.code != term.code and not weighed:
        raise InputError(
            f"{where}: it stands for {other.code} in line {before} and for {term.code} here; "
            "give both a probability, or leave one out"
        )


def _term(path: Path, line: int, row: dict[str, str], day: date) -> tuple[Term, bool]:
    """The term of a row, and whether the row gives its probability."""
    text = row["term"]
    where = f"{path}, line {line}, term {text!r}"
    if not any(word.isalnum() for word in tokens(text)):
        raise InputError(f"{where}: the term is empty; write a wording or leave the line out")
    try:
        code = normalise(row["system"], row["value"])
        check(code, day)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    weight = row.get("probability", "")
    probability = _probability(where, weight) if weight else 1.0
    rule = f"user:{path.stem}:{line}"
    language = _language(where, row.get("language", ""))
    return Term(text, code, "user", rule, probability, language, 0), bool(weight)


def _language(where: str, name: str) -> Language | None:
    for language in get_args(Language):
        if name.lower() == language:
            known: Language = language
            return known
    if name:
        raise InputError(
            f"{where}: language {name!r} is unknown; give one of {', '.join(get_args(Language))}, "
            "or leave it empty for any"
        )
    return None


def _probability(where: str, cell: str) -> float:
    try:
        probability = float(cell)
    except ValueError:
        probability = math.nan
    if not 0.0 < probability <= 1.0:
        raise InputError(f"{where}: probability {cell!r}; give a number above 0, at most 1")
    return probability


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column of every row that is not blank."""
    reader = csv.reader(io.StringIO(read_table_text(path, _REMEDY), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not set(_NEEDED) <= set(header) <= {*_NEEDED, *_OPTIONAL} or len(set(header)) != len(
            header
        ):
            raise InputError(f"{path}: the first line does not name the columns; {_REMEDY}")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    raise InputError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells where the header has "
                        f"{len(header)}; put terms with commas in double quotes"
                    )
                cleaned = (cell.strip() for cell in cells)
                yield reader.line_num, dict(zip(header, cleaned, strict=True))
    except csv.Error:
        raise InputError(f"{path}, line {reader.line_num}: no CSV; {_REMEDY}") from None
