"""The curve and its areas are proved in tests/evaluation/test_selective.py, which offers them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.calibration import risk_coverage
from surecode.evaluation import selective

encounters = st.lists(
    st.tuples(st.sampled_from([0.1, 0.5, 0.5000001, 0.8, 1.0]), st.booleans()),
    min_size=1,
    max_size=20,
)


def test_evaluation_offers_the_same_functions() -> None:
    for name in ("risk_coverage", "aurc", "augrc", "coverage_at_accuracy"):
        assert getattr(selective, name) is getattr(risk_coverage, name)


@given(encounters)
def test_influence_is_the_first_order_term_of_the_mean_over_pairs(
    rows: list[tuple[float, bool]],
) -> None:
    score, right = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    above = (score[:, None] > score[None]) + 0.5 * (score[:, None] == score[None])
    pairs = ~right[:, None] * above  # i is wrong and stands above j
    terms = pairs.mean(axis=1) + pairs.mean(axis=0)
    found = risk_coverage.augrc_influence(score, right)
    np.testing.assert_allclose(found, terms - terms.mean(), atol=1e-12)
    # A tie with itself counts whole in the area, half among the pairs.
    area = pairs.mean() + 0.5 * (~right).mean() / len(rows)
    assert risk_coverage.augrc(score, right) == pytest.approx(area)


@given(encounters)
def test_influence_knows_ranks_only(rows: list[tuple[float, bool]]) -> None:
    score, right = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    first = risk_coverage.augrc_influence(score, right)
    np.testing.assert_array_equal(first, risk_coverage.augrc_influence(np.exp(9 * score), right))
    assert first.sum() == pytest.approx(0.0, abs=1e-12)


def test_the_standard_error_is_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=400)
    right = rng.random(400) < 1 / (1 + np.exp(-score))
    rows = rng.integers(0, 400, (2000, 400))
    spread = np.std([risk_coverage.augrc(score[r], right[r]) for r in rows])
    error = risk_coverage.augrc_influence(score, right).std() / np.sqrt(400)
    assert error == pytest.approx(spread, rel=0.08)
