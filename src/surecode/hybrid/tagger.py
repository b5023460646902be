"""Which words people would mark at all, whatever the code: a tagger of words.

Terms find what was marked elsewhere; where a mention begins and ends is also told by the words
around: "adenocarcinoma de células claras estadio IV" is one, though the term in it is one word. A
linear-chain conditional random field (Lafferty et al. 2001) gives each stretch of words a chance
that people mark exactly it. CRFsuite fits it (Okazaki 2007); the scores of a network
(`word_network`) may be added to its own. What is kept are numbers, and no word of the texts.
"""

from __future__ import annotations

import math
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pycrfsuite
from numpy.typing import NDArray
from scipy import sparse

from surecode.encounter import Document, Encounter
from surecode.errors import InputError
from surecode.hybrid.chain import Chain
from surecode.hybrid.tagged_words import (
    BEGIN,
    COLUMNS,
    END,
    LABELS,
    LONGEST,
    MAY_FOLLOW,
    NEVER,
    OUTSIDE,
    SINGLE,
    TaggedWords,
    as_labels,
)
from surecode.hybrid.word_network import WordNetwork
from surecode.lexicon.tokens import place_of

# Of the fitting: weights of the absolute and squared penalty, steps, and the fewest words that have
# a name. By F1 of places in cross-validation inside train and tune of CANTEMIST.
_FITTING = {
    "c1": 0.1,
    "c2": 0.05,
    "max_iterations": 60,
    "feature.minfreq": 2,
    "feature.possible_transitions": True,
}
_DIGITS = 4  # of a weight, behind the point
_LEAST = 0.2  # of the chance of a stretch; less is no mention
# Of the network's scores beside the field's: the logarithmic pool of both chances. Chosen on a
# quarter of train and tune of CANTEMIST that the rest was learned without.
_POOLED = 0.75


@dataclass(frozen=True, slots=True)
class Mention:
    """Characters of a document, half-open, and P(people mark exactly these)."""

    start: int
    end: int
    chance: float


