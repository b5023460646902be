"""Vectors of words: like contexts make like vectors."""

from __future__ import annotations

import numpy as np
import pytest

from surecode.hybrid.word_vectors import word_vectors


def _texts(repeated: int) -> list[np.ndarray]:
    """Words 0 and 1 stand between 2 and 3, words 4 and 5 between 6 and 7; 8 stands alone."""
    some = [[2, 0, 3], [2, 1, 3], [6, 4, 7], [6, 5, 7], [8]]
    return [np.array(text) for text in some * repeated]


def test_words_of_like_contexts_are_near() -> None:
    vectors = word_vectors(_texts(5), words=9, width=4, seed=0)
    assert vectors[0] @ vectors[1] == pytest.approx(1.0, abs=1e-5)
    assert vectors[4] @ vectors[5] == pytest.approx(1.0, abs=1e-5)
    assert abs(vectors[0] @ vectors[4]) < 0.1
    np.testing.assert_allclose(np.linalg.norm(vectors[:8], axis=1), 1.0, atol=1e-5)
    assert not vectors[8].any()


def test_what_is_no_word_is_no_context() -> None:
    split = [np.array([0, -1, -1, -1, -1, 1])]
    assert not word_vectors(split, words=2, width=2, seed=0).any()
    near = [np.array([0, -1, 1])]
    assert word_vectors(near, words=2, width=2, seed=0).any()


def test_more_numbers_than_words_are_zeros() -> None:
    vectors = word_vectors([np.array([0, 1])], words=2, width=5, seed=0)
    assert vectors.shape == (2, 5)
    assert not vectors[:, 2:].any()


def test_the_same_texts_give_the_same() -> None:
    one, other = (word_vectors(_texts(3), words=9, width=4, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one, other)
