"""What is known of an encounter beside its probabilities: its length, how new it is, its mentions.

A confidence that is learned reads these facts; a simple score does not, and then nothing of this is
computed. Both sources are made from the train split and hold no text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.calibration.confidence_features import EncounterFacts
from surecode.coder.dictionary import Dictionary
from surecode.coder.seen_tokens import SeenTokens
from surecode.codes.label_space import LabelSpace
from surecode.data.windows import Windower, Windows
from surecode.encounter import Encounter
from surecode.errors import InputError


@dataclass(frozen=True)
class FactFinder:
    """The tokens that training contained and its dictionary, hashed."""

    seen: SeenTokens
    dictionary: Dictionary

    @classmethod
    def fit(
        cls, train: Sequence[Encounter], windower: Windower, vocabulary_size: int
    ) -> FactFinder:
        """Collect tokens and mentions of the train split."""
        seen = SeenTokens.collect(
            (content_ids(windower(encounter)) for encounter in train), vocabulary_size
        )
        return cls(seen, Dictionary.fit(train).hashed())

    def __call__(
        self, encounters: Sequence[Encounter], windows: Iterable[Windows], space: LabelSpace
    ) -> EncounterFacts:
        """The facts of N encounters and their windows."""
        ids = [content_ids(cut) for cut in windows]
        found = [self.dictionary.code(encounter) for encounter in encounters]
        return EncounterFacts(
            tokens=np.array([len(row) for row in ids], dtype=np.int64),
            unseen_share=np.array([self.seen.unseen_share(row) for row in ids], dtype=np.float64),
            lexicon=space.encode(found),
            findings=np.zeros(len(encounters), dtype=np.int64),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"seen_tokens": self.seen.to_dict(), "dictionary": self.dictionary.to_dict()}

    @classmethod
    def from_dict(cls, values: Any) -> FactFinder:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        if not isinstance(values, dict) or set(values) != {"seen_tokens", "dictionary"}:
            raise InputError(
                "facts: expected seen_tokens and dictionary and nothing else; write the file again "
                "with surecode calibrate"
            )
        return cls(
            SeenTokens.from_dict(values["seen_tokens"]), Dictionary.from_dict(values["dictionary"])
        )


def content_ids(windows: Windows) -> NDArray[np.int64]:
    """Token ids `[T]` of an encounter, without the special tokens that frame its windows."""
    cut = [ids[part] for ids, part in zip(windows.input_ids, windows.content, strict=True)]
    return np.concatenate(cut) if cut else np.zeros(0, dtype=np.int64)
