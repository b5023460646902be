"""The lists that ship: well-formed, of codes that exist, and found in notes of their language."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from surecode.codes.releases import title
from surecode.encounter import Code, Document, Encounter
from surecode.hybrid.candidates import candidates
from surecode.hybrid.found import Terms, find
from surecode.hybrid.statistics import Statistics
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.terms_shipped import (
    LISTS,
    MORE_PROBABILITY,
    SHIPPED_PROBABILITY,
    list_files,
    shipped_terms,
)
from surecode.lexicon.tokens import tokens


@pytest.mark.parametrize(("system", "language"), LISTS)
def test_every_line_is_a_code_and_a_wording_and_stands_once(system: str, language: str) -> None:
    rows = []
    for path in list_files({system}):
        if f"_{language}" in path.stem:
            lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
            assert {len(row) for row in lines} == {2}
            assert [value for value, _ in lines] == sorted(value for value, _ in lines)
            rows += lines
    assert len(rows) > 500
    twice = [pair for pair, n in Counter((v, tokens(w)) for v, w in rows).items() if n > 1]
    assert not twice
    assert all(any(map(str.isalnum, wording)) and len(wording) > 1 for _, wording in rows)


def test_codes_of_the_list_of_icd_10_cm_are_in_the_table() -> None:
    codes = {term.code for term in shipped_terms({"ICD-10-CM"})}
    assert [str(code) for code in sorted(codes) if title(code) is None] == []


def test_terms_say_where_they_come_from_and_share_a_wording() -> None:
    terms = shipped_terms({"ICD-10-CM"}, {"es"})
    assert {(term.source, term.language, term.count) for term in terms} == {("shipped", "es", 0)}
    assert len({term.rule for term in terms}) == len(terms)
    assert not any(term.text in term.rule for term in terms)
    shared = Counter(tokens(term.text) for term in terms)
    assert max(shared.values()) > 1
    worth = {round(term.probability * shared[tokens(term.text)], 9) for term in terms}
    assert worth == {SHIPPED_PROBABILITY, MORE_PROBABILITY}
    (plain,) = (term for term in terms if term.text == "cólera clásico")
    assert plain.probability == SHIPPED_PROBABILITY


def test_only_what_is_asked_for() -> None:
    wanted = frozenset({Code("ICD-10-CM", "I10"), Code("ICD-10-CM", "E11.9")})
    some = shipped_terms({"ICD-10-CM", "CPT"}, codes=wanted)
    assert {term.code for term in some} == wanted
    assert {term.language for term in some} == {"es", "en"}
    assert shipped_terms({"CPT"}) == []


def test_a_code_that_nobody_ever_coded_is_named_in_a_note_of_the_language() -> None:
    lexicon = Lexicon.build(shipped_terms({"ICD-10-CM"})).hashed()
    terms = Terms.of(lexicon, Lexicon.build([]).hashed(), Statistics(0, {}, {}, {}))
    peritonitis, failure = Code("ICD-10-CM", "K65.9"), Code("ICD-10-CM", "I50.9")
    for text, named, other in (
        (
            "El paciente ingresa por una peritonitis y se le opera de urgencia.",
            peritonitis,
            failure,
        ),
        ("The patient is admitted with CHF and has been on the ward since then.", failure, None),
    ):
        documents = (Document("d", "note", text),)
        encounter = Encounter("e", "p", "m", "facility", "x", date(2026, 1, 1), documents, (), ())
        found = candidates(find(encounter, terms), {})
        assert named in found.codes
        assert other not in found.codes
        (place,) = found.places[found.codes.index(named)][:1]
        assert place.source == "shipped"
        assert place.rule.startswith(str(named))
        assert text[place.spans[0].start : place.spans[0].end] in ("peritonitis", "CHF")
