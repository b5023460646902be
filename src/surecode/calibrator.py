"""From logits to code sets and their confidence: all that is chosen on tune, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.calibration.confidence_features import (
    FACTS,
    EncounterFacts,
    Features,
    confidence_features,
)
from surecode.calibration.confidence_model import ConfidenceModel
from surecode.calibration.decoding import Decoding
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.errors import InputError
from surecode.facts import FactFinder


@dataclass(frozen=True)
class Calibrator:
    """Probability map, cut and confidence; ``facts`` where the confidence reads any."""

    probabilities: ProbabilityCalibrator
    decoding: Decoding
    confidence: ConfidenceModel
    facts: FactFinder | None = None

    def __post_init__(self) -> None:
        if self.facts is None and self.reads_facts(self.confidence):
            raise InputError(
                "calibrator: its confidence reads facts of the encounter, but there is nothing to "
                "find them with; run `surecode calibrate` again"
            )

    def __call__(
        self, logits: ArrayLike, facts: EncounterFacts | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
        """Logits ``[N, K]`` → probabilities and code sets ``[N, K]``, confidence ``[N]``."""
        p = self.probabilities(logits)
        assigned = self.decoding(p)
        return p, assigned, self.confidence(self.features(p, assigned, facts))

    @staticmethod
    def reads_facts(confidence: ConfidenceModel) -> bool:
        """Whether a confidence needs more than probabilities."""
        return bool(set(confidence.features) & set(FACTS))

    def features(
        self,
        probabilities: NDArray[np.float64],
        assigned: NDArray[np.bool_],
        facts: EncounterFacts | None = None,
    ) -> Features:
        """What the confidence is read from; without ``facts`` those are zero."""
        known = facts or EncounterFacts.none(*probabilities.shape)
        return confidence_features(probabilities, assigned, self.decoding.threshold, known)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``calibrator.json``."""
        return {
            "probabilities": self.probabilities.to_dict(),
            "decoding": {"threshold": self.decoding.threshold},
            "confidence": self.confidence.to_dict(),
            "facts": None if self.facts is None else self.facts.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibrator:
        """The inverse of :meth:`to_dict`; raises ValueError, KeyError or TypeError on others."""
        facts = values["facts"]
        return cls(
            ProbabilityCalibrator.from_dict(values["probabilities"]),
            Decoding(float(values["decoding"]["threshold"])),
            ConfidenceModel.from_dict(values["confidence"]),
            None if facts is None else FactFinder.from_dict(facts),
        )
