from __future__ import annotations

import unicodedata

import pytest

from surecode.evidence.stop_words import ENGLISH, NEGATIONS, SPANISH, StopWords


def trims(text: str, word: str, language: str = "both") -> bool:
    start = text.index(word)
    return StopWords.of(language).trims(text, start, start + len(word))  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["the", "The", "of", "was", "y", "él", "Según", "también", "está"])
def test_words_that_make_no_evidence(word: str) -> None:
    assert trims(word, word)
    assert trims(unicodedata.normalize("NFD", word), unicodedata.normalize("NFD", word))


@pytest.mark.parametrize("word", ["fever", "pneumonia", "año", "left", "history", "12", "O'Neil"])
def test_words_that_do(word: str) -> None:
    assert not trims(word, word)


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("severe AS with syncope", "AS", False),  # aortic stenosis
        ("severe as with syncope", "as", True),
        ("hepatitis A", "A", False),
        ("diabetes type I", "I", False),
        ("A child with fever", "A", True),
        ("seen.\n  A child with fever", "A", True),
        ("HISTORY OF FEVER\nof note", "OF", True),
        ("history OF FEVER", "OF", False),
        ("dilated LA", "LA", False),  # left atrium
    ],
)
def test_capitals_are_an_abbreviation_unless_the_line_is_in_capitals(
    text: str, word: str, expected: bool
) -> None:
    assert trims(text, word) is expected


def test_languages() -> None:
    assert trims("the", "the", "english")
    assert not trims("the", "the", "spanish")
    assert trims("los", "los", "spanish")
    assert not trims("los", "los", "english")
    assert trims("the", "the")
    assert trims("los", "los")
    assert not trims("the los", "the", "none")
    assert not trims("the los", "los", "none")
    none = StopWords.of("none")
    assert none.trimmed == none.kept == frozenset()


def test_negations_are_silent_and_not_trimmed() -> None:
    for word in ("sin", "no", "without", "NOT", "ningún"):
        stop_words = StopWords.of("both")
        assert stop_words.silent(word, 0, len(word))
        assert not stop_words.trims(word, 0, len(word))


def test_the_lists_are_in_the_form_in_which_words_are_compared() -> None:
    every = ENGLISH | SPANISH | NEGATIONS["english"] | NEGATIONS["spanish"]
    assert all(word.isascii() and word.islower() and word.isalpha() for word in every)
    assert not (ENGLISH | SPANISH) & (NEGATIONS["english"] | NEGATIONS["spanish"])
    assert not every & {"mi", "us", "os"}  # infarction, ultrasound, left eye or mouth
