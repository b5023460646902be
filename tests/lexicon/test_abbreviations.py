"""Abbreviations that are written out before texts are compared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from surecode.lexicon.abbreviations import spelled_out


def test_an_abbreviation_is_written_out_where_it_stands() -> None:
    assert spelled_out("NLPHL, in CR since May") == [
        "nodular lymphocyte predominant Hodgkin lymphoma, in complete remission since May"
    ]


def test_there_is_a_way_for_each_meaning() -> None:
    ways = spelled_out("PE with HTN")
    assert ways[0] == "pulmonary embolism with hypertension"
    assert "physical examination with hypertension" in ways
    assert len(set(ways)) == len(ways)


def test_capitals_count_and_small_letters_do_not() -> None:
    assert spelled_out("he can walk, a cad") == []  # CAD is none of a villain
    assert spelled_out("Afib") == spelled_out("afib") == ["atrial fibrillation"]


def test_the_longest_wins_and_a_full_stop_stays() -> None:
    (way,) = spelled_out("Known DM II.")
    assert way == "Known type 2 diabetes mellitus."
    assert spelled_out("treated s/p fall")[0] == "treated status post fall"


def test_a_word_that_holds_an_abbreviation_is_left() -> None:
    assert spelled_out("the unHTNed") == []


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    ways = spelled_out(f"HTN, {text}")
    assert ways
    assert all(way.startswith("hypertension, ") for way in ways)
