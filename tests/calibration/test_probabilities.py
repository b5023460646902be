from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.errors import InputError


def sample(
    slope: float, intercept: float, n: int = 800, k: int = 25
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    logits = rng.normal(-2.0, 3.0, (n, k))
    gold = rng.random((n, k)) < special.expit(slope * logits + intercept)
    return logits, gold


def test_finds_slope_and_intercept() -> None:
    fitted = ProbabilityCalibrator.fit(*sample(0.6, -0.8))
    assert fitted.slope == pytest.approx(0.6, abs=0.03)
    assert fitted.intercept == pytest.approx(-0.8, abs=0.08)


def test_agrees_with_logistic_regression_without_penalty() -> None:
    logits, gold = sample(1.7, 0.9)
    oracle = LogisticRegression(C=np.inf, tol=1e-8).fit(logits.reshape(-1, 1), gold.ravel())
    fitted = ProbabilityCalibrator.fit(logits, gold)
    assert fitted.slope == pytest.approx(oracle.coef_[0, 0], abs=2e-3)
    assert fitted.intercept == pytest.approx(oracle.intercept_[0], abs=2e-3)


def test_keeps_the_intercept_at_zero_where_it_does_not_pay() -> None:
    fitted = ProbabilityCalibrator.fit(*sample(0.5, 0.0))
    assert fitted.intercept == 0.0
    assert fitted.slope == pytest.approx(0.5, abs=0.03)


def test_lowers_the_log_loss() -> None:
    logits, gold = sample(0.3, -1.0)
    before = log_loss(gold.ravel(), ProbabilityCalibrator()(logits).ravel())
    after = log_loss(gold.ravel(), ProbabilityCalibrator.fit(logits, gold)(logits).ravel())
    assert after < before


@pytest.mark.parametrize("gold", [np.zeros((4, 3), bool), np.ones((4, 3), bool), np.zeros((0, 3))])
def test_is_the_identity_where_there_is_nothing_to_learn(gold: np.ndarray) -> None:
    fitted = ProbabilityCalibrator.fit(np.ones(gold.shape), gold)
    assert fitted == ProbabilityCalibrator(1.0, 0.0)


def test_stays_finite_on_separable_labels() -> None:
    logits = np.array([[-5.0, 5.0], [-4.0, 6.0]])
    fitted = ProbabilityCalibrator.fit(logits, logits > 0)
    assert 0.5 < fitted.slope < 5.0
    assert abs(fitted.intercept) < 5.0


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, (5, 3), elements=st.floats(-50, 50)),
    arrays(np.bool_, (5, 3)),
)
def test_any_small_table_gives_a_finite_increasing_map(
    logits: np.ndarray, gold: np.ndarray
) -> None:
    probability = ProbabilityCalibrator.fit(logits, gold)(np.sort(logits.ravel()))
    assert np.isfinite(probability).all()
    assert (np.diff(probability) >= 0).all()


def test_round_trip_is_exact() -> None:
    fitted = ProbabilityCalibrator.fit(*sample(0.6, -0.8))
    assert ProbabilityCalibrator.from_dict(fitted.to_dict()) == fitted


@pytest.mark.parametrize(
    "values",
    [
        {"slope": 1.0},
        {"slope": 1.0, "intercept": 0.0, "bias": 1.0},
        {"slope": "1", "intercept": 0.0},
        {"slope": True, "intercept": 0.0},
        {"slope": -1.0, "intercept": 0.0},
        {"slope": 1.0, "intercept": float("nan")},
    ],
)
def test_refuses_a_damaged_calibrator(values: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        ProbabilityCalibrator.from_dict(values)
    assert "\n" not in str(refused.value)


def test_refuses_shapes_that_differ_and_logits_that_are_not_finite() -> None:
    with pytest.raises(InputError, match="shape"):
        ProbabilityCalibrator.fit(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(InputError, match="not finite"):
        ProbabilityCalibrator.fit(np.array([[np.nan, 1.0]]), np.array([[True, False]]))
