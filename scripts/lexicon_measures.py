"""What a lexicon alone is worth on CodiEsp and CANTEMIST; the last line is one JSON object.

    python scripts/lexicon_measures.py --train     # five-fold cross-validation in the train splits
    python scripts/lexicon_measures.py --titles    # titles on the English text of CodiEsp's train
    python scripts/lexicon_measures.py             # train split → CodiEsp dev, CANTEMIST dev-set2

``--train`` is what the choices in `lexicon/scores` were made by: folds by source article, micro F1
at the best cut of all out-of-fold scores, MAP. The report takes its cut from there. The data are in
``--data``, ``SURECODE_DATA`` or ``../shared/data``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from surecode.coder.dictionary import Dictionary
from surecode.codes.releases import valid_codes
from surecode.data.sources import cantemist, codiesp
from surecode.data.splits import Sourced
from surecode.encounter import Code, Encounter
from surecode.evaluation import metrics
from surecode.evidence.assertion import Assertion
from surecode.lexicon.lexicon import Hit, Lexicon
from surecode.lexicon.meaning import said, usable
from surecode.lexicon.scores import WORTH, scores
from surecode.lexicon.term import Term
from surecode.lexicon.terms_table import table_terms
from surecode.lexicon.terms_training import training_terms, words_of

FOLDS = 5
CORPORA: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "codiesp_d": (codiesp, {"kinds": ["diagnosis"]}, "train", "dev"),
    "codiesp_p": (codiesp, {"kinds": ["procedure"]}, "train", "dev"),
    "cantemist": (cantemist, {}, "train-set", "dev-set2"),
}
Scored = Mapping[Code, float]


@dataclass(frozen=True)
class Read:
    """An encounter that a lexicon has read: hits, how each is meant, the dictionary's codes."""

    encounter: Encounter
    hits: list[Hit]
    said: list[Assertion]
    dictionary: list[Code]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--train", action="store_true")
    kind.add_argument("--titles", action="store_true")
    parser.add_argument("--data", type=Path, default=None)
    arguments = parser.parse_args()
    data = arguments.data or Path(os.environ.get("SURECODE_DATA", "../shared/data"))
    if arguments.titles:
        print(json.dumps(titles(data)))
    elif arguments.train:
        print(json.dumps({name: chosen(out_of_fold(data, name)) for name in CORPORA}))
    else:
        print(json.dumps(report(data)))


def sourced(data: Path, name: str, split: str, **more: Any) -> list[Sourced]:
    corpus, options, *_ = CORPORA[name]
    return [s for s in corpus.read(data, **options, **more) if s.official_split == split]


def read(train: Sequence[Encounter], held_out: Sequence[Encounter]) -> list[Read]:
    lexicon = Lexicon.build(training_terms(train), others=words_of(train))
    dictionary = Dictionary.fit(train)
    found = []
    for encounter in held_out:
        hits = lexicon.hits(encounter)
        found.append(Read(encounter, hits, said(encounter, hits), dictionary.code(encounter)))
    return found


def out_of_fold(data: Path, name: str) -> list[Read]:
    items = sourced(data, name, CORPORA[name][2])
    folds = [int(hashlib.sha256(s.group.encode()).hexdigest(), 16) % FOLDS for s in items]
    found = []
    for fold in range(FOLDS):
        train = [s.encounter for s, at in zip(items, folds, strict=True) if at != fold]
        held_out = [s.encounter for s, at in zip(items, folds, strict=True) if at == fold]
        found += read(train, held_out)
    return found


# ---- choices by cross-validation -----------------------------------------------------------------


