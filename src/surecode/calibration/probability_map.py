"""Maps from logits to probabilities that keep the order of the logits of each code.

There are four kinds, from simple to rich:

- ``temperature``: sigmoid(slope * logit);
- ``platt``: sigmoid(slope * logit + intercept + offset of the code);
- ``beta``: sigmoid(a * log p - b * log(1 - p) + c) with p = sigmoid(logit), that is another slope
  where a code is unlikely than where it is likely;
- ``isotonic``: straight lines between knots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from surecode.calibration.isotonic import interpolate
from surecode.calibration.logit_map_fit import beta_features
from surecode.errors import InputError

Kind = Literal["temperature", "platt", "beta", "isotonic"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# What each kind is made of; all else keeps its default. The number counts nested lists in JSON.
_PARTS: dict[str, dict[str, int]] = {
    "temperature": {"slope": 0},
    "platt": {"slope": 0, "intercept": 0, "offsets": 1},
    "beta": {"beta": 1},
    "isotonic": {"knots": 2},
}
# Beyond it a logit says no more, and products of logits stay finite.
LARGEST_LOGIT = 1e30
_REMEDY = "write the file again with surecode calibrate"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ProbabilityMap:
    """Probabilities of logits; the identity on sigmoid(logit) unless told otherwise.

    ``offsets`` hold one number per code of the label space, in its order, or none; ``beta`` is
    (a, b, c) with a, b >= 0 and not both 0; ``knots`` are pairs of a logit and its probability,
    logits rising, probabilities not falling and strictly within 0 and 1. Raises `InputError` where
    a number is out of its range or belongs to another kind.
    """

    slope: float = 1.0
    intercept: float = 0.0
    offsets: tuple[float, ...] = ()
    kind: Kind = "platt"
    beta: tuple[float, ...] = ()
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                f"probability calibrator: kind {self.kind!r} is not one of {', '.join(KINDS)}"
            )
        for part in fields(self):
            foreign = part.name != "kind" and part.name not in _PARTS[self.kind]
            if foreign and getattr(self, part.name) != part.default:
                raise InputError(
                    f"probability calibrator: {part.name} is no part of kind {self.kind}; leave it "
                    "out"
                )
        wrong = self._what_is_wrong()
        if wrong:
            raise InputError(f"probability calibrator: {wrong}; fit it again on the tune split")

    def _what_is_wrong(self) -> str | None:
        if not (0.0 < self.slope < math.inf and math.isfinite(self.intercept)):
            return (
                f"slope {self.slope} and intercept {self.intercept} must be finite and the slope "
                "positive"
            )
        if not np.isfinite(self._offsets).all():
            return "an offset is not finite"
        if self.kind == "beta":
            shape_is_right = len(self.beta) == 3 and all(map(math.isfinite, self.beta))
            if not shape_is_right or min(self.beta[:2]) < 0.0 or max(self.beta[:2]) == 0.0:
                return "beta must be three finite numbers, the first two not negative nor both 0"
        if self.kind == "isotonic":
            if any(len(knot) != 2 for knot in self.knots):
                return "a knot is no pair of a logit and a probability"
            logits, probabilities = self._knots
            rising = len(logits) > 0 and (np.diff(logits) > 0.0).all()
            inside = ((probabilities > 0.0) & (probabilities < 1.0)).all()
            kept = (np.diff(probabilities) >= 0.0).all()
            if not (np.isfinite(logits).all() and rising and inside and kept):
                return (
                    "knots must be at least one, with rising finite logits and probabilities "
                    "strictly within 0 and 1 that do not fall"
                )
        return None

    def __call__(self, logits: ArrayLike) -> Floats:
        """Probabilities `[N, K]` of logits `[N, K]`, or of any shape where there are no offsets.

        NaN stays NaN. Raises `InputError` where K is not the number of offsets.
        """
        if self.kind == "isotonic":
            return interpolate(np.asarray(logits, dtype=np.float64), *self._knots)
        return np.asarray(special.expit(self.log_odds(logits)), dtype=np.float64)

    def log_odds(self, logits: ArrayLike) -> Floats:
        """Logarithm of p / (1 - p), `[N, K]`, which is finite where p rounds to 0 or 1."""
        z = np.asarray(logits, dtype=np.float64)
        if self.kind == "isotonic":
            return np.asarray(special.logit(self(z)), dtype=np.float64)
        if self.kind == "beta":
            a, b, c = self.beta
            below, above = beta_features(np.clip(z, -LARGEST_LOGIT, LARGEST_LOGIT))
            return a * below + b * above + c
        if not self.offsets:
            return self.slope * z + self.intercept
        if z.ndim == 0 or z.shape[-1] != len(self.offsets):
            raise InputError(
                f"probability calibrator: it has offsets for {len(self.offsets)} codes and the "
                f"logits have shape {z.shape}; give the logits of its own label space"
            )
        return self.slope * z + (self.intercept + self._offsets)

    def grown(self, positions: Sequence[int], size: int) -> Self:
        """The calibrator for a label space of ``size`` codes, which new codes enter without offset.

        ``positions`` are the places of the present codes in the new label space, in their present
        order. Raises `InputError` where they are not one distinct place for each offset.
        """
        if not self.offsets:
            return self
        places = [int(place) for place in positions]
        fits = len(places) == len(set(places)) == len(self.offsets)
        if not fits or min(places) < 0 or max(places) >= size:
            raise InputError(
                f"probability calibrator: {len(self.offsets)} offsets need as many different "
                f"places from 0 to {size - 1}; give one for each code"
            )
        offsets = np.zeros(size)
        offsets[places] = self._offsets
        return replace(self, offsets=tuple(offsets.tolist()))

    def to_dict(self) -> dict[str, Any]:
        """Kind and parts as plain JSON values."""
        values: dict[str, Any] = {"kind": self.kind}
        for name in _PARTS[self.kind]:
            value = getattr(self, name)
            values[name] = np.asarray(value).tolist() if isinstance(value, tuple) else float(value)
        return values

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """The inverse of :meth:`to_dict`; raises `InputError` on a wrong key, type or number."""
        named = values.get("kind") if isinstance(values, dict) else None
        kind = next((kind for kind in KINDS if kind == named), None)
        if kind is None:
            raise InputError(
                f"probability calibrator: expected a kind out of {', '.join(KINDS)}; {_REMEDY}"
            )
        if set(values) != {"kind", *_PARTS[kind]}:
            raise InputError(
                f"probability calibrator: expected {', '.join(_PARTS[kind])} of kind {kind} and "
                f"nothing else; {_REMEDY}"
            )
        parts = {name: _numbers(values[name], depth, name) for name, depth in _PARTS[kind].items()}
        return cls(kind=kind, **parts)

    @cached_property
    def _offsets(self) -> Floats:
        return np.asarray(self.offsets, dtype=np.float64)

    @cached_property
    def _knots(self) -> tuple[Floats, Floats]:
        pairs = np.asarray(self.knots, dtype=np.float64).reshape(-1, 2)
        return pairs[:, 0].copy(), pairs[:, 1].copy()


def _numbers(value: Any, depth: int, name: str) -> Any:
    """JSON numbers as floats, lists of them as tuples, lists of lists as tuples of tuples."""
    if depth and isinstance(value, list):
        return tuple(_numbers(inner, depth - 1, name) for inner in value)
    if not depth and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    raise InputError(f"probability calibrator: {name} is not made of numbers; {_REMEDY}")
