"""From one specialty's calibrate split to its certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial

from surecode.calibration.certificate import (
    ASSUMPTIONS,
    INDEPENDENCE,
    METHOD,
    Certificate,
    split_fingerprint,
)
from surecode.calibration.certify_group import certify_group
from surecode.calibration.clusters import Clustering, units_of
from surecode.calibration.family import allotted, step_down
from surecode.calibration.groups import EVERYONE
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.errors import InputError


def certify(
    calibrate: Sample,
    tune: Sample,
    protocol: Protocol | None = None,
    *,
    specialty: str,
    created: date,
    expires: date,
    hashes: Mapping[str, str],
    group_by: Sequence[str] = (),
    test_number: int = 1,
) -> Certificate:
    """Certify a threshold for each group of one specialty.

    The thresholds to test are quantiles of tune's confidences; tune's losses guess the variance
    that bets are made for. ``hashes`` names what the certificate is bound to (model, calibrator,
    label space, rules); ``test_number`` counts the settings tested on this split so far. A group
    that tune has no encounter of has no thresholds and is not certified; one that calibrate has
    none of is unknown.

    Raises `InputError` where an encounter or a patient is in both splits, an id occurs twice, the
    number of losses is not that of the targets, or ``start_n`` is less than even zero errors need.
    """
    protocol = protocol or Protocol()
    for sample in (calibrate, tune):
        if len(sample.losses) != len(protocol.targets):
            raise InputError(
                f"certify: {len(sample.losses)} losses for {len(protocol.targets)} targets; give "
                "one losses per target"
            )
    fingerprint = split_fingerprint(calibrate.encounter_ids)
    _disjoint(calibrate, tune)
    calibrate, tune = calibrate.in_order_of_id(), tune.in_order_of_id()
    units = units_of(calibrate.encounter_ids, calibrate.clusters, protocol.clustering)
    tests = {
        name: partial(certify_group, name, calibrate, units, tune, protocol)
        for name in calibrate.names() or [EVERYONE]
    }
    # Specialties share delta, and the groups of each share what it got.
    specialties = 1 + protocol.others
    least = allotted(protocol.family, protocol.delta, specialties)
    first = allotted(protocol.family, least, len(tests))
    found = step_down(
        protocol.family,
        allotted(protocol.family, protocol.delta, specialties, protocol.others_whole),
        {name: partial(test, first) for name, test in tests.items()},
    )
    clustered = calibrate.clusters is not None and protocol.clustering != "ignore"
    clustering: Clustering = protocol.clustering if clustered else "ignore"
    return Certificate(
        id="",
        specialty=specialty,
        targets=protocol.targets,
        method=METHOD,
        family=protocol.family,
        family_size=specialties,
        clustering=clustering,
        group_by=tuple(group_by),
        groups=tuple(found.values()),
        split_fingerprint=fingerprint,
        test_number=test_number,
        hashes=dict(hashes),
        created=created,
        expires=expires,
        assumptions=(*ASSUMPTIONS, INDEPENDENCE[clustering], *_reused(test_number)),
    ).with_id()


def _reused(test_number: int) -> tuple[str, ...]:
    if test_number <= 1:
        return ()
    return (
        f"This is test number {test_number} on the same calibrate split: whoever keeps the best of "
        "several is promised less than delta says. A fresh split makes it whole again.",
    )


def _disjoint(calibrate: Sample, tune: Sample) -> None:
    for what, ours, theirs in (
        ("encounter", calibrate.encounter_ids, tune.encounter_ids),
        ("patient", calibrate.clusters or (), tune.clusters or ()),
    ):
        shared = set(ours) & set(theirs)
        if shared:
            raise InputError(
                f"certify: {len(shared)} {what}s of calibrate are in tune as well; what was tuned "
                "on proves nothing, so keep the splits disjoint"
            )
