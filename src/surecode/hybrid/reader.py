"""From an encounter's terms, and a network's logits if there is one, to one logit for each code.

Two linear models, one on the other. The first weighs what terms say of each candidate; alone it is
the coder of the kind ``lexicon``. The second, of the kind ``hybrid``, weighs that against the
network's logit; it also sees codes that the network knows and no term names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from surecode.codes.label_space import LabelSpace
from surecode.codes.systems import category
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.hybrid.found import Terms, find
from surecode.hybrid.likeness import NO_SIBLING
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.place import Place
from surecode.hybrid.sentence_features import Reader
from surecode.hybrid.sentences import Rows
from surecode.hybrid.statistics import Statistics
from surecode.hybrid.tagger import Tagger
from surecode.hybrid.titles import Near, Titles
from surecode.hybrid.weights import Ground, Weights
from surecode.hybrid.withholding import Withholding, withheld
from surecode.hybrid.word_network import WordNetwork
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
# A sentence is quoted for a code that no term names where its log-odds by wordings are larger.
_QUOTED = -1.0


@dataclass(frozen=True)
class Reading:
    """What was read of an encounter, by column of the label space.

    ``logits`` ``[K]`` are the coder's. ``alone`` ``[K]`` are log-odds without the network's say.
    ``places`` are where the terms of each candidate stand; ``rows`` embed the pieces that were
    compared with wordings.
    """

    logits: NDArray[np.float32]
    alone: NDArray[np.float64]
    places: Mapping[int, tuple[Place, ...]]
    rows: Rows = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class TermReader:
    """Terms with what was learned of them; ``joint`` where a network has a say.

    ``titles`` where sentences are compared with wordings of codes; ``withholding`` says
    what keeps a place from carrying a code.
    """

    terms: Terms
    weights: Weights
    joint: LinearModel | None = None
    titles: Titles | None = None
    withholding: Withholding = field(default_factory=Withholding)
    _of_space: dict[str, Ground] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def is_whole(self) -> bool:
        """Whether the wordings are there whose similarity was learned to be weighed."""
        return (self.titles is None) == (self.weights.likeness is None)

    def ground(self, space: LabelSpace) -> Ground:
        """What counts say of a label space."""
        if space.hash not in self._of_space:
            described = None if self.titles is None else self.titles.similarity
            self._of_space[space.hash] = self.weights.ground(
                space, self.terms.statistics, described
            )
        return self._of_space[space.hash]

    def __call__(
        self,
        encounter: Encounter,
        space: LabelSpace,
        neural: NDArray[np.floating] | None = None,
        columns: Sequence[int] | None = None,
        rows: Rows | None = None,
    ) -> Reading:
        """Read one encounter.

        Args:
            encounter: its gold is not looked at.
            space: K codes; candidates outside are left out.
            neural: the network's logits ``[n]``, for a reader with ``joint``.
            columns: the places ``[n]`` of the network's codes in the label space.
            rows: of an earlier reading, from which words are deleted.
        """
        proposed = self.weights.candidates(find(encounter, self.terms))
        near = None if self.titles is None else self.titles.near(encounter, rows)
        named, alone = self.weights.alone(proposed, self.ground(space), near)
        places = {
            space.index(code): where
            for code, where in zip(proposed.codes, proposed.places, strict=True)
            if code in space
        }
        logits = alone
        if self.joint is not None:
            assert neural is not None  # a hybrid has a network
            assert columns is not None
            chosen, features = joint_features(named, alone, space, neural, columns)
            logits = alone.copy()
            logits[chosen] = self.joint(features)
        if gone := self.withholding.columns(encounter, proposed, space):
            logits, alone = withheld(logits, gone), withheld(alone, gone)
        if near is None:
            return Reading(logits.astype(np.float32), alone, places)
        places |= self._alike(encounter, space, near, alone, places)
        return Reading(logits.astype(np.float32), alone, places, near.rows)

    def _alike(
        self,
        encounter: Encounter,
        space: LabelSpace,
        near: Near,
        alone: NDArray[np.float64],
        named: Collection[int],
    ) -> dict[int, tuple[Place, ...]]:
        """The sentences that speak for likely codes that no term names."""
        assert self.titles is not None  # something is near to them
        columns, reader = self.ground(space).columns, Reader(encounter)
        number = {document.document_id: n for n, document in enumerate(encounter.documents)}
        found: dict[int, tuple[Place, ...]] = {}
        for m in np.flatnonzero(alone[columns] > _QUOTED).tolist():
            if (column := int(columns[m])) not in named:
                span = near.spans[near.placed.sentence[m]]
                meant = reader.said(number[span.document_id], span.start, span.end)
                p = float(expit(alone[column]))
                rule = f"{self.titles.codes[m]}:similar"
                found[column] = (Place((span,), "title", rule, "similar", p, meant, p),)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values but for ``titles`` and a tagger's network; the lexicon is hashed."""
        return {
            "lexicon": self.terms.lexicon.to_dict(),
            "tables": self.terms.tables.to_dict(),
            "statistics": self.terms.statistics.to_dict(),
            "weights": self.weights.to_dict(),
            "joint": None if self.joint is None else self.joint.to_dict(),
            "withholding": self.withholding.to_dict(),
            "tagger": None if self.terms.tagger is None else self.terms.tagger.to_dict(),
        }

    @classmethod
    def from_dict(
        cls, values: Any, titles: Titles | None = None, network: WordNetwork | None = None
    ) -> TermReader:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        try:
            lexicon, tables = (Lexicon.from_dict(values[name]) for name in ("lexicon", "tables"))
            joint = values["joint"]
            weights = Weights.from_dict(values["weights"])
            tagger = values["tagger"]
            return cls(
                Terms.of(
                    lexicon,
                    tables,
                    Statistics.from_dict(values["statistics"]),
                    tagger=None if tagger is None else Tagger.from_dict(tagger, network),
                ),
                weights,
                None if joint is None else LinearModel.from_dict(joint, len(JOINT)),
                titles,
                Withholding.from_dict(values["withholding"]),
            )
        except (KeyError, TypeError):
            raise InputError("terms: damaged; run `surecode train` again") from None


def joint_features(
    named: Mapping[int, float],
    alone: NDArray[np.float64],
    space: LabelSpace,
    neural: NDArray[np.floating],
    columns: Sequence[int],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Columns ``[n]`` that a term names or the network knows, and their `JOINT` ``[n, J]``.

    ``named`` are log-odds of the codes that a term names, ``alone`` those of all K without a
    network.
    """
    said = dict(zip(columns, np.asarray(neural, dtype=np.float64).tolist(), strict=True))
    chosen = sorted(named.keys() | said.keys())
    best: dict[tuple[str, str], list[float]] = {}
    for column, odds in named.items():
        code = space.codes[column]
        best.setdefault((code.system, category(code)), []).append(odds)
    rows = []
    for column in chosen:
        code = space.codes[column]
        odds = float(alone[column])
        siblings = list(best.get((code.system, category(code)), []))
        if column in named:
            siblings.remove(odds)
        z = said.get(column, 0.0)
        rows.append(
            [
                odds,
                float(column in named),
                z,
                max(z, -2.0) if column in said else 0.0,
                z * odds,
                float(column in said),
                max(siblings, default=NO_SIBLING),
            ]
        )
    features = np.array(rows, dtype=np.float64).reshape(len(chosen), len(JOINT))
    return np.array(chosen, dtype=np.intp), features
