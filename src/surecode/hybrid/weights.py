"""What is learned of terms beyond counting them: places, weights of features, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.codes.label_space import LabelSpace
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.hybrid.absent import Absent
from surecode.hybrid.candidates import FEATURES, Candidates, candidates
from surecode.hybrid.claims import claims
from surecode.hybrid.found import Found
from surecode.hybrid.likeness import Background, Likeness
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.marks import Marks
from surecode.hybrid.mention_codes import MentionCodes
from surecode.hybrid.similarity import DescriptionSimilarity
from surecode.hybrid.sites import Sites
from surecode.hybrid.statistics import Statistics
from surecode.hybrid.titles import Near
from surecode.lexicon.senses import rules_hash
from surecode.lexicon.term import Term


@dataclass(frozen=True)
class Ground:
    """What counts say of a label space of K codes, before any encounter is read.

    ``absent`` are log-odds ``[K]`` of codes that are no candidates, ``background`` what is counted
    of M codes that have wordings, ``columns`` their places in the label space ``[M]``.
    """

    space: LabelSpace
    absent: NDArray[np.float64]
    background: Background | None
    columns: NDArray[np.int64]


@dataclass(frozen=True)
class Weights:
    """Which places people mark, how features weigh, and how likely what no term names is.

    ``mention_codes`` are those of mentions that a tagger sees; ``likeness`` is what similarity to
    wordings adds; both for a coder that looks at it.
    """

    marks: Marks | None
    model: LinearModel
    absent: Absent
    mention_codes: MentionCodes | None = None
    likeness: Likeness | None = None

    @classmethod
    def learn(
        cls,
        groups: Sequence[Sequence[Found]],
        codes: Sequence[Code] = (),
        near: Mapping[str, Near] | None = None,
        listed: Sequence[Term] = (),
    ) -> Weights:
        """Learn from what was found in groups of encounters, each by terms of the others.

        Places of a group are judged by what the other groups say of marks; where some group has no
        other that people marked anything in, no place is judged.

        Args:
            groups: what was found.
            codes: the M described codes, for a coder that looks at similarity.
            near: by encounter, how near it comes to these; none of encounters not in English.
            listed: terms of lists, whose words tell the codes of mentions, too.
        """
        sites = [[Sites.of(found) for found in group] for group in groups]
        by_group = [
            Marks.learn([one for other in sites if other is not group for one in other])
            for group in sites
        ]
        judged = all(marks is not None for marks in by_group)
        sees = any(one.found.mentions for group in sites for one in group)

        def mention_codes(some: Iterable[Sites]) -> MentionCodes | None:
            if not sees:
                return None
            return MentionCodes.learn((one.found.encounter for one in some), listed)

        coded = [
            mention_codes(one for other in sites if other is not group for one in other)
            for group in sites
        ]
        read = [
            (one.found, _proposed(one, marks if judged else None, codes))
            for group, marks, codes in zip(sites, by_group, coded, strict=True)
            for one in group
        ]
        learned = cls(
            Marks.learn([one for group in sites for one in group]) if judged else None,
            _model(read),
            Absent.learn(
                [proposed.codes for _, proposed in read],
                [found.encounter.code_set for found, _ in read],
                [found.statistics.known for found, _ in read],
            ),
            mention_codes(one for group in sites for one in group),
        )
        return replace(learned, likeness=learned._alike(read, codes, near)) if near else learned

    def _alike(
        self,
        read: Sequence[tuple[Found, Candidates]],
        codes: Sequence[Code],
        near: Mapping[str, Near],
    ) -> Likeness:
        """Learn what similarity adds to what terms say of these encounters."""
        by_fold: dict[int, Background] = {}

        def background(statistics: Statistics) -> Background:
            key = id(statistics)  # one for each fold, and alive as long as what was found
            if key not in by_fold:
                by_fold[key] = Background.of(codes, statistics, self.absent)
            return by_fold[key]

        return Likeness.learn(
            (
                background(found.statistics),
                near[found.encounter.encounter_id],
                self._odds(proposed),
                found.encounter.code_set,
            )
            for found, proposed in read
            if found.encounter.encounter_id in near
        )

    def candidates(self, found: Found) -> Candidates:
        """The candidates of what was found in an encounter."""
        return _proposed(Sites.of(found), self.marks, self.mention_codes)

    def alone(
        self, proposed: Candidates, ground: Ground, near: Near | None = None
    ) -> tuple[dict[int, float], NDArray[np.float64]]:
        """Log-odds by terms, and similarity where there is any, with no network beside them.

        Returns:
            Those of the candidates inside the label space by column, and of all its codes ``[K]``.
        """
        space, odds = ground.space, self._odds(proposed)
        columns = {space.index(code): z for code, z in odds.items() if code in space}
        logits = ground.absent.copy()
        logits[list(columns)] = list(columns.values())
        if near is not None and self.likeness is not None and ground.background is not None:
            places, values = self.likeness(ground.background, near, odds)
            logits[ground.columns[places]] = values
            columns = {column: float(logits[column]) for column in columns}
        return columns, logits

    def _odds(self, proposed: Candidates) -> dict[Code, float]:
        if not proposed.codes:
            return {}
        return dict(zip(proposed.codes, self.model(proposed.features).tolist(), strict=True))

    def ground(
        self,
        space: LabelSpace,
        statistics: Statistics,
        described: DescriptionSimilarity | None = None,
    ) -> Ground:
        """What counts say of a label space, M of whose codes are ``described``."""
        codes = () if described is None else described.codes
        return Ground(
            space,
            np.array(self.absent.log_odds(space.codes, statistics), dtype=np.float64),
            None
            if described is None
            else Background.of(codes, statistics, self.absent, described.first),
            np.array([space.index(code) for code in codes], dtype=np.int64),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "marks": None if self.marks is None else self.marks.to_dict(),
            "features": list(FEATURES),
            "senses": rules_hash(),
            "model": self.model.to_dict(),
            "absent": self.absent.to_dict(),
            "mention_codes": None if self.mention_codes is None else self.mention_codes.to_dict(),
            "likeness": None if self.likeness is None else self.likeness.to_dict(),
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
            marks, likeness = values["marks"], values["likeness"]
            mentions = values["mention_codes"]
            return cls(
                None if marks is None else Marks.from_dict(marks),
                LinearModel.from_dict(values["model"], len(FEATURES)),
                Absent.from_dict(values["absent"]),
                None if mentions is None else MentionCodes.from_dict(mentions),
                None if likeness is None else Likeness.from_dict(likeness),
            )
        except (KeyError, TypeError):
            raise InputError("terms: damaged; run `surecode train` again") from None


def _proposed(read: Sites, marks: Marks | None, codes: MentionCodes | None) -> Candidates:
    return candidates(read.found, {} if marks is None else marks(read), claims(read.found, codes))


def _model(read: Sequence[tuple[Found, Candidates]]) -> LinearModel:
    """Features of candidates → whether they are gold; even odds where there is no candidate."""
    some = [(found, proposed) for found, proposed in read if proposed.codes]
    if not some:
        nothing = (0.0,) * len(FEATURES)
        return LinearModel(nothing, (1.0,) * len(FEATURES), nothing, 0.0)
    features = np.concatenate([proposed.features for _, proposed in some])
    right = [code in f.encounter.code_set for f, proposed in some for code in proposed.codes]
    return LinearModel.fit(features, right, steps=True)
