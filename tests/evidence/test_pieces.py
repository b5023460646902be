"""Against the definition: for each character, the stretches that hold it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.errors import InputError
from surecode.evidence.pieces import pieces


@dataclass(frozen=True)
class Stretch:
    start: int
    end: int
    name: int


@st.composite
def stretches(draw: st.DrawFn) -> tuple[int, list[Stretch]]:
    length = draw(st.integers(1, 30))
    starts = draw(st.lists(st.integers(0, length - 1), max_size=8))
    return length, [
        Stretch(start, draw(st.integers(start + 1, length)), name)
        for name, start in enumerate(starts)
    ]


@given(stretches())
def test_every_character_lies_in_the_piece_of_its_stretches(
    case: tuple[int, list[Stretch]],
) -> None:
    length, given_ = case
    found = list(pieces(length, given_))
    assert [at for piece in found for at in range(piece.start, piece.end)] == list(range(length))
    for piece in found:
        for at in range(piece.start, piece.end):
            assert list(piece.over) == [s for s in given_ if s.start <= at < s.end]
        assert list(piece.begins) == [s for s in given_ if s.start == piece.start]
        assert list(piece.ends) == [s for s in given_ if s.end == piece.end]


@given(stretches())
def test_no_piece_could_be_longer(case: tuple[int, list[Stretch]]) -> None:
    length, given_ = case
    found = list(pieces(length, given_))
    borders = {s.start for s in given_} | {s.end for s in given_}
    assert {piece.start for piece in found} <= borders | {0}
    assert all(piece.start < piece.end for piece in found)


def test_an_empty_text_has_no_pieces() -> None:
    assert list(pieces(0, [])) == []


@pytest.mark.parametrize(("start", "end"), [(0, 0), (2, 1), (-1, 2), (0, 5), (4, 5)])
def test_a_stretch_outside_the_text_is_refused(start: int, end: int) -> None:
    with pytest.raises(InputError, match=rf"mark {start}-{end} .* 4 characters; give"):
        list(pieces(4, [Stretch(start, end, 0)]))
