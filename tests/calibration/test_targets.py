from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from surecode.calibration.targets import Losses, Metric, Target, encounter_losses
from surecode.errors import InputError

Bools = NDArray[np.bool_]

METRICS: tuple[Metric, ...] = ("exact", "precision", "recall", "f1", "cost")
OVER_CODES: tuple[Metric, ...] = ("precision", "recall", "f1", "cost")

# Right; one wrong and one missed; nothing assigned; nothing in gold; nothing at all; all wrong.
ASSIGNED = np.array(
    [[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]], bool
)
GOLD = np.array(
    [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], bool
)


@st.composite
def code_sets(draw: st.DrawFn) -> tuple[Bools, Bools]:
    n, k = draw(st.integers(0, 12)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    gold = rng.random((n, k)) < share
    assigned = np.where(rng.random((n, k)) < draw(st.sampled_from([0.0, 0.3, 1.0])), ~gold, gold)
    return assigned, gold


def losses(metric: Metric, average: str, *sets: Any, cap: float = 100.0, **more: Any) -> Losses:
    """Losses whose cap is out of reach."""
    by_code = average == "codes"
    weighed = {key: more.pop(key) for key in ("over", "under") if key in more}
    target = Target(
        metric,
        average="codes" if by_code else "encounters",
        cap=cap if by_code else None,
        **weighed,
    )
    return encounter_losses(target, *sets, **more)


# ---- the table of the docstring ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "error", "size"),
    [
        ("precision", [0, 1, 0, 1, 0, 3], [2, 2, 0, 1, 0, 3]),
        ("recall", [0, 1, 3, 0, 0, 1], [2, 2, 3, 0, 0, 1]),
        ("f1", [0, 2, 3, 1, 0, 4], [4, 4, 3, 1, 0, 4]),
        ("cost", [0, 2, 3, 1, 0, 4], [4, 4, 3, 1, 0, 4]),
    ],
)
def test_worked_by_hand(metric: Metric, error: list[float], size: list[float]) -> None:
    summed = losses(metric, "codes", ASSIGNED, GOLD)
    assert summed.error.tolist() == error
    assert summed.size.tolist() == size
    assert not summed.binary
    single = losses(metric, "encounters", ASSIGNED, GOLD)
    shares = [e / s if s else 0.0 for e, s in zip(error, size, strict=True)]
    assert single.error.tolist() == shares
    assert single.size.tolist() == [1.0] * 6
    assert (single.cap, summed.cap) == (1.0, 100.0)


def test_exact_worked_by_hand() -> None:
    found = losses("exact", "encounters", ASSIGNED, GOLD)
    assert found.error.tolist() == [0, 1, 1, 1, 0, 1]
    assert found.size.tolist() == [1] * 6
    assert found.binary
    assert found.cap == 1.0


def test_cost_weighs_codes_and_the_two_errors_apart() -> None:
    # Weights 10, 1, 5, 2; over-coding counts triple.
    found = losses(
        "cost", "codes", ASSIGNED, GOLD, over=3.0, under=1.0, weights=[10.0, 1.0, 5.0, 2.0]
    )
    assert found.error.tolist() == [0, 15 + 1, 16, 3, 0, 48 + 2]
    assert found.size.tolist() == [33 + 11, 45 + 11, 16, 3, 0, 48 + 2]


# ---- against scikit-learn and sets ---------------------------------------------------------------


@settings(max_examples=60)
@given(code_sets())
def test_averages_over_encounters_equal_scikit_learn(sets: tuple[Bools, Bools]) -> None:
    assigned, gold = sets
    if not len(gold):
        return
    oracle = {
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "f1": metrics.f1_score,
    }
    # scikit-learn takes a single column for no label set; codes never used change nothing.
    wide_assigned, wide_gold = np.pad(assigned, ((0, 0), (0, 1))), np.pad(gold, ((0, 0), (0, 1)))
    metric: Metric
    for metric in ("precision", "recall", "f1"):
        expected = oracle[metric](wide_gold, wide_assigned, average="samples", zero_division=1.0)
        found = losses(metric, "encounters", assigned, gold)
        assert 1.0 - found.error.mean() == pytest.approx(expected, abs=1e-12)
    exact = losses("exact", "encounters", assigned, gold)
    assert 1.0 - exact.error.mean() == pytest.approx((assigned == gold).all(axis=1).mean())


