from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from surecode.calibration.betting import bet_on, p_betting
from surecode.calibration.bounds import required_encounters
from surecode.calibration.fixed_sequence import (
    SequenceResult,
    default_start_n,
    fixed_sequence,
    quantile_grid,
    smallest_start_n,
)
from surecode.calibration.targets import Losses, Target
from surecode.calibration.threshold_test import Bound, ThresholdTest
from surecode.errors import InputError

Floats = NDArray[np.float64]

TARGET = Target()
MICRO = Target("precision", 0.95, average="codes", cap=3.0)


def binomial_test(correct: Any, target: Target = TARGET) -> ThresholdTest:
    right = np.asarray(correct, dtype=bool)
    return ThresholdTest(
        target, Losses.of_correct(right), "exact binomial", target.delta, 1.0, np.arange(len(right))
    )


def run(confidence: Any, correct: Any, grid: Any, start_n: int = 45, **more: Any) -> SequenceResult:
    target = more.get("target", TARGET)
    return fixed_sequence(
        np.asarray(confidence, dtype=float),
        [binomial_test(correct, target)],
        np.asarray(grid, dtype=float),
        target.delta,
        start_n,
    )


@dataclass
class Split:
    confidence: Floats
    correct: NDArray[np.bool_]
    grid: Floats

    def threshold(self, result: SequenceResult) -> float:
        """The threshold as a number, infinite where nothing is automated."""
        return float(self.grid[result.position]) if result.certified else math.inf


@st.composite
def splits(draw: st.DrawFn) -> Split:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 700))
    decimals = draw(st.sampled_from([1, 2, 17]))
    confidence = rng.beta(3, 1, n).round(decimals)
    ability = draw(st.sampled_from([0.0, 0.02, 0.1, 1.0, math.inf]))
    correct = rng.random(n) < confidence**ability
    return Split(confidence, correct, quantile_grid(rng.beta(3, 1, 300).round(decimals)))


# ---- the sequence --------------------------------------------------------------------------------


def by_the_book(split: Split, target: Target, start_n: int) -> float:
    """The definition, threshold by threshold, with scipy's own binomial test."""
    accepted, started = math.inf, False
    for threshold in split.grid:
        selected = split.confidence >= threshold
        n, errors = int(selected.sum()), int((selected & ~split.correct).sum())
        started = started or n >= start_n
        if not started:
            continue
        if stats.binomtest(errors, n, 1 - target.level, alternative="less").pvalue > target.delta:
            break
        accepted = threshold
    return accepted


@settings(max_examples=50)
@given(splits(), st.sampled_from([45, 77]))
def test_equals_the_definition(split: Split, start_n: int) -> None:
    result = run(split.confidence, split.correct, split.grid, start_n)
    assert split.threshold(result) == by_the_book(split, TARGET, start_n)
    selected = split.confidence >= split.grid[result.position]
    assert result.n_selected == selected.sum()
    assert result.certified == (result.p_values[0] <= TARGET.delta and result.tested)
    last = result.position == len(split.grid) - 1
    assert result.complete == (result.certified and last)


@settings(max_examples=40)
@given(splits(), st.integers(0, 2**32 - 1))
def test_order_of_the_encounters_does_not_matter(split: Split, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(split.confidence))
    shuffled = run(split.confidence[order], split.correct[order], split.grid)
    assert shuffled == run(split.confidence, split.correct, split.grid)


@settings(max_examples=40)
@given(splits(), st.sampled_from(["rank", "scale", "bend"]))
def test_increasing_maps_of_the_confidence_change_nothing(split: Split, name: str) -> None:
    every = np.unique(np.concatenate([split.confidence, split.grid]))
    maps: dict[str, Callable[[Floats], Floats]] = {
        "rank": lambda x: np.searchsorted(every, x).astype(float),
        "scale": lambda x: 1024.0 * x,
        "bend": lambda x: np.searchsorted(every, x).astype(float) ** 3 - 7e5,
    }
    bent = run(maps[name](split.confidence), split.correct, maps[name](split.grid))
    assert bent == run(split.confidence, split.correct, split.grid)


@settings(max_examples=40)
@given(
    splits(),
    st.tuples(st.floats(0.8, 0.97), st.floats(0.8, 0.97)),
    st.tuples(st.floats(0.02, 0.3), st.floats(0.02, 0.3)),
)
def test_asking_for_more_never_automates_more(
    split: Split, levels: tuple[float, float], deltas: tuple[float, float]
) -> None:
    easy = Target(level=min(levels), delta=max(deltas))
    hard = Target(level=max(levels), delta=min(deltas))
    # One start for both: the default start moves with the target.
    start_n = smallest_start_n(hard, hard.delta)
    lenient, strict = (
        run(split.confidence, split.correct, split.grid, start_n, target=target)
        for target in (easy, hard)
    )
    assert split.threshold(lenient) <= split.threshold(strict)