def chosen(reads: Sequence[Read]) -> dict[str, Any]:
    gold = [one.encounter.code_set for one in reads]
    ranked = [one.dictionary for one in reads]
    figures: dict[str, Any] = {
        "encounters": len(reads),
        "dictionary": [
            round(metrics.micro(gold, ranked).f1, 4),
            round(metrics.mean_average_precision(gold, ranked), 4),
        ],
        "right_of_hits": right_of_hits(reads),
        "ambiguous": ambiguous(reads),
    }
    ways: dict[str, Callable[[Read], Scored]] = {
        "scores": lambda one: scores(one.hits, None),
        "scores, usable only": lambda one: scores(one.hits, one.said),
        "max": partial(joined, worth=WORTH, how="max"),
        "over places": partial(joined, worth=WORTH, how="place"),
    }
    for inflected in (1.0, 0.7, 0.5, 0.0):
        for typo in (1.0, 0.5, 0.3, 0.0):
            worth = {"exact": 1.0, "inflected": inflected, "order": 1.0, "typo": typo}
            ways[f"inflected {inflected}, typo {typo}"] = partial(joined, worth=worth)
    exact = {"exact": 1.0, "inflected": 0.0, "order": 0.0, "typo": 0.0}
    ways["exact only"] = partial(joined, worth=exact)
    for way, score in ways.items():
        figures[way] = at_best_cut(gold, [score(one) for one in reads])
        print(f"  {way:30} {figures[way]}")
    return figures


def joined(one: Read, worth: Mapping[Any, float], how: str = "rule") -> Scored:
    """As `scores`, with other worths, or over places, or the maximum."""
    best: defaultdict[Code, dict[Any, float]] = defaultdict(dict)
    for hit in one.hits:
        p = hit.probability * worth[hit.match]
        if p > 0.0:
            at = hit.place if how == "place" else hit.rule
            best[hit.code][at] = max(best[hit.code].get(at, 0.0), p)
    if how == "max":
        return {code: max(of_code.values()) for code, of_code in best.items()}
    return {
        code: 1.0 - math.prod(1.0 - p for p in of_code.values()) for code, of_code in best.items()
    }


def right_of_hits(reads: Sequence[Read]) -> dict[str, list[float]]:
    """Hits, the share of them with a gold code, and their mean probability."""
    hits, right, weight = Counter[str](), Counter[str](), Counter[str]()
    for one in reads:
        for hit, meant in zip(one.hits, one.said, strict=True):
            for kind in (hit.match, "usable" if usable(meant) else "not usable"):
                hits[kind] += 1
                right[kind] += hit.code in one.encounter.code_set
                weight[kind] += hit.probability  # type: ignore[assignment]
    return {
        kind: [n, round(right[kind] / n, 3), round(weight[kind] / n, 3)] for kind, n in hits.items()
    }


def ambiguous(reads: Sequence[Read]) -> dict[str, float]:
    """How often the likeliest code of an ambiguous place is the annotated one."""
    places, prior = 0, 0
    for one in reads:
        gold = {(item.code, item.span) for item in one.encounter.evidence}
        by_place: defaultdict[int, list[Hit]] = defaultdict(list)
        for hit in one.hits:
            by_place[hit.place].append(hit)
        for some in by_place.values():
            right = {hit.code for hit in some if (hit.code, hit.span) in gold}
            if len(some) > 1 and right:
                places += 1
                prior += max(some, key=lambda hit: hit.probability).code in right
    return {"places": places, "prior": round(prior / max(places, 1), 4)}


def at_best_cut(gold: Sequence[frozenset[Code]], scored: Sequence[Scored]) -> list[float]:
    """Micro F1 at the best cut, MAP, the cut."""
    rows = sorted(
        (
            (p, code in right)
            for right, of in zip(gold, scored, strict=True)
            for code, p in of.items()
        ),
        key=lambda row: -row[0],
    )
    wanted, true, best, cut = sum(map(len, gold)), 0, 0.0, 1.0
    for place, (p, is_right) in enumerate(rows, start=1):
        true += is_right
        last = place == len(rows) or rows[place][0] < p
        if last and 2 * true / (place + wanted) > best:
            best, cut = 2 * true / (place + wanted), p
    ranking = metrics.mean_average_precision(gold, [ranked(of) for of in scored])
    return [round(best, 4), round(ranking, 4), cut]


def ranked(of: Scored) -> list[Code]:
    return sorted(of, key=lambda code: (-of[code], code))


