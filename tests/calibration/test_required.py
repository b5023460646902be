from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surecode.calibration.bounds import required_encounters
from surecode.calibration.required import Plan, plan, required_n, required_selected
from surecode.calibration.targets import Target
from surecode.errors import InputError


def power(n: int, accuracy: float, level: float, delta: float) -> float:
    """Probability that ``n`` encounters pass, summed over every number of errors."""
    errors = np.arange(n + 1)
    passes = stats.binom.cdf(errors, n, 1.0 - level) <= delta
    return float(stats.binom.pmf(errors, n, 1.0 - accuracy)[passes].sum())


# ---- how many automated encounters ---------------------------------------------------------------


@pytest.mark.parametrize("accuracy", [0.93, 0.96, 0.99, 1.0])
@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize(("delta", "wanted"), [(0.1, 0.8), (0.05, 0.5)])
def test_selected_against_brute_force(
    accuracy: float, level: float, delta: float, wanted: float
) -> None:
    found = required_selected(accuracy, level, delta, wanted)
    assert found is not None
    powers = np.array([power(n, accuracy, level, delta) for n in range(2 * found + 120)])
    # Power rises in saw-teeth: enough with that many, not with one fewer, and no tooth beyond twice
    # the number found falls short any more.
    assert powers[found] >= wanted > powers[found - 1]
    fewest = int(np.argmax(powers >= wanted))
    always = int(np.flatnonzero(powers < wanted)[-1]) + 1
    assert fewest <= found <= always
    assert found <= 1.5 * fewest + 10


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_perfect_coders_need_what_no_error_needs(level: float) -> None:
    for share in (0.01, 0.8, 0.999):
        assert required_selected(1.0, level, 0.1, share) == required_encounters(level, 0.1)


@pytest.mark.parametrize("accuracy", [0.0, 0.9, 0.95])
def test_no_number_is_enough_at_or_below_the_level(accuracy: float) -> None:
    assert required_selected(accuracy, 0.95, 0.1) is None
    assert required_n(accuracy, 0.5, Target()) is None


def test_a_hair_above_the_level_takes_more_than_there_are() -> None:
    assert required_selected(0.95 + 1e-9, 0.95, 0.1) is None


@pytest.mark.parametrize("accuracy", [0.97, 0.99])
def test_more_is_needed_for_more(accuracy: float) -> None:
    # Steps wide enough that saw-teeth do not matter.
    def needed(level: float = 0.9, delta: float = 0.1, share: float = 0.8) -> int:
        found = required_selected(accuracy, level, delta, share)
        assert found is not None
        return found

    by_level = [needed(level=level) for level in (0.7, 0.8, 0.9, 0.93, 0.95)]
    assert by_level == sorted(set(by_level))
    by_delta = [needed(delta=delta) for delta in (0.3, 0.1, 0.03, 0.01)]
    assert by_delta == sorted(set(by_delta))
    by_power = [needed(share=share) for share in (0.5, 0.8, 0.95)]
    assert by_power == sorted(set(by_power))


# ---- how many audited encounters -----------------------------------------------------------------


@settings(max_examples=60)
@given(st.floats(0.91, 1.0), st.floats(0.01, 1.0))
def test_audited_encounters_are_automated_ones_over_their_rate(
    accuracy: float, rate: float
) -> None:
    target = Target(level=0.9)
    selected, audited = required_selected(accuracy, 0.9, 0.1), required_n(accuracy, rate, target)
    assert selected is not None
    assert audited is not None
    assert audited * rate >= selected * (1 - 1e-12) > (audited - 1) * rate - 1e-9


def test_nothing_automated_is_never_certified() -> None:
    assert required_n(1.0, 0.0, Target()) is None
    assert required_n(1.0, 1.0, Target()) == 45
    assert required_n(1.0, 0.5, Target()) == 90


NAN = float("nan")


@pytest.mark.parametrize(
    ("accuracy", "rate", "wanted", "named"),
    [
        *[(bad, 0.5, 0.8, "accuracy") for bad in (-0.1, 1.1, 95.0, NAN)],
        *[(0.99, bad, 0.8, "automation_rate") for bad in (-0.1, 1.1, 30.0, NAN)],
        *[(0.99, 0.5, bad, "power") for bad in (0.0, 1.0, 80.0, NAN)],
    ],
)
def test_required_n_refuses(accuracy: float, rate: float, wanted: float, named: str) -> None:
    with pytest.raises(InputError, match=named):
        required_n(accuracy, rate, Target(), wanted)


# ---- plans ---------------------------------------------------------------------------------------


