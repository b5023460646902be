"""One promise for several groups: how much of delta each may spend.

``each`` promises for every group alone: that one of eight breaks its promise at delta .1 was
measured in more than a third of cases (``experiments/certificates``). ``bonferroni`` and ``holm``
promise for all together. Specialties share delta first, and the groups of a specialty its share.

Holm's step-down for sequences of thresholds: each of G groups starts with delta / G; a group whose
last, most lenient threshold passes has no threshold left to reject wrongly, so that only the others
share delta. This is the sequential rejection principle (Goeman & Solari, "The sequential rejection
principle of familywise error control", 2010): whenever all false hypotheses of all groups are
rejected, the groups with a true one left divide delta among themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar, get_args

from surecode.errors import InputError

Family = Literal["each", "bonferroni", "holm"]
ResultT = TypeVar("ResultT")


def allotted(family: Family, delta: float, groups: int, whole: int = 0) -> float:
    """The delta of one of ``groups`` groups, ``whole`` of which certified every threshold.

    ``whole`` does not count the group itself. Raises `InputError` for an unknown family.
    """
    if family not in get_args(Family):
        raise InputError(f"family: {family!r} is not each, bonferroni or holm; choose one of them")
    if family == "each":
        return delta
    taken = whole if family == "holm" else 0
    return delta / max(groups - taken, 1)


def step_down(
    family: Family,
    delta: float,
    tests: Mapping[str, Callable[[float], tuple[ResultT, bool]]],
) -> dict[str, ResultT]:
    """Results by group; a test takes its delta and says whether its last threshold passed."""
    whole: set[str] = set()
    while True:
        found = {
            name: test(allotted(family, delta, len(tests), len(whole - {name})))
            for name, test in tests.items()
        }
        now = {name for name, (_, complete) in found.items() if complete}
        if family != "holm" or now <= whole:
            return {name: result for name, (result, _) in found.items()}
        whole |= now