@settings(max_examples=40)
@given(splits(), st.integers(1, 40))
def test_more_right_encounters_above_the_threshold_never_raise_it(split: Split, more: int) -> None:
    # The sequence starts where it did: at the top of a grid cut off above the first start.
    counts = (split.confidence[None, :] >= split.grid[:, None]).sum(axis=1)
    cut = Split(split.confidence, split.correct, split.grid[counts >= 77])
    before = cut.threshold(run(cut.confidence, cut.correct, cut.grid, 77))
    confidence = np.append(cut.confidence, np.ones(more))
    after = run(confidence, np.append(cut.correct, np.ones(more, bool)), cut.grid, 77)
    assert cut.threshold(after) <= before


@settings(max_examples=40)
@given(splits(), st.integers(0, 2**32 - 1))
def test_several_targets_pass_only_together(split: Split, seed: int) -> None:
    n = len(split.confidence)
    other = np.random.default_rng(seed).random(n) < 0.97
    tests = [binomial_test(split.correct), binomial_test(other, Target(level=0.9))]

    def alone(test: ThresholdTest) -> SequenceResult:
        return fixed_sequence(split.confidence, [test], split.grid, 0.1, 45)

    both = fixed_sequence(split.confidence, tests, split.grid, 0.1, 45)
    # One start and one grid: the joint threshold is the stricter of the two.
    strictest = max(split.threshold(alone(test)) for test in tests)
    assert split.threshold(both) == strictest
    assert len(both.p_values) == 2
    assert fixed_sequence(split.confidence, tests[::-1], split.grid, 0.1, 45) == (
        SequenceResult(**(vars(both) | {"p_values": both.p_values[::-1]}))
    )


def test_tied_encounters_are_automated_together() -> None:
    confidence = np.repeat([0.9, 0.6, 0.3], 60)
    correct = np.repeat([True, True, False], 60)
    result = run(confidence, correct, [0.9, 0.6, 0.3])
    assert (result.position, result.n_selected, result.complete) == (1, 120, False)


def test_testing_stops_at_the_first_failure() -> None:
    # 0 of 60 pass, 10 of 120 fail, 10 of 620 would pass again and must not be reached.
    confidence = np.repeat([0.9, 0.8, 0.7], [60, 60, 500])
    correct = np.ones(620, bool)
    correct[60:70] = False
    result = run(confidence, correct, [0.9, 0.8, 0.7])
    assert (result.certified, result.position) == (True, 0)
    assert run(confidence, correct, [0.7]).certified


def test_all_right_is_certified_whole_and_all_wrong_not_at_all() -> None:
    confidence, grid = np.linspace(0, 1, 200), np.array([0.9, 0.5, 0.0])
    right = run(confidence, np.ones(200, bool), grid)
    assert right == SequenceResult(True, True, True, 1, 2, 200, right.p_values)
    assert right.p_values == pytest.approx((0.95**200,))
    wrong = run(confidence, np.zeros(200, bool), grid)
    assert wrong == SequenceResult(False, True, False, 1, 1, 100, wrong.p_values)
    assert wrong.p_values == pytest.approx((1.0,))


def test_too_few_encounters_are_not_tested() -> None:
    few = run(np.ones(44), np.ones(44, bool), [1.0])
    assert (few.certified, few.tested, few.complete, few.n_selected) == (False, False, False, 44)
    assert run(np.ones(45), np.ones(45, bool), [1.0]).certified
    # Many encounters, but the most lenient threshold selects few of them.
    high = run(np.linspace(0, 1, 100), np.ones(100, bool), [0.9, 0.8])
    assert (high.tested, high.position, high.n_selected) == (False, 1, 20)


@pytest.mark.parametrize("bound", ["exact binomial", "betting", "Hoeffding-Bentkus"])
@pytest.mark.parametrize("n", [0, 1])
def test_no_encounter_one_encounter_and_no_grid(bound: Bound, n: int) -> None:
    losses = Losses.of_correct(np.ones(n, bool))
    test = ThresholdTest(TARGET, losses, bound, 0.1, 0.05, np.arange(n))
    found = fixed_sequence(np.full(n, 0.7), [test, test], np.array([0.8, 0.5]), 0.1, 45)
    assert (found.certified, found.tested, found.position, found.n_selected) == (False, False, 1, n)
    empty = fixed_sequence(np.full(n, 0.7), [test, test], np.array([]), 0.1, 45)
    assert empty == SequenceResult(False, False, False, -1, -1, 0, (1.0, 1.0))


# ---- the grid ------------------------------------------------------------------------------------

scores = st.lists(
    st.sampled_from([0.1, 0.5, 0.5000001, 0.9, math.nan, math.inf, -math.inf]) | st.floats(0, 1)
)


@settings(max_examples=80)
@given(scores, st.integers(2, 30), st.randoms())
def test_grid_is_strict_to_lenient_and_never_splits_ties(
    confidence: Sequence[float], size: int, random: Any
) -> None:
    grid = quantile_grid(confidence, size)
    finite = [c for c in confidence if math.isfinite(c)]
    assert (np.diff(grid) < 0).all()
    assert set(grid) <= set(finite)
    assert len(grid) <= size
    if finite:
        assert (grid[0], grid[-1]) == (max(finite), min(finite))
    if len(finite) <= size:
        assert len(grid) == len(set(finite))
    shuffled = list(confidence)
    random.shuffle(shuffled)
    np.testing.assert_array_equal(quantile_grid(shuffled, size), grid)


