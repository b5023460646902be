from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from surecode.calibration import betting
from surecode.calibration.betting import accuracy_lower_bound, hashed_order, p_betting

Floats = NDArray[np.float64]


def p_of(error: Any, size: Any = None, **changes: Any) -> float:
    """P-value of all encounters together, binary unless said otherwise."""
    losses = np.asarray(error, dtype=np.float64)
    sizes = np.ones(len(losses)) if size is None else np.asarray(size, dtype=np.float64)
    fixed: dict[str, Any] = {"alpha": 0.05, "delta": 0.1, "cap": 1.0, "variance": 0.0475}
    fixed |= changes
    everyone = np.array([len(losses)])
    return float(
        p_betting(losses, sizes, everyone, fixed.pop("alpha"), fixed.pop("delta"), **fixed)[0]
    )


def naive(
    error: Floats,
    size: Floats,
    n_selected: int,
    alpha: float,
    delta: float,
    cap: float,
    variance: float,
    units: NDArray[np.intp],
    per_unit: int,
) -> float:
    """The definition, encounter by encounter."""
    excess: dict[int, float] = {}
    for i in range(n_selected):
        excess[int(units[i])] = excess.get(int(units[i]), 0.0) + error[i] - alpha * size[i]
    if not excess:
        return 1.0
    bet = math.sqrt(2.0 * math.log(1.0 / delta) / (len(excess) * variance))
    bet = min(bet, 0.95 / ((1.0 - alpha) * cap * per_unit))
    capital = best = 1.0
    for unit in sorted(excess):
        capital *= 1.0 - bet * excess[unit]
        best = max(best, capital)
    return 1.0 / best


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, 90))
    cap = draw(st.sampled_from([1.0, 2.5, 4.0]))
    size = rng.integers(0, 7, n).astype(float)
    share = draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    error = np.minimum(rng.binomial(size.astype(int), share) * rng.random(n).round(1), cap)
    per_unit = draw(st.sampled_from([1, 3]))
    return {
        "error": error,
        "size": size,
        "selected": np.sort(rng.integers(0, n + 1, draw(st.integers(0, 70)))),
        "alpha": draw(st.sampled_from([0.01, 0.05, 0.4])),
        "delta": draw(st.sampled_from([0.01, 0.1, 0.3])),
        "cap": cap,
        "variance": draw(st.sampled_from([1e-6, 0.05, 3.0])),
        "units": rng.permutation(np.arange(n) // per_unit),
        "per_unit": per_unit,
    }


# ---- the definition ------------------------------------------------------------------------------


@settings(max_examples=80)
@given(problems())
def test_equals_the_definition(problem: dict[str, Any]) -> None:
    found = p_betting(**problem)
    common = {key: value for key, value in problem.items() if key != "selected"}
    expected = [naive(n_selected=int(n), **common) for n in problem["selected"]]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert ((found > 0.0) & (found <= 1.0)).all()


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_any_number_of_thresholds_at_a_time_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    rng = np.random.default_rng(3)
    error, size = (rng.random(500) < 0.02).astype(float), np.ones(500)
    units = rng.permutation(np.arange(500) // 2)
    common: dict[str, Any] = {"cap": 1.0, "variance": 0.05, "units": units, "per_unit": 2}
    selected = np.sort(rng.integers(0, 501, 100))
    plain = p_betting(error, size, selected, 0.05, 0.1, **common)
    monkeypatch.setattr(betting, "CHUNK", chunk)
    np.testing.assert_array_equal(
        p_betting(error, size, selected, 0.05, 0.1, **common), plain, strict=True
    )
    assert len(np.unique(plain)) > 50


@settings(max_examples=40)
@given(problems(), st.integers(0, 2**32 - 1))
def test_order_within_the_selected_does_not_matter(problem: dict[str, Any], seed: int) -> None:
    n = len(problem["error"])
    problem["selected"] = np.array([n])
    order = np.random.default_rng(seed).permutation(n)
    moved = problem | {key: problem[key][order] for key in ("error", "size", "units")}
    np.testing.assert_allclose(p_betting(**moved), p_betting(**problem), rtol=1e-9)


@settings(max_examples=40)
@given(problems())
def test_encounters_of_a_unit_count_as_their_sum(problem: dict[str, Any]) -> None:
    n = len(problem["error"])
    n_units = int(problem["units"].max(initial=-1)) + 1
    error = np.bincount(problem["units"], problem["error"], n_units)
    size = np.bincount(problem["units"], problem["size"], n_units)
    one = problem | {
        "error": error,
        "size": size,
        "units": np.arange(n_units),
        "per_unit": 1,
        "cap": problem["cap"] * problem["per_unit"],
        "selected": np.array([n_units]),
    }
    problem["selected"] = np.array([n])
    np.testing.assert_allclose(p_betting(**problem), p_betting(**one), rtol=1e-9)


def test_scaling_error_size_and_cap_together_changes_nothing() -> None:
    rng = np.random.default_rng(8)
    size = rng.integers(1, 6, 200).astype(float)
    error = np.minimum(rng.binomial(1, 0.03, 200), size)
    plain = p_of(error, size, cap=2.0, variance=0.3)
    assert plain < 0.5
    assert p_of(8 * error, 8 * size, cap=16.0, variance=0.3 * 64) == pytest.approx(plain)


# ---- what it says --------------------------------------------------------------------------------


def test_no_encounter_and_all_wrong_prove_nothing() -> None:
    assert p_of([]) == 1.0
    assert p_of(np.ones(300)) == 1.0
    assert p_betting(np.zeros(3), np.ones(3), np.array([0]), 0.05, 0.1, cap=1.0, variance=1.0) == 1
    assert (
        len(p_betting(np.zeros(3), np.ones(3), np.zeros(0, int), 0.1, 0.1, cap=1, variance=1)) == 0
    )


@pytest.mark.parametrize("n", [1, 47, 48, 200])
def test_all_right_is_in_closed_form(n: int) -> None:
    bet = min(math.sqrt(2 * math.log(10) / (n * 0.0475)), 0.95 / 0.95)
    assert p_of(np.zeros(n)) == pytest.approx((1 + 0.05 * bet) ** -n, rel=1e-9)


def test_48_right_encounters_are_the_fewest_that_prove_95_percent() -> None:
    assert p_of(np.zeros(48)) <= 0.1 < p_of(np.zeros(47))


@settings(max_examples=60)
@given(problems(), st.floats(0.005, 0.9), st.floats(0.005, 0.9))
def test_the_p_value_falls_as_more_error_is_allowed(
    problem: dict[str, Any], a: float, b: float
) -> None:
    problem["error"] = np.minimum(problem["error"], problem["size"])
    strict = p_betting(**(problem | {"alpha": min(a, b)}))
    lenient = p_betting(**(problem | {"alpha": max(a, b)}))
    assert (lenient <= strict * (1 + 1e-9)).all()


@settings(max_examples=60)
@given(problems(), st.data())
def test_one_more_error_never_helps(problem: dict[str, Any], data: st.DataObject) -> None:
    n = len(problem["error"])
    if not n:
        return
    worse = problem["error"].copy()
    worse[data.draw(st.integers(0, n - 1))] = problem["cap"]
    p = p_betting(**(problem | {"error": worse}))
    assert (p >= p_betting(**problem) * (1 - 1e-9)).all()


# ---- validity, exactly ---------------------------------------------------------------------------


def assert_super_uniform(p: Floats, probability: Floats) -> None:
    """P(p-value <= u) <= u for every u that a p-value can take."""
    order = np.argsort(p)
    reached = np.cumsum(probability[order])
    last = np.append(np.diff(p[order]) > 1e-12, True)
    assert (reached[last] <= p[order][last] + 1e-9).all()
    assert probability.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("n", [1, 2, 6, 10])
@pytest.mark.parametrize("alpha", [0.05, 0.3, 0.5])
@pytest.mark.parametrize("variance", [1e-6, 0.2, 50.0])
def test_super_uniform_for_errors_of_0_and_1_by_enumeration(
    n: int, alpha: float, variance: float
) -> None:
    every = np.array(list(product([0.0, 1.0], repeat=n)))
    p = np.array([p_of(row, alpha=alpha, delta=0.2, variance=variance) for row in every])
    errors = every.sum(axis=1)
    for rate in (alpha, 0.5 * (alpha + 1.0), 1.0):
        assert_super_uniform(p, rate**errors * (1.0 - rate) ** (n - errors))
    # Not for nothing: somewhere below the null the same p-values do reject.
    assert p.min() == pytest.approx(p_of(np.zeros(n), alpha=alpha, delta=0.2, variance=variance))
    assert p.min() < 1.0


@settings(max_examples=15)
@given(
    st.lists(st.floats(0.05, 1.0), min_size=4, max_size=4),
    st.sampled_from([1e-6, 0.3, 50.0]),
    st.floats(0.05, 0.6),
)
def test_super_uniform_for_errors_over_sizes_by_enumeration(
    weights: list[float], variance: float, delta: float
) -> None:
    # Encounters of four kinds; alpha is the error that they make on average: the null's edge.
    errors, sizes = np.array([0.0, 0.0, 1.0, 2.0]), np.array([1.0, 4.0, 3.0, 2.0])
    share = np.array(weights) / sum(weights)
    alpha = float(share @ errors / (share @ sizes))
    kinds = np.array(list(product(range(4), repeat=5)))
    common: dict[str, Any] = {"alpha": alpha, "delta": delta, "cap": 2.0, "variance": variance}
    p = np.array([p_of(errors[row], sizes[row], **common) for row in kinds])
    assert_super_uniform(p, share[kinds].prod(axis=1))


# ---- validity, by Monte Carlo --------------------------------------------------------------------


def rejections(rng: np.random.Generator, times: int, variance: float, alpha_factor: float) -> int:
    """How often micro precision is proved where wrong codes come in bunches.

    An encounter has 1 to 8 codes and a probability of error of its own, Beta(.2, 3.8), so that its
    codes are wrong together (correlation .2); its error is capped at 3. The error allowed is
    ``alpha_factor`` times the true one.
    """
    sizes = np.arange(1, 9)
    counts = np.arange(9)
    distribution = stats.betabinom.pmf(counts[None, :], sizes[:, None], 0.2, 3.8)
    true = (distribution @ np.minimum(counts, 3)).mean() / sizes.mean()
    alpha = float(true) * alpha_factor
    found = 0
    for _ in range(times):
        size = rng.integers(1, 9, 150)
        error = np.minimum(rng.binomial(size, rng.beta(0.2, 3.8, 150)), 3)
        p = p_of(error, size, alpha=alpha, cap=3.0, variance=variance)
        found += p <= 0.1
    return int(found)


@pytest.mark.parametrize("variance", [1e-5, 0.5, 1e4])
def test_promise_holds_for_bunched_errors_whatever_the_variance_guessed(variance: float) -> None:
    times = 3_000
    found = rejections(np.random.default_rng(11), times, variance, 1.0)
    assert found <= stats.binom.ppf(0.999, times, 0.1)


def test_the_right_variance_gives_power() -> None:
    # Twice the true error is allowed: the guess decides whether that is noticed.
    rng = np.random.default_rng(12)
    assert rejections(rng, 200, 0.5, 2.0) > 120
    assert rejections(rng, 200, 1e4, 2.0) < 20


def test_binomial_on_pooled_codes_would_break_the_promise() -> None:
    # The same encounters, all codes taken for independent: the reason for betting.
    rng = np.random.default_rng(13)
    times, found = 2_000, 0
    for _ in range(times):
        size = rng.integers(1, 9, 150)
        error = rng.binomial(size, rng.beta(0.2, 3.8, 150))
        found += stats.binom.cdf(error.sum(), size.sum(), 0.05) <= 0.1
    assert stats.binomtest(found, times, 0.1, alternative="greater").pvalue < 1e-6


# ---- order ---------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=8), unique=True, max_size=40), st.integers(0, 2**32 - 1))
def test_hashed_order_depends_on_the_names_alone(names: list[str], seed: int) -> None:
    order = hashed_order(names)
    assert sorted(order.tolist()) == list(range(len(names)))
    shuffled = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    assert [shuffled[i] for i in hashed_order(shuffled)] == [names[i] for i in order]


def test_hashed_order_changes_with_the_key_and_keeps_to_no_alphabet() -> None:
    names = [f"encounter {i:04}" for i in range(2_000)]
    order = hashed_order(names)
    assert order.tolist() == hashed_order(names).tolist()
    assert order.tolist() != hashed_order(names, key="other").tolist()
    for key in ("surecode", "other"):
        assert abs(stats.spearmanr(hashed_order(names, key), np.arange(2_000))[0]) < 0.08
    few = [name for name in names if int(name[-4:]) % 3 == 0]
    kept = [names[i] for i in order if names[i] in set(few)]
    assert [few[i] for i in hashed_order(few)] == kept


# ---- the lower bound -----------------------------------------------------------------------------


@settings(max_examples=40)
@given(problems())
def test_lower_bound_is_where_the_p_value_passes(problem: dict[str, Any]) -> None:
    error, size = np.minimum(problem["error"], problem["size"]), problem["size"]
    common = {key: problem[key] for key in ("cap", "variance", "units", "per_unit")}
    level = accuracy_lower_bound(error, size, problem["delta"], **common)
    assert 0.0 <= level <= 1.0
    everyone = np.array([len(error)])
    if level > 1e-6:
        below = p_betting(error, size, everyone, 1 - level + 1e-9, problem["delta"], **common)
        assert below <= problem["delta"] * (1 + 1e-6)
    if level < 1 - 1e-6:
        above = p_betting(error, size, everyone, 1 - level - 1e-7, problem["delta"], **common)
        assert above > problem["delta"]


def test_lower_bound_of_all_right_all_wrong_and_none() -> None:
    common: dict[str, Any] = {"cap": 1.0, "variance": 0.0475}
    right = accuracy_lower_bound(np.zeros(48), np.ones(48), 0.1, **common)
    # At the largest bet capital grows by (1 + .95 a / (1 - a)) for an error a allowed.
    a = (0.1 ** (-1 / 48) - 1) / 0.95
    assert right == pytest.approx(1 - a / (1 + a), abs=1e-9)
    assert accuracy_lower_bound(np.ones(48), np.ones(48), 0.1, **common) == 0.0
    assert accuracy_lower_bound(np.zeros(0), np.zeros(0), 0.1, **common) == 0.0
