"""Spans that are shown, and the text with and without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Document, Encounter, Span
from surecode.evidence.assertion import Assertion
from surecode.evidence.spans import ScoredSpan
from surecode.hybrid.place import Place
from surecode.hybrid.shown import TermSpan, left, shown_spans

Build = Callable[..., Encounter]
TEXTS = ("fever and cough. Fever; fever\r\nand pain 12.5", "no fever, pain")


def place(*spans: tuple[int, int], document: int = 0, p: float = 0.5) -> Place:
    return Place(
        tuple(Span(f"d{document}", *span) for span in spans),
        "training",
        "r",
        "exact",
        p,
        Assertion(),
        p,
    )


@pytest.fixture(scope="module")
def encounter(encounter_of: Build) -> Encounter:
    return encounter_of(*TEXTS)


def shown(encounter: Encounter, places: list[Place], most: int) -> list[TermSpan]:
    """The spans of one code that is assigned alone."""
    return shown_spans(encounter, {7: places}, most)[7]


def test_the_same_words_are_mentions_and_shares_sum_to_one(encounter: Encounter) -> None:
    spans = shown(
        encounter,
        [
            place((0, 5), p=0.6),
            place((24, 29)),
            place((3, 8), document=1),
            place((10, 15), p=0.4),
            place((17, 22), p=0.25),  # too unlikely
        ],
        2,
    )
    assert spans == [
        TermSpan(0, 0, 5, 0.6, ((0, 0, 5), (0, 24, 29), (1, 3, 8)), rule="r", number=0),
        TermSpan(0, 10, 15, 0.4, ((0, 10, 15),), rule="r", number=1),
    ]


def test_of_overlapping_places_the_better_one_counts(encounter: Encounter) -> None:
    (one,) = shown(encounter, [place((0, 5)), place((0, 15), p=0.1)], 3)
    assert (one.start, one.end) == (0, 5)


def test_words_apart_are_several_spans_of_one_place(encounter: Encounter) -> None:
    spans = shown(encounter, [place((0, 5), (10, 15), p=0.4), place((35, 39), p=0.4)], 2)
    assert [(s.start, s.end) for s in spans] == [(35, 39), (0, 5), (10, 15)]
    assert [s.score for s in spans] == pytest.approx([0.5, 0.25, 0.25])
    assert [s.number for s in spans] == [0, 1, 1]


def test_a_place_is_shown_for_the_code_that_it_most_likely_means(encounter: Encounter) -> None:
    cough = place((10, 15), p=0.6)
    spans = shown_spans(
        encounter,
        {
            3: [place((0, 5), p=0.9), place((0, 15), p=0.4)],
            # Its likeliest place is the other's; the next is its own.
            4: [place((0, 5), p=0.7), cough],
            # Nothing is left to it, and what speaks for it is shown all the same.
            5: [place((0, 15), p=0.5)],
        },
        3,
    )
    assert {code: [(s.start, s.end) for s in some] for code, some in spans.items()} == {
        3: [(0, 5)],
        4: [(10, 15)],
        5: [(0, 15)],
    }


def test_where_a_tagger_sees_mentions_places_of_terms_must_be_likelier(
    encounter: Encounter,
) -> None:
    term, mention = place((0, 5), p=0.49), replace(place((0, 15), p=0.4), match="tagged")
    assert [span.end for span in shown(encounter, [term], 3)] == [5]
    ends = {
        code: [span.end for span in spans]
        for code, spans in shown_spans(encounter, {1: [term], 2: [mention]}, 3).items()
    }
    assert ends[2] == [15]
    assert ends[1] == [5]  # it has no other
    again = replace(term, spans=(Span("d0", 17, 22),))
    others = shown_spans(encounter, {1: [place((31, 39)), again], 2: [mention]}, 3)
    assert [span.start for span in others[1]] == [31]
    assert [span.start for span in shown(encounter, [place((31, 39)), again], 3)] == [31, 17]


def test_what_a_code_falls_back_on_has_its_mentions(encounter: Encounter) -> None:
    """Its words are deleted wherever they stand, though the places are quoted for another code."""
    fevers = [(0, 5), (24, 29)]
    spans = shown_spans(
        encounter,
        {0: [place(f, p=0.8) for f in fevers], 1: [place(f, p=0.7) for f in fevers]},
        3,
    )
    assert [s.places for s in spans[0]] == [((0, 0, 5), (0, 24, 29))]
    assert [s.places for s in spans[1]] == [((0, 0, 5), (0, 24, 29))]
    assert left(encounter, spans[1], False).documents[0].text.startswith("·····")


def test_denied_places_are_not_shown_before_affirmed_ones(encounter: Encounter) -> None:
    denied = replace(place((3, 8), document=1, p=0.9), meant=Assertion(polarity="negated"))
    affirmed = [place((0, 5)), place((24, 29), p=0.45)]
    (one,) = shown(encounter, [*affirmed, denied], 3)
    assert one.place == (0, 0, 5)
    assert one.places == ((0, 0, 5), (0, 24, 29), (1, 3, 8))


def test_a_code_that_is_affirmed_somewhere_is_not_shown_denied_alone(
    encounter: Encounter,
) -> None:
    denied = replace(place((3, 8), document=1), meant=Assertion(polarity="negated"))
    affirmed = place((0, 5), p=0.1)
    (one,) = shown(encounter, [affirmed, denied], 3)
    assert one.place == (0, 0, 5)
    assert one.places == ((0, 0, 5), (1, 3, 8))
    assert [span.place for span in shown(encounter, [denied], 3)] == [(1, 3, 8)]


@st.composite
def places(draw: st.DrawFn) -> list[Place]:
    def one() -> Place:
        document = draw(st.integers(0, 1))
        size = len(TEXTS[document])
        cuts = draw(st.lists(st.integers(0, size), min_size=2, max_size=6, unique=True))
        cuts = sorted(cuts)[: len(cuts) // 2 * 2]
        pairs = list(zip(cuts[::2], cuts[1::2], strict=True))
        return place(*pairs, document=document, p=draw(st.sampled_from([0.1, 0.5, 1.0])))

    words = st.sampled_from([place((0, 5)), place((24, 29)), place((3, 8), document=1)])
    return [draw(words) if draw(st.booleans()) else one() for _ in range(draw(st.integers(1, 6)))]


@given(st.lists(places(), min_size=1, max_size=3), st.integers(1, 3))
def test_what_is_shown_is_disjoint_inside_and_of_the_same_words(
    given_places: list[list[Place]], most: int
) -> None:
    encounter = _encounter()
    by_code = {n: sorted(some, key=lambda p: p.rank) for n, some in enumerate(given_places)}
    spans_of = shown_spans(encounter, by_code, most)
    assert list(spans_of) == list(by_code)
    every = [where for spans in spans_of.values() for span in spans for where in span.places]
    for n, spans in spans_of.items():
        assert spans
        assert sum(span.score for span in spans) == pytest.approx(1.0)
        places = [where for span in spans for where in span.places]
        for document, start, end in places:
            assert 0 <= start < end <= len(TEXTS[document])
        for k, (document, start, end) in enumerate(places):
            assert all(document != d or end <= s or e <= start for d, s, e in places[k + 1 :])
        full = len({span.number for span in spans}) >= most
        for span in spans:
            quotes = {" ".join(TEXTS[d][s:e].split()) for d, s, e in span.places}
            assert len(quotes) == 1
            assert span.place in span.places
        # Nothing likely is left out but what overlaps, or stands in pieces beyond the most.
        for one in by_code[n]:
            (document,) = {int(s.document_id[1:]) for s in one.spans}
            contested = any(
                d == document and s < span.end and span.start < e
                for span in one.spans
                for d, s, e in every
            )
            assert contested or one.marked < 0.3 or (full and len(one.spans) > 1)
        starts = {(s.start, s.end) for p in by_code[n] for s in p.spans}
        assert {(span.start, span.end) for span in spans} <= starts


@given(places(), st.booleans())
def test_what_is_left_keeps_its_places(given_places: list[Place], only: bool) -> None:
    encounter = _encounter()
    spans = shown(encounter, given_places, 3)
    rest = left(encounter, spans, only)
    assert rest.codes == ()
    assert rest.evidence == ()
    inside = {
        (d, at) for span in spans for d, start, end in span.places for at in range(start, end)
    }
    for n, (before, after) in enumerate(zip(encounter.documents, rest.documents, strict=True)):
        assert after.document_id == before.document_id
        text = after.text
        if len(text) != len(before.text):  # no word was left
            assert text[len(before.text) :] == " 0"
            assert not any(map(str.isalnum, text[: len(before.text)]))
        for at, character in enumerate(before.text):
            gone = ((n, at) in inside) != only
            if character.isspace() or (only and character in ".;"):
                gone = False
            assert text[at] == ("\N{MIDDLE DOT}" if gone else character)


def test_deletion_by_hand(encounter: Encounter) -> None:
    span = ScoredSpan(0, 0, 5, 1.0, ((0, 0, 5), (1, 3, 8)))
    assert [d.text for d in left(encounter, [span], False).documents] == [
        "····· and cough. Fever; fever\r\nand pain 12.5",
        "no ·····, pain",
    ]
    assert [d.text for d in left(encounter, [span], True).documents] == [
        "fever ··· ·····. ·····; ·····\r\n··· ···· ··.·",
        "·· fever· ····",
    ]
    whole = [ScoredSpan(1, 0, len(TEXTS[1]), 1.0)]
    assert left(encounter, whole, False).documents[1].text == "·· ······ ···· 0"


def _encounter() -> Encounter:
    from datetime import date

    documents = tuple(Document(f"d{n}", "note", text) for n, text in enumerate(TEXTS))
    return Encounter("e", "p", "medicine", "professional", "x", date(2026, 1, 1), documents)
