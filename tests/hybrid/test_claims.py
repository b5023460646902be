"""Whose the mentions are that a tagger sees."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Code, Span
from surecode.evidence.assertion import Assertion
from surecode.hybrid.claims import Claim, claims
from surecode.hybrid.marks import Marked
from surecode.hybrid.place import Place
from surecode.hybrid.tagger import Mention, Tagged

A, B, C = (Code("ICD-O-3", value) for value in ("8000/6", "8140/3", "8140/6"))


def marked(start: int, end: int, chance: float, document: str = "d") -> Marked:
    spans = (Span(document, start, end),)
    place = Place(spans, "training", "rule", "exact", 0.5, Assertion(), chance)
    return Marked(place, 0.5, 1.0, 0.5)


def seen(*mentions: Mention) -> dict[str, Tagged]:
    return {"d": cast("Tagged", SimpleNamespace(likeliest=mentions))}


def test_a_mention_is_shared_by_the_codes_that_have_a_place_there() -> None:
    mention, other = Mention(0, 30, 0.9), Mention(40, 50, 0.4)
    found = claims(
        {
            A: [marked(20, 30, 0.1), marked(25, 35, 0.2), marked(60, 70, 0.9)],
            B: [marked(0, 14, 0.6), marked(41, 45, 0.3)],
            C: [marked(0, 14, 0.2), marked(0, 30, 0.9, "another document")],
        },
        seen(mention, other),
    )
    assert found == {
        A: [Claim(0.9, pytest.approx(0.2), False)],
        B: [Claim(0.9, pytest.approx(0.6), True), Claim(0.4, 1.0, True)],
        C: [Claim(0.9, pytest.approx(0.2), False)],
    }


def test_of_equal_claims_the_first_codes_is_the_largest() -> None:
    places = {B: [marked(0, 5, 0.4)], A: [marked(0, 5, 0.4)]}
    found = claims(places, seen(Mention(0, 5, 0.7)))
    assert {code: one.largest for code, (one,) in found.items()} == {A: True, B: False}


def test_without_a_tagger_or_a_chance_there_is_no_claim() -> None:
    assert claims({A: [marked(0, 5, 0.4)]}, {}) == {}
    assert claims({A: [marked(0, 5, 0.0)]}, seen(Mention(0, 5, 0.7))) == {}


@given(
    st.dictionaries(
        st.sampled_from([A, B, C]),
        st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9), st.floats(0.01, 1)), max_size=4),
    )
)
def test_shares_of_a_mention_sum_to_one_and_one_is_the_largest(
    drawn: dict[Code, list[tuple[int, int, float]]],
) -> None:
    places = {code: [marked(s, s + n, p) for s, n, p in some] for code, some in drawn.items()}
    found = claims(places, seen(Mention(5, 15, 0.8)))
    every = [one for some in found.values() for one in some]
    if every:
        assert sum(one.share for one in every) == pytest.approx(1.0)
        assert sum(one.largest for one in every) == 1
        largest = next(one for one in every if one.largest)
        assert largest.share == max(one.share for one in every)
    overlapping = {c for c, some in drawn.items() if any(s < 15 and s + n > 5 for s, n, _ in some)}
    assert set(found) == overlapping
    # What stands elsewhere says nothing.
    assert found == claims(
        {code: [*some, replace(marked(100, 110, 1.0))] for code, some in places.items() if some},
        seen(Mention(5, 15, 0.8)),
    )
