"""The certificate: what was promised, what it was proved on, and until when it holds.

A certificate is a file that people sign for, so it is plain JSON, it names its assumptions in
words, and its id is a hash of everything else in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

METHOD = "learn-then-test, fixed sequence, exact binomial p-value"

ASSUMPTIONS = (
    "The calibrate encounters are a random sample of the population that will be automated.",
    "They are independent: one encounter per patient, or patients whose encounters do not cluster.",
    "They were not used to train, tune, decode or choose anything, and are tested once.",
    "Model, calibrator, label space and rules stay what their hashes say.",
    "The thresholds to test and their order were fixed without looking at calibrate's gold.",
    "Encounters stopped by rules are not automated, here as in use.",
    "Gold is right: an error of the gold counts as an error of the coder and the other way round.",
    "The promise is about the accuracy of automated encounters as a whole, not of each one.",
)


@dataclass(frozen=True)
class Target:
    """Accuracy ``level`` of automated encounters, which may fail with probability ``delta``.

    ``metric`` is "exact": an encounter is right where its code set equals its gold.
    """

    metric: Literal["exact"] = "exact"
    level: float = 0.95
    delta: float = 0.10

    def __post_init__(self) -> None:
        if self.metric != "exact":
            raise InputError(f"target: metric {self.metric!r} is not exact; set metric to exact")
        for name, value in (("level", self.level), ("delta", self.delta)):
            if not isinstance(value, float) or not 0.0 < value < 1.0:
                raise InputError(f"target: {name} {value!r} must lie strictly between 0 and 1")


@dataclass(frozen=True)
class Certificate:
    """The proof that automated encounters reach the target, or the reason why there is none.

    Where nothing is certified, ``threshold`` is None, everything goes to review, the automation
    rate is 0, and ``n_selected``, ``errors``, ``p_value`` and ``accuracy_lower_bound`` describe
    the strictest threshold tested, or the most lenient one where none could be tested.

    What holds with probability 1 - delta is "accuracy is at least ``target.level``".
    ``accuracy_lower_bound`` (one-sided, 1 - delta) and ``automation_rate_interval`` (two-sided,
    95%) are limits for this one threshold, as if it had been fixed beforehand: for reading, not
    promises beyond the level. ``expires`` is the first day on which the certificate is void.
    """

    id: str
    specialty: str
    target: Target
    method: str
    certified: bool
    reason: str
    threshold: float | None
    n_calibrate: int
    n_eligible: int
    start_n: int
    n_selected: int
    errors: int
    p_value: float
    accuracy_lower_bound: float
    automation_rate: float
    automation_rate_interval: tuple[float, float]
    grid_hash: str
    split_fingerprint: str
    hashes: dict[str, str]
    created: date
    expires: date
    assumptions: tuple[str, ...] = ASSUMPTIONS

    def clears(self, confidence: ArrayLike) -> NDArray[np.bool_]:
        """Which confidences `[N]` reach the threshold (bool `[N]`); NaN never does."""
        score = np.asarray(confidence, dtype=np.float64)
        if self.threshold is None:
            return np.zeros(score.shape, dtype=bool)
        return np.asarray(score >= self.threshold, dtype=bool)

    def with_id(self) -> Certificate:
        """The same certificate under the id that its content gives: 16 digits of its SHA-256."""
        content = asdict(self)
        del content["id"]
        text = json.dumps(content, sort_keys=True, allow_nan=False, default=date.isoformat)
        return replace(self, id=hashlib.sha256(text.encode("utf-8")).hexdigest()[:16])


def void_reason(certificate: Certificate, hashes: Mapping[str, str], today: date) -> str | None:
    """Why the certificate may not be used today with what ``hashes`` names, or None if it may.

    ``hashes`` must name the same things as the certificate does, with the same values.
    """
    if not certificate.certified:
        return f"nothing is certified: {certificate.reason}"
    if today >= certificate.expires:
        return f"expired on {certificate.expires.isoformat()}"
    for name in sorted(certificate.hashes.keys() | hashes.keys()):
        if certificate.hashes.get(name) != hashes.get(name):
            return f"the hash of {name} differs from the certified one"
    return None


def next_release_date(created: date) -> date:
    """The first 1 October after ``created``: the next yearly release of ICD-10-CM takes effect."""
    this_year = date(created.year, 10, 1)
    return this_year if created < this_year else date(created.year + 1, 10, 1)


def expiry_date(created: date, valid_days: int) -> date:
    """``valid_days`` after ``created`` or the next code release, whichever comes first."""
    if valid_days < 1:
        raise InputError(f"certificate: valid_days {valid_days} must be at least 1")
    return min(created + timedelta(days=valid_days), next_release_date(created))


def split_fingerprint(encounter_ids: Sequence[str]) -> str:
    """SHA-256 of the sorted ids of a split: the same for the same encounters in any order.

    Raises `InputError` where an id occurs twice: an encounter counted twice proves nothing more.
    """
    ids = sorted(encounter_ids)
    if len(set(ids)) != len(ids):
        raise InputError("calibrate split: an encounter occurs twice; make encounter ids unique")
    return hashlib.sha256(json.dumps(ids).encode("utf-8")).hexdigest()