@settings(max_examples=60)
@given(code_sets())
def test_averages_over_codes_are_micro_averages(sets: tuple[Bools, Bools]) -> None:
    assigned, gold = sets
    hits, wrong = (assigned & gold).sum(), (assigned & ~gold).sum()
    missed = (~assigned & gold).sum()
    micro: dict[Metric, tuple[int, int]] = {
        "precision": (hits, hits + wrong),
        "recall": (hits, hits + missed),
        "f1": (2 * hits, 2 * hits + wrong + missed),
    }
    for metric, (right, counted) in micro.items():
        found = losses(metric, "codes", assigned, gold)
        assert found.size.sum() == counted
        assert found.size.sum() - found.error.sum() == right


@settings(max_examples=60)
@given(code_sets())
def test_f1_of_an_encounter_is_that_of_its_sets(sets: tuple[Bools, Bools]) -> None:
    assigned, gold = sets
    found = losses("f1", "encounters", assigned, gold)
    for row, share in enumerate(found.error):
        ours, theirs = set(np.flatnonzero(assigned[row])), set(np.flatnonzero(gold[row]))
        both = len(ours) + len(theirs)
        assert 1.0 - share == pytest.approx(2 * len(ours & theirs) / both if both else 1.0)


@settings(max_examples=40)
@given(code_sets(), st.sampled_from(["encounters", "codes"]))
def test_cost_of_equal_weights_is_f1_precision_or_recall(
    sets: tuple[Bools, Bools], average: str
) -> None:
    special: tuple[tuple[Metric, float, float], ...] = (
        ("f1", 1.0, 1.0),
        ("f1", 2.5, 2.5),
        ("precision", 1.0, 0.0),
        ("recall", 0.0, 1.0),
    )
    for metric, over, under in special:
        cost = losses("cost", average, *sets, over=over, under=under)
        plain = losses(metric, average, *sets)
        scale = max(over, under) if average == "codes" else 1.0
        np.testing.assert_allclose(cost.error, scale * plain.error, atol=1e-12)
        np.testing.assert_allclose(cost.size, scale * plain.size, atol=1e-12)


@settings(max_examples=40)
@given(code_sets(), st.sampled_from(OVER_CODES), st.sampled_from(["encounters", "codes"]))
def test_losses_stay_within_their_limits(
    sets: tuple[Bools, Bools], metric: Metric, average: str
) -> None:
    found = losses(metric, average, *sets, cap=1.5)
    assert ((found.error >= 0.0) & (found.error <= found.cap)).all()
    assert (found.error <= found.size + 1e-12).all()
    assert len(found) == len(sets[0])


@settings(max_examples=40)
@given(code_sets(), st.sampled_from(METRICS), st.integers(0, 2**32 - 1))
def test_rows_and_columns_may_be_permuted(
    sets: tuple[Bools, Bools], metric: Metric, seed: int
) -> None:
    assigned, gold = sets
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(gold)), rng.permutation(gold.shape[1])
    average = "encounters" if metric == "exact" else "codes"
    plain = losses(metric, average, assigned, gold)
    moved = losses(metric, average, assigned[rows][:, columns], gold[rows][:, columns])
    np.testing.assert_array_equal(moved.error, plain.error[rows])
    np.testing.assert_array_equal(moved.size, plain.take(rows).size)


