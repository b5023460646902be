from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats
from sklearn.linear_model import LogisticRegression

from surecode.calibration import logit_map_fit
from surecode.calibration.logit_map_fit import (
    INTERCEPT_SD,
    LOG_COEFFICIENT_SD,
    Features,
    LogitMapFit,
    beta_features,
    fit_logit_map,
    identity_features,
)


def long_tail(
    n: int, k: int, deviation: float, seed: int = 0, slope: float = 0.7
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits and gold `[n, k]` of codes that grow rarer, and the offset of each code `[k]`."""
    rng = np.random.default_rng(seed)
    offsets = deviation * rng.normal(size=k)
    logits = -1.0 - 1.2 * np.log1p(np.arange(k)) + rng.normal(0.0, 2.0, (n, k))
    gold = rng.random((n, k)) < special.expit(slope * logits + offsets)
    return logits, gold, offsets


def log_loss(fitted: LogitMapFit, logits: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Nats per encounter `[N]`."""
    log_odds = fitted.coefficients[0] * logits + fitted.intercept + fitted.offsets
    return np.logaddexp(0.0, np.where(gold, -log_odds, log_odds)).sum(axis=1)


# ---- oracles -------------------------------------------------------------------------------------


def test_agrees_with_logistic_regression_without_penalty() -> None:
    logits, gold, _ = long_tail(800, 25, 0.0, slope=1.7)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(logits.reshape(-1, 1), gold.ravel())
    fitted = fit_logit_map(logits, gold)
    assert fitted.coefficients[0] == pytest.approx(oracle.coef_[0, 0], abs=2e-3)
    assert fitted.intercept == pytest.approx(oracle.intercept_[0], abs=2e-3)
    assert not fitted.offsets.any()


def test_beta_agrees_with_logistic_regression_on_its_features() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(0.0, 3.0, (2000, 20))
    a, b = 0.6, 1.4
    log_p, log_not = special.log_expit(logits), special.log_expit(-logits)
    gold = rng.random(logits.shape) < special.expit(a * log_p - b * log_not + 0.3)
    columns = np.stack([log_p.ravel(), -log_not.ravel()], axis=1)
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(columns, gold.ravel())
    fitted = fit_logit_map(logits, gold, beta_features)
    assert fitted.coefficients == pytest.approx(oracle.coef_[0], abs=2e-3)
    assert fitted.intercept == pytest.approx(oracle.intercept_[0], abs=2e-3)
    assert fitted.coefficients == pytest.approx([a, b], abs=0.05)


@pytest.mark.parametrize("features", [identity_features, beta_features])
@pytest.mark.parametrize("deviation", [0.0, 0.4, 3.0])
def test_agrees_with_a_general_optimizer_on_the_penalised_loss(
    features: Features, deviation: float
) -> None:
    logits, gold, _ = long_tail(40, 6, 1.0, seed=2)
    n_features = len(features(logits))

    def loss(x: np.ndarray) -> float:
        theta, offsets = x[: n_features + 1], x[n_features + 1 :] * (deviation > 0.0)
        log_odds = theta[-1] + offsets
        for t, feature in zip(theta, features(logits), strict=False):
            log_odds = log_odds + np.exp(t) * feature
        value = np.logaddexp(0.0, np.where(gold, -log_odds, log_odds)).sum()
        value += 0.5 * (theta[:-1] ** 2).sum() / LOG_COEFFICIENT_SD**2
        value += 0.5 * (theta[-1] / INTERCEPT_SD) ** 2
        return float(value + 0.5 * (offsets**2).sum() / max(deviation, 1e-9) ** 2)

    start = np.zeros(n_features + 1 + logits.shape[1])
    oracle = optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-7}).x
    fitted = fit_logit_map(logits, gold, features, offset_sd=deviation)
    assert np.log(fitted.coefficients) == pytest.approx(oracle[:n_features], abs=1e-4)
    assert fitted.intercept == pytest.approx(oracle[n_features], abs=1e-4)
    if deviation > 0.0:
        assert fitted.offsets == pytest.approx(oracle[n_features + 1 :], abs=1e-4)


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, gold, _ = long_tail(60, 7, 0.8)
    whole = fit_logit_map(logits, gold, offset_sd=None)
    monkeypatch.setattr(logit_map_fit, "BLOCK_LABELS", 20)
    parts = fit_logit_map(logits, gold, offset_sd=None)
    assert parts.coefficients == pytest.approx(whole.coefficients, rel=1e-6)
    assert parts.offsets == pytest.approx(whole.offsets, abs=1e-6)


# ---- offsets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("deviation", [0.5, 1.0])
def test_finds_how_much_codes_differ(deviation: float) -> None:
    logits, gold, offsets = long_tail(400, 200, deviation)
    fitted = fit_logit_map(logits, gold, offset_sd=None)
    assert fitted.offset_sd == pytest.approx(deviation, rel=0.2)
    frequent = gold.sum(axis=0) >= 30
    assert np.corrcoef(fitted.offsets[frequent], offsets[frequent])[0, 1] > 0.85


