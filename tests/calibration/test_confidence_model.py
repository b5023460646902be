from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize, special

from surecode.calibration.confidence import encounter_confidence
from surecode.calibration.confidence_features import (
    NAMES,
    RAW,
    EncounterFacts,
    Features,
    confidence_features,
)
from surecode.calibration.confidence_model import ConfidenceModel, cross_fitted
from surecode.errors import InputError

MODEL = ConfidenceModel(
    ("logit_product", "log_tokens"), (0.5, 6.0), (2.0, 0.7), (1.3, -0.4), intercept=0.2
)


def drawn(n: int, seed: int, k: int = 6) -> tuple[Features, np.ndarray]:
    """Encounters whose note length says half of how hard they are."""
    rng = np.random.default_rng(seed)
    claimed = rng.normal(0.0, 3.0, (n, k))
    hard = rng.normal(size=n)
    p = special.expit(claimed)
    gold = rng.random((n, k)) < special.expit(claimed * np.exp(-0.7 * hard)[:, None])
    tokens = np.exp(5.0 + hard + 0.5 * rng.normal(size=n)).astype(np.int64)
    facts = replace(EncounterFacts.none(n, k), tokens=tokens)
    features = confidence_features(p, p >= 0.5, 0.5, facts)
    return features, np.asarray(((p >= 0.5) == gold).all(axis=1))


# ---- the map -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (3, 4), elements=st.floats(0, 1)), arrays(np.bool_, (3, 4)))
def test_unfitted_models_are_the_raw_confidences_to_the_digit(
    p: np.ndarray, assigned: np.ndarray
) -> None:
    features = confidence_features(p, assigned, 0.5, EncounterFacts.none(3, 4))
    product, minimum = ConfidenceModel.product(), ConfidenceModel.minimum()
    assert product(features).tolist() == encounter_confidence(p, assigned, "product").tolist()
    assert minimum(features).tolist() == encounter_confidence(p, assigned, "minimum").tolist()
    assert (product.log_odds(features) >= 0).tolist() == (product(features) >= 0.5).tolist()


def test_the_logistic_map_by_hand() -> None:
    features = Features(("log_tokens", "logit_product"), np.array([[6.7, 2.5], [np.nan, 1.0]]))
    confidence = MODEL(features)
    assert confidence[0] == pytest.approx(special.expit(0.2 + 1.3 - 0.4))
    assert np.isnan(confidence[1])
    assert np.isnan(MODEL.log_odds(features)).tolist() == [False, True]


def test_a_row_is_the_same_alone_and_in_a_batch() -> None:
    features, right = drawn(200, 0)
    model = ConfidenceModel.fit(features, right, ridge=1.0)
    whole = model(features)
    assert ((whole >= 0) & (whole <= 1)).all()
    assert [float(model(features.take([i]))[0]) for i in range(200)] == whole.tolist()


def test_confidences_far_in_the_tail_stay_apart() -> None:
    model = ConfidenceModel(("logit_product",), (0.0,), (1.0,), (1.0,))
    scores = np.arange(-700.0, 1000.0, 0.5)
    confidence = model(Features(("logit_product",), scores[:, None]))
    assert (np.diff(confidence) > 0).all()
    assert (confidence[0] > 0, confidence[-1] < 1) == (True, True)
    usual = np.abs(scores) <= 16
    np.testing.assert_array_equal(confidence[usual], special.expit(scores[usual]))


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from([n for n in NAMES if n not in RAW]), min_size=1, unique=True),
    st.data(),
)
def test_json_reads_back_equal(names: list[str], data: st.DataObject) -> None:
    n = len(names)
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    draws = st.lists(numbers, min_size=n, max_size=n).map(tuple)
    scales = st.lists(st.floats(1e-300, 1e300), min_size=n, max_size=n).map(tuple)
    model = ConfidenceModel(
        tuple(names), data.draw(draws), data.draw(scales), data.draw(draws), data.draw(numbers)
    )
    assert ConfidenceModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model


@pytest.mark.parametrize("model", [ConfidenceModel.product(), ConfidenceModel.minimum()])
def test_raw_models_read_back_equal(model: ConfidenceModel) -> None:
    assert ConfidenceModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model


