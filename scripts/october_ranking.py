"""How high a ranking puts the codes that a note needs: by logits, by similarity, by both.

Legend: N notes, K codes of a label space.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from october_notes import Written
from october_wordings import KINDS

from surecode.codes.label_space import LabelSpace
from surecode.coding import Coder
from surecode.encounter import Code
from surecode.evaluation.metrics import Scores, micro
from surecode.hybrid.sentences import Embedder, doubtful, pieces, texts_of, units
from surecode.hybrid.similarity import DescriptionSimilarity, ranked
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.meaning import said
from surecode.lexicon.scores import scores
from surecode.lexicon.terms_table import table_terms

CUTS = (1, 10, 50)
# What the rehearsal chooses from: worth of a title that is found, and of the head's logits.
TITLES = (0.0, 0.1, 0.2, 0.3)
WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.2)
HELD_OUT = "written, held out"
Floats = NDArray[np.float32]


def similarities(
    notes: Sequence[Written], space: LabelSpace, table: DescriptionSimilarity, embed: Embedder
) -> tuple[Floats, Floats]:
    """Plain cosines and placed scores ``[N, K]`` in the order of the label space."""
    position = {code: k for k, code in enumerate(table.codes)}
    columns = np.array([position[code] for code in space.codes])
    keep = np.isin(table.owner, columns)
    new = {old: number for number, old in enumerate(np.unique(table.owner[keep]).tolist())}
    part = DescriptionSimilarity(
        tuple(table.codes[old] for old in new),
        table.embeddings[keep],
        np.array([new[old] for old in table.owner[keep].tolist()]),
        table.encoder,
    )
    order = np.array([new[column] for column in columns.tolist()])
    plain, placed = [], []
    for note in notes:
        spans = pieces(note.encounter.documents)
        sentences = embed(texts_of(note.encounter.documents, spans))
        plain.append(part.similar(sentences).cosine[order])
        found = part.placed(sentences, units(spans), doubtful(note.encounter.documents, spans))
        placed.append(found.score[order])
    return np.stack(plain), np.stack(placed)


def titles(notes: Sequence[Written], space: LabelSpace) -> Floats:
    """What the lexicon of titles and inclusion terms says of the codes, ``[N, K]`` in [0, 1]."""
    lexicon = Lexicon.build(table_terms(space.codes))
    found = np.zeros((len(notes), len(space)), np.float32)
    for row, note in zip(found, notes, strict=True):
        hits = lexicon.hits(note.encounter)
        for code, score in scores(hits, said(note.encounter, hits)).items():
            row[space.index(code)] = score
    return found


@dataclass(frozen=True)
class Signals:
    """What ranks codes, ``[N, K]`` each."""

    logits: Floats
    cosine: Floats
    placed: Floats
    titles: Floats

    @classmethod
    def of(
        cls, notes: Sequence[Written], coder: Coder, table: DescriptionSimilarity, embed: Embedder
    ) -> Signals:
        """The signals of some notes for the codes that a coder knows."""
        space = coder.label_space
        logits = np.stack(list(coder.logits(note.encounter for note in notes)))
        return cls(logits, *similarities(notes, space, table, embed), titles(notes, space))

    def joined(self, weights: tuple[float, float]) -> Floats:
        """Placed score, titles by the first weight, logits in standard deviations by the second."""
        centred = self.logits - self.logits.mean(axis=1, keepdims=True)
        head = centred / self.logits.std(axis=1, keepdims=True)
        return np.asarray(self.placed + weights[0] * self.titles + weights[1] * head, np.float32)


def ranks(
    notes: Sequence[Written], space: LabelSpace, scores: Floats, among: Collection[Code]
) -> Mapping[str, NDArray[np.int64]]:
    """By kind of wording, and under ``all``: the ranks from 0 of the gold codes that are in
    ``among``; equal scores go by the label space's order.
    """
    found: dict[str, list[int]] = {kind: [] for kind in (*KINDS, HELD_OUT)}
    for note, row in zip(notes, scores, strict=True):
        rank = ranked(row)
        for wording in note.wordings:
            if wording.code in among:
                place = int(rank[space.index(wording.code)])
                found[wording.kind].append(place)
                if wording.kind == "written" and held_out(wording.text):
                    found[HELD_OUT].append(place)
    by_kind = {kind: np.array(values) for kind, values in found.items() if values}
    return by_kind | {"all": np.concatenate([by_kind[k] for k in KINDS if k in by_kind])}


def held_out(text: str) -> bool:
    """Whether a hand-written wording belongs to the half that no choice was made on."""
    return hashlib.sha256(text.encode()).digest()[-1] % 2 == 1


def recall(found: Mapping[str, NDArray[np.int64]]) -> dict[str, dict[str, float]]:
    """Recall at 1, 10 and 50, with the number of codes."""
    return {
        kind: {"codes": len(values)}
        | {f"@{cut}": round(float((values < cut).mean()), 3) for cut in CUTS}
        for kind, values in found.items()
    }


def choose_weights(
    notes: Sequence[Written], space: LabelSpace, signals: Signals, among: Collection[Code]
) -> tuple[float, float]:
    """The weights of the best recall@10 in the rehearsal; of equal ones the best @1, the least."""

    def worth(weights: tuple[float, float]) -> tuple[float, ...]:
        reached = recall(ranks(notes, space, signals.joined(weights), among))["all"]
        return reached["@10"], reached["@1"], -sum(weights)

    return max(itertools.product(TITLES, WEIGHTS), key=worth)


def choose_cut(
    notes: Sequence[Written], space: LabelSpace, scores: Floats, among: Collection[Code]
) -> float:
    """From which score an added code is assigned: micro-F1 of the added codes in the rehearsal."""
    columns = np.array([code in among for code in space.codes])
    gold = space.encode([note.encounter.code_set for note in notes])[:, columns]
    values = scores[:, columns]
    order = np.argsort(-values, axis=None, kind="stable")
    hits = np.cumsum(gold.ravel()[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + gold.sum())
    return float(values.ravel()[order[int(f1.argmax())]])


def f1_with_added(
    notes: Sequence[Written],
    known: Sequence[Collection[Code]],
    space: LabelSpace,
    scores: Floats,
    cut: float,
    among: Collection[Code],
) -> Scores:
    """Micro scores of the old codes assigned as before, and of added ones from ``cut`` on."""
    wanted = [k for k, code in enumerate(space.codes) if code in among]
    predicted = [
        {*codes, *(space.codes[k] for k in wanted if row[k] >= cut)}
        for codes, row in zip(known, scores, strict=True)
    ]
    return micro([note.encounter.code_set for note in notes], predicted)


def added_alone(
    notes: Sequence[Written],
    space: LabelSpace,
    scores: Floats,
    cut: float,
    among: Collection[Code],
) -> Scores:
    """Micro scores of the added codes alone, assigned from ``cut`` on."""
    wanted = [k for k, code in enumerate(space.codes) if code in among]
    predicted = [{space.codes[k] for k in wanted if row[k] >= cut} for row in scores]
    return micro([note.encounter.code_set & frozenset(among) for note in notes], predicted)
