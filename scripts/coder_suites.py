"""Code the negation and the word-sense suite with a coder and print what it made of them.

    python scripts/coder_suites.py MODEL_OR_BUNDLE [--language es] [--batch 1] [--half held_out]
        [--day 2026-03-31]

MODEL_OR_BUNDLE is what `surecode.load` takes: a bundle's folder or models:/NAME@ALIAS. ``--batch``
and ``--half`` choose among the pairs of word senses. ``assigned``
counts every code that a note gets, ``automatic`` only those of notes that no person would see, on
the given day (today by default). A wrong code is, in the word-sense suite, the code of the other
sense; in the negation suite, a code that the affirmed text got on the mention and the other text
gets as well, though the mention is negated, of the family or hypothetical there. Shares have 95 %
Wilson intervals; pairs with the same word resemble each other, so these are somewhat too narrow.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import date
from typing import Any

from scipy import stats

import surecode
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.evaluation import negation_suite, word_sense_suite
from surecode.evaluation.negation_codes import measure_negation
from surecode.record import DecisionRecord

# How a note is counted: whatever the route, or nothing where a person would see it.
VIEWS = ("assigned", "automatic")
Recorded = Callable[[str], DecisionRecord]


def readings(record: DecisionRecord, view: str) -> dict[Code, list[tuple[int, int]]]:
    """The codes of a record with their evidence; none under ``automatic`` where it is reviewed."""
    if view == "automatic" and record.route != "auto":
        return {}
    return {
        Code(found.system, found.value): [
            place
            for quote in found.evidence
            for place in (
                (quote.start, quote.end),
                *((mention.start, mention.end) for mention in quote.mentions),
            )
        ]
        for found in record.codes
    }


def once(code: Recorded) -> Recorded:
    """The coder, asked once per text."""
    records: dict[str, DecisionRecord] = {}

    def remembered(text: str) -> DecisionRecord:
        if text not in records:
            records[text] = code(text)
        return records[text]

    return remembered


def word_senses(
    code: Recorded,
    known: frozenset[Code],
    language: negation_suite.Language,
    batch: int | None,
    half: str | None = None,
) -> list[dict[str, Any]]:
    """One row per view: `surecode.evaluation.word_sense_suite.measure` and the reviews."""
    pairs = [
        pair
        for pair in word_sense_suite.word_sense_suite(language)
        if batch in (None, pair.batch) and half in (None, pair.half)
    ]
    notes = dict.fromkeys(note for pair in pairs for note in (pair.note_a, pair.note_b))
    reviews = sum(code(note).route == "review" for note in notes)
    rows = []
    for view in VIEWS:
        assigned = {note: readings(code(note), view).keys() for note in notes}
        found = word_sense_suite.measure(pairs, assigned.__getitem__, known)
        head = {"suite": "word sense", "language": language, "view": view}
        rows.append(head | {"notes": len(notes), "reviews": reviews} | found.to_dict())
    return rows


def negations(code: Recorded, language: negation_suite.Language) -> list[dict[str, Any]]:
    """One row per view and kind: `surecode.evaluation.negation_codes.measure_negation`."""
    pairs = negation_suite.load_pairs(language)
    notes = dict.fromkeys(note for pair in pairs for note in (pair.affirmed, pair.other))
    reviews = sum(code(note).route == "review" for note in notes)
    rows = []
    for view in VIEWS:
        assigned = {note: readings(code(note), view) for note in notes}
        table = measure_negation(pairs, assigned.__getitem__)
        head = {"suite": "negation", "view": view, "notes": len(notes), "reviews": reviews}
        rows += [head | row for row in json.loads(table.to_json(orient="records"))]
    return rows


def share(part: int, whole: int) -> str:
    """A share with its interval; a dash where there is nothing to divide by."""
    if not whole:
        return "-"
    found = stats.binomtest(part, whole).proportion_ci(method="wilson")
    return f"{part / whole:.3f} [{found.low:.3f}, {found.high:.3f}]"


def sense_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The word-sense rows as a Markdown table."""
    names = ("language", "view", "by", "pairs", "A named", "right", "wrong code", "reviews")
    lines = [f"| {' | '.join(names)} |", "|---|---|---|" + "--:|" * 5]
    for row in rows:
        for by in ("exact", "category"):
            n = row[by]["pairs"]
            cells = [row["language"], row["view"], by, str(n)]
            cells += [share(row[by][name], n) for name in ("named", "right")]
            cells += [share(n - row[by]["apart"], n), share(row["reviews"], row["notes"])]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def negation_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The negation rows as a Markdown table."""
    names = ("language", "view", "kind", "pairs", "named", "kept of named", "reviews")
    lines = [f"| {' | '.join(names)} |", "|---|---|---|" + "--:|" * 4]
    for row in rows:
        cells = [row["language"], row["view"], row["kind"], str(row["pairs"])]
        cells += [share(row["named"], row["pairs"]), share(row["kept"], row["named"])]
        lines.append(f"| {' | '.join([*cells, share(row['reviews'], row['notes'])])} |")
    return lines


def main(words: list[str] | None = None) -> int:
    """Load the coder, code both suites, print."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("source")
    parser.add_argument("--language", choices=negation_suite.LANGUAGES, action="append")
    parser.add_argument("--batch", type=int, choices=word_sense_suite.BATCHES)
    parser.add_argument("--half", choices=["seen", "held_out"])
    parser.add_argument("--day", type=date.fromisoformat, default=date.today())
    arguments = parser.parse_args(words)
    try:
        coder = surecode.load(arguments.source)
        code = once(lambda text: coder.code(text, arguments.day))
        senses: list[dict[str, Any]] = []
        kinds: list[dict[str, Any]] = []
        for language in arguments.language or negation_suite.LANGUAGES:
            known = frozenset(coder.label_space.codes)
            senses += word_senses(code, known, language, arguments.batch, arguments.half)
            kinds += negations(code, language)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print("Word senses\n", *sense_lines(senses), "\nNegation\n", *negation_lines(kinds), sep="\n")
    print(json.dumps({"source": arguments.source, "word_sense": senses, "negation": kinds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
