"""Terms of the lists that ship with surecode: how physicians word codes, in Spanish and English.

Tables say what a code is, and in English; notes say it otherwise. The lists (``shipped/``) were
written for this project chapter by chapter, from general knowledge of the field: no document of a
corpus and no test suite was read for them. A list is a tab-separated file of a code and a wording a
line; a wording may stand under several codes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from surecode.codes.systems import normalise
from surecode.encounter import Code
from surecode.evidence.language import Language
from surecode.lexicon.term import Term
from surecode.lexicon.terms_senses import sense_terms
from surecode.lexicon.tokens import tokens

_FOLDER = Path(__file__).parent / "shipped"
# Before anything is counted, and before codes share a wording.
SHIPPED_PROBABILITY = 0.5

LISTS: tuple[tuple[str, Language], ...] = (
    ("ICD-10-CM", "es"),
    ("ICD-10-CM", "en"),
    ("ICD-10-PCS", "es"),
    ("ICD-O-3", "es"),
)


def shipped_terms(
    systems: Collection[str],
    languages: Collection[Language] | None = None,
    codes: Collection[Code] | None = None,
) -> list[Term]:
    """Wordings of the codes of some systems.

    Args:
        systems: canonical names of code systems; those without a list have none.
        languages: of the lists; all by default.
        codes: those wanted; all by default.
    """
    return [
        term
        for system, language in LISTS
        if system in systems and (languages is None or language in languages)
        for term in _list(system, language)
        if codes is None or term.code in codes
    ]


def listed_terms(
    systems: Collection[str],
    languages: Collection[Language] | None = None,
    codes: Collection[Code] | None = None,
) -> list[Term]:
    """`shipped_terms`, and the ambiguous words that these lack (`terms_senses`)."""
    shipped = shipped_terms(systems, languages, codes)
    return [*shipped, *not_counted(sense_terms(systems, languages, codes), shipped)]


def not_counted(listed: Iterable[Term], counted: Iterable[Term]) -> list[Term]:
    """Listed terms but those whose wording annotators used for the code.

    These are as likely as they were used, whatever a list says.
    """
    known = {(tokens(term.text), term.code) for term in counted}
    return [term for term in listed if (_words(term.text), term.code) not in known]


@cache
def _words(wording: str) -> tuple[str, ...]:
    """The tokens of a listed wording; every fold of a cross-fitting asks for them anew."""
    return tokens(wording)


def list_files(systems: Collection[str]) -> list[Path]:
    """The files of the lists of some systems."""
    return [_file(system, language) for system, language in LISTS if system in systems]


def _file(system: str, language: Language) -> Path:
    return _FOLDER / f"{system.lower().replace('-', '_')}_{language}.tsv"


@cache
def _list(system: str, language: Language) -> tuple[Term, ...]:
    text = _file(system, language).read_text(encoding="utf-8")
    return tuple(_terms(system, language, (line.split("\t") for line in text.splitlines())))


def _terms(system: str, language: Language, rows: Iterable[list[str]]) -> Iterable[Term]:
    read = [(normalise(system, value), wording) for value, wording in rows]
    shared = Counter(tokens(wording) for _, wording in read)
    number: Counter[Code] = Counter()
    for code, wording in read:
        number[code] += 1
        yield Term(
            wording,
            code,
            "shipped",
            f"{code}:{language}:{number[code]}",
            SHIPPED_PROBABILITY / shared[tokens(wording)],
            language,
            0,
        )
