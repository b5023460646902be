"""What else the places of a code may be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Code, Span
from surecode.evidence.assertion import Assertion
from surecode.hybrid.marks import Marked
from surecode.hybrid.odds import odds
from surecode.hybrid.place import Place
from surecode.hybrid.rivals import NO_RIVAL, rivalry

A, B, C = (Code("ICD-10-CM", value) for value in ("K65.9", "K65.2", "I10"))


def marked(start: int, end: int, chance: float, document: str = "d") -> Marked:
    spans = (Span(document, start, end),)
    place = Place(spans, "shipped", "rule", "exact", chance, Assertion(), chance)
    return Marked(place, chance, 1.0, chance)


def test_a_place_has_the_likeliest_other_code_that_overlaps_it_as_rival() -> None:
    found = rivalry(
        {
            A: [marked(0, 10, 0.3), marked(50, 60, 0.2)],
            B: [marked(5, 30, 0.8), marked(8, 9, 0.4)],
            C: [marked(0, 10, 0.9, "other document")],
        }
    )
    assert found[A] == (0.0, 0.8, pytest.approx(odds(0.2) - odds(0.0)))
    assert found[B] == (0.3, 0.3, pytest.approx(odds(0.8) - odds(0.3)))
    assert found[C] == (0.0, 0.0, pytest.approx(odds(0.9) - odds(0.0)))


def test_a_code_is_no_rival_of_itself_and_without_places_there_is_none() -> None:
    assert rivalry({A: [marked(0, 10, 0.3), marked(0, 10, 0.6)]})[A][:2] == (0.0, 0.0)
    assert rivalry({A: []}) == {}
    assert NO_RIVAL == (0.0, 0.0, 0.0)


@given(
    st.dictionaries(
        st.sampled_from([A, B, C]),
        st.lists(
            st.tuples(st.integers(0, 20), st.integers(1, 9), st.floats(0, 1)),
            min_size=1,
            max_size=5,
        ),
    )
)
def test_rivals_are_those_of_a_plain_search(
    drawn: dict[Code, list[tuple[int, int, float]]],
) -> None:
    places = {code: [marked(s, s + n, p) for s, n, p in some] for code, some in drawn.items()}
    found = rivalry(places)
    assert found.keys() == places.keys()
    for code, some in drawn.items():
        rivals = [
            max(
                (
                    q
                    for other, them in drawn.items()
                    for s, n, q in them
                    if other != code and s < start + length and start < s + n
                ),
                default=0.0,
            )
            for start, length, _ in some
        ]
        least, _, margin = found[code]
        assert least == min(rivals)
        most = max(odds(p) - odds(r) for (_, _, p), r in zip(some, rivals, strict=True))
        assert math.isclose(margin, most, abs_tol=1e-12)
