"""Chances along a chain of words, against all paths."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.hybrid.chain import Chain

_SCORE = st.floats(-6, 6)


@st.composite
def chains(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores ``[n, L]`` and steps ``[L, L]``."""
    n, labels = draw(st.integers(1, 4)), draw(st.integers(2, 3))
    rows = st.lists(_SCORE, min_size=labels, max_size=labels)
    scores = draw(st.lists(rows, min_size=n, max_size=n))
    steps = draw(st.lists(rows, min_size=labels, max_size=labels))
    return np.array(scores), np.array(steps)


@given(chains(), st.data())
def test_chances_are_sums_over_all_paths(
    given_chain: tuple[np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    scores, steps = given_chain
    n, labels = scores.shape
    paths = {
        path: float(
            np.exp(
                sum(scores[k, label] for k, label in enumerate(path))
                + sum(steps[a, b] for a, b in pairwise(path))
            )
        )
        for path in product(range(labels), repeat=n)
    }
    total = sum(paths.values())
    chain = Chain.of(scores, steps)
    each = [
        [sum(p for path, p in paths.items() if path[k] == label) / total for label in range(labels)]
        for k in range(n)
    ]
    np.testing.assert_allclose(chain.chances, each, rtol=1e-8, atol=1e-12)
    first = data.draw(st.integers(0, n - 1))
    length = data.draw(st.integers(1, n - first))
    some = data.draw(
        st.lists(st.integers(0, labels - 1), min_size=length, max_size=length), label="labels"
    )
    wanted = sum(p for path, p in paths.items() if list(path[first : first + length]) == some)
    assert chain.path(first, some) == pytest.approx(wanted / total, rel=1e-8, abs=1e-12)


def test_a_long_chain_neither_vanishes_nor_overflows() -> None:
    scores = np.tile([300.0, -300.0], (5000, 1))
    chain = Chain.of(scores, np.array([[2.0, -2.0], [-2.0, 2.0]]))
    assert chain.chances[:, 0] == pytest.approx(1.0)
    assert chain.path(0, [0] * 5000) == pytest.approx(1.0)
