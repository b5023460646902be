"""The words of a place and those beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.hybrid.surroundings import Surroundings

TEXT = "Refiere tos. Presenta Carcinoma Ductal infiltrante, grado 2.5 de mama. Alta."


def names(text: str, words: str) -> set[str]:
    start = text.index(words)
    return set(Surroundings(text).names(start, start + len(words)))


def test_words_are_told_by_where_they_stand() -> None:
    found = names(TEXT, "Carcinoma Ductal")
    assert {"first:carcinoma", "last:ductal", "in:carcinoma ductal"} <= found
    assert {"before:presenta", "just before:presenta", "just after:infiltrante"} <= found
    assert {"after:grado", "after:grado 2", "just after:infiltrante ,"} <= found


def test_a_sentence_ends_at_a_point_that_no_digit_follows() -> None:
    found = names(TEXT, "Carcinoma Ductal")
    assert {"later:mama"} <= found  # beyond "2.5"
    assert not {name for name in found if "tos" in name or "alta" in name}


@pytest.mark.parametrize("words", ["Refiere", "Alta", "."])
def test_the_ends_of_a_text_are_places_too(words: str) -> None:
    assert f"first:{words.lower()}" in names(TEXT, words)


@given(st.text(min_size=1), st.data())
def test_any_place_of_any_text_with_a_word_has_names(text: str, data: st.DataObject) -> None:
    text += " x"
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    found = list(Surroundings(text).names(start, end))
    assert found == list(Surroundings(text).names(start, end))
    assert sum(name.startswith("first:") for name in found) == 1