# ---- the report ----------------------------------------------------------------------------------


def report(data: Path) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    tables: list[Term] = table_terms(icd_10_cm())
    for name, (_, _, train_split, held_out_split) in CORPORA.items():
        crossed = out_of_fold(data, name)
        wanted = [one.encounter.code_set for one in crossed]
        cut = at_best_cut(wanted, [scores(one.hits, None) for one in crossed])[2]
        usable_cut = at_best_cut(wanted, [scores(one.hits, one.said) for one in crossed])[2]
        train = [s.encounter for s in sourced(data, name, train_split)]
        held_out = [s.encounter for s in sourced(data, name, held_out_split)]
        gold = [one.code_set for one in held_out]
        reads = read(train, held_out)
        dictionary = [one.dictionary for one in reads]
        figures[name] = {
            "encounters": len(held_out),
            "dictionary": measured(gold, dictionary, dictionary),
            "training": at(gold, [scores(one.hits, None) for one in reads], cut),
            "training, usable only": at(
                gold, [scores(one.hits, one.said) for one in reads], usable_cut
            ),
        }
        if name == "codiesp_d":
            figures[name] |= english(data, tables, train)
        for way, values in figures[name].items():
            print(f"  {name:10} {way:30} {values}")
    return figures


def english(data: Path, tables: Sequence[Term], spanish_train: Sequence[Encounter]) -> Any:
    """The same dev documents in English: titles, and Spanish mentions for the words they share.

    The cut is the best on the English text of train, which no term was learned from.
    """
    train = [s.encounter for s in sourced(data, "codiesp_d", "train", language="en")]
    held_out = [s.encounter for s in sourced(data, "codiesp_d", "dev", language="en")]
    found = {}
    mentions = training_terms(spanish_train)
    for way, terms in {
        "English text, titles": list(tables),
        "English text, Spanish mentions": mentions,
        "English text, Spanish mentions and titles": [*tables, *mentions],
    }.items():
        lexicon = Lexicon.build(terms, others=words_of(train))
        of_train = [scores(lexicon.hits(one), None) for one in train]
        cut = at_best_cut([one.code_set for one in train], of_train)[2]
        of_dev = [scores(lexicon.hits(one), None) for one in held_out]
        found[way] = at([one.code_set for one in held_out], of_dev, cut)
    return found


def at(gold: Sequence[frozenset[Code]], scored: Sequence[Scored], cut: float) -> dict[str, float]:
    assigned = [[code for code, p in of.items() if p >= cut] for of in scored]
    return measured(gold, assigned, [ranked(of) for of in scored]) | {"cut": round(cut, 4)}


def measured(
    gold: Sequence[frozenset[Code]], assigned: Sequence[Sequence[Code]], order: Any
) -> dict[str, float]:
    micro = metrics.micro(gold, assigned)
    return {
        "precision": round(micro.precision, 4),
        "recall": round(micro.recall, 4),
        "f1": round(micro.f1, 4),
        "map": round(metrics.mean_average_precision(gold, order), 4),
    }


# ---- titles --------------------------------------------------------------------------------------


def titles(data: Path) -> dict[str, Any]:
    """Of exact hits of wordings of one code alone, the share whose code is gold."""
    train = [s.encounter for s in sourced(data, "codiesp_d", "train", language="en")]
    tables = table_terms(icd_10_cm())
    whole = max(term.probability for term in tables)
    lexicon = Lexicon.build(tables, others=words_of(train))
    hits, right = Counter[str](), Counter[str]()
    for encounter in train:
        for hit in lexicon.hits(encounter):
            if hit.match == "exact" and hit.probability == whole:
                hits[hit.source] += 1
                right[hit.source] += hit.code in encounter.code_set
    return {source: [n, round(right[source] / n, 3)] for source, n in sorted(hits.items())}


def icd_10_cm() -> list[Code]:
    return [Code("ICD-10-CM", value) for value in sorted(valid_codes("ICD-10-CM", "FY2026") or ())]


if __name__ == "__main__":
    main()
