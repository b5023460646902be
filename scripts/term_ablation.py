"""What each kind of feature of terms is worth, cross-validated inside train and tune; a table.

    python scripts/term_ablation.py RUN_FOLDER [RUN_FOLDER ...] [--tagger crf|network]

A run folder is one of ``surecode prepare`` or later, with ``encounters.parquet``. Each fold of
train and tune is read by terms of the other folds and weighed by what was learned of those; then
again without one kind of feature, refitted. Micro-F1 is that of the best cut over all codes, the
same for all encounters; MAP is over all encounters. Terms of the train split and of the lists that
ship: no tables, no list of a user; with ``--tagger``, one of that kind (``coder.tagger``), and how
many mentions it places exactly, whatever their codes. Calibrate and test are not read. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tagger_places import placed

from surecode.calibration.folds import folds_of
from surecode.data import table
from surecode.encounter import Code, Encounter
from surecode.evaluation.metrics import mean_average_precision
from surecode.hybrid.candidates import FEATURES, candidates
from surecode.hybrid.claims import claims
from surecode.hybrid.found import Found, Terms, find
from surecode.hybrid.learn import FOLDS
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.marks import Marks
from surecode.hybrid.mention_codes import MentionCodes
from surecode.hybrid.sites import Sites
from surecode.hybrid.tagger import Tagged, Tagger, tagged
from surecode.lexicon.documents import languages_of
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.term import Term
from surecode.lexicon.terms_shipped import listed_terms, not_counted, shipped_terms
from surecode.lexicon.terms_training import training_terms, words_of

# Kinds of features by the first and the last of each run of them in FEATURES.
KINDS: Mapping[str, Sequence[tuple[str, str]]] = {
    "words side by side": [("largest P(code | term)", "place of the first, 0 to 1")],
    "words apart": [("all words in one sentence", "log sentences that affirm")],
    "how a place is meant": [
        ("share of places that are denied", "share of places that are denied"),
        ("denied", "denied"),
        ("log sentences that affirm", "log sentences that affirm"),
    ],
    "prior of the code": [("log encounters with the code", "never seen")],
    "length and candidates": [("log words of the encounter", "log candidates")],
    "siblings": [("likeliest sibling", "log siblings")],
    "co-occurrence": [("mean attraction of likely candidates", "largest attraction")],
    "words around a place": [
        ("log-odds that the likeliest place is marked", "likeliest marked sibling")
    ],
    "rivals at its places": [
        ("rival where it is least likely", "largest log-odds against a rival"),
    ],
}


@dataclass(frozen=True)
class Proposed:
    """One encounter's candidates with their features ``[C, F]`` and whether they are gold."""

    gold: frozenset[Code]
    codes: tuple[Code, ...]
    features: NDArray[np.float64]

    @property
    def right(self) -> list[bool]:
        """Whether each candidate is gold."""
        return [code in self.gold for code in self.codes]


def lists_for(encounters: Sequence[Encounter]) -> dict[str, list[Term]]:
    """Lists for the encounters' code systems, in the languages of their documents.

    By the name of a row: those that ship, and others to compare with.
    """
    systems = {code.system for encounter in encounters for code in encounter.code_set}
    languages = languages_of(encounters)
    return {
        "everything": shipped_terms(systems, languages),
        "without the second lists": shipped_terms(systems, languages, more=False),
        "with ambiguous words (coder.senses=decide)": listed_terms(systems, languages, senses=True),
        "without the shipped lists": [],
    }


def columns_without(kind: str | None) -> list[int]:
    """The places in FEATURES that stay without a kind."""
    gone: set[int] = set()
    for first, last in [] if kind is None else KINDS[kind]:
        gone |= set(range(FEATURES.index(first), FEATURES.index(last) + 1))
    return [place for place in range(len(FEATURES)) if place not in gone]


def tagged_folds(
    encounters: Sequence[Encounter], seed: int, kind: str | None
) -> dict[str, Mapping[str, Tagged]]:
    """What a tagger of the other folds says of each encounter, by id; nothing without a kind."""
    if kind is None:
        return {encounter.encounter_id: {} for encounter in encounters}
    fold = folds_of([encounter.patient_id for encounter in encounters], FOLDS, seed)
    seen: dict[str, Mapping[str, Tagged]] = {}
    for k in range(FOLDS):
        some = [e for e, at in zip(encounters, fold, strict=True) if at != k]
        tagger = Tagger.learn(some, network=kind == "network", seed=seed)
        own = [e for e, at in zip(encounters, fold, strict=True) if at == k]
        seen |= {e.encounter_id: tagged(tagger, e) for e in own}
    return seen


