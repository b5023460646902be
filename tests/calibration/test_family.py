from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surecode.calibration.family import Family, allotted, step_down
from surecode.calibration.fixed_sequence import fixed_sequence, quantile_grid
from surecode.calibration.targets import Losses, Target
from surecode.calibration.threshold_test import ThresholdTest
from surecode.errors import InputError

FAMILIES: tuple[Family, ...] = ("each", "bonferroni", "holm")


def accepted(p_values: list[float], delta: float) -> tuple[int, bool]:
    """How many of a group's p-values pass in sequence, and whether all do."""
    count = 0
    while count < len(p_values) and p_values[count] <= delta:
        count += 1
    return count, count == len(p_values)


def run(
    family: Family, groups: dict[str, list[float]], specialties: int = 1, whole: int = 0
) -> dict[str, int]:
    delta = allotted(family, 0.1, specialties, whole)
    return step_down(family, delta, {name: partial(accepted, ps) for name, ps in groups.items()})


p_values = st.lists(st.floats(0.0, 1.0) | st.floats(0.0, 0.1), min_size=1, max_size=5)
families_of_groups = st.dictionaries(st.sampled_from("abcdefgh"), p_values, max_size=8)


# ---- what each group may spend -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "groups", "whole", "share"),
    [
        ("each", 8, 0, 0.1),
        ("each", 8, 7, 0.1),
        ("bonferroni", 8, 0, 0.1 / 8),
        ("bonferroni", 8, 7, 0.1 / 8),
        ("holm", 8, 0, 0.1 / 8),
        ("holm", 8, 3, 0.1 / 5),
        ("holm", 8, 7, 0.1),
        *[(family, groups, 0, 0.1) for family in FAMILIES for groups in (0, 1)],
    ],
)
def test_allotted(family: Family, groups: int, whole: int, share: float) -> None:
    assert allotted(family, 0.1, groups, whole) == pytest.approx(share, rel=1e-15)


@pytest.mark.parametrize("groups", [1, 8])
def test_unknown_family_is_refused(groups: int) -> None:
    unknown: Any = "sidak"
    with pytest.raises(InputError, match="'sidak' is not each, bonferroni or holm"):
        allotted(unknown, 0.1, groups)


# ---- step down -----------------------------------------------------------------------------------


@settings(max_examples=100)
@given(families_of_groups)
def test_holm_accepts_between_bonferroni_and_each(groups: dict[str, list[float]]) -> None:
    each, bonferroni, holm = (run(family, groups) for family in FAMILIES)
    assert list(each) == list(groups)
    for name in groups:
        assert bonferroni[name] <= holm[name] <= each[name]
        assert each[name] == accepted(groups[name], 0.1)[0]
        assert bonferroni[name] == accepted(groups[name], 0.1 / len(groups))[0]


@settings(max_examples=100)
@given(families_of_groups, st.randoms())
def test_order_of_the_groups_does_not_matter(groups: dict[str, list[float]], random: Any) -> None:
    names = list(groups)
    random.shuffle(names)
    for family in FAMILIES:
        assert run(family, {name: groups[name] for name in names}) == run(family, groups)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.0, 0.2), min_size=1))
def test_one_threshold_per_group_is_holms_procedure(single: dict[str, float]) -> None:
    ordered = sorted(single, key=single.__getitem__)
    passed = set()
    for position, name in enumerate(ordered):
        if single[name] > 0.1 / (len(ordered) - position):
            break
        passed.add(name)
    found = run("holm", {name: [p] for name, p in single.items()})
    assert {name for name, count in found.items() if count} == passed


def test_holm_hands_on_in_several_steps() -> None:
    # a passes at .1 / 3, then b at .1 / 2, then c at .1; none of b and c at first.
    groups = {"a": [0.03], "b": [0.045], "c": [0.09]}
    assert run("holm", groups) == {"a": 1, "b": 1, "c": 1}
    assert run("bonferroni", groups) == {"a": 1, "b": 0, "c": 0}
    # A group that stops half-way keeps its share for itself.
    assert run("holm", groups | {"a": [0.03, 0.5]}) == {"a": 1, "b": 0, "c": 0}


def test_specialties_share_delta_and_groups_share_what_their_specialty_got() -> None:
    assert run("bonferroni", {"a": [0.04]}, specialties=2) == {"a": 1}
    assert run("bonferroni", {"a": [0.06]}, specialties=2) == {"a": 0}
    assert run("holm", {"a": [0.06]}, specialties=2, whole=1) == {"a": 1}
    assert run("each", {"a": [0.09]}, specialties=10) == {"a": 1}
    assert run("holm", {}, specialties=4) == {}
    # Two specialties of two groups each spend no more than delta between them.
    assert run("bonferroni", {"a": [0.024], "b": [0.026]}, specialties=2) == {"a": 1, "b": 0}


# ---- the promise for all together ----------------------------------------------------------------

GROUPS, TIMES = 8, 400


def one_group(confidence: Any, correct: Any, grid: Any) -> Callable[[float], tuple[bool, bool]]:
    """Whether the group certifies anything at a delta, and whether it certifies everything."""
    units = np.arange(len(confidence))
    target = Target("exact", 0.9)
    test = ThresholdTest(target, Losses.of_correct(correct), "exact binomial", 0.1, 0.09, units)

    def at(delta: float) -> tuple[bool, bool]:
        result = fixed_sequence(confidence, [test], grid, delta, start_n=60)
        return result.certified, result.complete

    return at


def violations(family: Family, good: int) -> int:
    """How often any group without a good threshold certifies one.

    Of eight groups ``good`` are nearly always right and the others right in 89.9% of cases wherever
    the threshold lies, against 90% promised: whatever these certify breaks the promise.
    """
    rng = np.random.default_rng(21)
    grid = quantile_grid(rng.random(300), 10)
    found = 0
    for _ in range(TIMES):
        tests = {}
        for group in range(GROUPS):
            share = 0.999 if group < good else 0.899
            tests[str(group)] = one_group(rng.random(120), rng.random(120) < share, grid)
        results = step_down(family, 0.1, tests)
        found += any(results[str(group)] for group in range(good, GROUPS))
    return found


@pytest.mark.parametrize("family", ["bonferroni", "holm"])
@pytest.mark.parametrize("good", [0, 5])
def test_promise_for_all_groups_together_holds(family: Family, good: int) -> None:
    assert violations(family, good) <= stats.binom.ppf(0.999, TIMES, 0.1)


def test_promise_for_each_group_is_none_for_all_together() -> None:
    found = violations("each", 0)
    assert stats.binomtest(found, TIMES, 0.1, alternative="greater").pvalue < 1e-6
    # Not far from what eight independent groups at their limit would give.
    assert found / TIMES < 1 - 0.9**GROUPS + 0.07


def test_holm_spends_what_good_groups_leave() -> None:
    # Three groups share delta then: more errors than Bonferroni's, still below delta.
    assert violations("holm", 5) > violations("bonferroni", 5)
