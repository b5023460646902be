from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from surecode.calibration.reliability import (
    brier_score,
    expected_calibration_error,
    reliability_bins,
)
from surecode.errors import InputError


def test_bins_by_hand() -> None:
    table = reliability_bins(np.array([0.1, 0.9, 0.2, 0.8]), np.array([0, 1, 1, 1], bool), bins=2)
    assert table.confidence == pytest.approx([0.15, 0.85])
    assert table.accuracy == pytest.approx([0.5, 1.0])
    assert table.count.tolist() == [2, 2]
    error = expected_calibration_error([0.1, 0.9, 0.2, 0.8], [False, True, True, True], bins=2)
    assert error == pytest.approx((0.35 + 0.15) / 2)


def test_bins_have_equal_mass_without_ties() -> None:
    rng = np.random.default_rng(0)
    table = reliability_bins(rng.random(1500), rng.random(1500) < 0.5)
    assert table.count.tolist() == [100] * 15


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.booleans()), max_size=40))
def test_ties_share_a_bin_whatever_the_order(pairs: list[tuple[float, bool]]) -> None:
    confidence = np.array([c for c, _ in pairs])
    correct = np.array([r for _, r in pairs], dtype=bool)
    table = reliability_bins(confidence, correct)
    back = reliability_bins(confidence[::-1], correct[::-1])
    assert table.accuracy == pytest.approx(back.accuracy)
    assert table.count.tolist() == back.count.tolist()
    assert table.count.sum() == len(pairs)
    assert len(table.count) <= 4
    assert (np.diff(table.confidence) > 0).all()


def test_calibration_error_of_a_calibrated_and_of_a_boastful_confidence() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(40_000)
    correct = rng.random(40_000) < p
    assert expected_calibration_error(p, correct) < 0.012
    assert expected_calibration_error(np.sqrt(p), correct) > 0.12


def test_brier_score_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    p, correct = rng.random(50), rng.random(50) < 0.5
    assert brier_score(p, correct) == pytest.approx(brier_score_loss(correct, p))


def test_no_encounters() -> None:
    empty = np.zeros(0)
    assert np.isnan(brier_score(empty, empty))
    assert np.isnan(expected_calibration_error(empty, empty))


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"\[N\]"):
        brier_score([0.5], [True, False])
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        brier_score([float("nan")], [True])
    with pytest.raises(InputError, match="bins"):
        reliability_bins([0.5], [True], bins=0)
