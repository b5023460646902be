"""Print how often the assertion rules call annotators' evidence other than plainly affirmed.

    SURECODE_DATA=DIR python scripts/assertion_on_gold.py [--split dev]
    python scripts/assertion_on_gold.py --split train --show 40 --verdict contrary

Real documents: gold evidence of CodiEsp (diagnoses) and CANTEMIST, one row per corpus. A mention of
several pieces counts once, at its first piece; a code of a document is all contrary where each of
its mentions is, and all unfit where none of them `fits` it. `--show` prints quotes of the public
corpora, for the split that rules may be refined on. The table in experiments/assertion/README.md is
this script's output.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from scipy import stats

from surecode.data.sources import cantemist, codiesp
from surecode.encounter import Code, Encounter, Evidence
from surecode.evidence.assertion import Assertion, assertion
from surecode.evidence.assertion_codes import fits
from surecode.evidence.sections import sections

DATA = Path(__file__).parents[1] / os.environ.get("SURECODE_DATA", "../shared/data")
SPLITS: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {"CodiEsp": ("train",), "CANTEMIST": ("train-set",)},
    "dev": {"CodiEsp": ("dev",), "CANTEMIST": ("dev-set1", "dev-set2")},
}
VERDICTS = ("negated", "hypothetical", "family", "uncertain", "historical", "contrary", "not plain")


def encounters(corpus: str, splits: tuple[str, ...]) -> Iterator[Encounter]:
    sources = (
        codiesp.read(DATA, "es", ["diagnosis"]) if corpus == "CodiEsp" else cantemist.read(DATA)
    )
    return (sourced.encounter for sourced in sources if sourced.official_split in splits)


def first_pieces(encounter: Encounter) -> list[Evidence]:
    pieces: dict[int, Evidence] = {}
    for item in encounter.evidence:
        known = pieces.setdefault(item.mention, item)
        if item.span.start < known.span.start:
            pieces[item.mention] = item
    return list(pieces.values())


def verdicts(meant: Assertion) -> list[str]:
    found: list[str] = [meant.polarity, meant.certainty, meant.time, meant.experiencer]
    return found + ["contrary"] * meant.contrary + ["not plain"] * (not meant.billable)


def share(hits: int, n: int) -> str:
    found = stats.binomtest(hits, n).proportion_ci(method="wilson")
    return f"{hits / n:.3f} [{found.low:.3f}, {found.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--split", choices=sorted(SPLITS), default="dev")
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--verdict", choices=VERDICTS, default="contrary")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    columns = (
        "documents",
        "mentions",
        *VERDICTS,
        "codes",
        "all contrary",
        "all unfit",
        "ms/document",
    )
    print(f"| corpus, {arguments.split} | {' | '.join(columns)} |")
    print("|---|" + "--:|" * len(columns))
    for corpus, splits in SPLITS[arguments.split].items():
        counts: Counter[str] = Counter()
        shown: list[str] = []
        documents = mentions = 0
        seconds = 0.0
        for encounter in encounters(corpus, splits):
            text = encounter.documents[0].text
            pieces = first_pieces(encounter)
            spans = [(item.span.start, item.span.end) for item in pieces]
            began = time.process_time()
            found = sections(text)
            meant = [assertion(text, start, end, found) for start, end in spans]
            seconds += time.process_time() - began
            documents += 1
            mentions += len(spans)
            by_code: defaultdict[Code, list[Assertion]] = defaultdict(list)
            for item, each in zip(pieces, meant, strict=True):
                by_code[item.code].append(each)
            for code, all_meant in by_code.items():
                counts["code"] += 1
                counts["all contrary"] += all(each.contrary for each in all_meant)
                counts["all unfit"] += not any(fits(a, code.system, code.value) for a in all_meant)
            for (start, end), each in zip(spans, meant, strict=True):
                counts.update(verdicts(each))
                if arguments.verdict in verdicts(each):
                    left, right = text[max(0, start - 100) : start], text[end : end + 60]
                    shown.append(f"{left}[[{text[start:end]}]]{right}")
        cells = [f"{documents}", f"{mentions:,}"]
        cells += [share(counts[name], mentions) for name in VERDICTS]
        cells += [f"{counts['code']:,}"]
        cells += [share(counts[name], counts["code"]) for name in ("all contrary", "all unfit")]
        print(f"| {corpus} | {' | '.join(cells)} | {1000 * seconds / documents:.1f} |")
        rng = random.Random(arguments.seed)
        for quote in rng.sample(shown, min(arguments.show, len(shown))):
            print("   ", repr(quote))


if __name__ == "__main__":
    main()
