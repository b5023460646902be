from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.errors import InputError
from surecode.evidence.cue_lists import cue_groups, parse_cues
from surecode.evidence.cues import Cue, CueGroup, Lexicon
from surecode.evidence.folding import fold


def group(*phrases: str, side: str = "before") -> CueGroup:
    return parse_cues("\n".join([f"[negated {side} list]", *phrases]), "test")[0]


def quotes(text: str, cues: list[Cue]) -> list[str]:
    return [text[cue.start : cue.end] for cue in cues]


# ---- folding -------------------------------------------------------------------------------------


@given(st.text(alphabet="aÁéñÜ ßİ\u0301\u0303xSíÍ.", max_size=40))
def test_folding_keeps_the_places_of_all_that_it_keeps(text: str) -> None:
    folded = fold(text)
    kept = [place for place in range(len(text)) if not 0x300 <= ord(text[place]) <= 0x36F]
    assert [folded.outside(inside) for inside in range(len(folded.text))] == kept
    assert [folded.inside(place) for place in kept] == list(range(len(kept)))
    assert folded.inside(len(text)) == len(folded.text)
    assert not set(folded.text) & set("ÁÉáéñüÜ\u0301")


@given(st.text(alphabet="aÁéñÜ SíÍiI.", max_size=40))
def test_composed_and_decomposed_text_fold_alike(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    decomposed = unicodedata.normalize("NFD", text)
    assert fold(composed).text == fold(decomposed).text


def test_yes_is_not_if() -> None:
    assert fold("Sí, sí; si SÍ Siria").text == "sy, sy; si sy siria"


# ---- phrases -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrase", "found", "not_found"),
    [
        ("no evidence of", "there is no evidence of gout", "no evident gout"),
        ("sign|signs of", "signs of gout", "signage of gout"),
        ("demonstrat* no", "demonstrating no gout", "demo no gout"),
        ("no known? history of", "no history of gout", "no good history of gout"),
        ("no _ history of", "no good history of gout", "no very good history of gout"),
        ("no _3 history of", "no very good old history of gout", "no a b c d history of gout"),
        ("r/o", "r/o gout", "r/owner gout"),
        ("not", "not gout", "nothing, knot"),
        ("re:in (?:19|20)\\d\\d\\b", "in 1998", "in 19987"),
    ],
)
def test_what_a_phrase_matches(phrase: str, found: str, not_found: str) -> None:
    lexicon = Lexicon([group(phrase)])
    assert len(lexicon.find(found)) == 1
    assert lexicon.find(not_found) == []


def test_the_first_and_the_longest_phrase_counts() -> None:
    lexicon = Lexicon([group("no", "no increase in"), group("increase")])
    text = "no increase in size, no increase"
    assert quotes(text, lexicon.find(text)) == ["no increase in", "no", "increase"]


def test_phrases_of_two_sides_may_overlap() -> None:
    lexicon = Lexicon([group("is negative", side="after"), group("negative for")])
    text = "the test is negative for gout"
    assert quotes(text, lexicon.find(text)) == ["is negative", "negative for"]


def test_phrases_over_the_same_characters_all_count() -> None:
    lists = parse_cues("[negated before list]\ndenies\n[stops family]\ndenies", "test")
    found = Lexicon(lists).find("mother denies gout")
    assert [(cue.start, cue.end) for cue in found] == [(7, 13), (7, 13)]


def test_no_phrase_runs_over_the_end_that_is_asked_for() -> None:
    lexicon = Lexicon([group("no", "no change")])
    assert quotes("no change", lexicon.find("no change", 0, 3)) == ["no"]
    assert lexicon.find("no change", 3) == []


@given(st.lists(st.sampled_from(["no", "not", "gout", "no evidence of", ",", "evidence"])))
def test_cues_come_in_order_and_do_not_overlap(words: list[str]) -> None:
    text = " ".join(words)
    found = Lexicon([group("no", "not", "no evidence of", "evidence")]).find(text)
    assert all(left.end <= right.start for left, right in pairwise(found))
    # Everything between the cues is none: removing them leaves no phrase behind.
    rest = text
    for cue in reversed(found):
        rest = rest[: cue.start] + "#" + rest[cue.end :]
    assert re.search(r"\b(?:no|not|evidence)\b", rest) is None


# ---- the lists of the package --------------------------------------------------------------------


def example(phrase: str) -> str:
    """A text that the phrase matches: the first of all alternatives, "x" for any word."""
    slots = (slot.rstrip("?*") or slot for slot in phrase.split())
    return " ".join("x" if slot[0] == "_" else slot.split("|")[0].rstrip("*") for slot in slots)


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_phrase_of_a_list_can_be_found(language: str) -> None:
    lost = []
    for each in cue_groups(language):
        for phrase in each.phrases:
            text = phrase if phrase in {"?", "¿"} else example(phrase)
            if phrase.startswith("re:"):
                continue
            found = Lexicon([CueGroup(each.effect, each.side, each.reach, (phrase,))]).find(text)
            if [(cue.start, cue.end) for cue in found] != [(0, len(text))]:
                lost.append(phrase)
    assert lost == []


@pytest.mark.parametrize("language", ["en", "es"])
def test_lists_are_folded_and_name_nothing_that_is_not_defined(language: str) -> None:
    phrases = [phrase for each in cue_groups(language) for phrase in each.phrases]
    assert len(phrases) > 150
    assert [phrase for phrase in phrases if fold(phrase).text != phrase.lower()] == []
    assert [phrase for phrase in phrases if re.search(r"\{[a-z]", phrase)] == []
    assert [phrase for phrase in phrases if phrase.endswith("?") and phrase != "?"] == []


def test_regular_expressions_begin_with_the_two_characters_they_are_looked_up_by() -> None:
    for language in ("en", "es"):
        for each in cue_groups(language):
            for phrase in each.phrases:
                if phrase.startswith("re:"):
                    assert re.fullmatch(r"[a-z,][a-z ]", phrase[3:5]), phrase


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", "test, line 1: a phrase before the first"),
        ("[negated before]\nno", "test, line 1: the header"),
        ("# x\n[negates before list]", "test, line 2: the header"),
        ("[stops]", "test, line 1: the header"),
        ("[stops family gout]", "test, line 1: the header"),
    ],
)
def test_a_list_that_says_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        parse_cues(text, "test")


def test_named_alternatives_are_filled_in() -> None:
    (only,) = parse_cues("{be} = is|was\n[negated after near]\n{be} absent", "test")
    assert only.phrases == ("is|was absent",)
