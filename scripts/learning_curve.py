"""How much a coder gains from more training documents: F1 and MAP on CodiEsp's dev, as a table.

    python scripts/learning_curve.py                                # dictionary, 10 seeds
    python scripts/learning_curve.py --coder lexicon --sizes 50,500 --seeds 3

Each seed puts the 500 training documents in an order of its own; a size takes the first so many of
them, so a larger training set holds the smaller ones. A coder is a function that is fitted on
encounters and gives a function from an encounter to its codes with probabilities, and the cut from
which on codes are assigned. Another coder is one line in `CODERS`. Nothing is chosen on dev. The
last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.special import expit

from surecode.calibration.decoding import Decoding
from surecode.calibration.folds import folds_of
from surecode.coder.dictionary import Dictionary, tokens
from surecode.codes.label_space import LabelSpace
from surecode.data.sources import codiesp
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.evaluation.codiesp import SYSTEM, Subtrack, codiesp_score
from surecode.evaluation.coding_score import CodingScore, coding_score
from surecode.hybrid.learn import learn
from surecode.lexicon.terms_table import table_terms

Scored = list[tuple[Code, float]]

SIZES = (50, 100, 200, 350, 500)
TUNE = 5  # one of so many parts of the training documents chooses a cut
MEASURES = ("precision", "recall", "f1", "mean_average_precision", "map_of_all")


@dataclass(frozen=True)
class Fitted:
    """A coder: codes of an encounter, and from which probability on they are assigned."""

    code: Callable[[Encounter], Scored]
    cut: float


Fit = Callable[[Sequence[Encounter]], Fitted]


@dataclass(frozen=True)
class Point:
    """The scores of one coder after one training set, for one part of the codes."""

    size: int
    seed: int
    codes: str
    score: CodingScore


def fit_dictionary(train: Sequence[Encounter]) -> Fitted:
    """The dictionary; what it finds at all it assigns, and its probabilities rank."""
    dictionary = Dictionary.fit(train)

    def code(encounter: Encounter) -> Scored:
        best: dict[Code, float] = {}
        for place in dictionary.mentions(encounter):
            text = encounter.text(place.span.document_id)[place.span.start : place.span.end]
            for entry in dictionary.entries[tuple(tokens(text)[0])]:
                best[entry.code] = max(best.get(entry.code, 0.0), entry.probability)
        return [(code, best[code]) for code in dictionary.code(encounter)]

    return Fitted(code, cut=0.0)


def fit_lexicon(train: Sequence[Encounter]) -> Fitted:
    """The terms of ``coder=lexicon``, which learn from all of train.

    The cut is the best for micro-F1 on a fifth of train, read by terms that did not see it.
    """
    fold = folds_of([encounter.patient_id for encounter in train], TUNE, seed=0)
    tune = [encounter for encounter, k in zip(train, fold, strict=True) if k == 0]
    rest = [encounter for encounter, k in zip(train, fold, strict=True) if k != 0]
    space = LabelSpace(tuple(sorted({code for e in train for code in e.code_set})))
    learned = learn(rest, tune, [], table_terms(space.codes), space)
    logits = np.stack([learned.tune[encounter.encounter_id] for encounter in tune])
    gold = space.encode([encounter.code_set for encounter in tune])
    decoding = Decoding.fit(expit(logits), gold, "micro_f1")

    def code(encounter: Encounter) -> Scored:
        probabilities = expit(learned.reader(encounter, space).logits)
        return list(zip(space.codes, probabilities.tolist(), strict=True))

    return Fitted(code, decoding.threshold)


CODERS: dict[str, Fit] = {"dictionary": fit_dictionary, "lexicon": fit_lexicon}


def learning_curve(
    fit: Fit,
    train: Sequence[Encounter],
    held_out: Sequence[Encounter],
    sizes: Sequence[int],
    seeds: Sequence[int],
) -> list[Point]:
    """A point for each size, seed and part of the codes.

    Raises `InputError` for a size that train does not have.
    """
    wrong = [size for size in sizes if not 0 < size <= len(train)]
    if wrong:
        raise InputError(f"--sizes: {wrong[0]}, and train has {len(train)} documents; give fewer")
    gold = [encounter.code_set for encounter in held_out]
    points = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(train))
        for size in sizes:
            fitted = fit([train[row] for row in order[:size]])
            scored = [sorted(fitted.code(e), key=lambda pair: -pair[1]) for e in held_out]
            ranked = [[code for code, _ in codes] for codes in scored]
            assigned = [[code for code, p in codes if p >= fitted.cut] for codes in scored]
            points.append(Point(size, seed, "all", coding_score(gold, assigned, ranked)))
            subtrack: Subtrack
            for subtrack in SYSTEM:
                score = codiesp_score(subtrack, gold, assigned, ranked)
                points.append(Point(size, seed, subtrack, score))
    return points


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coder", choices=sorted(CODERS), default="dictionary")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--seeds", type=int, default=10, help="how many orders of the documents")
    parser.add_argument(
        "--root", type=Path, default=os.environ.get("SURECODE_DATA", "../shared/data")
    )
    parser.add_argument("--language", choices=("es", "en"), default="es")
    words = parser.parse_args()
    try:
        items = list(codiesp.read(Path(words.root), words.language))
        train, dev = (
            # Cases of one article may tell of one patient.
            [replace(i.encounter, patient_id=i.group) for i in items if i.official_split == split]
            for split in ("train", "dev")
        )
        sizes = [int(size) for size in words.sizes.split(",")]
        points = learning_curve(CODERS[words.coder], train, dev, sizes, range(words.seeds))
    except InputError as error:
        print(f"learning_curve: {error}", file=sys.stderr)
        return 2
    print(f"{words.coder}, CodiEsp v4 {words.language}, {len(dev)} documents of dev, ", end="")
    print(f"{words.seeds} orders of train; mean (smallest to largest)\n")
    print("| codes | documents of train | precision | recall | F1 | MAP, official | MAP, all |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    means = []
    for part in ("all", *SYSTEM):
        for size in sizes:
            scores = [p.score for p in points if (p.codes, p.size) == (part, size)]
            columns = {name: [getattr(score, name) for score in scores] for name in MEASURES}
            print(f"| {part} | {size} | " + " | ".join(map(_spread, columns.values())) + " |")
            mean = {name: math.fsum(values) / len(values) for name, values in columns.items()}
            means.append({"codes": part, "size": size} | mean)
    print()
    print(json.dumps({"coder": words.coder, "seeds": words.seeds, "means": means}))
    return 0


def _spread(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    if max(values) == min(values):
        return f"{mean:.3f}"
    return f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    sys.exit(main())
