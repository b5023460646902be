from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.calibration.betting import accuracy_lower_bound, p_betting
from surecode.calibration.bounds import clopper_pearson, p_binomial, p_hoeffding_bentkus
from surecode.calibration.targets import Losses, Target
from surecode.calibration.threshold_test import (
    Bound,
    ThresholdTest,
    choose_bound,
    guessed_variance,
)
from surecode.errors import InputError

BOUNDS: tuple[Bound, ...] = ("exact binomial", "betting", "Hoeffding-Bentkus")
F1 = Target("f1", 0.9)


def shares(error: Any) -> Losses:
    """Losses of an average over encounters."""
    values = np.asarray(error, dtype=np.float64)
    return Losses(values, np.ones(len(values)), 1.0, False, np.zeros(len(values), bool))


def summed(error: Any, size: Any, cap: float) -> Losses:
    """Losses of an average over codes."""
    values = np.asarray(error, dtype=np.float64)
    clipped = np.zeros(len(values), bool)
    return Losses(values, np.asarray(size, dtype=np.float64), cap, False, clipped)


def threshold_test(
    losses: Losses, bound: Bound, target: Target = F1, per_unit: int = 1
) -> ThresholdTest:
    units = np.random.default_rng(5).permutation(np.arange(len(losses)) // per_unit)
    return ThresholdTest(target, losses, bound, target.delta, 0.08, units, per_unit)


@st.composite
def binary(draw: st.DrawFn) -> Losses:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from([0.0, 0.03, 0.2, 1.0]))
    return Losses.of_correct(rng.random(draw(st.integers(0, 150))) >= share)


# ---- p-values ------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(binary(), st.integers(0, 2**32 - 1))
def test_p_values_are_those_of_the_encounters_selected(losses: Losses, seed: int) -> None:
    n = len(losses)
    rng = np.random.default_rng(seed)
    order, selected = rng.permutation(n), np.sort(rng.integers(0, n + 1, 9))
    counts = np.array([losses.error[order[:k]].sum() for k in selected])
    exact = threshold_test(losses, "exact binomial").p_values(order, selected)
    np.testing.assert_allclose(exact, p_binomial(counts, selected, F1.alpha), rtol=1e-12)
    mean = counts / np.maximum(selected, 1)
    bentkus = threshold_test(losses, "Hoeffding-Bentkus").p_values(order, selected)
    np.testing.assert_allclose(bentkus, p_hoeffding_bentkus(mean, selected, F1.alpha), rtol=1e-12)
    bets = threshold_test(losses, "betting")
    found = bets.p_values(order, selected)
    for k, p in zip(selected, found, strict=True):
        rows = order[:k]
        alone = p_betting(
            losses.error[rows],
            losses.size[rows],
            np.array([k]),
            F1.alpha,
            F1.delta,
            cap=1.0,
            variance=0.08,
            units=bets.units[rows],
        )
        assert p == pytest.approx(alone[0], rel=1e-9)


@pytest.mark.parametrize("bound", BOUNDS)
def test_nothing_selected_proves_nothing(bound: Bound) -> None:
    test = threshold_test(Losses.of_correct(np.ones(60, bool)), bound)
    p = test.p_values(np.arange(60), np.array([0, 60]))
    assert p[0] == 1.0
    assert p[1] < 0.1
    empty = threshold_test(Losses.of_correct(np.zeros(0, bool)), bound)
    assert empty.p_values(np.zeros(0, int), np.array([0, 0])).tolist() == [1.0, 1.0]
    assert np.isnan(empty.lower_bound(np.zeros(0, int)))


@pytest.mark.parametrize("bound", BOUNDS)
def test_all_wrong_proves_nothing(bound: Bound) -> None:
    test = threshold_test(Losses.of_correct(np.zeros(60, bool)), bound)
    assert test.p_values(np.arange(60), np.array([60])) == pytest.approx(1.0)
    assert test.lower_bound(np.arange(60)) == 0.0


# ---- the lower bound -----------------------------------------------------------------------------


@settings(max_examples=60)
@given(binary(), st.sampled_from(BOUNDS))
def test_lower_bound_reaches_the_level_exactly_where_the_p_value_passes(
    losses: Losses, bound: Bound
) -> None:
    if not len(losses):
        return
    test = threshold_test(losses, bound)
    everyone = np.arange(len(losses))
    p = float(test.p_values(everyone, np.array([len(losses)]))[0])
    proved = test.lower_bound(everyone)
    # Hoeffding-Bentkus's is read off 10,000 levels.
    if abs(p - test.delta) > 1e-9 and abs(proved - F1.level) > 2e-4:
        assert (p <= test.delta) == (proved >= F1.level)


