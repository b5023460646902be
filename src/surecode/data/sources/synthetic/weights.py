"""How difficulty shifts the odds: rarer conditions, rarer names, more of everything."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Protocol, TypeVar


class Weighted(Protocol):
    """Something with a weight."""

    @property
    def weight(self) -> float:
        """Relative frequency at difficulty 0."""


W = TypeVar("W", bound=Weighted)


def tilted(items: Iterable[Weighted], difficulty: float) -> list[float]:
    """The items' weights to the power ``1 - difficulty / 2``: the rare become less rare."""
    return [item.weight ** (1 - 0.5 * difficulty) for item in items]


def pick_weighted(items: Sequence[W], difficulty: float, rng: random.Random) -> W:
    """One of the items by tilted weight."""
    return rng.choices(items, tilted(items, difficulty))[0]


def pick_ranked(names: Sequence[str], difficulty: float, rng: random.Random) -> str:
    """One of the names, commonest first: rank r has weight ``r ** -(0.3 + 2.5(1 - difficulty))``.

    Of three, nine in ten draws fall on the first at difficulty 0, two in five at 1.
    """
    if len(names) == 1:
        return names[0]
    return rng.choices(names, cum_weights=_rank_weights(len(names), difficulty))[0]


def between(ends: tuple[float, float], difficulty: float) -> float:
    """The value at ``difficulty`` on the line from its value at 0 to its value at 1."""
    return ends[0] + (ends[1] - ends[0]) * difficulty


@lru_cache(maxsize=256)
def _rank_weights(count: int, difficulty: float) -> list[float]:
    exponent = 0.3 + 2.5 * (1 - difficulty)
    return list(accumulate(rank**-exponent for rank in range(1, count + 1)))
