"""Encounters of one patient or provider are right or wrong together: what counts as one unit.

``one``: of each cluster one encounter, drawn by a keyed hash; the others take no part, and the
promise weighs clusters where those with many encounters differ. ``sum``: errors are summed by
cluster and bet on; the promise weighs encounters, at the price of power. ``ignore``: every
encounter is taken for independent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from surecode.calibration.betting import hashed_order
from surecode.errors import InputError

Clustering = Literal["one", "sum", "ignore"]
# More encounters of one cluster than this are thinned out by the hash: the bets of all are limited
# by the largest cluster.
LARGEST_CLUSTER = 5


@dataclass(frozen=True)
class Units:
    """Which encounters take part (bool `[N]`), their units in betting order `[N]`, and the most
    encounters of a unit.
    """

    kept: NDArray[np.bool_]
    place: NDArray[np.intp]
    per_unit: int


def units_of(
    encounter_ids: Sequence[str], clusters: Sequence[str] | None, clustering: Clustering
) -> Units:
    """Units of N encounters.

    Raises `InputError` where lengths differ or ``clustering`` is unknown.
    """
    n = len(encounter_ids)
    if clustering not in ("one", "sum", "ignore"):
        raise InputError(f"clusters: {clustering!r} is not one, sum or ignore; choose one of them")
    if clusters is not None and len(clusters) != n:
        raise InputError(
            f"clusters: {len(clusters)} for {n} encounters; give one per encounter, or none"
        )
    rank = np.empty(n, dtype=np.intp)
    rank[hashed_order(encounter_ids)] = np.arange(n)
    if clusters is None or clustering == "ignore":
        return Units(np.ones(n, dtype=bool), rank, 1)
    members: defaultdict[str, list[int]] = defaultdict(list)
    for position in np.argsort(rank):
        members[clusters[position]].append(int(position))
    most = 1 if clustering == "one" else LARGEST_CLUSTER
    kept = np.zeros(n, dtype=bool)
    place = np.zeros(n, dtype=np.intp)
    names = sorted(members)
    order = hashed_order(names)
    for unit, index in enumerate(order):
        chosen = members[names[index]][:most]
        kept[chosen] = True
        place[chosen] = unit
    if most == 1:
        place = rank
    largest = max((min(len(found), most) for found in members.values()), default=1)
    return Units(kept, place, largest)
