from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surecode.calibration.offset_deviation import RANGE, most_likely_deviation

numbers = st.floats(0.01, 50.0)


def likelihood(deviation: float, curvature: np.ndarray, score: np.ndarray) -> float:
    """Of the measurements score / curvature, by scipy."""
    spread = np.sqrt(deviation**2 + 1.0 / curvature)
    return float(stats.norm.logpdf(score / curvature, 0.0, spread).sum())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(numbers, st.floats(-30.0, 30.0)), min_size=1, max_size=8))
def test_no_other_deviation_is_more_likely(codes: list[tuple[float, float]]) -> None:
    curvature, score = (np.array(column) for column in zip(*codes, strict=True))
    found = most_likely_deviation(curvature, score)
    best = max(
        likelihood(deviation, curvature, score)
        for deviation in [0.0, *np.geomspace(*RANGE, 120).tolist()]
    )
    assert likelihood(found, curvature, score) >= best - 1e-3


def test_equal_measurements_in_closed_form() -> None:
    """With the variance v of each and a mean square s, the best variance is s - v."""
    score = 4.0 * np.array([1.0, -1.0, 1.0, -1.0])
    assert most_likely_deviation(np.full(4, 4.0), score) == pytest.approx(np.sqrt(0.75), rel=1e-3)
    assert most_likely_deviation(np.full(4, 0.9), 0.9 * np.ones(4)) == 0.0


def test_codes_that_measure_nothing_change_nothing() -> None:
    curvature, score = np.array([2.0, 3.0, 1.0]), np.array([5.0, -4.0, 2.0])
    found = most_likely_deviation(curvature, score)
    more = most_likely_deviation(np.append(curvature, np.zeros(50)), np.append(score, np.zeros(50)))
    assert 0.0 < found == more


def test_nothing_measured_at_all() -> None:
    assert most_likely_deviation(np.zeros(3), np.zeros(3)) == 0.0
