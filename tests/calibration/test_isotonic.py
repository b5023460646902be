from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from surecode.calibration.isotonic import fit_isotonic, interpolate

# Whole logits tie often, others hardly ever.
logit = st.one_of(st.integers(-4, 4).map(float), st.floats(-50, 50).map(lambda z: round(z, 6)))
labels = st.lists(st.tuples(logit, st.booleans()), min_size=1, max_size=40)


def with_ends(z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and weights with half a positive and half a negative more at either end."""
    low, high = z.min(), z.max()
    x = np.concatenate([z, [low, low, high, high]])
    target = np.concatenate([y.astype(float), [0.0, 1.0, 0.0, 1.0]])
    return x, target, np.concatenate([np.ones(len(z)), np.full(4, 0.5)])


def arrays_of(pairs: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([z for z, _ in pairs]), np.array([y for _, y in pairs], dtype=bool)


@settings(max_examples=150, deadline=None)
@given(labels, st.lists(st.floats(-60, 60), max_size=10))
def test_equals_scikit_learn_on_all_labels(
    pairs: list[tuple[float, bool]], others: list[float]
) -> None:
    z, y = arrays_of(pairs)
    x, target, weight = with_ends(z, y)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(x, target, sample_weight=weight)
    at = np.append(z, others)
    found = interpolate(at, *fit_isotonic(z, y))
    assert found == pytest.approx(oracle.predict(at), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(logit, st.booleans()), min_size=1, max_size=12))
def test_equals_the_minimax_formula(pairs: list[tuple[float, bool]]) -> None:
    """The fit at point i is the largest over starts of the smallest over ends of block means."""
    z, y = arrays_of(pairs)
    x, target, weight = with_ends(z, y)
    points = np.unique(x)
    total = np.array([weight[x == point].sum() for point in points])
    positive = np.array([(weight * target)[x == point].sum() for point in points])
    n = len(points)
    expected = [
        max(
            min(positive[a : b + 1].sum() / total[a : b + 1].sum() for b in range(i, n))
            for a in range(i + 1)
        )
        for i in range(n)
    ]
    assert interpolate(points, *fit_isotonic(z, y)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(labels)
def test_is_strictly_within_0_and_1_and_never_falls(pairs: list[tuple[float, bool]]) -> None:
    z, y = arrays_of(pairs)
    knots, probabilities = fit_isotonic(z, y)
    assert (np.diff(knots) > 0.0).all()
    at = np.sort(np.concatenate([np.linspace(-55.0, 55.0, 400), z, np.nextafter(z, -np.inf)]))
    found = interpolate(at, knots, probabilities)
    assert (np.diff(found) >= 0.0).all()
    assert ((found > 0.0) & (found < 1.0)).all()


def test_half_a_label_is_added_to_the_outer_blocks() -> None:
    z = np.array([-3.0, -2.0, -1.0, 1.0, 2.0])
    knots, probabilities = fit_isotonic(z, z > 0)
    assert knots.tolist() == [-3.0, -1.0, 1.0, 2.0]
    assert probabilities == pytest.approx([0.5 / 4, 0.5 / 4, 2.5 / 3, 2.5 / 3])


@pytest.mark.parametrize(("gold", "expected"), [(True, 3.0 / 4), (False, 1.0 / 4)])
def test_one_logit_for_all(gold: bool, expected: float) -> None:
    knots, probabilities = fit_isotonic(np.full((2, 1), 0.7), np.full((2, 1), gold))
    assert knots.tolist() == [0.7]
    assert probabilities == pytest.approx([expected])
    found = interpolate(np.array([-np.inf, 5.0, np.nan]), knots, probabilities)
    assert found == pytest.approx([expected, expected, np.nan], nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(labels, st.randoms(use_true_random=False))
def test_order_says_nothing_and_a_scale_moves_only_the_knots(
    pairs: list[tuple[float, bool]], random: object
) -> None:
    z, y = arrays_of(pairs)
    knots, probabilities = fit_isotonic(z, y)
    order = list(range(len(z)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = fit_isotonic(z[order], y[order])
    assert again[0].tolist() == knots.tolist()
    assert again[1].tolist() == probabilities.tolist()
    scaled = fit_isotonic(4.0 * z, y)
    assert scaled[0].tolist() == (4.0 * knots).tolist()
    assert scaled[1].tolist() == probabilities.tolist()


def test_outside_the_knots_it_is_level_and_nan_stays() -> None:
    found = interpolate(
        np.array([[-np.inf, -1.0, 0.5], [2.0, np.inf, np.nan]]),
        np.array([0.0, 1.0]),
        np.array([0.2, 0.6]),
    )
    assert found == pytest.approx(np.array([[0.2, 0.2, 0.4], [0.6, 0.6, np.nan]]), nan_ok=True)


def test_does_not_fall_by_rounding_where_two_lines_meet() -> None:
    """Low + (high - low) may exceed high by a rounding."""
    pairs = np.sort(np.random.default_rng(0).random((2000, 2)) ** 5, axis=1)
    assert (pairs[:, 0] + (pairs[:, 1] - pairs[:, 0]) > pairs[:, 1]).any()
    for low, high in pairs.tolist():
        found = interpolate(
            np.array([1.0 - 2**-53, 1.0]), np.array([0.0, 1.0]), np.array([low, high])
        )
        assert (found <= high).all()