@given(st.sampled_from(METRICS), st.integers(0, 5), st.integers(1, 5))
def test_all_right_has_no_error_and_all_wrong_is_all_error(metric: Metric, n: int, k: int) -> None:
    none, every = np.zeros((n, k), bool), np.ones((n, k), bool)
    average = "encounters" if metric == "exact" else "codes"
    right = losses(metric, average, every, every)
    assert right.error.sum() == 0.0
    if metric != "recall":
        wrong = losses(metric, average, every, none)
        assert wrong.error.tolist() == wrong.size.tolist()
        assert (wrong.error > 0.0).all()
    if metric != "precision":
        missed = losses(metric, average, none, every)
        assert missed.error.tolist() == missed.size.tolist()
        assert (missed.error > 0.0).all()


# ---- gold outside the label space, caps ----------------------------------------------------------


@settings(max_examples=60)
@given(code_sets(), st.sampled_from(METRICS), st.sampled_from(["encounters", "codes"]), st.data())
def test_gold_outside_counts_like_codes_that_are_never_assigned(
    sets: tuple[Bools, Bools], metric: Metric, average: str, data: st.DataObject
) -> None:
    assigned, gold = sets
    average = "encounters" if metric == "exact" else average
    outside = data.draw(st.lists(st.integers(0, 3), min_size=len(gold), max_size=len(gold)))
    beyond = np.arange(3)[None, :] < np.array(outside, int).reshape(-1, 1)
    wide_gold = np.concatenate([gold, beyond], axis=1)
    wide_assigned = np.concatenate([assigned, np.zeros_like(beyond)], axis=1)
    counted = losses(metric, average, assigned, gold, np.array(outside))
    listed = losses(metric, average, wide_assigned, wide_gold)
    np.testing.assert_allclose(counted.error, listed.error, atol=1e-12)
    np.testing.assert_allclose(counted.size, listed.size, atol=1e-12)


def test_gold_outside_weighs_one_times_under_in_cost() -> None:
    target = Target("cost", average="codes", cap=9.0, under=2.0)
    found = encounter_losses(target, [[True]], [[True]], [3], [10.0])
    assert found.error.tolist() == [6.0]
    assert found.size.tolist() == [10.0 + 20.0 + 6.0]


@settings(max_examples=40)
@given(code_sets(), st.sampled_from(OVER_CODES), st.sampled_from([1.0, 2.0]) | st.floats(0.5, 6.0))
def test_cap_clips_the_error_alone_and_flags_it(
    sets: tuple[Bools, Bools], metric: Metric, cap: float
) -> None:
    free = losses(metric, "codes", *sets)
    capped = losses(metric, "codes", *sets, cap=cap)
    assert not free.clipped.any()
    np.testing.assert_array_equal(capped.error, np.minimum(free.error, cap))
    np.testing.assert_array_equal(capped.clipped, free.error > cap)
    np.testing.assert_array_equal(capped.size, free.size)
    assert capped.cap == cap


@pytest.mark.parametrize("rows", [np.array([2, 0]), np.array([True, False, True])])
def test_take(rows: Any) -> None:
    all_rows = losses("f1", "codes", ASSIGNED[:3], GOLD[:3], cap=2.0)
    some = all_rows.take(rows)
    assert some.error.tolist() == all_rows.error[rows].tolist()
    assert some.clipped.tolist() == all_rows.clipped[rows].tolist()
    assert (some.cap, some.binary, len(some)) == (2.0, False, 2)


def test_of_correct_equals_exact_losses() -> None:
    direct = Losses.of_correct((ASSIGNED == GOLD).all(axis=1))
    found = losses("exact", "encounters", ASSIGNED, GOLD)
    assert direct.error.tolist() == found.error.tolist()
    assert (direct.binary, direct.cap, int(direct.clipped.sum())) == (True, 1.0, 0)
    assert len(Losses.of_correct(np.zeros(0, bool))) == 0


# ---- words ---------------------------------------------------------------------------------------