@settings(max_examples=80)
@given(scores, st.integers(2, 30))
def test_grid_follows_increasing_maps(confidence: Sequence[float], size: int) -> None:
    score = np.array(confidence)
    score[~np.isfinite(score)] = np.nan
    np.testing.assert_array_equal(
        quantile_grid(4.0 * score, size), 4.0 * quantile_grid(score, size)
    )


def test_grid_refuses_a_single_threshold() -> None:
    with pytest.raises(InputError, match="size 1 must be at least 2"):
        quantile_grid(np.ones(60), 1)


# ---- the start -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "target", "start"),
    [
        (0, TARGET, 45),
        (307, TARGET, 45),
        (308, TARGET, 77),
        (1000, Target(level=0.99), 230),
        (100, Target(delta=0.05), 59),
        (1000, Target(level=0.9), 38),
    ],
)
def test_default_start(n: int, target: Target, start: int) -> None:
    assert default_start_n(n, target, target.delta) == start


@settings(max_examples=60)
@given(st.floats(0.5, 0.995), st.floats(0.01, 0.4), st.integers(0, 10_000))
def test_start_of_the_exact_test_is_what_no_or_one_error_allow(
    level: float, delta: float, n: int
) -> None:
    target = Target(level=level)
    floor = smallest_start_n(target, delta)
    assert floor == required_encounters(level, delta)
    later = required_encounters(level, delta, errors=1)
    assert default_start_n(n, target, delta) == (later if n >= 4 * later else floor)


@settings(max_examples=80)
@given(
    st.floats(0.6, 0.99),
    st.floats(0.01, 0.3),
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
def test_as_many_right_encounters_as_the_start_asks_for_prove_the_target_by_betting(
    level: float, delta: float, size: int, per_unit: int, seed: int
) -> None:
    target = Target("precision", level, average="codes", cap=3.0)
    n = smallest_start_n(target, delta, float(size), bound="betting", per_unit=per_unit)
    # Clusters of any size up to the largest.
    rng = np.random.default_rng(seed)
    units = np.repeat(np.arange(n), rng.integers(1, per_unit + 1, n))[:n]
    p = p_betting(
        np.zeros(n),
        np.full(n, float(size)),
        np.array([n]),
        target.alpha,
        delta,
        cap=3.0,
        variance=0.01 * target.alpha * level,
        units=units,
        per_unit=per_unit,
    )
    assert p[0] <= delta


@pytest.mark.parametrize(
    ("target", "mean_size", "bound", "per_unit", "start"),
    [
        (TARGET, 1.0, "exact binomial", 1, 45),
        (Target("f1"), 1.0, "Hoeffding-Bentkus", 1, 45),
        (Target("f1"), 1.0, "betting", 1, 48),
        (TARGET, 1.0, "betting", 5, 240),
        (Target("f1", cap=3.0), 1.0, "betting", 1, 48),  # a cap counts over codes only
        (MICRO, 3.0, "betting", 1, 48),
        (MICRO, 1.0, "betting", 1, 140),
        (MICRO, 9.0, "betting", 1, 48),
    ],
)
def test_smallest_start(
    target: Target, mean_size: float, bound: Bound, per_unit: int, start: int
) -> None:
    found = smallest_start_n(target, 0.1, mean_size, bound=bound, per_unit=per_unit)
    assert found == start
    assert default_start_n(0, target, 0.1, mean_size, bound=bound, per_unit=per_unit) == start
    many = default_start_n(10**6, target, 0.1, mean_size, bound=bound, per_unit=per_unit)
    assert many == 77 if bound != "betting" else many > start


def test_betting_starts_where_half_the_allowed_error_is_expected_to_pass() -> None:
    """The number is the fewest, against the capital that its bets are expected to make."""
    target, size, error, variance = MICRO, 2.5, 1.8, 0.4
    n = default_start_n(
        10**6, target, 0.1, size, bound="betting", variance=variance, mean_error=error
    )
    wrong = 0.5 * target.alpha * size / error

    def capital(n: int) -> float:
        bet = float(bet_on(n, target.alpha, 0.1, float(target.cap or 0.0), variance))
        up = math.log1p(bet * target.alpha * size)
        down = math.log1p(-bet * (error - target.alpha * size))
        return n * ((1.0 - wrong) * up + wrong * down)

    assert capital(n - 1) < math.log(10.0) <= capital(n)


def test_betting_in_a_small_split_starts_at_a_quarter_of_it() -> None:
    start = default_start_n(300, Target("f1"), 0.1, bound="betting")
    assert start == 75
    assert default_start_n(100, Target("f1"), 0.1, bound="betting") == 48


def test_start_of_encounters_without_codes_is_out_of_reach() -> None:
    assert smallest_start_n(MICRO, 0.1, 0.0, bound="betting") > 10**9
