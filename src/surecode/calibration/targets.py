"""What a user promises of automated encounters, and how far each encounter falls short of it.

Every target is a ratio: the errors of an encounter over its size. Letters: N encounters, K codes.

=========  ============================  ====================  =====================================
metric     error of an encounter         size                  1 - error / size is
=========  ============================  ====================  =====================================
exact      1 where code set != gold      1                     share of encounters entirely right
precision  codes assigned wrongly        codes assigned        precision
recall     gold codes not assigned       gold codes            recall
f1         both                          both                  F1 = 2 TP / (2 TP + FP + FN)
cost       both, weighted by code,       both, weighted alike  weighted F1 (charges, severity)
           over- and under-coding apart
=========  ============================  ====================  =====================================

Averaged over ``encounters``, each encounter's ratio counts once. Averaged over ``codes``, errors
and sizes are summed first. Either way an encounter's codes make one number before any test: codes
of one encounter are right or wrong together, and a binomial test on pooled codes breaks a promise
of 90% in 15% to 21% of cases (correlation .2 to .5 within encounters).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

Metric = Literal["exact", "precision", "recall", "f1", "cost"]
Average = Literal["encounters", "codes"]

# How pydantic reads a certificate's parts from its file.
STRICT: Final = {"extra": "forbid", "strict": True, "allow_inf_nan": False}

_SAYS = {
    "precision": "codes assigned to {who} are right",
    "recall": "gold codes of {who} are assigned",
    "f1": "codes of {who} agree with gold (F1)",
    "cost": "weight of the codes of {who} agrees with gold",
}


@dataclass(frozen=True)
class Target:
    """``metric`` of automated encounters is at least ``level``, but for probability ``delta``.

    ``cap``, needed where the average is over codes, is the most error that one encounter counts
    with (wrong codes, or their weight): a sum without a limit cannot be bounded. ``over`` and
    ``under`` are the weights of over- and under-coding in ``cost``; ``weights`` is the SHA-256 of
    the table of code weights, empty where every code weighs 1.
    """

    __pydantic_config__ = STRICT

    metric: Metric = "exact"
    level: float = 0.95
    delta: float = 0.10
    average: Average = "encounters"
    cap: float | None = None
    over: float = 1.0
    under: float = 1.0
    weights: str = ""

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise InputError(
                f"target: metric {self.metric!r} is unknown; choose {', '.join(get_args(Metric))}"
            )
        for name, value in (("level", self.level), ("delta", self.delta)):
            if not isinstance(value, float) or not 0.0 < value < 1.0:
                raise InputError(f"target: {name} {value!r} must lie strictly between 0 and 1")
        if self.average not in get_args(Average) or (
            self.metric == "exact" and self.average == "codes"
        ):
            raise InputError(
                f"target: {self.metric} cannot be averaged over {self.average!r}; set average to "
                "encounters"
            )
        if self.average == "codes" and not _positive(self.cap):
            raise InputError(
                f"target: {self.metric} over codes needs a cap above 0, the most error that one "
                "encounter counts with; set cap"
            )
        weighed = self.metric == "cost"
        if not all(_finite(w) and w >= 0 for w in (self.over, self.under)) or not (
            self.over + self.under > 0
        ):
            raise InputError(
                f"target: over {self.over!r} and under {self.under!r} must be at least 0 and not "
                "both 0"
            )
        if not weighed and ((self.over, self.under) != (1.0, 1.0) or self.weights):
            raise InputError(
                f"target: {self.metric} takes no weights; set metric to cost, or leave out over, "
                "under and weights"
            )

    @property
    def alpha(self) -> float:
        """The error that the target allows: 1 - level."""
        return 1.0 - self.level

    def says(self) -> str:
        """The promise in plain words."""
        share = f"at least {100.0 * self.level:.12g}%"
        if self.metric == "exact":
            return f"{share} of automatically coded encounters are entirely right"
        alone = self.average == "encounters"
        who = "an automatically coded encounter" if alone else "automatically coded encounters"
        said = f"{share} of the {_SAYS[self.metric].format(who=who)}"
        if self.metric == "cost":
            said += f", over-coding weighed {self.over:g} and under-coding {self.under:g}"
        if alone:
            return f"{said}, on average over encounters"
        return f"{said}; one encounter counts with at most {self.cap:g} errors"


def largest_error(target: Target) -> float:
    """The most error that one encounter counts with."""
    return 1.0 if target.average == "encounters" or target.cap is None else target.cap


@dataclass(frozen=True)
class Losses:
    """How far N encounters fall short of one target: error `[N]` and size `[N]`.

    The target holds for a set of encounters where the expected error is at most 1 - level times
    the expected size. ``0 <= error <= cap`` and ``error <= size``; ``binary`` where each error is 0
    or 1 and each size is 1; ``clipped`` `[N]` (bool) had more error than ``cap`` and count with it.
    """

    error: NDArray[np.float64]
    size: NDArray[np.float64]
    cap: float
    binary: bool
    clipped: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.error)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Losses:
        """The losses of some encounters."""
        return Losses(self.error[rows], self.size[rows], self.cap, self.binary, self.clipped[rows])

    @classmethod
    def of_correct(cls, correct: ArrayLike) -> Losses:
        """Losses of the target ``exact`` from correct `[N]` (bool: code set equals gold)."""
        right = np.asarray(correct)
        if right.ndim != 1 or right.dtype != np.bool_:
            raise InputError(
                f"losses: correct is {right.dtype} of shape {right.shape}; give bool [N]"
            )
        none = np.zeros(len(right), dtype=bool)
        return cls((~right).astype(np.float64), np.ones(len(right)), 1.0, True, none)


def encounter_losses(
    target: Target,
    assigned: ArrayLike,
    gold: ArrayLike,
    gold_outside: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Losses:
    """Losses `[N]` of code sets and gold, both `[N, K]` (bool).

    ``gold_outside`` `[N]` counts the gold codes of each encounter outside the label space, or sums
    their weights where the codes have ``weights``: nobody can assign them, so they are missed.
    ``weights`` `[K]` are the codes' own, for ``cost``. Without error and size (nothing assigned,
    for precision) an encounter has no loss. Raises `InputError` where shapes differ, a weight or
    count is negative or not finite, or the target takes no weights.
    """
    chosen, truth = np.asarray(assigned, dtype=bool), np.asarray(gold, dtype=bool)
    outside = np.zeros(len(chosen)) if gold_outside is None else np.asarray(gold_outside, float)
    if chosen.ndim != 2 or chosen.shape != truth.shape or outside.shape != (len(chosen),):
        raise InputError(
            f"losses: code sets {chosen.shape}, gold {truth.shape} and gold_outside "
            f"{outside.shape} must be [N, K], [N, K] and [N]; give one row per encounter"
        )
    if not (np.isfinite(outside) & (outside >= 0.0)).all():
        raise InputError(
            "losses: gold_outside is negative or not finite; give the number of gold codes outside "
            "the label space"
        )
    if weights is not None and target.metric != "cost":
        raise InputError(f"losses: {target.metric} takes no weights; set metric to cost")
    if target.metric == "exact":
        return Losses.of_correct((chosen == truth).all(axis=1) & (outside == 0))
    weight = np.ones(chosen.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != chosen.shape[1:] or not (np.isfinite(weight) & (weight >= 0.0)).all():
        raise InputError(
            f"losses: weights have shape {weight.shape} for {chosen.shape[1]} codes, or one is "
            "negative or not finite; give one weight of at least 0 per code"
        )
    over = {"recall": 0.0, "cost": target.over}.get(target.metric, 1.0) * weight
    under = {"precision": 0.0, "cost": target.under}.get(target.metric, 1.0) * weight
    beyond = outside * {"precision": 0.0, "cost": target.under}.get(target.metric, 1.0)
    error = (chosen & ~truth) @ over + (truth & ~chosen) @ under + beyond
    size = chosen @ over + truth @ under + beyond
    if target.average == "encounters":
        share = np.divide(error, size, out=np.zeros(len(error)), where=size > 0.0)
        none = np.zeros(len(share), dtype=bool)
        return Losses(np.minimum(share, 1.0), np.ones(len(share)), 1.0, False, none)
    cap = largest_error(target)
    return Losses(np.minimum(error, cap), size, cap, False, error > cap)


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _positive(value: float | None) -> bool:
    return value is not None and _finite(value) and value > 0.0
