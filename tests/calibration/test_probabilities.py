from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from surecode.calibration.probabilities import ProbabilityCalibrator, compare
from surecode.calibration.probability_map import KINDS, Kind
from surecode.errors import InputError

of_every_kind = pytest.mark.parametrize("kind", KINDS)


def sample(
    slope: float, intercept: float, n: int = 800, k: int = 25
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    logits = rng.normal(-2.0, 3.0, (n, k))
    gold = rng.random((n, k)) < special.expit(slope * logits + intercept)
    return logits, gold


# ---- each kind -----------------------------------------------------------------------------------


def test_finds_slope_and_intercept() -> None:
    fitted = ProbabilityCalibrator.fit(*sample(0.6, -0.8), kind="platt")
    assert fitted.slope == pytest.approx(0.6, abs=0.03)
    assert fitted.intercept == pytest.approx(-0.8, abs=0.08)


def test_agrees_with_logistic_regression_without_penalty() -> None:
    logits, gold = sample(1.7, 0.9, n=20_000, k=1)
    oracle = LogisticRegression(C=np.inf, tol=1e-8).fit(logits, gold.ravel())
    fitted = ProbabilityCalibrator.fit(logits, gold, kind="platt")
    assert fitted.offsets == ()
    assert fitted.slope == pytest.approx(oracle.coef_[0, 0], abs=2e-3)
    assert fitted.intercept == pytest.approx(oracle.intercept_[0], abs=2e-3)


def test_a_temperature_has_a_slope_alone() -> None:
    logits, gold = sample(0.5, 0.0)
    oracle = LogisticRegression(C=np.inf, tol=1e-8, fit_intercept=False)
    oracle.fit(logits.reshape(-1, 1), gold.ravel())
    fitted = ProbabilityCalibrator.fit(logits, gold, kind="temperature")
    assert fitted == ProbabilityCalibrator(fitted.slope, kind="temperature")
    assert fitted.slope == pytest.approx(oracle.coef_[0, 0], abs=2e-3)


def test_offsets_move_the_codes_that_are_off() -> None:
    logits, _ = sample(1.0, 0.0)
    shift = np.where(np.arange(25) % 2, 1.0, -1.0)
    gold = np.random.default_rng(0).random(logits.shape) < special.expit(logits + shift)
    fitted = ProbabilityCalibrator.fit(logits, gold, kind="platt")
    assert np.array(fitted.offsets) + fitted.intercept == pytest.approx(shift, abs=0.45)


@of_every_kind
def test_lowers_the_log_loss(kind: Kind) -> None:
    logits, gold = sample(0.3, -1.0)
    before = log_loss(gold.ravel(), ProbabilityCalibrator()(logits).ravel())
    fitted = ProbabilityCalibrator.fit(logits, gold, kind)
    assert fitted.kind == kind
    assert log_loss(gold.ravel(), fitted(logits).ravel()) < before - 0.05


@pytest.mark.parametrize("kind", [*KINDS, "auto"])
@pytest.mark.parametrize(
    "gold",
    [np.zeros((4, 3), bool), np.ones((4, 3), bool), np.zeros((0, 3), bool), np.zeros((3, 0), bool)],
    ids=["all wrong", "all right", "no encounter", "no code"],
)
def test_is_the_identity_where_there_is_nothing_to_learn(kind: Kind, gold: np.ndarray) -> None:
    fitted = ProbabilityCalibrator.fit(np.ones(gold.shape), gold, kind)
    assert fitted == ProbabilityCalibrator(1.0, 0.0)


@pytest.mark.parametrize("kind", [*KINDS, "auto"])
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_small_table_gives_a_finite_map_that_never_falls(
    kind: Kind, data: st.DataObject
) -> None:
    shape = (data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4)))
    # Few different logits tie.
    some = data.draw(st.sampled_from([st.floats(-50, 50), st.sampled_from([-1.0, 0.0, 30.0])]))
    logits = data.draw(arrays(np.float64, shape, elements=some))
    gold = data.draw(arrays(np.bool_, shape))
    fitted = ProbabilityCalibrator.fit(logits, gold, kind, folds=3)
    p = fitted(np.sort(np.concatenate([logits, np.full((1, shape[1]), 60.0)]), axis=0))
    assert ((p >= 0.0) & (p <= 1.0)).all()
    assert (np.diff(p, axis=0) >= -1e-15).all()
    if fitted.kind == "isotonic":
        assert ((p > 0.0) & (p < 1.0)).all()


@of_every_kind
def test_the_order_of_the_encounters_says_nothing(kind: Kind) -> None:
    logits, gold = sample(0.6, -0.8, n=80, k=6)
    order = np.random.default_rng(0).permutation(len(logits))
    fitted = ProbabilityCalibrator.fit(logits, gold, kind)
    again = ProbabilityCalibrator.fit(logits[order], gold[order], kind)
    assert again(logits) == pytest.approx(fitted(logits), abs=1e-7)


@of_every_kind
def test_codes_change_places_with_their_offsets(kind: Kind) -> None:
    logits, gold = sample(0.6, -0.8, n=80, k=6)
    order = np.random.default_rng(0).permutation(6)
    fitted = ProbabilityCalibrator.fit(logits, gold, kind)
    again = ProbabilityCalibrator.fit(logits[:, order], gold[:, order], kind)
    assert again(logits[:, order]) == pytest.approx(fitted(logits)[:, order], abs=1e-7)


@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
def test_a_scale_of_the_logits_says_nothing(kind: Kind) -> None:
    logits, gold = sample(0.6, -0.8)
    fitted = ProbabilityCalibrator.fit(logits, gold, kind)
    scaled = ProbabilityCalibrator.fit(2.0 * logits, gold, kind)
    assert scaled(2.0 * logits) == pytest.approx(fitted(logits), abs=2e-3)


