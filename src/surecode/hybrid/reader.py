"""From an encounter's terms, and a network's logits if there is one, to one logit for each code.

Two linear models, one on the other. The first weighs what terms say of each candidate; alone it is
the coder of the kind ``lexicon``. The second, of the kind ``hybrid``, weighs that against the
network's logit; it also sees codes that the network knows and no term names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.codes.label_space import LabelSpace
from surecode.codes.systems import category
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.hybrid.found import Terms, find
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.place import Place
from surecode.hybrid.statistics import Statistics
from surecode.hybrid.weights import Weights
from surecode.lexicon.lexicon import Lexicon

JOINT = (
    "log-odds by terms",
    "a term names it",
    "network's logit",
    "network's logit, not below -2",
    "network's logit times log-odds by terms",
    "the network knows the code",
    "likeliest sibling by terms",
)
_NO_SIBLING = -6.0


@dataclass(frozen=True)
class Reading:
    """What was read of an encounter, by column of the label space ``[K]``.

    ``terms`` are the log-odds of candidates by terms alone, ``places`` where their terms stand.
    """

    logits: NDArray[np.float32]
    terms: Mapping[int, float]
    places: Mapping[int, tuple[Place, ...]]


@dataclass(frozen=True)
class TermReader:
    """Terms with what was learned of them; ``joint`` where a network has a say."""

    terms: Terms
    weights: Weights
    joint: LinearModel | None = None
    _of_space: dict[str, NDArray[np.float64]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def absent_odds(self, space: LabelSpace) -> NDArray[np.float64]:
        """Log-odds ``[K]`` of codes that no term names."""
        if space.hash not in self._of_space:
            odds = self.weights.absent_odds(space, self.terms.statistics)
            self._of_space[space.hash] = odds
        return self._of_space[space.hash]

    def __call__(
        self,
        encounter: Encounter,
        space: LabelSpace,
        neural: NDArray[np.floating] | None = None,
        columns: Sequence[int] | None = None,
    ) -> Reading:
        """Read one encounter.

        Args:
            encounter: its gold is not looked at.
            space: K codes; candidates outside are left out.
            neural: the network's logits ``[n]``, for a reader with ``joint``.
            columns: the places ``[n]`` of the network's codes in the label space.
        """
        proposed = self.weights.candidates(find(encounter, self.terms))
        lexical = self.weights.odds(proposed, space)
        places = {
            space.index(code): where
            for code, where in zip(proposed.codes, proposed.places, strict=True)
            if code in space
        }
        logits = self.absent_odds(space).copy()
        if self.joint is None:
            for column, odds in lexical.items():
                logits[column] = odds
        else:
            assert neural is not None  # a hybrid has a network
            assert columns is not None
            chosen, features = joint_features(lexical, logits, space, neural, columns)
            logits[chosen] = self.joint(features)
        return Reading(logits.astype(np.float32), lexical, places)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the lexicon must be hashed."""
        return {
            "lexicon": self.terms.lexicon.to_dict(),
            "tables": self.terms.tables.to_dict(),
            "statistics": self.terms.statistics.to_dict(),
            "weights": self.weights.to_dict(),
            "joint": None if self.joint is None else self.joint.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Any) -> TermReader:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        try:
            lexicon, tables = (Lexicon.from_dict(values[name]) for name in ("lexicon", "tables"))
            joint = values["joint"]
            return cls(
                Terms.of(lexicon, tables, Statistics.from_dict(values["statistics"])),
                Weights.from_dict(values["weights"]),
                None if joint is None else LinearModel.from_dict(joint, len(JOINT)),
            )
        except (KeyError, TypeError):
            raise InputError("terms: damaged; run `surecode train` again") from None


def joint_features(
    lexical: Mapping[int, float],
    absent: NDArray[np.float64],
    space: LabelSpace,
    neural: NDArray[np.floating],
    columns: Sequence[int],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Columns ``[n]`` that a term names or the network knows, and their `JOINT` ``[n, J]``."""
    said = dict(zip(columns, np.asarray(neural, dtype=np.float64).tolist(), strict=True))
    chosen = sorted(lexical.keys() | said.keys())
    best: dict[tuple[str, str], list[float]] = {}
    for column, odds in lexical.items():
        code = space.codes[column]
        best.setdefault((code.system, category(code)), []).append(odds)
    rows = []
    for column in chosen:
        code = space.codes[column]
        odds = lexical.get(column, float(absent[column]))
        siblings = list(best.get((code.system, category(code)), []))
        if column in lexical:
            siblings.remove(odds)
        z = said.get(column, 0.0)
        rows.append(
            [
                odds,
                float(column in lexical),
                z,
                max(z, -2.0) if column in said else 0.0,
                z * odds,
                float(column in said),
                max(siblings, default=_NO_SIBLING),
            ]
        )
    features = np.array(rows, dtype=np.float64).reshape(len(chosen), len(JOINT))
    return np.array(chosen, dtype=np.intp), features
