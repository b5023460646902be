"""Ambiguous words as terms that count where the rules support their sense."""

from __future__ import annotations

from datetime import date

import pytest

from surecode.encounter import Code, Document, Encounter, Span
from surecode.hybrid.candidates import candidates
from surecode.hybrid.found import Terms, find
from surecode.hybrid.sentence_features import Reader
from surecode.hybrid.statistics import Statistics
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.term import Term
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


def test_a_word_of_a_list_is_not_hidden_by_an_ambiguous_one() -> None:
    stroke = Code("ICD-10-CM", "I63.9")
    own = [
        Term("stroke", stroke, "shipped", "I63.9:en:1", 0.5, "en", 0),
        Term("strokes", stroke, "sense", "I63.9:en:sense:1", 0.5, "en", 0),
    ]
    documents = (
        Document("d", "note", "The patient has had two strokes, as his wife has told us."),
    )
    encounter = Encounter("e", "p", "m", "facility", "x", date(2026, 1, 1), documents)
    (hit,) = Lexicon.build(own).hits(encounter)
    assert (hit.source, hit.match) == ("shipped", "inflected")


def test_rules_are_those_of_the_language_of_the_document() -> None:
    text = "The patient with HD, who has chorea and a Huntington gene test, lives with the family."
    start = text.index("HD")
    both = Document("s", "note", "La paciente está en hemodiálisis desde hace un año.")
    huntington = Code("ICD-10-CM", "G10")
    documents = (Document("e", "note", text), both)
    encounter = Encounter("e", "p", "m", "facility", "x", date(2026, 1, 1), documents)
    assert Reader(encounter).sense(Span("e", start, start + 2), huntington) == "supported"


def test_what_counts_say_of_a_word_is_not_said_of_its_supported_sense() -> None:
    """A code that other terms give the word, wrongly a hundred times, takes nothing from it."""
    own = [
        Term("IR", LUNG, "shipped", "J96.90:es:1", 0.5, "es", 0),
        *sense_terms({"ICD-10-CM"}, {"es"}, {KIDNEY}),
    ]
    lexicon, nothing = Lexicon.build(own).hashed(), Lexicon.build([]).hashed()
    documents = (Document("d", "note", "El paciente tiene IR con creatinina de 3 y urea alta."),)
    encounter = Encounter("e", "p", "m", "facility", "x", date(2026, 1, 1), documents)
    scores = {}
    for found in (0, 100):
        plain = Terms.of(lexicon, nothing, Statistics(0, {}, {}, {}))
        (key,) = (g.key for g in plain.apart.groups if {LUNG} <= {t.code for t in g.terms})
        counts = Statistics(found, {}, {key: (found, {})} if found else {}, {})
        scores[found] = find(encounter, Terms.of(lexicon, nothing, counts)).apart
    assert scores[100][KIDNEY].score == scores[0][KIDNEY].score
    assert scores[100][LUNG].score < scores[0][LUNG].score


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
    more = [t for t in listed_terms({"ICD-10-CM"}, {"es"}, senses=True) if t.source == "sense"]
    assert more
    assert not [term for term in more if (tokens(term.text), term.code) in listed]
