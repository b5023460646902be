from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from surecode.data.windows import Windower
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.evidence.words import WORD, Word, map_words, score_words

WORDS = [
    "fever",
    "T2a-b",
    "3.5",
    "S/P",
    "cafe\u0301",
    "pneu\u00admonia",
    "漢字",
    "a",
    "O'Neil",
    "ñ",
]
SIGNS = ["😀", "...", "(", "_", "-", " ", "\n", "\t", "\u00a0", "\u200b"]
PIECES = st.sampled_from([*WORDS, *SIGNS])
TEXTS = st.lists(st.lists(PIECES, max_size=20).map("".join), min_size=1, max_size=3)


def found(text: str) -> list[str]:
    return WORD.findall(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Stage T2a-b, 3.5 cm.", ["Stage", "T2a-b", "3.5", "cm"]),
        ("S/P CABG; O'Neil's", ["S/P", "CABG", "O'Neil's"]),
        ("- fever -- cough...", ["fever", "cough"]),
        ("neumoni\u0301a ca\u0301ncer", ["neumoni\u0301a", "ca\u0301ncer"]),
        ("pneu\u00admonia x\u200by", ["pneu\u00admonia", "x\u200by"]),
        ("fiebre\u00a0alta 38,5°C", ["fiebre", "alta", "38", "5", "C"]),
        ("\u0301 \u200b", []),
    ],
)
def test_what_a_word_is(text: str, words: list[str]) -> None:
    assert found(text) == words


@given(texts=TEXTS, data=st.data())
def test_word_scores_sum_up_to_the_scores_of_their_tokens(
    texts: list[str], data: st.DataObject
) -> None:
    """Tokens of any cut, in any order, some over white space and punctuation."""
    places = [
        (position, start, data.draw(st.integers(start + 1, len(text))))
        for position, text in enumerate(texts)
        for start in range(len(text))
        if data.draw(st.booleans())
    ]
    places = data.draw(st.permutations(places))
    document = np.array([position for position, _, _ in places], dtype=np.int64)
    offsets = np.array([place[1:] for place in places], dtype=np.int64).reshape(-1, 2)
    scores = np.array(
        data.draw(st.lists(st.floats(-9, 9), min_size=len(places), max_size=len(places)))
    )
    words = score_words(texts, document, offsets, scores)

    expected: dict[tuple[int, int], float] = {}
    for (position, start, end), score in zip(places, scores, strict=True):
        matches = WORD.finditer(texts[position])
        touched = [m.start() for m in matches if m.start() < end and start < m.end()]
        if touched:
            key = (position, touched[-1])
            expected[key] = expected.get(key, 0.0) + score
    assert {(w.document, w.start): pytest.approx(w.score, abs=1e-9) for w in words} == expected
    for word in words:
        matches = list(WORD.finditer(texts[word.document]))
        assert matches[word.index].span() == (word.start, word.end)
    assert [(w.document, w.start) for w in words] == sorted(expected)


@given(texts=st.lists(st.lists(PIECES, max_size=20).map("".join), min_size=1, max_size=3))
def test_no_contribution_to_a_word_is_lost_on_the_way_from_the_tokenizer(
    tiny_tokenizer: PreTrainedTokenizerBase,
    encounter_of: Callable[..., Encounter],
    texts: list[str],
) -> None:
    texts = [f"{text} fever" for text in texts]
    windows = Windower(tiny_tokenizer, 16)(encounter_of(*texts))
    scores = np.arange(1.0, windows.tokens + 1)
    words = score_words(texts, windows.document, windows.offsets, scores)
    on_words = [
        any(c.isalnum() for c in texts[position][start:end])
        for position, (start, end) in zip(windows.document, windows.offsets, strict=True)
    ]
    assert sum(word.score for word in words) >= scores[on_words].sum()


def test_a_leading_space_belongs_to_the_word_behind_it() -> None:
    # The tokens of a byte-level BPE: "no", " fe", "ver", ",", " chills".
    text = "no fever, chills"
    offsets = np.array([[0, 2], [2, 5], [5, 8], [8, 9], [9, 16]])
    scores = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    assert score_words([text], np.zeros(5, dtype=np.int64), offsets, scores) == [
        Word(0, 0, 0, 2, 1.0),
        Word(0, 1, 3, 8, 6.0),
        Word(0, 2, 10, 16, 16.0),
    ]


def test_a_sign_behind_a_word_that_shares_its_token_costs_the_word_nothing() -> None:
    # WordPiece makes one [UNK] of a word with a sign that it does not know; "," stands alone.
    offsets = np.array([[0, 2], [3, 7], [7, 8]])
    words = score_words(["K↑ Na+↓,"], np.zeros(3, dtype=np.int64), offsets, np.array([1.0, 2, 4]))
    assert [(w.start, w.end, w.score) for w in words] == [(0, 1, 1.0), (3, 5, 2.0)]


def test_several_tokens_of_one_character_all_count() -> None:
    # Byte-level BPE cuts a rare character into bytes: tokens with the same place.
    offsets = np.array([[0, 1], [0, 1], [0, 1], [1, 2]])
    words = score_words(["漢a"], np.zeros(4, dtype=np.int64), offsets, np.ones(4))
    assert words == [Word(0, 0, 0, 2, 4.0)]


def test_documents_do_not_mix() -> None:
    offsets = np.array([[0, 3], [0, 3], [4, 7]])
    words = score_words(["one", "?", "two six"], np.array([0, 2, 2]), offsets, np.arange(3.0))
    assert [(w.document, w.index, w.score) for w in words] == [
        (0, 0, 0.0),
        (2, 0, 1.0),
        (2, 1, 2.0),
    ]


def test_a_document_without_words_gives_none() -> None:
    document, offsets = np.zeros(2, dtype=np.int64), np.array([[0, 1], [1, 2]])
    assert score_words(["?!"], document, offsets, np.ones(2)) == []


@given(texts=TEXTS, data=st.data())
def test_one_map_scores_every_code(texts: list[str], data: st.DataObject) -> None:
    places = [
        (position, start, data.draw(st.integers(start, len(text))))
        for position, text in enumerate(texts)
        for start in range(len(text))
    ]
    document = np.array([position for position, _, _ in places], dtype=np.int64)
    offsets = np.array([place[1:] for place in places], dtype=np.int64).reshape(-1, 2)
    found = map_words(texts, document, offsets)
    assert found.holder.shape == document.shape
    for seed in range(3):
        scores = np.random.default_rng(seed).normal(size=len(places))
        words = found.words(scores)
        assert words == score_words(texts, document, offsets, scores)
        assert [[w.document, w.index, w.start, w.end] for w in words] == found.places.tolist()
        for place, word in enumerate(words):
            assert word.score == pytest.approx(scores[found.holder == place].sum(), abs=1e-9)
    assert set(found.holder.tolist()) - {-1} == set(range(len(found.places)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_contribution_that_is_no_number_is_refused(bad: float) -> None:
    offsets = np.array([[0, 5], [5, 6]])
    for place in range(2):  # of a word, or of a sign that belongs to none
        scores = np.ones(2)
        scores[place] = bad
        with pytest.raises(InputError, match="not a finite number") as error:
            score_words(["fever."], np.zeros(2, dtype=np.int64), offsets, scores)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(3,), (1,), (2, 1), ()])
def test_contributions_of_other_tokens_are_refused(shape: tuple[int, ...]) -> None:
    offsets = np.array([[0, 5], [5, 6]])
    with pytest.raises(InputError, match="one per content token"):
        score_words(["fever."], np.zeros(2, dtype=np.int64), offsets, np.ones(shape))
