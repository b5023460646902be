"""Terms of the lists that ship with surecode: how physicians word codes, in Spanish and English.

Tables say what a code is, and in English; notes say it otherwise. The lists (``shipped/``) were
written for this project chapter by chapter, from general knowledge of the field: no document of a
corpus and no test suite was read for them. A list is a tab-separated file of a code and a wording a
line; a wording may stand under several codes. What ``_more`` lists have came second, lay words and
narrower variants, and is trusted half as much (`scripts/term_ablation.py`).
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
# Of a wording of a first list and of a second, before anything is counted and codes share it.
SHIPPED_PROBABILITY, MORE_PROBABILITY = 0.5, 0.25

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
    *,
    more: bool = True,
) -> list[Term]:
    """Wordings of the codes of some systems.

    Args:
        systems: canonical names of code systems; those without a list have none.
        languages: of the lists; all by default.
        codes: those wanted; all by default.
        more: with the second lists.
    """
    return [
        term
        for system, language in LISTS
        if system in systems and (languages is None or language in languages)
        for term in _list(system, language, more)
        if codes is None or term.code in codes
    ]


def listed_terms(
    systems: Collection[str],
    languages: Collection[Language] | None = None,
    codes: Collection[Code] | None = None,
    *,
    senses: bool,
) -> list[Term]:
    """`shipped_terms`; with ``senses`` the ambiguous words they lack, too (`terms_senses`)."""
    shipped = shipped_terms(systems, languages, codes)
    if not senses:
        return shipped
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
    return [
        path
        for system, language in LISTS
        if system in systems
        for path, _ in _files(system, language)
    ]


def _files(system: str, language: Language) -> list[tuple[Path, float]]:
    """The first list, and the second where there is one, with what their wordings are worth."""
    name = f"{system.lower().replace('-', '_')}_{language}"
    files = (f"{name}.tsv", SHIPPED_PROBABILITY), (f"{name}_more.tsv", MORE_PROBABILITY)
    return [(_FOLDER / each, worth) for each, worth in files if (_FOLDER / each).is_file()]


@cache
def _list(system: str, language: Language, more: bool) -> tuple[Term, ...]:
    rows = [
        (normalise(system, value), wording, worth)
        for path, worth in _files(system, language)[: None if more else 1]
        for value, wording in (
            line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()
        )
    ]
    shared = Counter(_words(wording) for _, wording, _ in rows)
    number: Counter[Code] = Counter()
    terms = []
    for code, wording, worth in rows:
        number[code] += 1
        rule = f"{code}:{language}:{number[code]}"
        probability = worth / shared[_words(wording)]
        terms.append(Term(wording, code, "shipped", rule, probability, language, 0))
    return tuple(terms)
