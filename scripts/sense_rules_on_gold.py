"""Print what the sense rules say of the word-sense suite and of annotators' evidence in CodiEsp.

    SURECODE_DATA=DIR python scripts/sense_rules_on_gold.py [--show 20]

Three tables. The suite: shares of pairs, by language, batch and half. Gold mentions of CodiEsp's
diagnoses that hold a term of the rules: what the rules say of the code that an annotator gave. The
dictionary fitted on train, coding dev: its hits by what the rules say and by whether the code is
gold, and its micro-F1 with and without the hits that the rules contradict. ``--show`` prints
contradicted mentions of train, the split that rules may be refined on. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from surecode.coder.dictionary import Dictionary, tokens
from surecode.data.sources import codiesp
from surecode.encounter import Encounter, Evidence
from surecode.evaluation.word_sense_suite import LANGUAGES, measure_rules, word_sense_suite
from surecode.lexicon.senses import package_rules

DATA = Path(__file__).parents[1] / os.environ.get("SURECODE_DATA", "../shared/data")
CONTEXT = 300  # characters on either side; no rule looks at so many
SENSES = ("supported", "contradicted", "unknown")


def sense_of(encounter: Encounter, item: Evidence) -> str | None:
    """What the Spanish rules say of one mention; None where no word of it is a term."""
    text, span, rules = encounter.text(item.span.document_id), item.span, package_rules("es")
    term = tokens(text[span.start : span.end])[0]
    longest = max(map(len, rules.terms))
    parts = {
        tuple(term[start:end])
        for start in range(len(term))
        for end in range(start + 1, start + longest + 1)
    }
    if not parts & rules.terms:
        return None
    before = tokens(text[max(0, span.start - CONTEXT) : span.start])[0]
    after = tokens(text[span.end : span.end + CONTEXT])[0]
    return rules.sense(term, before, after, item.code)


def suite() -> pd.DataFrame:
    """The shares of `measure_rules`, each language by its own rules; 95 % Wilson for ``right``."""
    shares = pd.concat(
        measure_rules(word_sense_suite(language), package_rules(language).sense)
        for language in LANGUAGES
    )
    counts = zip(shares["right"] * shares["pairs"], shares["pairs"], strict=True)
    bounds = [binomtest(round(k), n).proportion_ci(method="wilson") for k, n in counts]
    return shares.assign(low=[found.low for found in bounds], high=[found.high for found in bounds])


def gold(encounters: Iterable[Encounter], show: int) -> dict[str, int]:
    """Gold mentions by sense; the first contradicted ones are printed."""
    found: Counter[str] = Counter()
    for encounter in encounters:
        for item in encounter.evidence:
            sense = sense_of(encounter, item)
            if sense is not None:
                found[sense] += 1
            if sense == "contradicted" and found[sense] <= show:
                text, span = encounter.text(item.span.document_id), item.span
                left, right = text[max(0, span.start - 60) : span.start], text[span.end :][:40]
                print("   ", item.code, repr(f"{left}[[{text[span.start : span.end]}]]{right}"))
    return {sense: found[sense] for sense in SENSES}


def dictionary(train: list[Encounter], dev: list[Encounter]) -> dict[str, Any]:
    """The dictionary's hits on dev by sense and truth, and its micro-F1 with and without rules."""
    coder = Dictionary.fit(train)
    hits: Counter[str] = Counter()
    plain: list[tuple[int, int, int]] = []
    ruled: list[tuple[int, int, int]] = []
    for encounter in dev:
        named, kept = set(), set()
        for item in coder.mentions(encounter):
            sense = sense_of(encounter, item)
            truth = "gold" if item.code in encounter.code_set else "not gold"
            hits[f"{sense or 'no term'}, {truth}"] += 1
            named.add(item.code)
            if sense != "contradicted":
                kept.add(item.code)
        codes = encounter.code_set
        plain.append((len(codes & named), len(named), len(codes)))
        ruled.append((len(codes & kept), len(kept), len(codes)))
    return {"hits": dict(sorted(hits.items())), "f1": f1(plain), "f1_without": f1(ruled)}


def f1(counts: list[tuple[int, int, int]]) -> float:
    """Micro-F1 of right, named and gold codes per encounter."""
    right, named, codes = (sum(column) for column in zip(*counts, strict=True))
    return float(2 * right / (named + codes))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--show", type=int, default=0)
    arguments = parser.parse_args()
    shares = suite()
    print(shares.round(3).to_string(index=False))
    split: dict[str, list[Encounter]] = {"train": [], "dev": []}
    for sourced in codiesp.read(DATA, "es", ["diagnosis"]):
        if sourced.official_split in split:
            split[sourced.official_split].append(sourced.encounter)
    mentions = {
        name: gold(found, arguments.show if name == "train" else 0) for name, found in split.items()
    }
    print(pd.DataFrame(mentions).T.to_string())
    coded = dictionary(split["train"], split["dev"])
    for name, n in coded["hits"].items():
        print(f"dev, dictionary, {name}: {n}")
    print(f"micro-F1 {coded['f1']:.4f}, without contradicted hits {coded['f1_without']:.4f}")
    records = json.loads(shares.to_json(orient="records"))
    print(json.dumps({"suite": records, "gold": mentions, "dictionary": coded}))


if __name__ == "__main__":
    main()
