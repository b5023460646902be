from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surecode.calibration.certificate import Certificate, Target
from surecode.calibration.fixed_sequence import certify, default_start_n, quantile_grid
from surecode.errors import InputError


def run(confidence: Any, correct: Any, grid: Any, **changes: Any) -> Certificate:
    fixed: dict[str, Any] = {
        "encounter_ids": [str(i) for i in range(len(confidence))],
        "specialty": "oncology",
        "created": date(2026, 11, 23),
        "expires": date(2027, 10, 1),
        "hashes": {"model": "m"},
    }
    return certify(
        np.asarray(confidence, dtype=float),
        np.asarray(correct, dtype=bool),
        grid=np.asarray(grid, dtype=float),
        **(fixed | changes),
    )


def leniency(certificate: Certificate) -> float:
    """The threshold as a number, infinite where nothing is automated."""
    return np.inf if certificate.threshold is None else certificate.threshold


@dataclass
class Split:
    confidence: np.ndarray
    correct: np.ndarray
    grid: np.ndarray


@st.composite
def splits(draw: st.DrawFn) -> Split:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 700))
    decimals = draw(st.sampled_from([1, 2, 17]))
    confidence = rng.beta(3, 1, n).round(decimals)
    ability = draw(st.floats(0.02, 1.0))
    correct = rng.random(n) < confidence**ability
    return Split(confidence, correct, quantile_grid(rng.beta(3, 1, 300).round(decimals)))


def by_the_book(split: Split, target: Target, start_n: int) -> float:
    """The definition, threshold by threshold, with scipy's own binomial test."""
    accepted, started = np.inf, False
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


@settings(deadline=None, max_examples=40)
@given(splits())
def test_equals_the_definition(split: Split) -> None:
    target = Target()
    certificate = run(split.confidence, split.correct, split.grid)
    start_n = default_start_n(len(split.confidence), target)
    assert leniency(certificate) == by_the_book(split, target, start_n)
    assert certificate.certified == (certificate.threshold is not None)
    chosen = certificate.clears(split.confidence)
    if certificate.certified:
        assert certificate.n_selected == chosen.sum()
        assert certificate.errors == (chosen & ~split.correct).sum()
        assert certificate.accuracy_lower_bound >= target.level - 1e-12
        assert certificate.automation_rate == pytest.approx(chosen.mean())
    else:
        assert not chosen.any()
        assert certificate.automation_rate == 0.0


@settings(deadline=None, max_examples=40)
@given(splits(), st.integers(0, 2**32 - 1))
def test_invariant_under_increasing_maps_and_permutation(split: Split, seed: int) -> None:
    plain = run(split.confidence, split.correct, split.grid)

    def bend(x: np.ndarray) -> np.ndarray:
        bent: np.ndarray = np.exp(3 * x) - 7
        return bent

    bent = run(bend(split.confidence), split.correct, bend(split.grid))
    order = np.random.default_rng(seed).permutation(len(split.confidence))
    shuffled = run(split.confidence[order], split.correct[order], split.grid)
    assert shuffled.threshold == plain.threshold
    assert (bent.clears(bend(split.confidence)) == plain.clears(split.confidence)).all()


@settings(deadline=None, max_examples=40)
@given(
    splits(),
    st.tuples(st.floats(0.8, 0.97), st.floats(0.8, 0.97)),
    st.tuples(st.floats(0.02, 0.3), st.floats(0.02, 0.3)),
)
def test_asking_for_more_never_automates_more(
    split: Split, levels: tuple[float, float], deltas: tuple[float, float]
) -> None:
    # One start for both: the default start moves with the target.
    start_n = default_start_n(0, Target(level=max(levels), delta=min(deltas)))
    easy = Target(level=min(levels), delta=max(deltas))
    hard = Target(level=max(levels), delta=min(deltas))
    results = [
        run(split.confidence, split.correct, split.grid, target=target, start_n=start_n)
        for target in (easy, hard)
    ]
    assert leniency(results[0]) <= leniency(results[1])


@settings(deadline=None, max_examples=40)
@given(splits())
def test_one_more_right_encounter_above_the_threshold_never_raises_it(split: Split) -> None:
    # The sequence starts where it did: at the top of a grid cut off above the first start.
    counts = (split.confidence[None, :] >= split.grid[:, None]).sum(axis=1)
    grid = split.grid[counts >= 77]
    before = run(split.confidence, split.correct, grid, start_n=77)
    above = np.append(split.confidence, 1.0), np.append(split.correct, True)
    assert leniency(run(*above, grid, start_n=77)) <= leniency(before)


