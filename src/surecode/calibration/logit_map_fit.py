"""Parameters of log-odds that are linear in features of a logit, by penalised maximum likelihood.

log-odds of code k = sum_j exp(theta_j) * feature_j(logit) + intercept + offset_k. The coefficients
are exponentials, so they are positive and the map is monotone. With one feature, the logit itself,
this is temperature scaling (Guo et al., "On calibration of modern neural networks", 2017) or, with
an intercept, Platt scaling (Platt, "Probabilistic outputs for support vector machines", 1999). With
two, log p and -log(1 - p) of p = sigmoid(logit), it is beta calibration (Kull, Silva Filho & Flach,
"Beta calibration", 2017).

Offsets are normal around zero with the deviation that `offset_deviation` finds in the labels: a
code with few positives, about which the labels say little, stays near zero, and where codes do not
differ more than by chance there are no offsets.

Newton's method with the Hessian solved by its blocks: the offsets, one per code, only meet through
the few other parameters, so a step costs one pass over the labels. Labels are visited in blocks of
encounters, which bounds the memory and keeps it in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surecode.calibration.offset_deviation import most_likely_deviation

# Standard deviations of the prior on the logarithm of a coefficient and on the intercept (in
# logits). They weigh as much as a handful of labels: enough to keep separable or tiny data finite,
# nothing beyond that.
LOG_COEFFICIENT_SD = 1.0
INTERCEPT_SD = 4.0
# Outside this range the probabilities of any reasonable logit are 0, 1/2 or 1 anyway.
LOG_COEFFICIENT_RANGE = (-20.0, 20.0)

BLOCK_LABELS = 1 << 15
MAXIMUM_STEPS = 200
MAXIMUM_ROUNDS = 30
# Nats that one more step would gain when the search ends; that step is still taken.
TOLERANCE = 1e-9

Floats = NDArray[np.float64]
Features = Callable[[Floats], tuple[Floats, ...]]


@dataclass(frozen=True, eq=False)
class LogitMapFit:
    """``coefficients`` `[J]` > 0, ``intercept``, ``offsets`` `[K]` (all 0 if ``offset_sd`` is)."""

    coefficients: Floats
    intercept: float
    offsets: Floats
    offset_sd: float


@dataclass(frozen=True, eq=False)
class _State:
    """``theta`` `[J + 1]`: logarithms of the coefficients, then the intercept; offsets `[K]`."""

    theta: Floats
    offsets: Floats


@dataclass(frozen=True, eq=False)
class _Sums:
    """Negative log likelihood in nats with first and second derivatives at a state.

    For theta `[J + 1]`, `[J + 1, J + 1]`; for the offsets `[K]`, `[K]`; between them `[J + 1, K]`.
    The second derivatives are expected ones (Fisher's information).
    """

    loss: float
    slope: Floats
    curvature: Floats
    code_slope: Floats
    code_curvature: Floats
    cross: Floats


def identity_features(logits: Floats) -> tuple[Floats, ...]:
    """The logit itself: temperature and Platt scaling."""
    return (logits,)


def beta_features(logits: Floats) -> tuple[Floats, ...]:
    """Features log p and -log(1 - p) of p = sigmoid(logit), without rounding p to 0 or 1."""
    tail = np.log1p(np.exp(-np.abs(logits)))
    return np.minimum(logits, 0.0) - tail, np.maximum(logits, 0.0) + tail


def fit_logit_map(
    logits: Floats,
    gold: NDArray[np.bool_],
    features: Features = identity_features,
    *,
    with_intercept: bool = True,
    offset_sd: float | None = 0.0,
) -> LogitMapFit:
    """Fit on finite logits `[N, K]` and gold `[N, K]` (bool), N and K at least 1.

    ``offset_sd`` is the standard deviation of the offsets in logits; 0 means none, and None has it
    estimated. With a single code an offset is the intercept, and there is none.
    """
    n_codes = logits.shape[1]
    state = _State(np.zeros(len(features(logits[:1])) + 1), np.zeros(n_codes))
    labels = _Labels(logits, gold, features, with_intercept)
    if n_codes == 1:
        offset_sd = 0.0
    if offset_sd is None:
        state, offset_sd = _with_estimated_sd(labels, state)
    else:
        state, _ = labels.minimise(state, offset_sd)
    return LogitMapFit(np.exp(state.theta[:-1]), float(state.theta[-1]), state.offsets, offset_sd)


def _with_estimated_sd(labels: _Labels, state: _State) -> tuple[_State, float]:
    """Alternate between the parameters at a given deviation and the deviation at given ones."""
    sd = 1.0
    for _ in range(MAXIMUM_ROUNDS):
        # On the way it is not worth while to be exact.
        state, sums = labels.minimise(state, sd, tolerance=1e-3)
        score = sums.code_curvature * state.offsets - sums.code_slope
        before, sd = sd, most_likely_deviation(sums.code_curvature, score)
        if sd == 0.0:
            state = _State(state.theta, np.zeros_like(state.offsets))
        if abs(sd - before) <= 1e-3 * before:
            break
    state, _ = labels.minimise(state, sd)
    return state, sd


@dataclass(frozen=True, eq=False)
class _Labels:
    logits: Floats
    gold: NDArray[np.bool_]
    features: Features
    with_intercept: bool

    def minimise(
        self, state: _State, offset_sd: float, tolerance: float = TOLERANCE
    ) -> tuple[_State, _Sums]:
        """The state with the least penalised loss, and its sums (but for the last, tiny step)."""
        sds = np.full(len(state.theta), LOG_COEFFICIENT_SD)
        sds[-1] = INTERCEPT_SD
        precision = sds**-2.0
        code_precision = offset_sd**-2.0 if offset_sd > 0.0 else 0.0

        def penalised(at: _State, sums: _Sums) -> float:
            prior = precision @ at.theta**2 + code_precision * float(at.offsets @ at.offsets)
            return sums.loss + 0.5 * float(prior)

        sums = self.sums(state)
        value = penalised(state, sums)
        for _ in range(MAXIMUM_STEPS):
            step, gain = self._step(state, sums, precision, code_precision)
            if gain < tolerance:
                return _moved(state, step), sums
            size = 1.0
            while True:
                trial = _moved(state, step, size)
                trial_sums = self.sums(trial)
                trial_value = penalised(trial, trial_sums)
                if trial_value <= value - 1e-4 * size * gain:
                    break
                size *= 0.5
                if size < 1e-6:  # the loss is as low as rounding lets it be
                    return state, sums
            state, sums, value = trial, trial_sums, trial_value
        return state, sums

    def _step(
        self, state: _State, sums: _Sums, precision: Floats, code_precision: float
    ) -> tuple[_State, float]:
        """Newton's step, and the nats that it gains if the loss is a parabola."""
        slope = sums.slope + precision * state.theta
        curvature = sums.curvature + np.diag(precision)
        # A coefficient is an exponential, which bends the loss by itself. Only the bend upwards is
        # taken: a step must lead downhill.
        j = np.arange(len(slope) - 1)
        curvature[j, j] += np.maximum(sums.slope[:-1], 0.0)
        free = slice(None) if self.with_intercept else slice(0, -1)
        theta_step = np.zeros_like(slope)
        offset_step = np.zeros_like(state.offsets)
        if code_precision > 0.0:
            code_slope = sums.code_slope + code_precision * state.offsets
            code_curvature = sums.code_curvature + code_precision
            shared = sums.cross[free] / code_curvature
            theta_step[free] = -np.linalg.solve(
                curvature[free, free] - shared @ sums.cross[free].T,
                slope[free] - shared @ code_slope,
            )
            offset_step = -(code_slope + theta_step @ sums.cross) / code_curvature
            gain = -(float(slope @ theta_step) + float(code_slope @ offset_step)) / 2.0
        else:
            theta_step[free] = -np.linalg.solve(curvature[free, free], slope[free])
            gain = -float(slope @ theta_step) / 2.0
        return _State(theta_step, offset_step), gain

    def sums(self, state: _State) -> _Sums:
        """Loss and derivatives, block by block."""
        n_codes = self.logits.shape[1]
        coefficients = np.exp(state.theta[:-1])
        loss = 0.0
        slope = np.zeros((len(state.theta), n_codes))
        curvature = np.zeros((len(state.theta), len(state.theta), n_codes))
        rows = max(BLOCK_LABELS // n_codes, 1)
        for start in range(0, len(self.logits), rows):
            gold = self.gold[start : start + rows]
            found = self.features(self.logits[start : start + rows])
            scaled = [c * feature for c, feature in zip(coefficients, found, strict=True)]
            log_odds = sum(scaled, state.theta[-1] + state.offsets)
            shrunk = np.exp(-np.abs(log_odds))
            loss += float((np.maximum(log_odds, 0.0) + np.log1p(shrunk)).sum())
            loss -= float(log_odds[gold].sum())
            residual = np.where(log_odds >= 0.0, 1.0, shrunk) / (1.0 + shrunk) - gold
            weight = shrunk / (1.0 + shrunk) ** 2
            slope[-1] += residual.sum(axis=0)
            curvature[-1, -1] += weight.sum(axis=0)
            for j, feature in enumerate(scaled):
                slope[j] += (residual * feature).sum(axis=0)
                weighted = weight * feature
                curvature[-1, j] += weighted.sum(axis=0)
                for i in range(j + 1):
                    curvature[j, i] += (weighted * scaled[i]).sum(axis=0)
        total = curvature.sum(axis=2)
        total += np.tril(total, -1).T
        return _Sums(loss, slope.sum(axis=1), total, slope[-1], curvature[-1, -1], curvature[-1])


def _moved(state: _State, step: _State, size: float = 1.0) -> _State:
    theta = state.theta + size * step.theta
    theta[:-1] = np.clip(theta[:-1], *LOG_COEFFICIENT_RANGE)
    return _State(theta, state.offsets + size * step.offsets)
