"""Print at which step a coder with terms loses the pairs of the suites (`coder_suites.py`).

    python scripts/coder_suites_why.py BUNDLE [--language es] [--day 2026-03-31]

Word senses, over pairs whose code A is in the label space: whether a term proposes A for the first
note and for the second, where A ranks in the first, whether it is likelier there than in the
second, and whether it is assigned. Negation: whether a term that stands on the mention proposes a
code, how likely the likeliest of these is, and whether one is assigned. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

import surecode
from surecode.coding import Coder
from surecode.encounter import Document, Encounter
from surecode.errors import InputError
from surecode.evaluation import negation_suite, word_sense_suite

RANKS = (1, 10)
LIKELY = 0.1


@dataclass(frozen=True)
class Seen:
    """What a coder makes of one note, by column of the label space: ``[K]`` each."""

    logits: NDArray[np.float32]
    probabilities: NDArray[np.floating]
    assigned: NDArray[np.bool_]
    places: dict[int, list[tuple[int, int]]]  # the characters that terms stand on


def seer(coder: Coder, day: date) -> Callable[[str], Seen]:
    """A function from the text of a note to what the coder makes of it."""
    if coder.calibrator is None or coder.terms is None:
        raise InputError("the coder is not calibrated, or it has no terms; give another bundle")
    calibrator = coder.calibrator

    def see(text: str) -> Seen:
        document = Document("note", "note", text)
        note = Encounter("note", "note", coder.specialty, "professional", "none", day, (document,))
        output = coder.run(note)
        assert output.reading is not None  # it has terms
        probabilities = calibrator.probabilities(output.logits[None])
        places = {
            column: [(span.start, span.end) for place in found for span in place.spans]
            for column, found in output.reading.places.items()
            if all(place.match != "similar" for place in found)  # a near sentence is no term
        }
        assigned = calibrator.decoding(probabilities)[0]
        return Seen(output.logits, probabilities[0], assigned, places)

    return see


def senses(
    pairs: Sequence[word_sense_suite.Pair], coder: Coder, see: Callable[[str], Seen]
) -> Counter[str]:
    """Word-sense pairs by how far they come."""
    found: Counter[str] = Counter()
    for pair in pairs:
        if pair.code_a not in coder.label_space:
            continue
        k = coder.label_space.index(pair.code_a)
        first, second = see(pair.note_a), see(pair.note_b)
        rank = int((first.probabilities > first.probabilities[k]).sum()) + 1
        found["pairs"] += 1
        found["a term proposes A in the first note"] += k in first.places
        found["a term proposes A in the second note"] += k in second.places
        found["A is likelier in the first note"] += bool(first.logits[k] > second.logits[k])
        for most in RANKS:
            found[f"A is among the first {most} in the first note"] += rank <= most
        found["A is assigned in the first note"] += bool(first.assigned[k])
        found["A is assigned in the second note"] += bool(second.assigned[k])
        found["some code is assigned in the first note"] += bool(first.assigned.any())
    return found


def negations(pairs: Sequence[negation_suite.Pair], see: Callable[[str], Seen]) -> Counter[str]:
    """Affirmed texts of the negation pairs by how far the code of their mention comes."""
    found: Counter[str] = Counter()
    for pair in pairs:
        seen = see(pair.affirmed)
        start = pair.affirmed.lower().index(pair.mention.lower())
        end = start + len(pair.mention)
        on = [
            column
            for column, spans in seen.places.items()
            if any(first < end and start < last for first, last in spans)
        ]
        best = max((float(seen.probabilities[k]) for k in on), default=0.0)
        found["pairs"] += 1
        found["a term on the mention proposes a code"] += bool(on)
        found[f"one of these codes has a probability of {LIKELY} or more"] += best >= LIKELY
        found["one of these codes is assigned"] += bool(seen.assigned[on].any())
        found["some code is assigned"] += bool(seen.assigned.any())
    return found


def main(words: list[str] | None = None) -> int:
    """Load the coder, look at both suites, print."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("source")
    parser.add_argument("--language", choices=negation_suite.LANGUAGES, default="en")
    parser.add_argument("--day", type=date.fromisoformat, default=date.today())
    arguments = parser.parse_args(words)
    try:
        coder = surecode.load(arguments.source)
        see = seer(coder, arguments.day)
        of_senses = senses(word_sense_suite.word_sense_suite(arguments.language), coder, see)
        of_negations = negations(negation_suite.load_pairs(arguments.language), see)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    for name, found in (("word sense", of_senses), ("negation", of_negations)):
        print(f"\n| {name} | pairs |\n|---|--:|")
        print("\n".join(f"| {step} | {count} |" for step, count in found.items()))
    print(json.dumps({"word sense": of_senses, "negation": of_negations}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
