"""Which automated encounters are audited: a random sample that anyone with the seed can repeat.

An encounter is audited where a keyed hash of its ledger position and id, read as a number in
[0, 1), falls below the rate (Poisson sampling). The choice looks at nothing else, so it is the
same in any batch and any order, a higher rate only adds encounters, and neither the coder nor
those who write the notes can foresee it as long as the seed is secret. The seed is committed to
before the encounters come; whoever learns it later can verify every choice.

Price: one BLAKE2b per automated encounter, about two microseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

_BITS = 53  # of a float64's mantissa: every draw is exact


@dataclass(frozen=True)
class AuditSampler:
    """Audits a share ``rate`` of the automated encounters, one rate for all or one per group.

    ``seed`` is a secret, such as ``secrets.token_hex(16)``, and never shown. ``rate`` lies in
    (0, 1]: where nothing is audited, nothing can be said. Raises `InputError` on other values.
    """

    seed: str | int = field(repr=False)
    rate: float | Mapping[str, float]

    def __post_init__(self) -> None:
        if isinstance(self.seed, bool) or not isinstance(self.seed, str | int) or self.seed == "":
            raise InputError("audit: the seed must be a whole number or a text that is not empty")
        if isinstance(self.rate, Mapping):
            if not self.rate:
                raise InputError("audit: no group has a rate; give at least one")
            for group, rate in self.rate.items():
                _check_rate(f"rate of group {group!r}", rate)
            # A copy: later changes of the caller's mapping must not move the choice.
            object.__setattr__(self, "rate", MappingProxyType(dict(self.rate)))
        else:
            _check_rate("rate", self.rate)

    @property
    def lowest_rate(self) -> float:
        """The smallest inclusion probability of an automated encounter."""
        return min(self.rate.values()) if isinstance(self.rate, Mapping) else self.rate

    def choose(
        self,
        encounter_ids: Sequence[str],
        positions: ArrayLike,
        automated: ArrayLike,
        groups: Sequence[str] | None = None,
    ) -> NDArray[np.bool_]:
        """Whether each of N encounters is audited (bool `[N]`).

        ``positions`` `[N]` are the whole numbers from 0 under which the ledger keeps the
        encounters, ``automated`` `[N]` (bool) says which were released without a person; no other
        is audited. ``groups`` `[N]` is needed where the rate depends on the group.

        Raises `InputError` where lengths differ, a position occurs twice, or an automated
        encounter's group has no rate.
        """
        released = _flags(automated)
        place = _places(positions)
        if not len(encounter_ids) == len(place) == len(released):
            raise InputError(
                f"audit: {len(encounter_ids)} encounter ids, {len(place)} positions and "
                f"{len(released)} automated flags; give one of each per encounter"
            )
        rate = self.inclusion_probability(released, groups)
        chosen = np.zeros(len(released), dtype=bool)
        key = hashlib.blake2b(f"{type(self.seed).__name__}:{self.seed}".encode()).digest()
        for i in np.flatnonzero(released).tolist():
            chosen[i] = _draw(key, int(place[i]), encounter_ids[i]) < rate[i]
        return chosen

    def inclusion_probability(
        self, automated: ArrayLike, groups: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Probability `[N]` with which each encounter is audited; 0 where it is not automated.

        To be recorded beside the audit: the alarms weigh by it.
        """
        released = _flags(automated)
        if not isinstance(self.rate, Mapping):
            return np.where(released, self.rate, 0.0)
        if groups is None or len(groups) != len(released):
            raise InputError(
                f"audit: {0 if groups is None else len(groups)} groups for {len(released)} "
                "encounters; give each encounter's group, since the rate depends on it"
            )
        probability = np.zeros(len(released))
        for i in np.flatnonzero(released).tolist():
            rate = self.rate.get(groups[i])
            if rate is None:
                raise InputError(f"audit: group {groups[i]!r} has no rate; add it to the rates")
            probability[i] = rate
        return probability


def _draw(key: bytes, position: int, encounter_id: str) -> float:
    # The position has a fixed width, so no two pairs of position and id give the same message.
    message = position.to_bytes(8, "big") + encounter_id.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(message, digest_size=8, key=key, person=b"surecode.audit").digest()
    return float(int.from_bytes(digest, "big") >> (64 - _BITS)) / float(2**_BITS)


def _check_rate(name: str, rate: float) -> None:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.0 < rate <= 1.0:
        raise InputError(f"audit: {name} {rate!r} is not in (0, 1]; audit at least some encounters")


def _flags(automated: ArrayLike) -> NDArray[np.bool_]:
    flags = np.asarray(automated)
    if flags.ndim != 1 or (flags.dtype != np.bool_ and flags.size):
        raise InputError(
            f"audit: automated is {flags.dtype} of shape {flags.shape}; give true or false [N]"
        )
    return flags.astype(np.bool_)


def _places(positions: ArrayLike) -> NDArray[np.int64]:
    place = np.asarray(positions)
    if place.ndim != 1 or (place.dtype.kind not in "iu" and place.size):
        raise InputError(
            f"audit: positions are {place.dtype} of shape {place.shape}; give whole numbers [N]"
        )
    if place.size and (place.min() < 0 or place.max() > np.iinfo(np.int64).max):
        raise InputError("audit: a ledger position is negative or above 2^63 - 1; count from 0")
    if len(np.unique(place)) != len(place):
        raise InputError("audit: a ledger position occurs twice; give each encounter its own")
    return place.astype(np.int64)