@given(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True), st.sampled_from(METRICS))
def test_the_promise_names_the_level(level: float, metric: Metric) -> None:
    said = re.match(r"at least (\S+)%", Target(metric, level).says())
    assert said is not None
    assert float(said[1]) == pytest.approx(100.0 * level, rel=1e-9)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(), "at least 95% of automatically coded encounters are entirely right"),
        (
            Target("precision", 0.995),
            "at least 99.5% of the codes assigned to an automatically coded encounter are right, "
            "on average over encounters",
        ),
        (
            Target("cost", 0.9, average="codes", cap=4.0, over=2.0, under=0.5),
            "at least 90% of the weight of the codes of automatically coded encounters agrees "
            "with gold, over-coding weighed 2 and under-coding 0.5; one encounter counts with at "
            "most 4 errors",
        ),
    ],
)
def test_the_promise_in_words(target: Target, words: str) -> None:
    assert target.says() == words


def test_alpha_is_what_the_level_leaves() -> None:
    assert Target(level=0.75).alpha == 0.25


# ---- refusals ------------------------------------------------------------------------------------

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"metric": "accuracy"}, "metric 'accuracy' is unknown; choose exact, precision"),
        *[({"level": v}, "level .* strictly between 0 and 1") for v in (0.0, 1.0, 95, NAN, True)],
        *[({"delta": v}, "delta .* strictly between 0 and 1") for v in (0.0, 1.0, -0.1, 2.0, NAN)],
        ({"level": "0.9"}, "level '0.9'"),
        ({"average": "codes", "cap": 3.0}, "exact cannot be averaged over 'codes'"),
        ({"metric": "f1", "average": "patients"}, "f1 cannot be averaged over 'patients'"),
        *[
            ({"metric": "f1", "average": "codes", "cap": cap}, "f1 over codes needs a cap above 0")
            for cap in (None, 0.0, -1.0, NAN, INFINITE, True)
        ],
        *[
            ({"metric": "cost", "over": over, "under": under}, "at least 0 and not both 0")
            for over, under in ((-1.0, 1.0), (1.0, NAN), (INFINITE, 1.0), (0.0, 0.0))
        ],
        ({"metric": "f1", "over": 2.0}, "f1 takes no weights"),
        ({"metric": "exact", "under": 0.0}, "exact takes no weights"),
        ({"metric": "recall", "weights": "a" * 64}, "recall takes no weights"),
    ],
)
def test_target_refuses(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as refused:
        Target(**fields)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("gold", "outside", "weights", "named"),
    [
        (GOLD[:3], None, None, r"\(6, 4\), gold \(3, 4\)"),
        (GOLD[:, :3], None, None, "one row per encounter"),
        (GOLD, [0] * 5, None, r"gold_outside \(5,\)"),
        (GOLD, [0, 0, 0, 0, 0, -1], None, "gold_outside is negative or not finite"),
        (GOLD, [0, 0, 0, 0, 0, NAN], None, "gold_outside is negative or not finite"),
        (GOLD, None, [1.0] * 3, "weights have shape|takes no weights"),
        (GOLD, None, [1.0, 1.0, 1.0, -1.0], "negative or not finite|takes no weights"),
        (GOLD, None, [1.0, 1.0, 1.0, NAN], "negative or not finite|takes no weights"),
    ],
)
def test_losses_refuse(metric: Metric, gold: Bools, outside: Any, weights: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        encounter_losses(Target(metric), ASSIGNED, gold, outside, weights)


@pytest.mark.parametrize("metric", ["exact", "precision", "recall", "f1"])
def test_weights_are_for_cost_only(metric: Metric) -> None:
    with pytest.raises(InputError, match=f"{metric} takes no weights"):
        encounter_losses(Target(metric), ASSIGNED, GOLD, weights=[1.0] * 4)


@pytest.mark.parametrize("correct", [np.ones(3), np.ones((2, 2), bool), [1, 0], [NAN]])
def test_of_correct_refuses_what_is_no_list_of_bools(correct: Any) -> None:
    with pytest.raises(InputError, match="give bool"):
        Losses.of_correct(correct)