@pytest.mark.parametrize(
    "change",
    [
        {"features": ["logit_product"]},
        {"features": ["logit_product", "logit_product"]},
        {"features": ["logit_product", "age"]},
        {"features": "logit_product"},
        {"features": [], "means": [], "scales": [], "weights": []},
        {"means": [0.0, float("inf")]},
        {"means": [0.0, "1"]},
        {"scales": [1.0, 0.0]},
        {"scales": [1.0, -1.0]},
        {"weights": [1.0, True]},
        {"weights": [1.0, None]},
        {"weights": [1.0, 10**400]},
        {"intercept": None},
        {"intercept": float("nan")},
        {"link": "probit"},
        {"link": "identity"},
        {"kind": "logistic"},
    ],
)
def test_a_damaged_model_is_refused_in_one_line(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="confidence model") as caught:
        ConfidenceModel.from_dict(MODEL.to_dict() | change)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="confidence model"):
        ConfidenceModel.from_dict({k: v for k, v in MODEL.to_dict().items() if k != "link"})


# ---- one score -----------------------------------------------------------------------------------

scored = st.lists(
    st.tuples(st.sampled_from([-30.0, -1.0, 0.0, 1e-9, 0.5, 4.0, 30.0]), st.booleans()), max_size=30
)


@settings(max_examples=80, deadline=None)
@given(scored)
def test_a_simple_score_keeps_its_order_and_its_ties(rows: list[tuple[float, bool]]) -> None:
    score = np.array([row[0] for row in rows])
    right = np.array([row[1] for row in rows], dtype=bool)
    features = Features(("log_margin_1",), score[:, None])
    model = ConfidenceModel.fit(features, right, names=["log_margin_1"])
    assert model.weights[0] > 0
    confidence = model(features)
    for i in range(len(rows)):
        np.testing.assert_array_equal(
            np.sign(confidence - confidence[i]), np.sign(score - score[i])
        )


def test_a_score_that_misleads_is_never_turned_round() -> None:
    score = np.linspace(-3, 3, 100)
    features = Features(("logit_product",), score[:, None])
    model = ConfidenceModel.fit(features, score < 0, names=["logit_product"])
    assert (np.diff(model(features)) > 0).all()
    assert np.ptp(model(features)) < 0.1


def test_the_map_of_one_score_is_the_least_penalised_log_loss() -> None:
    features, right = drawn(300, 3)
    x = features.column("logit_product")

    def loss(at: np.ndarray) -> float:
        odds = at[0] * x + at[1]
        penalty = (at[0] - 1) ** 2 + at[1] ** 2 / 16
        return float(np.logaddexp(0, np.where(right, -odds, odds)).sum() + penalty / 2)

    oracle = optimize.minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-8}).x
    model = ConfidenceModel.fit(features, right, names=["logit_product"])
    assert [model.weights[0], model.intercept] == pytest.approx(oracle, abs=1e-5)
    assert (model.means, model.scales) == ((0.0,), (1.0,))


# ---- several features ----------------------------------------------------------------------------


def test_ridge_is_the_least_penalised_log_loss_around_the_product() -> None:
    features, right = drawn(120, 4)
    names = ["logit_product", "log_tokens", "log_entropy"]
    x = features.columns(names)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    anchor = ConfidenceModel.fit(features, right, names=["logit_product"])
    prior = np.array([anchor.weights[0] * x[:, 0].std(), 0.0, 0.0])

    def loss(at: np.ndarray) -> float:
        odds = z @ at[:3] + at[3]
        penalty = 5.0 * ((at[:3] - prior) ** 2).sum() + at[3] ** 2 / 16
        return float(np.logaddexp(0, np.where(right, -odds, odds)).sum() + penalty / 2)

    oracle = optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8}).x
    model = ConfidenceModel.fit(features, right, names=names, ridge=5.0)
    assert [*model.weights, model.intercept] == pytest.approx(oracle, abs=1e-5)
    strong = ConfidenceModel.fit(features, right, names=names, ridge=1e9)
    order = np.argsort(features.column("logit_product"))
    assert (np.diff(strong(features)[order]) > 0).all()
    assert strong(features) == pytest.approx(anchor(features), abs=0.02)


