"""What a run promises: targets and protocol from the settings, and what calibrate was used for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surecode.calibration.groups import group_name
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses, Target, encounter_losses
from surecode.codes.label_space import LabelSpace
from surecode.codes.weights import CodeWeights, code_weights
from surecode.decide import eligible
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.files import read_json, write_json
from surecode.settings import ConditionSettings, Config
from surecode.stages.tuning import Gold


def targets(
    config: Config, space: LabelSpace
) -> tuple[tuple[Target, ...], list[CodeWeights | None]]:
    """The targets that must all hold, and the codes' weights of each, None where all are 1."""
    first = config.specialty.target
    made = [_target(condition, first.delta, space) for condition in (first, *first.also)]
    return tuple(target for target, _ in made), [weights for _, weights in made]


def _target(
    condition: ConditionSettings, delta: float, space: LabelSpace
) -> tuple[Target, CodeWeights | None]:
    weights = None if condition.weights is None else code_weights(condition.weights, space)
    target = Target(
        metric=condition.metric,
        level=condition.level,
        delta=delta,
        average=condition.average,
        cap=condition.cap,
        over=condition.over,
        under=condition.under,
        weights="" if weights is None else weights.fingerprint,
    )
    return target, weights


def losses_of(
    encounters: Sequence[Encounter],
    assigned: NDArray[np.bool_],
    gold: Gold,
    space: LabelSpace,
    promised: Sequence[Target],
    weights: Sequence[CodeWeights | None],
) -> tuple[Losses, ...]:
    """How far the code sets ``[N, K]`` fall short of each target."""
    code_sets = [encounter.code_set for encounter in encounters]
    return tuple(
        encounter_losses(target, assigned, gold.codes, gold.outside)
        if own is None
        else encounter_losses(target, assigned, gold.codes, own.outside(code_sets, space), own.own)
        for target, own in zip(promised, weights, strict=True)
    )


def sample_of(
    config: Config,
    encounters: Sequence[Encounter],
    assigned: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    doubts: Sequence[Sequence[str]],
    losses: tuple[Losses, ...],
) -> Sample:
    """Encounters of one split as the certificate sees them."""
    fields = config.calibration.group_by
    groups = [group_name({f: getattr(e, f) for f in fields}, fields) for e in encounters]
    return Sample(
        encounter_ids=[encounter.encounter_id for encounter in encounters],
        confidence=confidence,
        losses=losses,
        eligible=np.array(
            [eligible(int(row.sum()), some) for row, some in zip(assigned, doubts, strict=True)],
            dtype=bool,
        ),
        groups=groups if fields else None,
        clusters=[encounter.patient_id for encounter in encounters],
    )


def protocol(config: Config, promised: tuple[Target, ...]) -> Protocol:
    """How the certificate is made."""
    chosen = config.calibration
    return Protocol(
        targets=promised,
        family=chosen.family,
        others=len(chosen.specialties),
        others_whole=sum(_whole(config, name, promised) for name in chosen.specialties)
        if chosen.family == "holm"
        else 0,
        clustering=chosen.clusters,
        grid_size=chosen.grid_size,
        comparison=chosen.bound == "hoeffding_bentkus",
    )


def _whole(config: Config, specialty: str, promised: Sequence[Target]) -> bool:
    """Whether another specialty certified every threshold of every group as part of this family.

    One that was not calibrated yet has not, and neither has one that promised for itself or in
    another family: its share of delta was another one.
    """
    path = config.artifacts / specialty / "calibrate.json"
    if specialty == config.specialty.name:
        raise InputError(
            "calibration.specialties: names the specialty itself; name only the others"
        )
    if not path.exists():
        return False
    figures = read_json(path, f"run `surecode calibrate specialty={specialty}` again")
    family, members = figures.get("family"), figures.get("family_specialties", [])
    expected = sorted([*config.calibration.specialties, config.specialty.name])
    same = family == "holm" and members == expected and figures.get("delta") == promised[0].delta
    return same and bool(figures.get("whole"))


def times_tested(runs: Path, fingerprint: str, made_by: Mapping[str, object]) -> int:
    """How many settings have been tested on this calibrate split, this one included.

    A promise holds for the first; whoever tests many and keeps the best has tuned on calibrate.
    The same settings again are the same test. ``made_by`` is what a certificate depends on.
    """
    path = runs / "calibrate_uses.json"
    uses = read_json(path, "delete it to count anew") if path.exists() else {}
    digest = hashlib.sha256(json.dumps(made_by, sort_keys=True, default=str).encode()).hexdigest()
    known = uses.setdefault(fingerprint, [])
    if digest not in known:
        known.append(digest)
        write_json(path, uses)
    return int(known.index(digest)) + 1
