"""Splits: who trains, who tunes, who calibrates, who tests.

A group (a patient, or the article that several cases come from) is never cut. Groups are put in
the order of a hash of seed and group id and each goes to the split that lacks most, so that

* the same seed gives the same splits, whatever the order of the input;
* with groups of one encounter every split is within one encounter of its share, and no split
  ever exceeds its share by a whole group;
* which encounters calibrate and which test is as good as random, as the certificate needs.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from surecode.encounter import SPLITS, Encounter, Split
from surecode.errors import InputError

Shares = Mapping[Split, float]

# The policy of a table whose rows already name our splits.
KEEP: Mapping[str, Shares] = {split: {split: 1.0} for split in SPLITS}
_FIELDS = ("specialty", "setting", "payer")


@dataclass(frozen=True)
class Sourced:
    """An encounter as its source gives it, before splits are made."""

    encounter: Encounter
    group: str  # the patient or source article that no split of ours may cut
    official_split: str | None = None  # the publisher's split, where there is one


Item = TypeVar("Item", Encounter, Sourced)


@dataclass(frozen=True)
class Assignment:
    """Encounters with their splits, sorted by encounter id."""

    encounters: list[Encounter]
    cut_groups: int  # groups that the publisher's splits cut, which stay as published


def assign(items: Iterable[Sourced], shares: Shares, seed: int) -> list[Encounter]:
    """Make splits by group, sorted by encounter id; ``shares`` must add up to 1.

    Raises `InputError` for shares that are none.
    """
    check_shares(shares)
    groups: defaultdict[str, list[Encounter]] = defaultdict(list)
    for item in items:
        groups[item.group].append(item.encounter)
    total = sum(map(len, groups.values()))
    lacking = {split: shares.get(split, 0.0) * total for split in SPLITS if shares.get(split)}
    assigned: list[Encounter] = []
    for group in sorted(groups, key=lambda group: _position(group, seed)):
        split = max(lacking, key=lambda split: round(lacking[split], 9))
        lacking[split] -= len(groups[group])
        assigned += [replace(encounter, split=split) for encounter in groups[group]]
    return sorted(assigned, key=lambda encounter: encounter.encounter_id)


def assign_official(
    items: Iterable[Sourced], policy: Mapping[str, Shares], seed: int
) -> Assignment:
    """Make our splits inside the publisher's, ``policy`` giving the shares of each.

    An official split that is all ``test`` is alone ``test`` where it is present: the share of the
    others that stood in for it joins ``calibrate``. Groups are cut only where the publisher cut
    them; their number comes back. Raises `InputError` for a split that the policy does not name.
    """
    of_split: defaultdict[str | None, list[Sourced]] = defaultdict(list)
    splits_of_group: defaultdict[str, set[str | None]] = defaultdict(set)
    for item in items:
        of_split[item.official_split].append(item)
        splits_of_group[item.group].add(item.official_split)
    encounters: list[Encounter] = []
    published_test = {name for name in of_split if name and _is_test(policy.get(name, {}))}
    for name, members in of_split.items():
        if name is None or name not in policy:
            raise InputError(
                f"official split {name!r}: the split policy does not name it "
                f"(it names {', '.join(sorted(policy))}); give its shares"
            )
        shares = policy[name]
        if published_test and name not in published_test:
            shares = _without_test(shares)
        encounters += assign(members, shares, seed)
    return Assignment(
        encounters=sorted(encounters, key=lambda encounter: encounter.encounter_id),
        cut_groups=sum(len(names) > 1 for names in splits_of_group.values()),
    )


def check_splits(encounters: Iterable[Encounter]) -> None:
    """Raise `InputError` unless all four splits have encounters and no patient is in two."""
    counts: Counter[Split] = Counter()
    split_of: dict[str, Split] = {}
    for encounter in encounters:
        if encounter.split is None:
            raise InputError(
                f"encounter {encounter.encounter_id}: no split; name a split for every encounter "
                "of the table or for none"
            )
        counts[encounter.split] += 1
        first = split_of.setdefault(encounter.patient_id, encounter.split)
        if first != encounter.split:
            raise InputError(
                f"patient {encounter.patient_id}: encounters in the splits {first} and "
                f"{encounter.split}; give all encounters of a patient one split"
            )
    for split in SPLITS:
        if not counts[split]:
            raise InputError(
                f"split {split}: no encounters among {counts.total()}; "
                "give more encounters or change the split shares"
            )


def check_shares(shares: Shares) -> None:
    """Raise `InputError` unless the shares name our splits, are not negative and add up to 1."""
    unknown = sorted(set(shares) - set(SPLITS))
    if unknown:
        raise InputError(f"split shares: {unknown[0]!r} is not one of {', '.join(SPLITS)}")
    total = math.fsum(shares.values())
    # Written so that a share which is not a number is refused as well.
    if not (abs(total - 1.0) <= 1e-6 and all(share >= 0.0 for share in shares.values())):
        raise InputError(
            f"split shares: {dict(shares)} add up to {total:g}; give shares from 0 to 1 "
            "that add up to 1"
        )


def select(items: Sequence[Item], include: Mapping[str, Collection[str]]) -> list[Item]:
    """The encounters whose specialty, setting and payer are among those of ``include``.

    A field that ``include`` does not name is free. Select before splits are made, so that the
    shares hold within the specialty. Raises `InputError` where nothing is left.
    """
    unknown = sorted(set(include) - set(_FIELDS))
    if unknown:
        raise InputError(f"include: {unknown[0]!r} is not one of {', '.join(_FIELDS)}")
    chosen = [
        item
        for item in items
        if all(getattr(_encounter(item), field) in values for field, values in include.items())
    ]
    if not chosen:
        counts = Counter(_encounter(item).specialty for item in items)
        present = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        wanted = "; ".join(f"{field} {', '.join(v)}" for field, v in sorted(include.items()))
        raise InputError(
            f"include: no encounter has {wanted}; the data have the specialties "
            f"{present or '(none)'}; choose among them or give other data"
        )
    return chosen


def _encounter(item: Encounter | Sourced) -> Encounter:
    return item.encounter if isinstance(item, Sourced) else item


def _position(group: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {group}".encode()).digest()


def _is_test(shares: Shares) -> bool:
    return bool(shares) and all(split == "test" for split, share in shares.items() if share)


def _without_test(shares: Shares) -> Shares:
    calibrate = shares.get("calibrate", 0.0) + shares.get("test", 0.0)
    return {**shares, "calibrate": calibrate, "test": 0.0}