def test_scale_and_origin_of_a_feature_say_nothing() -> None:
    features, right = drawn(150, 5)
    names = ["logit_product", "log_tokens"]
    x = features.columns(names)
    patients = [f"p{i // 2}" for i in range(150)]
    moved = Features(tuple(names), x * [1.0, -40.0] + [0.0, 7.0])
    for ridge in (2.0, None):
        first = ConfidenceModel.fit(features, right, names=names, ridge=ridge, clusters=patients)
        second = ConfidenceModel.fit(moved, right, names=names, ridge=ridge, clusters=patients)
        assert first(features) == pytest.approx(second(moved), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_encounters_leaves_no_trace(random: object, named: bool) -> None:
    features, right = drawn(90, 6)
    groups = [f"p{i % 31}" for i in range(90)]
    specialties = ["a" if i % 3 else "b" for i in range(90)]
    order = list(range(90))
    random.shuffle(order)  # type: ignore[attr-defined]
    shared = {"specialty": "a"}
    first = ConfidenceModel.fit(
        features,
        right,
        specialties=specialties,
        clusters=groups if named else None,
        **shared,  # type: ignore[arg-type]
    )
    second = ConfidenceModel.fit(
        features.take(order),
        right[order],
        specialties=[specialties[i] for i in order],
        clusters=[groups[i] for i in order] if named else None,
        **shared,  # type: ignore[arg-type]
    )
    assert first == second
    held = cross_fitted(features, right, clusters=groups if named else None)
    moved = cross_fitted(
        features.take(order), right[order], clusters=[groups[i] for i in order] if named else None
    )
    assert held[order].tolist() == moved.tolist()


def test_constant_features_are_dropped() -> None:
    features, right = drawn(80, 7)
    model = ConfidenceModel.fit(features, right, ridge=1.0)
    assert "log_tokens" in model.features
    assert not {"unseen_share", "log_findings", "lexicon_share"} & set(model.features)
    assert not set(RAW) & set(model.features)


@pytest.mark.parametrize("all_are", [True, False])
@pytest.mark.parametrize("n", [0, 1, 60])
def test_all_right_all_wrong_one_and_none_give_the_product_alone(n: int, all_are: bool) -> None:
    features, _ = drawn(n, 8)
    model = ConfidenceModel.fit(features, np.full(n, all_are))
    assert model.features == ("logit_product",)
    probe, _ = drawn(200, 9)
    raw, confidence = ConfidenceModel.product()(probe), model(probe)
    if n == 0:
        assert confidence == pytest.approx(raw, abs=1e-12)
    else:
        assert (np.sign(confidence - raw) == (1 if all_are else -1)).all()
    assert ((confidence > 0) & (confidence < 1)).all()
    assert np.isfinite(cross_fitted(features, np.full(n, all_are))).all()


def test_encounters_without_probabilities_are_left_out() -> None:
    features, right = drawn(60, 10)
    gaps = features.values.copy()
    gaps[::3] = np.nan
    keep = np.arange(60) % 3 > 0
    with_gaps = ConfidenceModel.fit(Features(NAMES, gaps), right)
    assert with_gaps == ConfidenceModel.fit(features.take(keep), right[keep])
    assert np.isnan(cross_fitted(Features(NAMES, gaps), right)).tolist() == (~keep).tolist()


def test_specialties_share_slopes_and_have_an_intercept_each() -> None:
    features, right = drawn(600, 11)
    specialties = ["easy" if i % 2 else "hard" for i in range(600)]
    right = right | (np.arange(600) % 2 == 1) & (np.random.default_rng(0).random(600) < 0.7)
    easy, hard, new = (
        ConfidenceModel.fit(features, right, specialties=specialties, specialty=name, ridge=1.0)
        for name in ("easy", "hard", "new")
    )
    assert easy.weights == hard.weights == new.weights
    assert hard.intercept < new.intercept < easy.intercept
    is_easy = np.arange(600) % 2 == 1
    assert easy(features)[is_easy].mean() == pytest.approx(right[is_easy].mean(), abs=0.02)
    assert hard(features)[~is_easy].mean() == pytest.approx(right[~is_easy].mean(), abs=0.02)


def test_cross_fitting_never_saw_the_encounter() -> None:
    features, right = drawn(60, 12)
    groups = [f"p{i // 3}" for i in range(60)]
    held = cross_fitted(features, right, clusters=groups, ridge=1.0)
    other = right.copy()
    other[:3] = ~other[:3]
    changed = cross_fitted(features, other, clusters=groups, ridge=1.0)
    assert changed[:3].tolist() == held[:3].tolist()
    assert (changed != held).any()


@pytest.mark.parametrize(
    "arguments",
    [
        {"specialties": ["a"] * 4},
        {"specialty": "a"},
        {"specialties": ["a"] * 3, "specialty": "a"},
        {"clusters": ["a"] * 5},
        {"ridge": 0.0},
        {"ridge": float("inf")},
        {"names": ["age"]},
        {"names": ["product"]},
        {"names": []},
        {"correct": [1, 0, 1]},
        {"correct": [0.5, 0, 1, 1]},
        {"correct": [[1], [0], [1], [1]]},
    ],
)
def test_refuses_what_cannot_be_fitted(arguments: dict[str, Any]) -> None:
    features, right = drawn(4, 0)
    given_ = {"correct": right} | arguments
    with pytest.raises(InputError) as caught:
        ConfidenceModel.fit(features, given_.pop("correct"), **given_)
    assert "\n" not in str(caught.value)
