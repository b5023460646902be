"""Terms with their words apart, against sets of words and weights worked out by hand."""

from __future__ import annotations

from itertools import permutations
from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.encounter import Code, Document
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.scattered import Scatter, ScatteredTerms
from surecode.lexicon.term import Source, Term

A, B, C = (Code("ICD-10-CM", value) for value in ("C50.919", "I10", "R50.9"))
ENGLISH = "The patient was seen in the clinic and she has a history of "
SPANISH = "El paciente fue visto en la consulta y su historia es la de "
SOURCES: tuple[Source, ...] = ("training", "user", "title", "inclusion")
# No two have a normal form in common, none is one typing error from another.
WORDS = ("dolor", "rodilla", "izquierda", "tumor", "renal", "fiebre", "quiste", "hepatica")


def term(text: str, code: Code = A, source: Source = "training", **more: object) -> Term:
    language = more.get("language")
    assert language in ("en", "es", None)
    return Term(text, code, source, f"{source}:{text}", 0.5, language, 3)


def ready(*terms: Term, least: float = 1.0) -> ScatteredTerms:
    return ScatteredTerms(Lexicon.build(terms), SOURCES, least)


def found(terms: ScatteredTerms, text: str) -> list[list[Scatter]]:
    return list(terms.find(Document("d", "note", text)))


def keys(terms: ScatteredTerms, text: str) -> list[tuple[str, ...]]:
    return [terms.groups[one.group].key for sentence in found(terms, text) for one in sentence]


def quotes(text: str, scatter: Scatter) -> list[str]:
    return [text[start:end] for start, end in scatter.words]


def test_all_words_in_one_sentence_in_any_order_with_others_between() -> None:
    terms = ready(term("dolor de la rodilla izquierda"))
    for order in permutations(("Dolores", "rodilla", "IZQUIERDO")):
        text = f"Refiere {order[0]} muy intenso, {order[1]} y {order[2]} ahora. Alta"
        ((one,),) = found(terms, text)
        assert one.full
        assert quotes(text, one) == list(order)
        # "muy intenso ," and "y" stand between.
        assert one.excess == 4
        assert not one.shadowed


@pytest.mark.parametrize("end", [". ", "; ", ".\n"])
def test_no_term_goes_across_the_end_of_a_sentence(end: str) -> None:
    terms = ready(term("dolor de rodilla"))
    assert found(terms, f"Hay dolor{end}La rodilla bien") == []
    assert keys(terms, "Hay dolor, la rodilla bien") == [("dolor", "rodilla")]
    assert keys(terms, f"dolor rodilla{end}rodilla dolor") == [("dolor", "rodilla")] * 2


def test_stop_words_and_marks_do_not_count_and_a_term_of_nothing_else_is_none() -> None:
    terms = ready(term("dolor en la rodilla (izquierda)"), term("sin la", B))
    assert [group.key for group in terms.groups] == [("dolor", "izquierda", "rodilla")]
    assert len(found(terms, "rodilla izquierda dolor")) == 1
    assert found(terms, "sin la de") == []


def test_words_of_titles_that_say_nothing_do_not_count_and_those_of_notes_do() -> None:
    titles = ready(term("Tuberculosis, unspecified site", source="title"))
    assert len(found(titles, "tuberculosis")) == 1
    notes = ready(term("tuberculosis unspecified"))
    assert found(notes, "tuberculosis") == []
    assert len(found(notes, "unspecified tuberculosis")) == 1


def test_coverage_is_the_share_of_the_weight_of_the_words() -> None:
    """Groups: {dolor, rodilla}, {dolor, tumor}; so G = 2, df(dolor) = 2, of the others 1."""
    terms = ready(term("dolor rodilla"), term("dolor tumor", B), least=0.3)
    common, rare = log(3 / 2.5), log(3 / 1.5)
    assert [group.weight for group in terms.groups] == [pytest.approx(common + rare)] * 2
    ((one,),) = found(terms, "la rodilla bien")
    assert terms.groups[one.group].terms[0].code == A
    assert one.coverage == pytest.approx(rare / (common + rare))
    assert not one.full
    # "dolor" alone is a share of 0.21 of either, below the least.
    assert common / (common + rare) < 0.3
    assert found(terms, "mucho dolor") == []
    ((low, other),) = found(
        ready(term("dolor rodilla"), term("dolor tumor", B), least=0.2), "dolor"
    )
    assert low.coverage == other.coverage == pytest.approx(common / (common + rare))