def read_folds(
    encounters: Sequence[Encounter],
    seed: int,
    listed: Sequence[Term],
    seen: Mapping[str, Mapping[str, Tagged]],
) -> list[list[Found]]:
    """Each fold's encounters, found by terms of the others and of lists; `tagged_folds` beside."""
    fold = folds_of([encounter.patient_id for encounter in encounters], FOLDS, seed)
    no_tables = Lexicon.build([]).hashed()
    folds = []
    for k in range(FOLDS):
        some = [e for e, at in zip(encounters, fold, strict=True) if at != k]
        counted = training_terms(some)
        all_terms = [*counted, *not_counted(listed, counted)]
        lexicon = Lexicon.build(all_terms, others=words_of(some)).hashed()
        terms = Terms.learn(some, lexicon, no_tables)
        own = [e for e, at in zip(encounters, fold, strict=True) if at == k]
        folds.append([find(e, terms, seen[e.encounter_id]) for e in own])
    return folds


def proposed(
    folds: Sequence[Sequence[Found]], *, with_marks: bool = True, with_codes: bool = True
) -> list[list[Proposed]]:
    """The candidates of each fold, judged by what the others' marks say of places and mentions."""
    sites = [[Sites.of(found) for found in fold] for fold in folds]
    with_codes = with_codes and any(found.mentions for fold in folds for found in fold)
    result = []
    for fold in sites:
        others = [one for other in sites if other is not fold for one in other]
        marks = Marks.learn(others) if with_marks else None
        codes = MentionCodes.learn(one.found.encounter for one in others) if with_codes else None
        rows = []
        for one in fold:
            said = candidates(
                one.found, {} if marks is None else marks(one), claims(one.found, codes)
            )
            rows.append(Proposed(one.found.encounter.code_set, said.codes, said.features))
        result.append(rows)
    return result


def measured(folds: Sequence[Sequence[Proposed]], columns: Sequence[int]) -> tuple[float, float]:
    """Micro-F1 at the best cut and MAP, each fold by weights from the others."""
    scored: list[tuple[Proposed, NDArray[np.float64]]] = []
    for fold in folds:
        others = [one for other in folds if other is not fold for one in other if one.codes]
        model = LinearModel.fit(
            np.concatenate([one.features for one in others])[:, columns],
            [right for one in others for right in one.right],
            steps=True,
        )
        scored += [(one, model(one.features[:, columns])) for one in fold]
    ranked = [
        [one.codes[k] for k in np.argsort(-odds, kind="stable").tolist()] for one, odds in scored
    ]
    gold = [one.gold for one, _ in scored]
    odds = np.concatenate([odds for _, odds in scored])
    right = np.array([r for one, _ in scored for r in one.right])[np.argsort(-odds, kind="stable")]
    f1 = 2 * np.cumsum(right) / (np.arange(1, len(right) + 1) + sum(map(len, gold)))
    falling = np.sort(-odds)
    last = np.append(falling[1:] > falling[:-1], True)  # no cut parts equal odds
    return float(f1[last].max()), mean_average_precision(gold, ranked)


def main() -> None:
    """Print the table of each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tagger", choices=["crf", "network"], help="with a tagger")
    words = parser.parse_args()
    figures: dict[str, dict[str, list[float]]] = {}
    for run in words.runs:
        encounters = [
            encounter
            for encounter in table.read(run / "encounters.parquet")
            if encounter.split in ("train", "tune")
        ]
        lists = lists_for(encounters)
        seen = tagged_folds(encounters, words.seed, words.tagger)
        folds = read_folds(encounters, words.seed, lists.pop("everything"), seen)
        full = proposed(folds)
        rows = {"everything": measured(full, columns_without(None))}
        for kind in KINDS:
            # Without the words around, what they propose is gone as well.
            some = proposed(folds, with_marks=False) if kind == "words around a place" else full
            rows[f"without {kind}"] = measured(some, columns_without(kind))
        if words.tagger:
            score = placed((encounter, seen[encounter.encounter_id]) for encounter in encounters)
            print(
                f"\ntagger: mentions placed exactly: precision {score.precision:.3f}, recall "
                f"{score.recall:.3f}, F1 {score.f1:.3f}"
            )
            plain = proposed(folds, with_codes=False)
            rows["without the codes of mentions"] = measured(plain, columns_without(None))
            untagged = [[replace(f, tagged={}, mentions=()) for f in fold] for fold in folds]
            rows["without the tagger"] = measured(proposed(untagged), columns_without(None))
        for name, listed in lists.items():
            other = read_folds(encounters, words.seed, listed, seen)
            rows[name] = measured(proposed(other), columns_without(None))
        print(f"\n{run.parent.name}: {len(encounters)} encounters of train and tune\n")
        print("| features | micro-F1 | difference | MAP | difference |\n|---|--:|--:|--:|--:|")
        f1, precision = rows["everything"]
        for name, (own_f1, own_map) in rows.items():
            print(
                f"| {name} | {own_f1:.4f} | {own_f1 - f1:+.4f} | {own_map:.4f} "
                f"| {own_map - precision:+.4f} |"
            )
        figures[run.parent.name] = {name: list(row) for name, row in rows.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
