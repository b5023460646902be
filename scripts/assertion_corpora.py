"""Print how right the assertion rules are on the suite and on two public corpora of other authors.

    python scripts/assertion_corpora.py [--negex FILE] [--nubes DIR]

FILE is negex.python/Annotations-1-120.txt of the repository chapmanbe/negex: sentences of English
reports with a concept in capitals, affirmed or negated. DIR is NUBes/ of the repository
Vicomtech/NUBes-negation-uncertainty-biomedical-corpus (Lima López et al. 2020): Spanish reports in
which only negated and uncertain findings are annotated, so that it tells recall alone. Negation by
a prefix ("afebril") is left out. Neither corpus is in this repository.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from surecode.evaluation.negation_suite import evaluate_assertions
from surecode.evidence.assertion import assertion


def suite() -> None:
    columns = ["language", "half", "kind", "pairs", "affirmed_right", "other_right", "both_right"]
    print("| " + " | ".join(columns) + " |\n|---|---|---|--:|--:|--:|--:|")
    for row in evaluate_assertions()[columns].itertuples(index=False):
        print("| " + " | ".join(f"{c:.3f}" if isinstance(c, float) else f"{c}" for c in row) + " |")


def negex(path: Path) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for line in path.read_text("latin-1").splitlines()[1:]:
        _, concept, sentence, gold = line.split("\t")[:4]
        place = re.search(r"\s+".join(map(re.escape, concept.upper().split())), sentence)
        if place is None:  # not in capitals there
            counts["left out", ""] += 1
            continue
        said = "Affirmed" if gold.startswith("Aff") else "Negated"
        counts[said, assertion(sentence, *place.span()).polarity] += 1
    hits = counts["Negated", "negated"]
    false, missed = counts["Affirmed", "negated"], counts["Negated", "affirmed"]
    print(
        f"NegEx corpus: {sum(counts.values()) - counts['left out', '']} mentions, "
        f"{counts['left out', '']} left out; negation precision {hits / (hits + false):.3f}, "
        f"recall {hits / (hits + missed):.3f}, F1 {2 * hits / (2 * hits + false + missed):.3f}"
    )


def nubes(folder: Path) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for path in sorted(folder.glob("*/*.ann")):
        if path.with_suffix(".txt").is_file():
            text = path.with_suffix(".txt").read_text("utf-8")
            for gold, start, end in nubes_findings(path):
                meant = assertion(text, start, end)
                other = meant.certainty if meant.certainty != "certain" else "plain"
                counts[gold, "negated" if meant.polarity == "negated" else other] += 1
    for gold in ("negated", "uncertain"):
        n = sum(count for (each, _), count in counts.items() if each == gold)
        billable = counts[gold, "plain"]
        print(
            f"NUBes, {gold}: {n} findings, called {gold} {counts[gold, gold] / n:.3f}, "
            f"called anything but plain {1 - billable / n:.3f}"
        )


def nubes_findings(path: Path) -> Iterator[tuple[str, int, int]]:
    """Findings (DISO) under markers of one kind: negated or uncertain, start, end."""
    texts: dict[str, tuple[str, int, int]] = {}
    scopes: list[tuple[str, str]] = []
    for line in path.read_text("utf-8").splitlines():
        name, annotation, *_ = [*line.split("\t"), ""]
        kind, *places = annotation.split()
        if name.startswith("T") and ";" not in annotation:
            texts[name] = (kind, int(places[0]), int(places[1]))
        elif name.startswith("R") and kind == "Scope":
            scopes.append((places[0].removeprefix("Arg1:"), places[1].removeprefix("Arg2:")))
    markers: defaultdict[str, set[str]] = defaultdict(set)
    for marker, scope in scopes:
        if marker in texts and scope in texts:
            for name, (kind, start, end) in texts.items():
                if kind == "DISO" and texts[scope][1] <= start and end <= texts[scope][2]:
                    markers[name].add(texts[marker][0])
    for name, kinds in markers.items():
        if kinds <= {"NegSynMarker", "NegLexMarker"}:
            yield ("negated", *texts[name][1:])
        elif all(kind.startswith("Uncert") for kind in kinds):
            yield ("uncertain", *texts[name][1:])


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--negex", type=Path)
    parser.add_argument("--nubes", type=Path)
    arguments = parser.parse_args()
    suite()
    if arguments.negex:
        negex(arguments.negex)
    if arguments.nubes:
        nubes(arguments.nubes)


if __name__ == "__main__":
    main()
