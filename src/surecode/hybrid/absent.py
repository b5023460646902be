"""How likely a code is that nothing in the encounter names."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from surecode.encounter import Code
from surecode.errors import InputError
from surecode.hybrid.statistics import Statistics

_LEAST, _MOST = 1e-6, 0.5


@dataclass(frozen=True)
class Absent:
    """Shares of gold that no term names.

    Attributes:
        known: of the gold codes that the train split has, those that were no candidate.
        unknown: gold codes an encounter that the train split lacks and that were no candidate.
    """

    known: float
    unknown: float

    @classmethod
    def learn(
        cls,
        found: Sequence[Collection[Code]],
        gold: Sequence[Collection[Code]],
        known: Sequence[Collection[Code]],
    ) -> Absent:
        """Learn from N encounters: candidates, gold, and the codes known when they were found.

        Half a code is added to what was missed and one to what was there.
        """
        missed = total = strange = 0
        for some, truth, codes in zip(found, gold, known, strict=True):
            total += sum(code in codes for code in truth)
            missed += sum(code in codes and code not in some for code in truth)
            strange += sum(code not in codes and code not in some for code in truth)
        return cls((missed + 0.5) / (total + 1), (strange + 0.5) / (len(gold) + 1))

    def log_odds(self, codes: Sequence[Code], statistics: Statistics) -> list[float]:
        """Log-odds of codes that are no candidates: by how often each is coded at all."""
        counts = statistics.codes
        strange = max(sum(code not in counts for code in codes), 1)
        chances = [
            self.known * counts[code] / max(statistics.encounters, 1)
            if code in counts
            else self.unknown / strange
            for code in codes
        ]
        return [_logit(min(max(p, _LEAST), _MOST)) for p in chances]

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return {"known": self.known, "unknown": self.unknown}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Absent:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        try:
            found = cls(float(values["known"]), float(values["unknown"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            found = cls(math.nan, math.nan)
        if not all(0.0 < share < math.inf for share in (found.known, found.unknown)):
            raise InputError("absent codes: damaged; run `surecode train` again")
        return found


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))