@pytest.mark.parametrize("seed", range(4))
def test_the_deviation_is_the_most_likely_one_by_exact_integration(seed: int) -> None:
    """Frequent codes of unequal frequency, whose offsets are integrated out on a fine grid."""
    rng = np.random.default_rng(seed)
    means = np.linspace(-3.0, 2.0, 40)
    logits = rng.normal(means, 1.0, (150, 40))
    gold = rng.random(logits.shape) < special.expit(logits + rng.normal(0.0, 0.6, 40))
    fitted = fit_logit_map(logits, gold, offset_sd=None)
    grid = np.linspace(-6.0, 6.0, 1201)
    log_odds = fitted.coefficients[0] * logits + fitted.intercept
    sign = np.where(gold, -1.0, 1.0)
    each = np.array([-np.logaddexp(0.0, sign * (log_odds + b)).sum(axis=0) for b in grid])

    def surprise(log_sd: float) -> float:
        prior = stats.norm.logpdf(grid, scale=np.exp(log_sd))
        return -float(special.logsumexp(each + prior[:, None], axis=0).sum())

    exact = optimize.minimize_scalar(surprise, bounds=(-3.0, 1.0), method="bounded").x
    assert np.log(fitted.offset_sd) == pytest.approx(exact, abs=0.022)


def test_codes_that_do_not_differ_hardly_get_offsets() -> None:
    logits, gold, _ = long_tail(500, 300, 0.0)
    fitted = fit_logit_map(logits, gold, offset_sd=None)
    assert fitted.offset_sd < 0.1
    assert np.abs(fitted.offsets).max() < 0.1


def test_the_fewer_positives_the_nearer_to_zero() -> None:
    """Two codes with the same excess of positives; the rare one is believed less."""
    rng = np.random.default_rng(0)
    logits = np.stack([rng.normal(m, 1.0, 3000) for m in (-1.0, -6.0, -1.0, -3.0)], axis=1)
    gold = rng.random(logits.shape) < special.expit(logits + np.array([1.0, 1.0, -1.0, -1.0]))
    frequent, rare = gold.sum(axis=0)[:2]
    assert frequent > 40 * rare
    fitted = fit_logit_map(logits, gold, offset_sd=0.5)
    free = fit_logit_map(logits, gold, offset_sd=10.0)
    kept = fitted.offsets / free.offsets
    assert kept[0] > 0.8
    assert kept[1] < kept[0] - 0.1


def test_a_code_without_a_doubtful_label_has_no_offset() -> None:
    logits, gold, _ = long_tail(200, 20, 1.0)
    logits[:, -1], gold[:, -1] = -800.0, False
    fitted = fit_logit_map(logits, gold, offset_sd=None)
    assert fitted.offset_sd > 0.5
    assert abs(fitted.offsets[-1]) < 1e-100


def test_a_single_code_has_the_intercept_instead() -> None:
    logits, gold, _ = long_tail(300, 1, 1.0)
    fitted = fit_logit_map(logits, gold, offset_sd=None)
    assert fitted.offsets.tolist() == [0.0]
    assert fitted.offset_sd == 0.0


@pytest.mark.parametrize(("n", "k"), [(200, 200), (100, 500)])
def test_shrunken_offsets_beat_none_and_free_ones_on_fresh_labels(n: int, k: int) -> None:
    logits, gold, offsets = long_tail(n, k, 1.0, seed=4)
    assert np.median(gold.sum(axis=0)) <= 6
    rng = np.random.default_rng(99)
    fresh = -1.0 - 1.2 * np.log1p(np.arange(k)) + rng.normal(0.0, 2.0, (3000, k))
    fresh_gold = rng.random(fresh.shape) < special.expit(0.7 * fresh + offsets)

    def loss(offset_sd: float | None) -> np.ndarray:
        return log_loss(fit_logit_map(logits, gold, offset_sd=offset_sd), fresh, fresh_gold)

    shrunken, none, free = loss(None), loss(0.0), loss(10.0)
    for other in (none, free):
        gain = other - shrunken
        assert gain.mean() > 4.0 * gain.std() / np.sqrt(len(gain))
    # The deviation found is as good as any: no fixed one is better by more than .2%.
    best = min(loss(sd).mean() for sd in (0.5, 0.7, 1.0, 1.4))
    assert shrunken.mean() < 1.002 * best


def test_the_deviation_is_found_without_much_bias() -> None:
    """Over 60 data sets whose codes have a median of about 5 positives each."""
    found = []
    for seed in range(60):
        logits, gold, _ = long_tail(200, 200, 1.0, seed=seed)
        found.append(fit_logit_map(logits, gold, offset_sd=None).offset_sd)
    assert np.mean(found) == pytest.approx(1.0, abs=0.1)
    assert np.std(found) < 0.15


# ---- hard data -----------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [identity_features, beta_features])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3, 1e30])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_separable_and_reversed_labels_stay_finite(
    features: Features, scale: float, sign: float
) -> None:
    logits = scale * np.array([[-5.0, 5.0], [-4.0, 6.0]])
    fitted = fit_logit_map(logits, sign * logits > 0, features, offset_sd=None)
    assert np.isfinite(fitted.coefficients).all()
    assert (fitted.coefficients > 0.0).all()
    assert np.isfinite([fitted.intercept, *fitted.offsets]).all()


def test_separable_labels_are_not_believed_without_limit() -> None:
    logits = np.array([[-5.0, 5.0], [-4.0, 6.0]])
    fitted = fit_logit_map(logits, logits > 0)
    assert 0.5 < fitted.coefficients[0] < 5.0
    assert abs(fitted.intercept) < 5.0


def test_beta_features_are_exact_far_from_zero() -> None:
    below, above = beta_features(np.array([-800.0, -40.0, 0.0, 40.0, 800.0]))
    assert below == pytest.approx([-800.0, -40.0, -np.log(2.0), -np.exp(-40.0), 0.0], rel=1e-12)
    assert above == pytest.approx([0.0, np.exp(-40.0), np.log(2.0), 40.0, 800.0], rel=1e-12)
