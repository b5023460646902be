"""What is learned of terms beyond counting them: places, weights of features, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.codes.label_space import LabelSpace
from surecode.errors import InputError
from surecode.hybrid.absent import Absent
from surecode.hybrid.candidates import FEATURES, Candidates, candidates
from surecode.hybrid.found import Found
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.marks import Marks
from surecode.hybrid.sites import Sites
from surecode.hybrid.statistics import Statistics
from surecode.lexicon.senses import rules_hash


@dataclass(frozen=True)
class Weights:
    """Which places people mark, how features weigh, and how likely what no term names is."""

    marks: Marks | None
    model: LinearModel
    absent: Absent

    @classmethod
    def learn(cls, groups: Sequence[Sequence[Found]]) -> Weights:
        """Learn from what was found in groups of encounters, each by terms of the others.

        Places of a group are judged by what the other groups say of marks; where some group has no
        other that people marked anything in, no place is judged.
        """
        sites = [[Sites.of(found) for found in group] for group in groups]
        by_group = [
            Marks.learn([one for other in sites if other is not group for one in other])
            for group in sites
        ]
        judged = all(marks is not None for marks in by_group)
        read = [
            (one.found, _proposed(one, marks if judged else None))
            for group, marks in zip(sites, by_group, strict=True)
            for one in group
        ]
        return cls(
            Marks.learn([one for group in sites for one in group]) if judged else None,
            _model(read),
            Absent.learn(
                [proposed.codes for _, proposed in read],
                [found.encounter.code_set for found, _ in read],
                [found.statistics.known for found, _ in read],
            ),
        )

    def candidates(self, found: Found) -> Candidates:
        """The candidates of what was found in an encounter."""
        return _proposed(Sites.of(found), self.marks)

    def odds(self, proposed: Candidates, space: LabelSpace) -> dict[int, float]:
        """Log-odds of the candidates inside the label space, by column."""
        if not proposed.codes:
            return {}
        pairs = zip(proposed.codes, self.model(proposed.features).tolist(), strict=True)
        return {space.index(code): value for code, value in pairs if code in space}

    def absent_odds(self, space: LabelSpace, statistics: Statistics) -> NDArray[np.float64]:
        """Log-odds ``[K]`` of codes that are no candidates."""
        return np.array(self.absent.log_odds(space.codes, statistics), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "marks": None if self.marks is None else self.marks.to_dict(),
            "features": list(FEATURES),
            "senses": rules_hash(),
            "model": self.model.to_dict(),
            "absent": self.absent.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Any) -> Weights:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        if not isinstance(values, dict) or values.get("features") != list(FEATURES):
            raise InputError(
                "terms: they were learned with other features; run `surecode train` again"
            )
        if values.get("senses") != rules_hash():
            raise InputError(
                "terms: they were learned with other rules of senses; run `surecode train` again"
            )
        try:
            marks = values["marks"]
            return cls(
                None if marks is None else Marks.from_dict(marks),
                LinearModel.from_dict(values["model"], len(FEATURES)),
                Absent.from_dict(values["absent"]),
            )
        except (KeyError, TypeError):
            raise InputError("terms: damaged; run `surecode train` again") from None


def _proposed(read: Sites, marks: Marks | None) -> Candidates:
    return candidates(read.found, {} if marks is None else marks(read))


def _model(read: Sequence[tuple[Found, Candidates]]) -> LinearModel:
    """Features of candidates → whether they are gold; even odds where there is no candidate."""
    some = [(found, proposed) for found, proposed in read if proposed.codes]
    if not some:
        nothing = (0.0,) * len(FEATURES)
        return LinearModel(nothing, (1.0,) * len(FEATURES), nothing, 0.0)
    features = np.concatenate([proposed.features for _, proposed in some])
    right = [code in f.encounter.code_set for f, proposed in some for code in proposed.codes]
    return LinearModel.fit(features, right, steps=True)
