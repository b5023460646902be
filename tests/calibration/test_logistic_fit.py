from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.linear_model import LogisticRegression

from surecode.calibration.logistic_fit import INTERCEPT_SD, OFFSET_SD, LogisticFit, fit_logistic


def draw(n: int, p: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    place = rng.integers(0, 3, n)
    odds = 0.5 + x @ rng.normal(size=p) + np.array([-1.0, 0.0, 1.0])[place]
    return x, rng.random(n) < 1 / (1 + np.exp(-odds)), place


def fit(x: np.ndarray, right: np.ndarray, ridge: float) -> LogisticFit:
    p = x.shape[1]
    nowhere = np.zeros(len(x), dtype=np.int64)
    return fit_logistic(x, right, nowhere, 1, mean=np.zeros(p), precision=np.full(p, ridge))


@pytest.mark.parametrize("ridge", [0.01, 1.0, 100.0])
def test_agrees_with_scikit_learn(ridge: float) -> None:
    x, right, _ = draw(300, 4, 0)
    found = fit(x, right, ridge)
    # Its penalty is the same for all columns; a column of this height is our intercept.
    height = INTERCEPT_SD * np.sqrt(ridge)
    design = np.concatenate([x, np.full((len(x), 1), height)], axis=1)
    oracle = LogisticRegression(
        C=1 / ridge, fit_intercept=False, tol=1e-12, max_iter=1000, solver="newton-cholesky"
    )
    oracle.fit(design, right)
    np.testing.assert_allclose(found.weights, oracle.coef_[0, :-1], rtol=1e-5, atol=1e-7)
    assert found.intercept == pytest.approx(oracle.coef_[0, -1] * height, rel=1e-5)


def test_agrees_with_a_general_minimiser_on_priors_and_offsets() -> None:
    x, right, place = draw(80, 2, 1)
    mean, precision = np.array([0.7, -0.2]), np.array([3.0, 0.5])

    def loss(at: np.ndarray) -> float:
        odds = x @ at[:2] + at[2] + at[3:][place]
        penalty = (precision * (at[:2] - mean) ** 2).sum() + at[2] ** 2 / INTERCEPT_SD**2
        penalty += (at[3:] ** 2).sum() / OFFSET_SD**2
        return float(np.logaddexp(0, np.where(right, -odds, odds)).sum() + penalty / 2)

    oracle = optimize.minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-8})
    found = fit_logistic(x, right, place, 3, mean=mean, precision=precision)
    ours = np.concatenate([found.weights, [found.intercept], found.offsets])
    np.testing.assert_allclose(ours, oracle.x, atol=1e-5)
    odds = x @ found.weights + found.intercept + found.offsets[place]
    np.testing.assert_allclose(found.log_odds(x, place), odds)


def test_the_bound_holds_and_the_intercept_is_the_best_under_it() -> None:
    x, _, place = draw(200, 1, 2)
    bounded = fit_logistic(
        -np.abs(x), x[:, 0] > 0.1, place, 3, mean=np.ones(1), precision=np.ones(1), at_least=2.0
    )
    assert bounded.weights.tolist() == [2.0]

    def loss(at: np.ndarray) -> float:
        odds = -2.0 * np.abs(x[:, 0]) + at[0] + at[1:][place]
        penalty = at[0] ** 2 / INTERCEPT_SD**2 + (at[1:] ** 2).sum() / OFFSET_SD**2
        return float(np.logaddexp(0, np.where(x[:, 0] > 0.1, -odds, odds)).sum() + penalty / 2)

    oracle = optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose([bounded.intercept, *bounded.offsets], oracle.x, atol=1e-5)
    free = fit_logistic(
        x, x[:, 0] > 0, place, 3, mean=np.ones(1), precision=np.ones(1), at_least=0.01
    )
    assert free.weights[0] > 1.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.booleans()), max_size=12), st.floats(1e-3, 1e3))
def test_the_slope_of_the_loss_vanishes_whatever_the_data(
    rows: list[tuple[float, bool]], ridge: float
) -> None:
    """Separable, all right, all wrong, one encounter, none: always the finite minimum."""
    x = np.array([row[0] for row in rows]).reshape(-1, 1)
    right = np.array([row[1] for row in rows], dtype=bool)
    found = fit(x, right, ridge)
    odds = found.log_odds(x, np.zeros(len(x), dtype=np.int64))
    residual = np.where(right, -1.0, 1.0) / (1 + np.exp(np.where(right, odds, -odds)))
    slope = [
        float(residual @ x[:, 0]) + ridge * found.weights[0],
        float(residual.sum()) + found.intercept / INTERCEPT_SD**2,
    ]
    assert slope == pytest.approx([0.0, 0.0], abs=1e-4 * (1 + float(np.abs(x).sum())))


def test_without_encounters_the_prior_stays() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    found = fit_logistic(
        np.zeros((0, 2)),
        np.zeros(0, dtype=bool),
        nothing,
        2,
        mean=np.array([1.0, 0.5]),
        precision=np.ones(2),
    )
    assert found.weights.tolist() == [1.0, 0.5]
    assert (found.intercept, found.offsets.tolist()) == (0.0, [0.0, 0.0])
