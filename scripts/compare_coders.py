"""Print coders' figures on one corpus side by side: scores, paired intervals, slices, errors.

    python scripts/compare_coders.py runs/mixed/HASH1 runs/mixed/HASH2 dictionary
    python scripts/compare_coders.py dictionary --encounters encounters.parquet --split test
    python scripts/compare_coders.py runs/mixed/HASH --root FOLDER --errors 20

A coder is a run folder, a file of decision records with ``ranked.parquet`` beside it, or the word
``dictionary``, which is fitted on train. Gold and train come from the first run folder, from
``--encounters``, or, for test documents that came after training, from the source under ``--root``.
Intervals are those of each coder minus the first (positive: better than the first), by the paired
bootstrap. Nothing is chosen here, and no text of a note is printed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from compare_reading import Compared, compared_coders

from surecode.coder.dictionary import Dictionary
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.evaluation import paired, slices
from surecode.evaluation.cantemist import METASTASIS, cantemist_norm, mentions_of
from surecode.evaluation.codiesp_x import codiesp_x, gold_references
from surecode.evaluation.coding_score import coding_score
from surecode.evaluation.error_places import found_places, marked_places
from surecode.evaluation.errors import Case, CodingError, by_kind, errors_of, most_frequent
from surecode.evaluation.mention_score import MentionScore
from surecode.evaluation.metrics import exact_match

Keep = Callable[[Code], bool]
# The smallest P(code | mention) that counts as a known wording where errors are explained.
KNOWN_WORDING = 0.02
NAMES = ("f1_difference", "map_difference")


def main() -> int:
    words = _words().parse_args()
    try:
        _print_all(compared_coders(words), words)
    except InputError as error:
        print(f"compare_coders: {error}", file=sys.stderr)
        return 2
    return 0


def _words() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("coders", nargs="+", help="run folder, decisions.jsonl or `dictionary`")
    parser.add_argument("--encounters", type=Path, help="an encounter table with splits")
    parser.add_argument("--root", type=Path, help="the data folder that holds the coded documents")
    parser.add_argument("--split", default="test", help="for the dictionary alone; a,b for two")
    parser.add_argument(
        "--clusters", choices=("encounter", "patient", "article"), default="patient"
    )
    parser.add_argument(
        "--train", default="train", help="splits that the dictionary and counts learn from"
    )
    parser.add_argument("--draws", type=int, default=paired.DRAWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--errors", type=int, default=0, help="print so many frequent errors")
    return parser


def _print_all(compared: Compared, words: argparse.Namespace) -> None:
    encounters = compared.encounters
    gold = [encounter.code_set for encounter in encounters]
    clusters = [_cluster(encounter, words.clusters) for encounter in encounters]
    figures: dict[str, Any] = {"encounters": len(encounters), "train": len(compared.train)}
    print(
        f"{len(encounters)} encounters in {len(set(clusters))} clusters ({words.clusters}); "
        f"train has {len(compared.train)}\n"
    )
    figures["scores"] = _scores(compared, gold, clusters, words)
    if any(code.system == "ICD-O-3" for codes in gold for code in codes):
        figures["mentions"] = _mentions(compared, clusters, words)
    elif any(encounter.evidence for encounter in encounters):
        figures["mentions"] = _codiesp_x(compared, clusters, words)
    figures["slices"] = _slices(compared, gold)
    if words.errors:
        figures["errors"] = _errors(compared, words.errors)
    print(json.dumps(figures, ensure_ascii=False, allow_nan=False))


def _scores(
    compared: Compared,
    gold: Sequence[frozenset[Code]],
    clusters: Sequence[str],
    words: argparse.Namespace,
) -> list[dict[str, Any]]:
    columns = ("codes", "coder", "precision", "recall", "F1", "minus the first", "MAP, official")
    print(_row([*columns, "MAP, all encounters", "minus the first", "exact match"]))
    print("|---|---|" + "--:|" * 8)
    rows = []
    for part, keep in _parts(gold):
        kept_gold = _kept(gold, keep)
        terms = []
        for coder in compared.coders:
            predicted = _kept(coder.predicted, keep)
            ranked = None if coder.ranked is None else _kept(coder.ranked, keep)
            score = coding_score(kept_gold, predicted, ranked)
            f1 = paired.micro_f1(kept_gold, predicted)
            mean = None if ranked is None else paired.mean_average_precision(kept_gold, ranked)
            terms.append((f1, mean))
            differences = [
                None
                if first is None or own is None or coder is compared.coders[0]
                else paired.paired(
                    own, first, clusters=clusters, draws=words.draws, seed=words.seed
                )
                for first, own in zip(terms[0], (f1, mean), strict=True)
            ]
            exact = exact_match(kept_gold, predicted)
            print(
                _row(
                    [
                        *(part, coder.name, _of(score.precision), _of(score.recall), _of(score.f1)),
                        *(str(differences[0] or ""), _of(score.mean_average_precision)),
                        *(_of(score.map_of_all), str(differences[1] or ""), _of(exact)),
                    ]
                )
            )
            rows.append(
                {"codes": part, "coder": coder.name, "exact_match": exact}
                | asdict(score)
                | {
                    name: None if found is None else asdict(found)
                    for name, found in zip(NAMES, differences, strict=True)
                }
            )
    print()
    return rows


def _mentions(
    compared: Compared, clusters: Sequence[str], words: argparse.Namespace
) -> list[dict[str, Any]]:
    """CANTEMIST-NORM."""
    columns = ("mentions", "coder", "precision", "recall", "F1", "minus the first")
    print(_row([*columns, "F1, every code of a place"]))
    print("|---|---|" + "--:|" * 5)
    rows = []
    for part, metastasis in (("all", True), ("without 8000/6", False)):
        terms: list[paired.Terms] = []
        for coder in compared.coders:
            of_places, of_codes = (
                [
                    cantemist_norm(
                        mentions_of(encounter.evidence), shown, metastasis=metastasis, by=by
                    )
                    for encounter, shown in zip(compared.encounters, coder.mentions, strict=True)
                ]
                for by in ("place", "triple")
            )
            score, strict = _summed(of_places), _summed(of_codes)
            terms.append(paired.mention_f1(of_places))
            difference = _difference(terms, clusters, words)
            figures = (score.precision, score.recall, score.f1)
            cells = [*map(_of, figures), str(difference or ""), _of(strict.f1)]
            print(_row([part, coder.name, *cells]))
            rows.append(
                {"mentions": part, "coder": coder.name, "strict_f1": strict.f1}
                | {NAMES[0]: None if difference is None else asdict(difference)}
                | asdict(score)
            )
    print()
    return rows


def _codiesp_x(
    compared: Compared, clusters: Sequence[str], words: argparse.Namespace
) -> list[dict[str, Any]]:
    """CodiEsp-X; the mentions of all codes."""
    columns = ("CodiEsp-X", "precision", "recall", "F1", "minus the first")
    print(_row(columns) + "\n|---|" + "--:|" * 4)
    rows = []
    terms: list[paired.Terms] = []
    for coder in compared.coders:
        scores = [
            codiesp_x(gold_references(encounter), shown)
            for encounter, shown in zip(compared.encounters, coder.mentions, strict=True)
        ]
        score = _summed(scores)
        terms.append(paired.mention_f1(scores))
        difference = _difference(terms, clusters, words)
        figures = (score.precision, score.recall, score.f1)
        print(_row([coder.name, *map(_of, figures), str(difference or "")]))
        rows.append(
            {"coder": coder.name}
            | {NAMES[0]: None if difference is None else asdict(difference)}
            | asdict(score)
        )
    print()
    return rows


def _summed(scores: Sequence[MentionScore]) -> MentionScore:
    """The score of all encounters by those of each; both tracks count within documents."""
    return MentionScore.of(
        sum(score.true_positive for score in scores),
        sum(score.predicted for score in scores),
        sum(score.gold for score in scores),
    )


def _difference(
    terms: Sequence[paired.Terms], clusters: Sequence[str], words: argparse.Namespace
) -> paired.Paired | None:
    """The last coder minus the first; None for the first."""
    if len(terms) == 1:
        return None
    return paired.paired(terms[-1], terms[0], clusters=clusters, draws=words.draws, seed=words.seed)


def _slices(compared: Compared, gold: Sequence[frozenset[Code]]) -> list[dict[str, Any]]:
    counts = slices.train_counts(compared.train)
    specialties = [encounter.specialty for encounter in compared.encounters]
    languages = [slices.language(encounter) for encounter in compared.encounters]
    columns = ("cut by", "part", "encounters", "gold codes", "coder", "predicted", "precision")
    print(_row([*columns, "recall", "F1", "MAP, all encounters"]))
    print("|---|---|--:|--:|---|" + "--:|" * 5)
    rows = []
    for cut in ("encounters of train with the code", "specialty", "language"):
        tables = [
            slices.by_frequency(gold, coder.predicted, coder.ranked, counts)
            if cut.startswith("encounters")
            else slices.by_group(
                gold,
                coder.predicted,
                coder.ranked,
                specialties if cut == "specialty" else languages,
            )
            for coder in compared.coders
        ]
        for of_part in zip(*tables, strict=True):
            for coder, part in zip(compared.coders, of_part, strict=True):
                scores = (part.precision, part.recall, part.f1, part.mean_average_precision)
                head = (cut, part.name, str(part.encounters), str(part.gold), coder.name)
                print(_row([*head, str(part.predicted), *map(_of, scores)]))
                rows.append({"cut": cut, "coder": coder.name} | asdict(part))
    print()
    return rows


def _errors(compared: Compared, most: int) -> dict[str, Any]:
    wordings = Dictionary.fit(compared.train, minimum=KNOWN_WORDING)
    seen = set(slices.train_counts(compared.train))
    found = [found_places(e, wordings.mentions(e)) for e in compared.encounters]
    tables = {}
    for coder in compared.coders:
        errors: list[CodingError] = []
        for row, encounter in enumerate(compared.encounters):
            case = Case(
                encounter.encounter_id,
                encounter.code_set,
                coder.predicted[row],
                found[row],
                marked_places(encounter),
                coder.probabilities[row],
            )
            errors += errors_of(case, seen)
        kinds = by_kind(errors)
        print(_row([coder.name, "kind", "errors", "share of the side"]) + "\n|---|---|--:|--:|")
        for side, of_side in kinds.items():
            total = sum(of_side.values())
            for kind, count in of_side.items():
                print(_row([side, kind, str(count), _of(count / total if total else 0.0)]))
        print()
        print(_row([coder.name, "kind", "code", "related code", "encounters", "title"]))
        print("|---|---|---|---|--:|---|")
        for line in most_frequent(errors, most):
            related = "" if line.instead is None else str(line.instead)
            cells = [line.side, line.kind, str(line.code), related, str(line.count)]
            print(_row([*cells, line.title or ""]))
        print()
        tables[coder.name] = kinds
    return tables


def _parts(gold: Sequence[frozenset[Code]]) -> list[tuple[str, Keep]]:
    """All codes, and each system apart where there are several; ICD-O-3 without metastasis."""
    systems = sorted({code.system for codes in gold for code in codes})
    parts: list[tuple[str, Keep]] = [("all", lambda code: True)]
    if len(systems) > 1:
        parts += [(name, partial(_is_of, name)) for name in systems]
    if "ICD-O-3" in systems:
        parts.append(("without 8000/6", lambda code: code != METASTASIS))
    return parts


def _is_of(system: str, code: Code) -> bool:
    return code.system == system


def _kept(code_sets: Sequence[Any], keep: Keep) -> list[list[Code]]:
    return [[code for code in codes if keep(code)] for codes in code_sets]


def _cluster(encounter: Encounter, by: str) -> str:
    if by == "article":  # CodiEsp's ids end in the number of the article's case
        return encounter.encounter_id.rpartition("-")[0]
    return encounter.patient_id if by == "patient" else encounter.encounter_id


def _of(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
