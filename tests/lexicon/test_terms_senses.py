"""Ambiguous words as terms that count where the rules support their sense."""

from __future__ import annotations

from datetime import date

import pytest

from surecode.encounter import Code, Document, Encounter
from surecode.hybrid.candidates import candidates
from surecode.hybrid.found import Terms, find
from surecode.hybrid.statistics import Statistics
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.terms_senses import PROBABILITY, sense_terms
from surecode.lexicon.terms_shipped import listed_terms, shipped_terms
from surecode.lexicon.tokens import tokens

KIDNEY, LUNG = Code("ICD-10-CM", "N19"), Code("ICD-10-CM", "J96.90")


def coded(text: str) -> dict[Code, tuple[str, ...]]:
    """Of each code that is proposed where it is from."""
    lexicon = Lexicon.build(sense_terms({"ICD-10-CM"}, {"es"}, {KIDNEY, LUNG})).hashed()
    terms = Terms.of(lexicon, Lexicon.build([]).hashed(), Statistics(0, {}, {}, {}))
    documents = (Document("d", "note", text),)
    encounter = Encounter("e", "p", "m", "facility", "x", date(2026, 1, 1), documents)
    found = candidates(find(encounter, terms), {})
    return {
        code: tuple(place.source for place in places)
        for code, places in zip(found.codes, found.places, strict=True)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("El paciente tiene IR con creatinina de 3 y urea alta.", {KIDNEY}),
        ("El paciente tiene IR con hipoxemia, se inicia VMNI.", {LUNG}),
        ("El paciente tiene una IR que se conoce desde siempre.", set()),
    ],
)
def test_a_bare_word_counts_where_its_sense_is_supported(text: str, expected: set[Code]) -> None:
    found = coded(text)
    assert found.keys() == expected
    assert all(set(sources) == {"sense"} for sources in found.values())


def test_the_terms_say_what_they_are() -> None:
    terms = sense_terms({"ICD-10-CM"})
    assert {(term.source, term.probability, term.count) for term in terms} == {
        ("sense", PROBABILITY, 0)
    }
    assert {term.language for term in terms} == {"en", "es"}
    assert len({term.rule for term in terms}) == len(terms)
    assert {term.code for term in sense_terms({"ICD-10-CM"}, codes={KIDNEY})} == {KIDNEY}
    assert sense_terms({"ICD-10-PCS"}) == []


def test_a_wording_of_a_list_is_not_asked_for_its_sense() -> None:
    listed = {(tokens(t.text), t.code) for t in shipped_terms({"ICD-10-CM"}, {"es"})}
    more = [t for t in listed_terms({"ICD-10-CM"}, {"es"}) if t.source == "sense"]
    assert more
    assert not [term for term in more if (tokens(term.text), term.code) in listed]
