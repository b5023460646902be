from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.metrics import brier_score_loss

from surecode.calibration.reliability import (
    brier_score,
    calibration_error_at_k,
    calibration_in_band,
    expected_calibration_error,
    reliability_at_k,
    reliability_bins,
    top_k,
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


# ---- where decisions fall ------------------------------------------------------------------------

tied = st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0])


@settings(max_examples=100, deadline=None)
@given(
    arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=7), elements=tied), st.data()
)
def test_the_top_codes_are_those_of_a_stable_sort(p: np.ndarray, data: st.DataObject) -> None:
    gold = data.draw(arrays(np.bool_, p.shape))
    k = data.draw(st.integers(1, 9))
    top, right = top_k(p, gold, k)
    for row, y, found, found_gold in zip(p, gold, top, right, strict=True):
        first = sorted(sorted(range(len(row)), key=lambda c: (-row[c], c))[:k])
        assert found.tolist() == row[first].tolist()
        assert found_gold.tolist() == y[first].tolist()


def test_of_equal_codes_at_the_last_place_the_first_counts() -> None:
    p, gold = np.array([[0.3, 0.9, 0.3, 0.3]]), np.array([[True, False, False, False]])
    table = reliability_at_k(p, gold, k=2, bins=2)
    assert table.confidence == pytest.approx([0.3, 0.9])
    assert table.accuracy.tolist() == [1.0, 0.0]
    assert table.count.tolist() == [1, 1]
    assert calibration_error_at_k(p, gold, k=2, bins=2) == pytest.approx((0.7 + 0.9) / 2)


def test_thousands_of_zeros_do_not_hide_an_error() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.05, 0.6, (500, 3))
    gold = np.zeros((500, 1000), dtype=bool)
    gold[:, :3] = rng.random((500, 3)) < truth
    boastful, honest = np.full((2, 500, 1000), 1e-4)
    boastful[:, :3], honest[:, :3] = np.sqrt(truth), truth
    assert expected_calibration_error(boastful.ravel(), gold.ravel()) < 0.002
    assert calibration_error_at_k(boastful, gold, k=3) > 0.2
    assert calibration_error_at_k(honest, gold, k=3) < 0.05


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (6, 4), elements=st.floats(0, 1)), arrays(np.bool_, (6, 4)))
def test_order_of_encounters_says_nothing_and_all_codes_are_the_pooled_error(
    p: np.ndarray, gold: np.ndarray
) -> None:
    error = calibration_error_at_k(p, gold, k=2)
    assert 0.0 <= error <= 1.0
    assert calibration_error_at_k(p[::-1], gold[::-1], k=2) == pytest.approx(error)
    pooled = expected_calibration_error(p.ravel(), gold.ravel())
    assert calibration_error_at_k(p, gold, k=4) == pytest.approx(pooled)
    assert calibration_error_at_k(p, gold, k=9) == pytest.approx(pooled)


@pytest.mark.parametrize("right", [True, False])
def test_all_right_and_all_wrong(right: bool) -> None:
    p, gold = np.full((8, 4), 0.75), np.full((8, 4), right)
    assert calibration_error_at_k(p, gold, k=2) == pytest.approx(0.25 if right else 0.75)


def test_a_band_by_hand() -> None:
    p = np.array([[0.05, 0.1, 0.4], [0.99, 0.995, 0.4]])
    gold = np.array([[False, True, False], [True, True, True]])
    band = calibration_in_band(p, gold)
    assert (band.low, band.high, band.count) == (0.1, 0.99, 4)
    assert band.probability == pytest.approx((0.1 + 0.4 + 0.4 + 0.99) / 4)
    assert band.accuracy == pytest.approx(3 / 4)
    assert band.error == pytest.approx((0.9 + 2 * 0.1 + 0.01) / 4)


def test_a_band_without_predictions_and_no_encounters() -> None:
    band = calibration_in_band([0.01, 1.0], [False, True])
    assert band.count == 0
    assert np.isnan([band.probability, band.accuracy, band.error]).all()
    empty = np.zeros((0, 7))
    assert np.isnan(calibration_error_at_k(empty, empty))
    assert reliability_at_k(empty, empty).count.tolist() == []
    assert calibration_in_band(empty, empty).count == 0


def test_refuses_what_does_not_fit_at_k_and_in_a_band() -> None:
    p, gold = np.full((2, 3), 0.5), np.zeros((2, 3), dtype=bool)
    with pytest.raises(InputError, match=r"\[N, K\]"):
        calibration_error_at_k(p, gold[:1])
    with pytest.raises(InputError, match=r"\[N, K\]"):
        calibration_error_at_k(p.ravel(), gold.ravel())
    with pytest.raises(InputError, match="set k to 1"):
        calibration_error_at_k(p, gold, k=0)
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        top_k(np.where(gold, p, np.nan), gold)
    with pytest.raises(InputError, match="no band"):
        calibration_in_band(p, gold, low=0.9, high=0.1)
    with pytest.raises(InputError, match="differ"):
        calibration_in_band(p, gold[:1])