def test_what_lies_inside_a_longer_term_found_whole_is_shadowed() -> None:
    terms = ready(term("dolor"), term("dolor rodilla", B), term("dolor tumor", C), least=0.1)
    (sentence,) = found(terms, "dolor de la rodilla")
    by_key = {terms.groups[one.group].key: one for one in sentence}
    assert by_key["dolor",].full
    assert by_key["dolor",].shadowed
    assert not by_key["dolor", "rodilla"].shadowed
    # What is there in part neither casts nor takes a shadow.
    assert not by_key["dolor", "tumor"].full
    assert not by_key["dolor", "tumor"].shadowed
    (alone,) = found(ready(term("dolor"), term("dolor rodilla", B)), "dolor")
    assert [one.shadowed for one in alone] == [False]


def test_terms_are_looked_for_in_documents_of_their_language() -> None:
    terms = ready(
        term("cadera tumor", language="es"), term("dolor tumor", B, language="en"), least=1.0
    )
    words = "cadera dolor tumor"
    assert keys(terms, SPANISH + words) == [("cadera", "tumor")]
    assert keys(terms, ENGLISH + words) == [("dolor", "tumor")]
    assert sorted(keys(terms, words)) == [("cadera", "tumor"), ("dolor", "tumor")]


def test_the_words_that_are_shown_stand_close_together() -> None:
    text = "dolor ayer y otra vez hoy dolor en rodilla"
    ((one,),) = found(ready(term("rodilla dolor")), text)
    assert one.words == ((26, 31), (35, 42))
    assert one.excess == 1


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Term], str, float]:
    some = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True)
    terms = [
        term(" ".join(words), draw(st.sampled_from([A, B, C])))
        for words in draw(st.lists(some, min_size=1, max_size=6))
    ]
    pieces = st.sampled_from([*WORDS, "de", "la", "xyzt", ",", ".", ";"])
    text = " ".join(["hoy", *draw(st.lists(pieces, min_size=1, max_size=14))])
    return terms, text, draw(st.sampled_from([0.3, 0.6, 1.0]))


@settings(max_examples=60)
@given(cases())
def test_it_finds_what_sets_of_words_find_and_hashed_the_same(
    case: tuple[list[Term], str, float],
) -> None:
    given_terms, text, least = case
    lexicon = Lexicon.build(given_terms)
    plain = ScatteredTerms(lexicon, SOURCES, least)
    groups = {frozenset(one.text.split()) for one in given_terms}
    often = {word: sum(word in group for group in groups) for group in groups for word in group}
    weight = {word: log((len(groups) + 1) / (n + 0.5)) for word, n in often.items()}
    expected = set()
    sentences = text.replace(";", ".").split(".")
    for number, sentence in enumerate(sentences):
        there = set(sentence.split())
        for group in groups:
            total = sum(weight[word] for word in group)
            share = sum(weight[word] for word in group & there) / total
            if share >= least - 1e-7 and group & there:
                expected.add((number, round(share, 6), tuple(sorted(group & there))))
    got = set()
    for scatters in plain.find(Document("d", "note", text)):
        for one in scatters:
            begin, end = one.words[0][0], one.words[-1][1]
            assert not set(text[begin:end]) & {".", ";"}
            number = text[:begin].replace(";", ".").count(".")
            got.add((number, round(one.coverage, 6), tuple(sorted(quotes(text, one)))))
    assert got == expected

    def said(terms: ScatteredTerms) -> list[object]:
        return [
            sorted(
                (one.words, round(one.coverage, 9), one.excess, one.shadowed, rules)
                for one in scatters
                for rules in [tuple(sorted(t.rule for t in terms.groups[one.group].terms))]
            )
            for scatters in terms.find(Document("d", "note", text))
        ]

    assert said(ScatteredTerms(lexicon.hashed(), SOURCES, least)) == said(plain)


def test_of_words_that_two_languages_share_only_the_document_s_terms_count() -> None:
    terms = ready(term("CAD", A, language="en"), term("CAD", B, language="es"), term("CAD", C))
    for opening, spoken in ((ENGLISH, {A, C}), (SPANISH, {B, C}), ("", {A, B, C})):
        ((one,),) = found(terms, f"{opening}CAD.")
        assert {each.code for each in terms.spoken(one).terms} == spoken
        assert terms.spoken(one).key == terms.groups[one.group].key
