"""Logits to probabilities: one slope and one intercept for all codes of a coder.

A code of the long tail has too few positives on the tune split for a curve of its own (isotonic
regression per code overfits below about 50), so the map is global: temperature scaling (Guo et
al., "On calibration of modern neural networks", 2017) or Platt scaling (Platt, "Probabilistic
outputs for support vector machines", 1999).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from surecode.errors import InputError

# Standard deviations of the prior on log(slope) and on the intercept (in logits). They weigh as
# much as a handful of labels: enough to keep separable or tiny data finite, nothing beyond that.
LOG_SLOPE_SD = 1.0
INTERCEPT_SD = 4.0
# Outside this range of log(slope) the probabilities of any finite logit are 0, 1/2 or 1 anyway.
LOG_SLOPE_RANGE = (-20.0, 20.0)


@dataclass(frozen=True)
class ProbabilityCalibrator:
    """probability = sigmoid(slope * logit + intercept), slope > 0: the order of codes stays."""

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 < self.slope < math.inf and math.isfinite(self.intercept)):
            raise InputError(
                f"probability calibrator: slope {self.slope} and intercept {self.intercept} must "
                "be finite and the slope positive; fit it again on the tune split"
            )

    def __call__(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Probabilities `[N, K]` of logits `[N, K]`; NaN stays NaN."""
        scaled = self.slope * np.asarray(logits, dtype=np.float64) + self.intercept
        return np.asarray(special.expit(scaled), dtype=np.float64)

    @classmethod
    def fit(cls, logits: ArrayLike, gold: ArrayLike) -> ProbabilityCalibrator:
        """Fit on the tune split: logits `[N, K]` and gold `[N, K]` (bool) of the same shape.

        The slope alone is fitted first (temperature). The intercept is added (Platt) where the
        Bayesian information criterion says that it pays: where it lowers the summed log loss by
        more than half the logarithm of the number of labels. Where gold is all negative or all
        positive there is nothing to learn a slope from, and the map is the identity.

        Raises `InputError` where the shapes differ or a logit is not finite.
        """
        z = np.asarray(logits, dtype=np.float64)
        y = np.asarray(gold, dtype=bool)
        if z.shape != y.shape:
            raise InputError(
                f"probability calibration: logits have shape {z.shape} and gold {y.shape}; "
                "give one gold value for each logit"
            )
        if not np.isfinite(z).all():
            raise InputError(
                "probability calibration: a logit is not finite; train again with a lower rate"
            )
        if y.all() or not y.any():
            return cls()
        sign = np.where(y, -1.0, 1.0)
        temperature, temperature_loss = _fit(z, sign, with_intercept=False)
        platt, platt_loss = _fit(z, sign, with_intercept=True)
        pays = temperature_loss - platt_loss > 0.5 * math.log(z.size)
        return platt if pays else temperature

    def to_dict(self) -> dict[str, float]:
        """The two numbers by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ProbabilityCalibrator:
        """The inverse of :meth:`to_dict`; raises `InputError` on a wrong key or type."""
        if set(values) != {"slope", "intercept"} or not all(
            isinstance(v, int | float) and not isinstance(v, bool) for v in values.values()
        ):
            raise InputError(
                "probability calibrator: expected the numbers slope and intercept and nothing "
                "else; write the file again with surecode calibrate"
            )
        return cls(float(values["slope"]), float(values["intercept"]))


def _fit(
    z: NDArray[np.float64], sign: NDArray[np.float64], *, with_intercept: bool
) -> tuple[ProbabilityCalibrator, float]:
    """The calibrator with the least penalised log loss, and that loss in nats.

    ``sign`` is -1 for a positive label and +1 for a negative one, so that the log loss of a label
    is log(1 + exp(sign * scaled logit)).
    """

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_slope = parameters[0]
        intercept = parameters[1] if with_intercept else 0.0
        slope = math.exp(log_slope)
        signed = sign * (slope * z + intercept)
        # d loss / d scaled logit: the probability of the wrong answer, with its sign.
        residual = sign * special.expit(signed)
        value = float(np.logaddexp(0.0, signed).sum())
        value += 0.5 * (log_slope / LOG_SLOPE_SD) ** 2 + 0.5 * (intercept / INTERCEPT_SD) ** 2
        gradient = [slope * float((residual * z).sum()) + log_slope / LOG_SLOPE_SD**2]
        if with_intercept:
            gradient.append(float(residual.sum()) + intercept / INTERCEPT_SD**2)
        return value, np.asarray(gradient)

    bounds = [LOG_SLOPE_RANGE, (None, None)] if with_intercept else [LOG_SLOPE_RANGE]
    found = optimize.minimize(
        loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds
    )
    intercept = float(found.x[1]) if with_intercept else 0.0
    return ProbabilityCalibrator(math.exp(float(found.x[0])), intercept), float(found.fun)
