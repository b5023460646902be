"""Documents per second of a lexicon on one core; the last line is one JSON object.

    python scripts/bench_lexicon.py [--data FOLDER] [--runs 5]

The terms: mentions of CodiEsp's train split, diagnoses and procedures, and all titles and inclusion
terms of ICD-10-CM. The documents: CodiEsp's dev split and its background texts, in Spanish, and
train and dev in English, which the titles are for. Tokenising is included. ``first`` is the first
pass of a new lexicon, where every word is new, ``again`` the median of the later ones, and
``dictionary`` that of `Dictionary.code` in the same process, in turns. CPU time, since others may
share the core; ``wall`` beside it. The goal is 1,000.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from surecode.coder.dictionary import Dictionary
from surecode.codes.releases import valid_codes
from surecode.data.sources import codiesp
from surecode.encounter import Code, Document, Encounter
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.terms_table import table_terms
from surecode.lexicon.terms_training import training_terms, words_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("SURECODE_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    spanish = list(codiesp.read(arguments.data))
    train = [s.encounter for s in spanish if s.official_split == "train"]
    texts = {
        "spanish": [
            *(s.encounter for s in spanish if s.official_split == "dev"),
            *background(arguments.data / "codiesp" / "background" / "text_files", train[0]),
        ],
        "english": [s.encounter for s in codiesp.read(arguments.data, language="en")],
    }
    began = time.process_time()
    codes = [Code("ICD-10-CM", value) for value in valid_codes("ICD-10-CM", "FY2026") or ()]
    terms = [*training_terms(train), *table_terms(codes)]
    collected = time.process_time()
    lexicon = Lexicon.build(terms, others=words_of(train))
    for encounters in texts.values():
        lexicon.hits(encounters[0])  # makes the terms of the language ready
    figures: dict[str, Any] = {
        "terms": len(lexicon),
        "codes": len(lexicon.codes),
        "seconds_terms": round(collected - began, 1),
        "seconds_build": round(time.process_time() - collected, 1),
    }
    dictionary = Dictionary.fit(train)
    for name, encounters in texts.items():
        figures[name] = compared(lexicon, dictionary, encounters, arguments.runs)
        print(name, figures[name])
    print(json.dumps(figures))


def compared(
    lexicon: Lexicon, dictionary: Dictionary, encounters: Sequence[Encounter], runs: int
) -> dict[str, float]:
    first, first_wall = rate(lexicon.hits, encounters)
    again, wall, other = [], [], []
    for _ in range(runs):
        cpu, clock = rate(lexicon.hits, encounters)
        again.append(cpu)
        wall.append(clock)
        other.append(rate(dictionary.code, encounters)[0])
    return {
        "documents": len(encounters),
        "hits": round(sum(len(lexicon.hits(one)) for one in encounters) / len(encounters), 1),
        "first": round(first),
        "first_wall": round(first_wall),
        "again": round(statistics.median(again)),
        "again_wall": round(statistics.median(wall)),
        "dictionary": round(statistics.median(other)),
        "ratio": round(statistics.median(again) / statistics.median(other), 2),
    }


def rate(
    work: Callable[[Encounter], object], encounters: Sequence[Encounter]
) -> tuple[float, float]:
    """Encounters per second of CPU time and of the wall."""
    cpu, wall = time.process_time(), time.perf_counter()
    for encounter in encounters:
        work(encounter)
    return (
        len(encounters) / (time.process_time() - cpu),
        len(encounters) / (time.perf_counter() - wall),
    )


def background(folder: Path, like: Encounter) -> list[Encounter]:
    """The texts without labels, as encounters."""
    return [
        replace(
            like,
            encounter_id=path.stem,
            patient_id=path.stem,
            documents=(Document(path.stem, "case_report", path.read_text(encoding="utf-8")),),
            codes=(),
            evidence=(),
        )
        for path in sorted(folder.rglob("*.txt"))
    ]


if __name__ == "__main__":
    main()
