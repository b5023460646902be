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

from surecode.calibration.clusters import Clustering
from surecode.calibration.family import Family
from surecode.calibration.groups import EVERYONE
from surecode.calibration.targets import STRICT, Target
from surecode.calibration.threshold_test import Bound
from surecode.errors import InputError

METHOD = "learn-then-test, fixed sequence"

ASSUMPTIONS = (
    "The calibrate encounters are a random sample of the population that will be automated.",
    "They were not used to train, tune, decode or choose anything, and are tested once.",
    "Model, calibrator, label space and rules stay what their hashes say.",
    "The thresholds to test and their order were fixed without looking at calibrate's gold.",
    "Encounters stopped by rules are not automated, here as in use.",
    "Gold is right: an error of the gold counts as an error of the coder and the other way round.",
    "The promise is about automated encounters as a whole, not about each one.",
)
INDEPENDENCE: dict[Clustering, str] = {
    "one": "Encounters of one patient go together, so one of each patient was drawn at random; the "
    "promise weighs patients, not encounters, where those with many encounters differ.",
    "sum": "Encounters of one patient go together, so their errors were summed; patients are "
    "independent of one another.",
    "ignore": "The encounters are independent of one another.",
}


@dataclass(frozen=True)
class TargetResult:
    """One target at one threshold: summed errors over summed size of the automated encounters.

    ``lower_bound`` (one-sided, at the group's delta) is for this one threshold as if it had been
    fixed beforehand: for reading, not a promise beyond the level. It and ``estimate`` are None
    without automated encounters. ``clipped`` encounters count with the cap and had more error.
    """

    __pydantic_config__ = STRICT

    bound: Bound
    errors: float
    size: float
    estimate: float | None
    lower_bound: float | None
    p_value: float
    clipped: int


@dataclass(frozen=True)
class GroupResult:
    """One group of encounters and its threshold, or the reason why there is none.

    Where nothing is certified, ``threshold`` is None, everything goes to review, the automation
    rate is 0, and ``n_selected`` and ``results`` (one for each target of the certificate) describe
    the strictest threshold tested, or the most lenient one where none could be tested.
    ``automation_rate_interval`` is two-sided, 95%. ``complete`` says that the most lenient
    threshold passed, so that nothing is left to test.
    """

    __pydantic_config__ = STRICT

    name: str
    delta: float
    certified: bool
    complete: bool
    reason: str
    threshold: float | None
    n_calibrate: int
    n_eligible: int
    start_n: int
    n_selected: int
    results: tuple[TargetResult, ...]
    automation_rate: float
    automation_rate_interval: tuple[float, float]
    grid_hash: str

    @property
    def p_value(self) -> float:
        """The largest of the targets' p-values: all must hold."""
        return max(result.p_value for result in self.results)


@dataclass(frozen=True)
class Certificate:
    """The proof that automated encounters reach the targets, or the reason why there is none.

    What holds with probability 1 - delta is that automated encounters reach every target: in each
    group by itself, or in all groups of the ``family_size`` specialties together. ``test_number``
    counts the settings that were tested on this calibrate split, up to this one: the promise is
    that of the first. ``expires`` is the first day on which the certificate is void.
    """

    __pydantic_config__ = STRICT

    id: str
    specialty: str
    targets: tuple[Target, ...]
    method: str
    family: Family
    family_size: int
    clustering: Clustering
    group_by: tuple[str, ...]
    groups: tuple[GroupResult, ...]
    split_fingerprint: str
    test_number: int
    hashes: dict[str, str]
    created: date
    expires: date
    assumptions: tuple[str, ...] = ASSUMPTIONS

    @property
    def certified(self) -> bool:
        """Whether there is a threshold for any group."""
        return any(group.certified for group in self.groups)

    @property
    def reason(self) -> str:
        """Why, in words; one clause per group where there are several."""
        if len(self.groups) == 1:
            return self.groups[0].reason
        return "; ".join(f"{group.name}: {group.reason}" for group in self.groups)

    @property
    def complete(self) -> bool:
        """Whether no group has a threshold left to test."""
        return all(group.complete for group in self.groups)

    @property
    def delta(self) -> float:
        """The probability with which the targets may fail."""
        return self.targets[0].delta

    @property
    def n_calibrate(self) -> int:
        """Encounters of all groups."""
        return sum(group.n_calibrate for group in self.groups)

    @property
    def automation_rate(self) -> float:
        """Automated encounters of all groups over all encounters."""
        automated = sum(group.n_selected for group in self.groups if group.certified)
        return automated / max(self.n_calibrate, 1)

    def group(self, name: str = EVERYONE) -> GroupResult | None:
        """The group of that name, None for one that the certificate does not know."""
        return next((group for group in self.groups if group.name == name), None)

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
