"""The October drill for a coder with terms: its own ranking and its own assignments.

    python scripts/october_terms.py [--seed 0] [--folder runs/october_terms] [OVERRIDE ...]

Codes and notes are those of `october_drill.py`; the coder is ``coder=lexicon``, and nothing beside
it ranks or cuts. Its tables are of today, so titles that training's texts hold by chance bring a
few of the added codes in beforehand; these are named as ``known`` and count with the others. Prints
a table; the last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from october_coder import AFTER, Size, asked, choose_codes, grow, trained, write_notes
from october_drill import assigned, logits, points
from october_ranking import ranks, recall

import surecode
from surecode.evaluation.metrics import micro


def drill(folder: Path, size: Size, seed: int, overrides: list[str]) -> dict[str, Any]:
    """Train, add, code the old notes before and after and the new ones after."""
    codes = choose_codes(size, seed)
    notes = write_notes(codes, size, seed)
    bundle = trained(folder, notes, ["coder=lexicon", *overrides])
    before, added = surecode.load(bundle), frozenset(codes.added)
    lacking = [code for code in codes.added if code not in before.label_space]
    example = notes.new[0].encounter.documents[0].text
    grown = grow(bundle, folder / "grown", lacking, AFTER, example)

    values = logits(grown.coder, notes.new)
    reached = recall(ranks(notes.new, grown.coder.label_space, values, added))
    old = [note.encounter.code_set for note in notes.old]
    new = [note.encounter.code_set for note in notes.new]
    was = assigned(before, logits(before, notes.old))
    now = assigned(grown.coder, logits(grown.coder, notes.old))
    given = assigned(grown.coder, values)
    alone = micro([gold & added for gold in new], [found & added for found in given])
    return {
        "seed": seed,
        "codes": {"before": len(before.label_space), "known": len(added) - len(lacking)},
        "recall": reached,
        "old": {
            "f1_before": points(micro(old, [found - added for found in was])),
            "f1_after": points(micro(old, [found - added for found in now])),
            "f1_after_with_added": points(micro(old, now)),
        },
        "f1_on_new": points(micro(new, given)),
        "added_on_new": {
            "precision": round(alone.precision, 3),
            "recall": round(alone.recall, 3),
        },
        "seconds": {
            "to_first_answer": round(grown.seconds_to_answer, 1),
            "processor_adding": round(grown.processor_seconds, 1),
        },
    }


def main() -> int:
    """Run the drill and print it."""
    words = asked(__doc__, "runs/october_terms")
    found = drill(words.folder, Size(), words.seed, words.overrides)
    print("| wording | codes | @1 | @10 | @50 |\n|---|--:|--:|--:|--:|")
    for kind, row in found["recall"].items():
        shares = " | ".join(f"{row[cut]:.3f}" for cut in ("@1", "@10", "@50"))
        print(f"| {kind} | {row['codes']} | {shares} |")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