@of_every_kind
def test_one_encounter(kind: Kind) -> None:
    logits = np.array([[2.0, -1.0, -3.0]])
    p = ProbabilityCalibrator.fit(logits, logits > 0, kind)(logits)
    assert p[0, 0] > p[0, 1] >= p[0, 2] > 0.0


@pytest.mark.parametrize("kind", [*KINDS, "auto"])
@pytest.mark.parametrize("reversed_", [False, True])
def test_logits_of_any_size_are_fitted_without_overflow(kind: Kind, reversed_: bool) -> None:
    largest = 1.7e308
    logits = np.array([[largest, -largest, 0.0], [1e-300, -1.0, largest], [2.0, largest, -largest]])
    with np.errstate(over="raise", invalid="raise"):
        fitted = ProbabilityCalibrator.fit(logits, (logits > 0) ^ reversed_, kind)
    p = fitted(np.clip(logits, -1e30, 1e30))
    ordered = np.take_along_axis(p, logits.argsort(axis=0), axis=0)
    assert (np.diff(ordered, axis=0) >= 0.0).all()


# ---- the choice among kinds ----------------------------------------------------------------------


def drawn(log_odds: np.ndarray) -> np.ndarray:
    return np.asarray(np.random.default_rng(11).random(log_odds.shape) < special.expit(log_odds))


def test_chooses_the_kind_that_the_labels_follow() -> None:
    logits, _ = sample(1.0, 0.0, n=1200, k=20)
    rng = np.random.default_rng(2)
    plateau = np.select([logits < -3.0, logits < 3.0], [-6.0, -0.5], 4.0)
    truth: dict[Kind, np.ndarray] = {
        "temperature": 0.5 * logits,
        "platt": logits + rng.normal(0.0, 0.8, 20),
        "beta": 0.4 * special.log_expit(logits) - 2.0 * special.log_expit(-logits),
        "isotonic": plateau,
    }
    for kind, log_odds in truth.items():
        assert ProbabilityCalibrator.fit(logits, drawn(log_odds)).kind == kind


def test_keeps_the_intercept_at_zero_where_it_does_not_pay() -> None:
    fitted = ProbabilityCalibrator.fit(*sample(0.5, 0.0))
    assert (fitted.kind, fitted.intercept, fitted.offsets) == ("temperature", 0.0, ())
    assert fitted.slope == pytest.approx(0.5, abs=0.03)


def test_auto_is_the_kind_that_the_table_chooses() -> None:
    logits, gold = sample(0.6, -0.8, n=200, k=8)
    patients = [f"p{i // 3}" for i in range(200)]
    rows = compare(logits, gold, folds=4, clusters=patients, seed=3)
    assert [row.kind for row in rows] == list(KINDS)
    [chosen] = [row for row in rows if row.chosen]
    fitted = ProbabilityCalibrator.fit(logits, gold, folds=4, clusters=patients, seed=3)
    assert fitted == ProbabilityCalibrator.fit(logits, gold, chosen.kind)  # type: ignore[arg-type]
    assert fitted.kind == "platt"
    order = np.random.default_rng(0).permutation(200)
    again = compare(
        logits[order], gold[order], folds=4, clusters=[patients[i] for i in order], seed=3
    )
    for row, other in zip(rows, again, strict=True):
        assert other.log_loss == pytest.approx(row.log_loss, abs=1e-6)
        assert other.chosen == row.chosen


def test_log_loss_of_the_table_is_that_of_fresh_encounters() -> None:
    """Cross-fitted, not that of the encounters learned from, which is lower."""
    rng = np.random.default_rng(0)
    offsets = rng.normal(0.0, 1.0, 200)
    logits = rng.normal(-3.0, 2.0, (2100, 200))
    gold = drawn(logits + offsets)
    rows = {row.kind: row for row in compare(logits[:100], gold[:100])}
    fitted = ProbabilityCalibrator.fit(logits[:100], gold[:100], "platt")

    def loss(of: slice) -> float:
        sign = np.where(gold[of], -1.0, 1.0)
        return float(np.logaddexp(0.0, sign * fitted.log_odds(logits[of])).sum(axis=1).mean())

    row = rows["platt"]
    assert loss(slice(0, 100)) < row.log_loss - row.standard_error
    assert loss(slice(100, None)) == pytest.approx(row.log_loss, abs=3.0 * row.standard_error)


# ---- what is refused -----------------------------------------------------------------------------


def test_refuses_shapes_that_differ_and_logits_that_are_not_finite() -> None:
    with pytest.raises(InputError, match="shape"):
        ProbabilityCalibrator.fit(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(InputError, match=r"\[N, K\]"):
        ProbabilityCalibrator.fit(np.zeros(3), np.zeros(3))
    for wrong in (np.nan, np.inf):
        with pytest.raises(InputError, match="not finite"):
            ProbabilityCalibrator.fit(np.array([[wrong, 1.0]]), np.array([[True, False]]))
        with pytest.raises(InputError, match="not finite"):
            compare(np.array([[wrong, 1.0]]), np.array([[True, False]]))


def test_refuses_an_unknown_kind_and_clusters_that_do_not_fit() -> None:
    logits, gold = sample(1.0, 0.0, n=4, k=2)
    with pytest.raises(InputError, match="kind 'spline' is not auto, temperature"):
        ProbabilityCalibrator.fit(logits, gold, "spline")  # type: ignore[arg-type]
    gold[0, 0] = not gold[0, 1]
    with pytest.raises(InputError, match="2 clusters for 4 encounters"):
        ProbabilityCalibrator.fit(logits, gold, clusters=["a", "b"])