@settings(deadline=None, max_examples=40)
@given(splits(), st.data())
def test_nan_and_ineligible_encounters_count_in_the_rate_alone(
    split: Split, data: st.DataObject
) -> None:
    extra = data.draw(st.integers(0, 50))
    plain = run(split.confidence, split.correct, split.grid)
    confidence = np.concatenate([split.confidence, np.full(extra, np.nan), np.ones(extra)])
    eligible = np.arange(len(confidence)) < len(split.confidence) + extra
    correct = np.concatenate([split.correct, np.zeros(2 * extra, bool)])
    mixed = run(confidence, correct, split.grid, eligible=eligible)
    assert mixed.threshold == plain.threshold
    assert (mixed.n_selected, mixed.errors) == (plain.n_selected, plain.errors)
    assert mixed.n_eligible == len(split.confidence)
    assert mixed.n_calibrate == len(confidence)
    assert not mixed.clears(confidence)[np.isnan(confidence)].any()
    assert mixed.automation_rate <= plain.automation_rate


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.1, 0.5, 0.5000001, 0.9, np.nan, np.inf]) | st.floats(0, 1)),
    st.integers(2, 30),
)
def test_grid_is_strict_to_lenient_and_never_splits_ties(
    confidence: Sequence[float], size: int
) -> None:
    grid = quantile_grid(np.array(confidence), size)
    finite = [c for c in confidence if np.isfinite(c)]
    assert (np.diff(grid) < 0).all()
    assert set(grid) <= set(finite)
    assert len(grid) <= size
    if finite:
        assert (grid[0], grid[-1]) == (max(finite), min(finite))
    if len(set(finite)) == len(finite) <= size:
        assert len(grid) == len(finite)


def test_tied_encounters_are_automated_together() -> None:
    confidence = np.repeat([0.9, 0.6, 0.3], 60)
    correct = np.repeat([True, True, False], 60)
    certificate = run(confidence, correct, [0.9, 0.6, 0.3])
    assert certificate.threshold == 0.6
    assert certificate.n_selected == 120


def test_too_few_encounters() -> None:
    certificate = run(np.ones(44), np.ones(44), [1.0])
    assert certificate.reason == "too few encounters: 44 given, at least 45 needed"
    assert not certificate.certified
    assert certificate.threshold is None
    assert certificate.automation_rate_interval[0] == 0.0
    assert run(np.ones(45), np.ones(45), [1.0]).certified


def test_too_few_above_the_most_lenient_threshold() -> None:
    certificate = run(np.linspace(0, 1, 100), np.ones(100), [0.9, 0.8])
    assert certificate.reason == (
        "too few encounters: 20 reach the most lenient threshold, at least 45 needed"
    )


def test_error_too_high() -> None:
    certificate = run(np.repeat([0.9, 0.1], 60), np.arange(120) >= 3, [0.9, 0.1])
    assert certificate.reason == (
        "error too high at the strictest testable threshold: 3 errors in 60"
    )
    assert (certificate.n_selected, certificate.errors) == (60, 3)
    assert certificate.p_value > 0.1


def test_no_encounters_and_no_grid() -> None:
    assert "0 given" in run([], [], [0.5]).reason
    assert not run(np.ones(400), np.ones(400), []).certified


def test_testing_stops_at_the_first_failure() -> None:
    # 0 of 60 pass, 10 of 120 fail, 10 of 620 would pass again and must not be reached.
    confidence = np.repeat([0.9, 0.8, 0.7], [60, 60, 500])
    correct = np.ones(620, bool)
    correct[60:70] = False
    certificate = run(confidence, correct, [0.9, 0.8, 0.7], start_n=45)
    assert certificate.threshold == 0.9


@pytest.mark.parametrize(
    ("n", "target", "start"),
    [
        (307, Target(), 45),
        (308, Target(), 77),
        (1000, Target(level=0.99), 230),
        (100, Target(delta=0.05), 59),
        (1000, Target(level=0.9), 38),
    ],
)
def test_default_start(n: int, target: Target, start: int) -> None:
    assert default_start_n(n, target) == start


def test_refuses_what_does_not_fit() -> None:
    ones = np.ones(60)
    with pytest.raises(InputError, match="strictly decreasing"):
        run(ones, ones, [0.5, 0.5])
    with pytest.raises(InputError, match="start_n 44 is below 45"):
        run(ones, ones, [0.5], start_n=44)
    with pytest.raises(InputError, match="encounter ids"):
        run(ones, ones, [0.5], encounter_ids=["a"])
    with pytest.raises(InputError, match="twice"):
        run(ones, ones, [0.5], encounter_ids=["a"] * 60)
    with pytest.raises(InputError, match="eligible"):
        run(ones, ones, [0.5], eligible=ones)
    with pytest.raises(InputError, match="correct"):
        run(ones, np.ones(59), [0.5])
    with pytest.raises(InputError, match="size"):
        quantile_grid(ones, 1)