def test_lower_bound_is_that_of_its_bound() -> None:
    losses = Losses.of_correct(np.arange(100) >= 3)
    rows = np.arange(1, 100)
    exact = threshold_test(losses, "exact binomial").lower_bound(rows)
    assert exact == pytest.approx(float(clopper_pearson(97, 99, 0.9, "lower")[0]))
    bets = threshold_test(losses, "betting")
    found = accuracy_lower_bound(
        losses.error[rows],
        losses.size[rows],
        0.1,
        cap=1.0,
        variance=0.08,
        units=bets.units[rows],
    )
    assert bets.lower_bound(rows) == found
    assert 0.5 < found < exact
    bentkus = threshold_test(losses, "Hoeffding-Bentkus").lower_bound(rows)
    assert exact - 0.05 < bentkus < exact


def test_units_reach_the_bets() -> None:
    losses = Losses.of_correct(np.ones(300, bool))
    order, everyone = np.arange(300), np.array([300])
    single = threshold_test(losses, "betting").p_values(order, everyone)
    pairs = threshold_test(losses, "betting", per_unit=3)
    assert pairs.p_values(order, everyone) > single
    assert pairs.lower_bound(order) < threshold_test(losses, "betting").lower_bound(order)


# ---- which bound ---------------------------------------------------------------------------------


def test_bound_by_losses_and_clusters() -> None:
    exact, share = Losses.of_correct(np.ones(4, bool)), shares([0.5, 0.0])
    codes = summed([1.0, 0.0], [3.0, 2.0], 2.0)
    assert choose_bound(exact, 1) == "exact binomial"
    assert choose_bound(exact, 2) == "betting"
    assert choose_bound(share, 1) == choose_bound(codes, 1) == choose_bound(codes, 4) == "betting"
    assert choose_bound(exact, 1, comparison=True) == "Hoeffding-Bentkus"
    assert choose_bound(share, 1, comparison=True) == "Hoeffding-Bentkus"
    for losses, per_unit in ((codes, 1), (exact, 2), (summed([1.0], [2.0], 1.0), 1)):
        with pytest.raises(InputError, match="set the bound to auto"):
            choose_bound(losses, per_unit, comparison=True)


# ---- the variance guessed ------------------------------------------------------------------------


@pytest.mark.parametrize("errors", [5, 20, 100])
def test_guess_for_errors_of_0_and_1_is_that_of_the_error_allowed(errors: int) -> None:
    # Down to a tenth of the error allowed; below that the guess is held.
    losses = Losses.of_correct(np.arange(500) >= errors)
    assert guessed_variance(Target(), losses, 1.0) == pytest.approx(0.05 * 0.95)


def test_guess_is_the_variance_of_thinned_encounters() -> None:
    rng = np.random.default_rng(2)
    size = rng.integers(1, 9, 400).astype(float)
    error = np.minimum(rng.binomial(size.astype(int), 0.2), 3).astype(float)
    target = Target("precision", 0.95, average="codes", cap=3.0)
    kept = target.alpha * size.mean() / error.mean()
    # An encounter keeps its error with probability ``kept`` and has none otherwise.
    with_error = kept * (error - target.alpha * size) ** 2
    without = (1.0 - kept) * (target.alpha * size) ** 2
    mean = (kept * error - target.alpha * size).mean()
    assert mean == pytest.approx(0.0, abs=1e-12)
    assert guessed_variance(target, summed(error, size, 3.0), 3.0) == pytest.approx(
        (with_error + without).mean()
    )


@pytest.mark.parametrize("tune", [None, shares([]), shares([0.0, 0.0, 0.0])])
def test_guess_without_an_error_to_learn_from(tune: Losses | None) -> None:
    assert guessed_variance(Target(), tune, 1.0) == pytest.approx(0.05 * 0.95)
    # The largest variance of an error within 6 whose mean is the twentieth of 3.
    assert guessed_variance(Target(), tune, 6.0) == pytest.approx(0.025 * 0.95 * 36.0, rel=0.03)


@given(
    st.lists(st.floats(0.0, 1.0), max_size=20),
    st.floats(0.01, 0.99),
    st.integers(0, 2**32 - 1),
)
def test_guess_is_a_usable_bet_whatever_tune_is(
    error: list[float], level: float, seed: int
) -> None:
    target = Target("f1", level)
    guess = guessed_variance(target, shares(error), 1.0)
    assert np.isfinite(guess)
    assert guess >= 0.01 * target.alpha * level * (1 - 1e-9)
    moved = np.random.default_rng(seed).permutation(np.array(error))
    assert guessed_variance(target, shares(moved), 1.0) == pytest.approx(guess)
