"""Encounters of one split as a certificate sees them: confidence and losses, and no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surecode.calibration.groups import EVERYONE
from surecode.calibration.targets import Losses
from surecode.errors import InputError


@dataclass(frozen=True)
class Sample:
    """Encounters of one split with their confidence `[N]` and their losses, one per target.

    ``eligible`` `[N]` (bool: not stopped by a rule and with codes to bill; all, by default);
    ``groups`` `[N]` names each encounter's group; ``clusters`` `[N]` its patient or provider.
    Raises `InputError` where lengths differ or a confidence is infinite; NaN is never automated.
    """

    encounter_ids: Sequence[str]
    confidence: NDArray[np.float64]
    losses: tuple[Losses, ...]
    eligible: NDArray[np.bool_] | None = None
    groups: Sequence[str] | None = None
    clusters: Sequence[str] | None = None

    def __post_init__(self) -> None:
        score = np.asarray(self.confidence, dtype=np.float64)
        object.__setattr__(self, "confidence", score)
        lengths = {"encounter ids": len(self.encounter_ids)}
        lengths |= {
            f"losses of target {i}": len(losses) for i, losses in enumerate(self.losses, start=1)
        }
        for name in ("eligible", "groups", "clusters"):
            if (values := getattr(self, name)) is not None:
                lengths[name] = len(values)
        if score.ndim != 1 or not self.losses:
            raise InputError(
                f"certify: confidence has shape {score.shape} and there are {len(self.losses)} "
                "losses; give numbers [N] and one losses per target"
            )
        for name, length in lengths.items():
            if length != len(score):
                raise InputError(
                    f"certify: {length} {name} for {len(score)} confidences; give one per encounter"
                )
        if self.eligible is not None and np.asarray(self.eligible).dtype != np.bool_:
            raise InputError("certify: eligible is no bool; give true or false per encounter")
        if np.isinf(score).any():
            raise InputError(
                "certify: a confidence is infinite; give finite numbers, or NaN for review"
            )

    def __len__(self) -> int:
        return len(self.confidence)

    @property
    def candidate(self) -> NDArray[np.bool_]:
        """Which encounters may be automated at all, bool `[N]`."""
        finite = np.isfinite(self.confidence)
        return finite if self.eligible is None else finite & np.asarray(self.eligible)

    def names(self) -> list[str]:
        """The groups that occur, sorted; one for everyone where nothing is grouped."""
        return [EVERYONE] if self.groups is None else sorted(set(self.groups))

    def of(self, group: str) -> Sample:
        """The encounters of one group."""
        if self.groups is None:
            return self
        return self.take(np.array([name == group for name in self.groups], dtype=bool))

    def in_order_of_id(self) -> Sample:
        """The same encounters sorted by id: a sum of fractions depends on the order."""
        ids = self.encounter_ids
        return self.take(np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.intp))

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Sample:
        """Some encounters."""
        chosen = np.arange(len(self))[rows]

        def pick(values: Sequence[str] | None) -> list[str] | None:
            return None if values is None else [values[i] for i in chosen]

        return Sample(
            [self.encounter_ids[i] for i in chosen],
            self.confidence[chosen],
            tuple(losses.take(chosen) for losses in self.losses),
            None if self.eligible is None else np.asarray(self.eligible)[chosen],
            pick(self.groups),
            pick(self.clusters),
        )