class Tagged:
    """One document, as a tagger sees it."""

    def __init__(self, words: TaggedWords, chains: Sequence[Chain]) -> None:
        self._words = words
        self._chains = chains
        self._firsts = [first for first, _ in words.sentences]

    @cached_property
    def mentions(self) -> tuple[Mention, ...]:
        """The stretches that people are likely to mark exactly; they may overlap."""
        found = []
        for first, chain in zip(self._firsts, self._chains, strict=True):
            chances = chain.chances
            ends = np.flatnonzero(chances[:, END] + chances[:, SINGLE] >= _LEAST).tolist()
            for begin in np.flatnonzero(chances[:, BEGIN] + chances[:, SINGLE] >= _LEAST).tolist():
                near = bisect_left(ends, begin), bisect_left(ends, begin + LONGEST)
                for end in ends[slice(*near)]:
                    chance = chain.path(begin, as_labels(end - begin + 1))
                    if chance >= _LEAST:
                        start = self._words.starts[first + begin]
                        found.append(Mention(start, self._words.ends[first + end], chance))
        return tuple(found)

    @cached_property
    def likeliest(self) -> tuple[Mention, ...]:
        """Of mentions that overlap the likelier one alone, the likeliest first."""
        chosen: list[Mention] = []
        for mention in sorted(self.mentions, key=lambda m: (-m.chance, m.start, m.end)):
            if not any(m.start < mention.end and mention.start < m.end for m in chosen):
                chosen.append(mention)
        return tuple(chosen)

    def exactly(self, start: int, end: int) -> float:
        """P(people mark exactly the words of some characters)."""
        n, begin, behind = self._place(start, end)
        chain = self._chains[n]
        if behind > len(chain.words) or behind - begin > LONGEST:
            return 0.0
        return chain.path(begin, as_labels(behind - begin))

    def anywhere(self, start: int, end: int) -> float:
        """Largest P(people mark it, in whatever mention) of the words of some characters."""
        n, begin, behind = self._place(start, end)
        return float(1.0 - self._chains[n].chances[begin:behind, OUTSIDE].min())

    def otherwise(self, start: int, end: int) -> float:
        """Chance of the likeliest mention that overlaps some characters and is not just these."""
        starts, ends, chances = self._columns
        some = (starts < end) & (start < ends) & ((starts != start) | (ends != end))
        return float(chances[some].max(initial=0.0))

    @cached_property
    def _columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Starts, ends and chances of the mentions."""
        return (
            np.array([mention.start for mention in self.mentions], dtype=np.int64),
            np.array([mention.end for mention in self.mentions], dtype=np.int64),
            np.array([mention.chance for mention in self.mentions], dtype=np.float64),
        )

    def _place(self, start: int, end: int) -> tuple[int, int, int]:
        """Sentence of the first word, and the words, counted in it."""
        first, behind = place_of(self._words.starts, start, end)
        n = bisect_right(self._firsts, first) - 1
        return n, first - self._firsts[n], behind - self._firsts[n]


@dataclass(frozen=True)
class Tagger:
    """Weights ``[n, 5]`` of hashed ``columns`` ``[n]``, and of steps of labels ``[5, 5]``.

    ``network`` scores the words as well, where one was learned.
    """

    columns: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]
    steps: tuple[tuple[float, ...], ...]
    network: WordNetwork | None = None

    @classmethod
    def learn(
        cls, encounters: Sequence[Encounter], *, network: bool = False, seed: int = 0
    ) -> Tagger | None:
        """Learn from the documents that people marked anything in; None where there are none.

        With ``network`` one is learned beside, from numbers drawn by ``seed``.
        """
        trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
        trainer.set_params(_FITTING)
        marked = []
        for encounter in encounters:
            for document in encounter.documents:
                words = TaggedWords(document)
                labels = words.labels(encounter)
                if labels is None:
                    continue
                rows = _rows(words.rows())
                for first, behind in words.sentences:
                    trainer.append(rows[first:behind], [LABELS[k] for k in labels[first:behind]])
                marked.append((words, labels))
        if not marked:
            return None
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "tagger")
            trainer.train(path)
            fitted = pycrfsuite.Tagger()
            fitted.open(path)
            info = fitted.info()
            fitted.close()
        weights: dict[int, list[float]] = {}
        for (name, label), weight in info.state_features.items():
            row = weights.setdefault(int(name), [0.0] * len(LABELS))
            row[LABELS.index(label)] = round(weight, _DIGITS)
        columns = sorted(weights)
        return cls(
            tuple(columns),
            tuple(tuple(weights[column]) for column in columns),
            tuple(
                tuple(
                    round(info.transitions.get((LABELS[a], LABELS[b]), 0.0), _DIGITS)
                    if MAY_FOLLOW[a, b]
                    else NEVER
                    for b in range(len(LABELS))
                )
                for a in range(len(LABELS))
            ),
            WordNetwork.learn(marked, seed) if network else None,
        )

    def __call__(self, document: Document) -> Tagged:
        """Read a document."""
        words = TaggedWords(document)
        # A sparse product adds up row by row, so no word's sum depends on what stands beside it.
        scores = (words.rows() @ self._weights).toarray()
        by_sentence = [scores[first:behind] for first, behind in words.sentences]
        steps = np.array(self.steps)
        if self.network is not None:
            steps = _pooled(steps, self.network.steps)
            by_sentence = list(map(_pooled, by_sentence, self.network(words)))
        return Tagged(words, [Chain.of(some, steps) for some in by_sentence])

    @cached_property
    def _weights(self) -> sparse.csr_matrix:
        dense: NDArray[np.float64] = np.array(self.weights).reshape(-1, len(LABELS))
        rows, labels = np.nonzero(dense)
        return sparse.csr_matrix(
            (dense[rows, labels], (np.array(self.columns, dtype=np.int64)[rows], labels)),
            (COLUMNS, len(LABELS)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values but for ``network``."""
        return {
            "columns": list(self.columns),
            "weights": [list(row) for row in self.weights],
            "steps": [list(row) for row in self.steps],
            "network": self.network is not None,
        }

    @classmethod
    def from_dict(cls, values: Any, network: WordNetwork | None = None) -> Tagger:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        try:
            read = cls(
                tuple(map(int, values["columns"])),
                tuple(tuple(map(float, row)) for row in values["weights"]),
                tuple(tuple(map(float, row)) for row in values["steps"]),
                network,
            )
            numbers = [number for row in (*read.weights, *read.steps) for number in row]
            sound = (
                values["network"] is (network is not None)
                and len(read.columns) == len(read.weights)
                and all(a < b for a, b in pairwise(read.columns))
                and all(0 <= column < COLUMNS for column in read.columns)
                and {len(row) for row in (*read.weights, *read.steps)} == {len(LABELS)}
                and len(read.steps) == len(LABELS)
                and all(map(math.isfinite, numbers))
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            sound = False
        if not sound:
            raise InputError("tagger: damaged; run `surecode train` again")
        return read


def _pooled(field: NDArray[np.float64], network: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores of both, weighed."""
    return (1.0 - _POOLED) * field + _POOLED * network


def tagged(tagger: Tagger | None, encounter: Encounter) -> Mapping[str, Tagged]:
    """The documents of an encounter by id, as a tagger sees them; none without a tagger."""
    if tagger is None:
        return {}
    return {document.document_id: tagger(document) for document in encounter.documents}


def _rows(rows: sparse.csr_matrix) -> list[list[str]]:
    """The columns of each row, as CRFsuite wants them."""
    names = list(map(str, rows.indices.tolist()))
    ends = rows.indptr.tolist()
    return [names[first:last] for first, last in pairwise(ends)]
