"""The choice of a confidence, on simulated encounters whose difficulty is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from surecode.calibration.confidence_choice import (
    LEARNED,
    SIMPLE,
    choose_confidence,
    difference_error,
)
from surecode.calibration.confidence_features import (
    NAMES,
    EncounterFacts,
    Features,
    confidence_features,
)
from surecode.calibration.confidence_model import ConfidenceModel, cross_fitted
from surecode.calibration.reliability import expected_calibration_error
from surecode.calibration.risk_coverage import augrc, coverage_at_accuracy
from surecode.errors import InputError

K = 25


@dataclass(frozen=True)
class Simulated:
    """Synthetic encounters with the probability `[N, K]` that each code is truly in the gold."""

    features: Features
    right: np.ndarray
    truth: np.ndarray
    assigned: np.ndarray

    def judged_again(self, seed: int) -> np.ndarray:
        """Whether the same code sets are right against a second, independent gold."""
        gold = np.random.default_rng(seed).random(self.truth.shape) < self.truth
        return np.asarray((gold == self.assigned).all(axis=1))


def simulate(n: int, seed: int, *, hidden: float, visible: bool = True) -> Simulated:
    """A coder that is calibrated on average but ignores how hard an encounter is.

    Difficulty is standard normal and shared by all codes of an encounter: it divides their
    log-odds by exp(hidden * difficulty). With ``hidden`` 0 the probabilities are exact and the
    product is the truth itself. Where ``visible``, length and new words follow the difficulty;
    elsewhere they follow another number of the same law.
    """
    rng = np.random.default_rng(seed)
    claimed = rng.normal(-5.0, 2.0, (n, K))
    claimed = np.where(rng.random((n, K)) < 0.08, rng.normal(4.5, 2.0, (n, K)), claimed)
    difficulty = rng.normal(size=n)
    truth = special.expit(claimed * np.exp(-hidden * difficulty)[:, None])
    p = special.expit(claimed)
    assigned = p >= 0.5
    shown = difficulty if visible else rng.normal(size=n)
    facts = EncounterFacts(
        np.exp(5.0 + 0.5 * shown + 0.3 * rng.normal(size=n)).astype(np.int64),
        special.expit(-2.0 + shown + 0.5 * rng.normal(size=n)),
        assigned & (rng.random((n, K)) < 0.7),
        rng.poisson(0.3, n),
    )
    gold = rng.random((n, K)) < truth
    features = confidence_features(p, assigned, 0.5, facts)
    return Simulated(features, np.asarray((gold == assigned).all(axis=1)), truth, assigned)


# ---- the learned model against the simple ones ---------------------------------------------------


def test_visible_difficulty_makes_the_learned_model_win_and_it_holds_on_fresh_encounters() -> None:
    fresh = simulate(10_000, 999, hidden=0.5)
    for seed in range(5):
        tune = simulate(400, seed, hidden=0.5)
        choice = choose_confidence(tune.features, tune.right, level=0.9)
        assert choice.name == LEARNED
        product = augrc(fresh.features.column("product"), fresh.right)
        learned = augrc(choice.model(fresh.features), fresh.right)
        assert learned < product - 0.02  # .209 against .245 in ten thousand


def test_without_hidden_difficulty_a_simple_score_is_chosen_nearly_always() -> None:
    """The product is then the truth itself: a learned model can only lose."""
    names = []
    for seed in range(20):
        tune = simulate(300, seed, hidden=0.0)
        names.append(choose_confidence(tune.features, tune.right, level=0.9).name)
    assert names.count(LEARNED) <= 3
    assert names.count("product") >= 14


@pytest.mark.slow
def test_how_often_the_learned_model_wins() -> None:
    """By an exact binomial limit of 200 repetitions each: chosen by fewer than 1 in 6 where it
    cannot help, which is what one standard error allows, and by nearly all where it does."""

    def wins(hidden: float, visible: bool) -> int:
        count = 0
        for seed in range(200):
            tune = simulate(300, seed, hidden=hidden, visible=visible)
            count += choose_confidence(tune.features, tune.right, level=0.9).name == LEARNED
        return count

    assert stats.binomtest(wins(0.0, True), 200).proportion_ci(0.999).high < 1 / 6
    assert stats.binomtest(wins(0.5, True), 200).proportion_ci(0.999).low > 0.85


def test_held_out_confidences_come_true_and_in_sample_ones_promise_too_much() -> None:
    """Twenty tune splits pooled. An in-sample confidence leans towards the very outcome that it is
    compared with, so its own encounters cannot show what a second gold shows."""
    own, held, again = [], [], []
    chosen, outcome = [], []
    for seed in range(20):
        tune = simulate(100, seed, hidden=0.5)
        weak = ConfidenceModel.fit(tune.features, tune.right, ridge=1e-3)(tune.features)
        second = tune.judged_again(1000 + seed)
        sure = weak >= 0.8
        own.append(weak[sure] - tune.right[sure])
        again.append(weak[sure] - second[sure])
        weak = cross_fitted(tune.features, tune.right, ridge=1e-3)
        held.append((weak - tune.right)[weak >= 0.8])
        chosen.append(cross_fitted(tune.features, tune.right))
        outcome.append(tune.right)
    promised_too_much = [float(np.concatenate(gaps).mean()) for gaps in (own, again, held)]
    # Too weak a ridge: hidden in-sample, .14 on a second gold, .24 in plain sight when held out.
    assert promised_too_much[0] < 0.03
    assert promised_too_much[1] > 0.10
    assert promised_too_much[2] > 0.18
    # The chosen ridge, held out.
    assert expected_calibration_error(np.concatenate(chosen), np.concatenate(outcome), 10) < 0.05


def test_in_sample_ranking_flatters_and_the_held_out_one_does_not() -> None:
    in_sample, held, fresh_area = [], [], []
    fresh = simulate(5_000, 999, hidden=0.5)
    for seed in range(12):
        tune = simulate(150, seed, hidden=0.5)
        model = ConfidenceModel.fit(tune.features, tune.right)
        in_sample.append(augrc(model(tune.features), tune.right))
        held.append(augrc(cross_fitted(tune.features, tune.right), tune.right))
        fresh_area.append(augrc(model(fresh.features), fresh.right))
    assert np.mean(in_sample) < np.mean(fresh_area) - 0.01
    assert np.mean(held) > np.mean(in_sample) + 0.01
    assert np.mean(held) == pytest.approx(np.mean(fresh_area), abs=0.012)


def test_other_specialties_help_and_do_not_judge() -> None:
    """60 own encounters learn their slopes from 800 of another specialty."""
    fresh = simulate(10_000, 999, hidden=0.5)
    pooled_area, alone_area = [], []
    for seed in range(10):
        own, other = simulate(60, seed, hidden=0.5), simulate(800, 500 + seed, hidden=0.5)
        features = Features.joined([own.features, other.features])
        right = np.concatenate([own.right, other.right])
        specialties = ["own"] * 60 + ["other"] * 800
        pooled = ConfidenceModel.fit(features, right, specialties=specialties, specialty="own")
        alone = ConfidenceModel.fit(own.features, own.right)
        pooled_area.append(augrc(pooled(fresh.features), fresh.right))
        alone_area.append(augrc(alone(fresh.features), fresh.right))
    assert np.mean(pooled_area) < np.mean(alone_area) - 0.005  # .201 against .210
    choice = choose_confidence(features, right, level=0.9, specialties=specialties, specialty="own")
    for row in choice.table:
        if row.name in SIMPLE:
            score = own.features.column(SIMPLE[row.name])
            assert row.augrc == augrc(score, own.right)
            assert row.coverage == coverage_at_accuracy(score, own.right, 0.9)


# ---- the rule ------------------------------------------------------------------------------------


def test_the_table_holds_what_the_rule_compares() -> None:
    tune = simulate(300, 0, hidden=0.5)
    patients = [f"p{i // 2}" for i in range(300)]
    choice = choose_confidence(tune.features, tune.right, level=0.8, clusters=patients)
    rows = {row.name: row for row in choice.table}
    assert list(rows) == [*SIMPLE, LEARNED]
    assert sum(row.chosen for row in choice.table) == 1
    best = min(SIMPLE, key=lambda name: rows[name].augrc or 0.0)
    assert rows[best].difference_error == 0.0
    held = cross_fitted(tune.features, tune.right, clusters=patients)
    assert rows[LEARNED].augrc == augrc(held, tune.right)
    assert rows[LEARNED].coverage == coverage_at_accuracy(held, tune.right, 0.8)
    assert rows[LEARNED].brier == pytest.approx(np.mean((held - tune.right) ** 2))
    score = tune.features.column(SIMPLE[best])
    assert rows[LEARNED].difference_error == difference_error(held, score, tune.right, patients)
    held = cross_fitted(tune.features, tune.right, names=[SIMPLE[best]], clusters=patients)
    assert rows[best].brier == pytest.approx(np.mean((held - tune.right) ** 2))
    assert choice.model == ConfidenceModel.fit(tune.features, tune.right, clusters=patients)
    assert rows[best].to_dict()["name"] == best


def test_a_lower_coverage_at_the_level_keeps_the_simple_score(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tune = simulate(400, 0, hidden=0.5)
    assert choose_confidence(tune.features, tune.right, level=0.9).name == LEARNED
    from surecode.calibration import confidence_choice as module

    held = cross_fitted(tune.features, tune.right)

    def coverage(score: np.ndarray, right: np.ndarray, level: float) -> float:
        return 0.1 if np.array_equal(score, held) else 0.2

    monkeypatch.setattr(module, "coverage_at_accuracy", coverage)
    assert choose_confidence(tune.features, tune.right, level=0.9).name in SIMPLE


def test_the_smallest_assigned_probability_is_no_candidate() -> None:
    """Blind to missed codes: it is neither among the simple scores nor ever a model alone."""
    assert "logit_smallest_assigned" not in SIMPLE.values()
    rng = np.random.default_rng(0)
    # Assigned codes say everything about the outcome, so that it would win if it competed.
    p = np.concatenate([rng.uniform(0.5, 1.0, (400, 1)), rng.uniform(0.0, 0.5, (400, 3))], axis=1)
    right = rng.random(400) < p[:, 0]
    features = confidence_features(p, p >= 0.5, 0.5, EncounterFacts.none(400, 4))
    choice = choose_confidence(features, right, level=0.9)
    assert {row.name for row in choice.table} == {*SIMPLE, LEARNED}
    assert choice.model.features != ("logit_smallest_assigned",)


@pytest.mark.parametrize(
    ("n_right", "n_wrong", "competes"),
    [(25, 25, True), (25, 24, False), (91, 9, False), (9, 91, False), (90, 10, True)],
)
def test_few_encounters_leave_the_simple_scores_alone(
    n_right: int, n_wrong: int, competes: bool
) -> None:
    tune = simulate(n_right + n_wrong, 1, hidden=0.5)
    right = np.arange(n_right + n_wrong) < n_right
    choice = choose_confidence(tune.features, right, level=0.9)
    assert (LEARNED in {row.name for row in choice.table}) == competes


@pytest.mark.parametrize("all_are", [True, False])
@pytest.mark.parametrize("n", [0, 1, 2, 70])
def test_all_right_all_wrong_one_and_none_choose_the_product(n: int, all_are: bool) -> None:
    tune = simulate(n, 2, hidden=0.5)
    choice = choose_confidence(tune.features, np.full(n, all_are), level=0.9)
    assert choice.name == "product"
    assert choice.model.features == ("logit_product",)
    assert all((row.augrc is None) == (n == 0) for row in choice.table)


def test_a_specialty_without_encounters_learns_its_product_from_the_others() -> None:
    other = simulate(200, 3, hidden=0.5)
    choice = choose_confidence(
        other.features, other.right, level=0.9, specialties=["b"] * 200, specialty="a"
    )
    assert choice.name == "product"
    alone = ConfidenceModel.fit(other.features, other.right, names=["logit_product"])
    assert choice.model == alone


@settings(max_examples=5, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([None, 2, 7]))
def test_the_order_of_encounters_leaves_no_trace(random: object, per_patient: int | None) -> None:
    tune = simulate(90, 4, hidden=0.4)
    patients = None if per_patient is None else [f"p{i // per_patient}" for i in range(90)]
    order = list(range(90))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = None if patients is None else [patients[i] for i in order]
    first = choose_confidence(tune.features, tune.right, level=0.8, clusters=patients)
    second = choose_confidence(
        tune.features.take(order), tune.right[order], level=0.8, clusters=moved
    )
    assert first == second


def test_a_monotone_map_of_a_simple_score_changes_none_of_its_figures() -> None:
    tune = simulate(40, 5, hidden=0.3)
    values = tune.features.values.copy()
    at = NAMES.index("logit_product")
    values[:, at] = np.arctan(values[:, at]) * 3.0
    first = choose_confidence(tune.features, tune.right, level=0.8).table[0]
    second = choose_confidence(Features(NAMES, values), tune.right, level=0.8).table[0]
    assert (first.augrc, first.coverage) == (second.augrc, second.coverage)


def test_encounters_without_probabilities_are_not_judged() -> None:
    tune = simulate(120, 6, hidden=0.5)
    values = tune.features.values.copy()
    values[::4] = np.nan
    keep = np.arange(120) % 4 > 0
    with_gaps = choose_confidence(Features(NAMES, values), tune.right, level=0.8)
    assert with_gaps == choose_confidence(tune.features.take(keep), tune.right[keep], level=0.8)


# ---- the standard error --------------------------------------------------------------------------


def test_the_error_of_a_difference_is_that_of_the_paired_bootstrap() -> None:
    tune = simulate(400, 7, hidden=0.5)
    first, second = (tune.features.column(n) for n in ("logit_product", "logit_expected_f1"))
    clusters = [f"p{i // 4}" for i in range(400)]
    rng = np.random.default_rng(0)
    alone, together = [], []
    for _ in range(1000):
        rows = rng.integers(0, 400, 400)
        alone.append(augrc(first[rows], tune.right[rows]) - augrc(second[rows], tune.right[rows]))
        rows = (4 * rng.integers(0, 100, 100)[:, None] + np.arange(4)).ravel()
        together.append(
            augrc(first[rows], tune.right[rows]) - augrc(second[rows], tune.right[rows])
        )
    found = difference_error(first, second, tune.right)
    assert found == pytest.approx(np.std(alone), rel=0.1)
    found = difference_error(first, second, tune.right, clusters)
    assert found == pytest.approx(np.std(together), rel=0.1)


def test_encounters_counted_twice_under_one_patient_prove_nothing_more() -> None:
    tune = simulate(100, 8, hidden=0.5)
    first, second = (tune.features.column(n) for n in ("logit_product", "logit_expected_f1"))
    patients = [f"p{i}" for i in range(100)]
    once = difference_error(first, second, tune.right, patients)
    twice = difference_error(
        np.tile(first, 2), np.tile(second, 2), np.tile(tune.right, 2), patients * 2
    )
    assert twice == pytest.approx(once)
    assert difference_error(first, first, tune.right) == 0.0
    assert difference_error(first, second, tune.right, ["p"] * 100) == float("inf")


@pytest.mark.parametrize(
    "arguments",
    [
        {"level": 1.5},
        {"specialty": "a"},
        {"specialties": ["a"] * 60},
        {"clusters": ["a"] * 59},
        {"folds": 1},
    ],
)
def test_refuses_what_does_not_fit(arguments: dict[str, object]) -> None:
    tune = simulate(60, 0, hidden=0.5)
    with pytest.raises(InputError) as caught:
        choose_confidence(tune.features, tune.right, **{"level": 0.9} | arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
