from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.evaluation.whitespace import ADDED, perturb_whitespace
from surecode.evidence.words import WORD

pieces = [
    "fever",
    "T2a-b",
    "neumoni\u0301a",
    "😀",
    ".",
    ",",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\u00a0",
]
texts = st.lists(st.sampled_from(pieces), max_size=40).map("".join)
seeds = st.integers(0, 2**32)
rates = st.sampled_from([0.0, 0.3, 1.0])


@given(texts, seeds, rates)
def test_only_white_space_changes_and_every_character_has_its_origin(text, seed, rate):
    new, origin = perturb_whitespace(text, seed, rate=rate)
    assert origin.shape == (len(new),)
    assert "".join(new.split()) == "".join(text.split())
    assert new.split() == text.split()  # no word is cut, no two are joined
    kept = origin[origin != ADDED]
    assert (np.diff(kept) > 0).all()
    for place, source in enumerate(origin):
        assert new[place].isspace() if source == ADDED else new[place] == text[source]
    stayed = set(kept)
    assert all(text[i].isspace() for i in range(len(text)) if i not in stayed)


@given(texts, seeds)
def test_words_and_lines_stay(text, seed):
    new, _ = perturb_whitespace(text, seed, rate=1.0)
    assert WORD.findall(new) == WORD.findall(text)
    filled = [line.split() for line in text.split("\n") if line.split()]
    assert [line.split() for line in new.split("\n") if line.split()] == filled


@given(texts, seeds)
def test_a_seed_is_one_text_and_rate_nought_is_the_text_itself(text, seed):
    first, second = (perturb_whitespace(text, seed) for _ in range(2))
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1], second[1])
    same, origin = perturb_whitespace(text, seed, rate=0.0)
    assert same == text
    np.testing.assert_array_equal(origin, np.arange(len(text)))


@pytest.mark.parametrize("rate", [0.3, 1.0])
def test_the_given_share_of_gaps_changes(rate):
    text = "a " * 4000
    _, origin = perturb_whitespace(text, 5, rate=rate)
    changed = 4000 - np.isin(np.arange(1, 8000, 2), origin).sum()
    assert changed / 4000 == pytest.approx(rate, abs=0.04)