def by_the_book(confidence: Any, correct: Any, level: float, delta: float) -> int | None:
    """The fewest audited encounters over all thresholds that select ten at least."""
    best = None
    for threshold in np.unique(confidence[np.isfinite(confidence)]):
        chosen = confidence >= threshold
        if chosen.sum() < 10:
            continue
        accuracy = (correct[chosen].sum() + 0.5) / (chosen.sum() + 1)
        n = required_n(float(accuracy), float(chosen.mean()), Target(level=level, delta=delta))
        best = n if best is None or (n is not None and n < best) else best
    return best


@settings(max_examples=25)
@given(
    st.sampled_from([0, 1, 9, 10, 60, 150]),
    st.sampled_from([0.0, 0.2, 1.0, math.inf]),
    st.sampled_from([1, 17]),
    st.integers(0, 2**32 - 1),
)
def test_plan_is_the_cheapest_threshold(n: int, ability: float, decimals: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.random(n).round(decimals)
    correct = rng.random(n) < confidence**ability
    confidence[rng.random(n) < 0.1] = np.nan
    found = plan(confidence, correct, [0.7, 0.9], 0.1)
    for level, step in zip([0.7, 0.9], found, strict=True):
        assert step.level == level
        assert step.encounters == by_the_book(confidence, correct, level, 0.1)
        if step.threshold is None:
            assert step == Plan(level, None, None, None, None)
            continue
        with np.errstate(invalid="ignore"):
            chosen = confidence >= step.threshold
        assert step.threshold in confidence
        assert step.automation_rate == chosen.sum() / n
        assert step.accuracy == pytest.approx((correct[chosen].sum() + 0.5) / (chosen.sum() + 1))
        assert step.accuracy is not None
        assert step.accuracy > level
    order = rng.permutation(n)
    assert plan(confidence[order], correct[order], [0.7, 0.9], 0.1) == found


def test_plan_on_simulated_tune() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.random(400)
    correct = rng.random(400) < 0.6 + 0.4 * confidence
    plans = plan(confidence, correct, [0.6, 0.75, 0.85, 0.99], 0.1)
    needed = [step.encounters for step in plans[:3]]
    assert None not in needed
    # A higher level takes a stricter threshold and more encounters.
    assert needed == sorted(needed, key=lambda n: n or 0)
    thresholds = [step.threshold or 0.0 for step in plans[:3]]
    assert thresholds == sorted(thresholds)
    # Increasing maps of the confidence move the threshold alone.
    bent = plan(8.0 * confidence - 3.0, correct, [0.75], 0.1)[0]
    assert (bent.encounters, bent.automation_rate) == (needed[1], plans[1].automation_rate)
    assert bent.threshold == 8.0 * thresholds[1] - 3.0


def test_plan_keeps_its_word() -> None:
    # As many encounters as planned, of the accuracy planned for, are certified in 80% of cases.
    rng = np.random.default_rng(6)
    step = plan(rng.random(300), rng.random(300) < 0.97, [0.9], 0.1)[0]
    assert step.encounters is not None
    assert step.accuracy is not None
    assert step.automation_rate is not None
    selected = round(step.encounters * step.automation_rate)
    assert power(selected, step.accuracy, 0.9, 0.1) >= 0.78


def test_a_handful_of_right_encounters_promises_little() -> None:
    # Ten of ten right is .95 after shrinking, so .96 is out of reach.
    few = plan(np.ones(10), np.ones(10, bool), [0.9, 0.96], 0.1)
    assert few[0].accuracy == pytest.approx(10.5 / 11)
    assert few[1] == Plan(0.96, None, None, None, None)


@pytest.mark.parametrize("right", [True, False])
def test_plan_for_all_right_and_all_wrong(right: bool) -> None:
    confidence = np.linspace(0, 1, 200)
    step = plan(confidence, np.full(200, right), [0.95], 0.1)[0]
    assert (step.threshold == 0.0) == right
    assert (step.encounters is None) == (not right)


def test_no_level_no_plan() -> None:
    assert plan(np.ones(20), np.ones(20, bool), [], 0.1) == ()
    assert plan([], [], 0.9, 0.1) == (Plan(0.9, None, None, None, None),)


@pytest.mark.parametrize(
    ("confidence", "correct", "levels", "delta", "named"),
    [
        (np.ones(20), np.ones(19, bool), [0.9], 0.1, r"correct \(19,\) must both be"),
        (np.ones((2, 2)), np.ones((2, 2), bool), [0.9], 0.1, "must both be"),
        *[(np.ones(20), np.ones(20, bool), [bad], 0.1, "level") for bad in (0.0, 1.0, 90.0, NAN)],
        *[(np.ones(20), np.ones(20, bool), [0.9], bad, "delta") for bad in (0.0, 1.0, NAN)],
        (np.zeros(0), np.zeros(0, bool), [1.5], 0.1, "level"),
    ],
)
def test_plan_refuses(confidence: Any, correct: Any, levels: Any, delta: float, named: str) -> None:
    with pytest.raises(InputError, match=named):
        plan(confidence, correct, levels, delta)
