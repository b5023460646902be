"""The October drill: a coder of January 2021 gets the codes of April 2026 without a gradient step.

    python scripts/october_drill.py [--seed 0] [--folder runs/october_drill] [OVERRIDE ...]

Trains on invented notes of codes that were valid in January 2021, gives the coder every billable
code that came since (``surecode codes add``), and codes invented notes that need them. Prints
figures as it goes; the last line is one JSON object. Overrides are those of ``surecode train``.
See experiments/october_drill/README.md.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from october_coder import AFTER, Grown, Notes, Size, asked, choose_codes, grow, trained, write_notes
from october_notes import Written
from october_ranking import (
    TITLES,
    Signals,
    added_alone,
    choose_cut,
    choose_weights,
    f1_with_added,
    ranks,
    recall,
)

import surecode
from surecode.bundle.weights import CoderSettings
from surecode.codes.descriptions import wordings
from surecode.coding import Coder
from surecode.encounter import Code
from surecode.evaluation.metrics import Scores, micro
from surecode.files import read_json
from surecode.hybrid.sentences import Embedder
from surecode.hybrid.similarity import DescriptionSimilarity

GOAL_RECALL, GOAL_CHANGE, GOAL_SECONDS = 0.80, 0.2, 60.0


def logits(coder: Coder, notes: list[Written]) -> NDArray[np.float32]:
    return np.stack(list(coder.logits(note.encounter for note in notes)))


def assigned(coder: Coder, values: NDArray[np.float32]) -> list[set[Code]]:
    """The code sets that the coder's calibrator makes of logits."""
    assert coder.calibrator is not None
    chosen = coder.calibrator.decoding(coder.calibrator.probabilities(values))
    return [{coder.label_space.codes[k] for k in np.flatnonzero(row)} for row in chosen]


def points(scores: Scores) -> float:
    return round(100 * scores.f1, 2)


def drill(folder: Path, size: Size, seed: int, overrides: list[str]) -> dict[str, Any]:
    began = time.monotonic()
    codes = choose_codes(size, seed)
    notes = write_notes(codes, size, seed)
    bundle = trained(folder, notes, overrides)
    training = time.monotonic() - began
    print(f"trained on {size.train} notes of {size.old} codes of January 2021: {training:.0f} s")

    before = surecode.load(bundle)
    example = notes.new[0].encounter.documents[0].text
    grown = grow(bundle, folder / "grown", codes.added, AFTER, example)
    rehearsed = grow(bundle, folder / "rehearsed", codes.held, AFTER, example)
    print(f"{len(codes.added)} codes added: {grown.seconds_to_answer:.1f} s to the first answer")

    settings = CoderSettings.model_validate(read_json(bundle / "coder.json", ""))
    embed = Embedder.load(settings.encoder)
    everything = sorted({*codes.old, *codes.held, *codes.added})
    start = time.process_time()
    table = DescriptionSimilarity.build(
        everything, [wordings(code) for code in everything], embed, embed.encoder
    )
    table.write(folder / "similarity.safetensors")
    embedding = time.process_time() - start

    added, held = frozenset(codes.added), frozenset(codes.held)
    space = grown.coder.label_space
    new = Signals.of(notes.new, grown.coder, table, embed)
    rehearsal = Signals.of(notes.rehearsal, rehearsed.coder, table, embed)
    old = Signals.of(notes.old, grown.coder, table, embed)
    weights = choose_weights(notes.rehearsal, rehearsed.coder.label_space, rehearsal, held)
    cut = choose_cut(notes.rehearsal, rehearsed.coder.label_space, rehearsal.joined(weights), held)
    ways = {
        "head": new.logits,
        "titles": new.titles,
        "cosine": new.cosine,
        "placed": new.placed,
        "placed and titles": new.joined((max(TITLES), 0.0)),
        "joined": new.joined(weights),
    }
    recalls = {way: recall(ranks(notes.new, space, values, added)) for way, values in ways.items()}
    for way, by_kind in recalls.items():
        shown = ", ".join(f"{kind} {found['@10']:.3f}" for kind, found in by_kind.items())
        print(f"recall@10 of the added codes by {way}: {shown}")

    figures = old_codes(before, grown, notes, added, old.logits)
    known = assigned(before, logits(before, notes.old))
    with_added = f1_with_added(notes.old, known, space, old.joined(weights), cut, added)
    known_new = [codes_ - added for codes_ in assigned(grown.coder, new.logits)]
    on_new = f1_with_added(notes.new, known_new, space, new.joined(weights), cut, added)
    of_added = added_alone(notes.new, space, new.joined(weights), cut, added)
    figures["old"]["f1_added_by_joined"] = points(with_added)
    change = round(figures["old"]["f1_after"] - figures["old"]["f1_before"], 3)
    in_all = round(points(with_added) - figures["old"]["f1_before"], 3)
    by_head = round(figures["old"]["f1_added_by_head"] - figures["old"]["f1_before"], 3)
    figures["old"] |= {
        "change": change,
        "change_with_added_by_head": by_head,
        "change_with_added_by_joined": in_all,
    }
    reached = recalls["joined"]["all"]["@10"]
    return figures | {
        "seed": seed,
        "codes": {"old": size.old, "held": size.held, "added": len(codes.added)},
        "notes": {"train": size.train, "old": size.test, "new": size.new},
        "new_codes_needed": len({c for n in notes.new for c in n.encounter.code_set & added}),
        "recall": recalls,
        "weights": {"titles": weights[0], "head": weights[1]},
        "cut": round(cut, 3),
        "f1_on_new": points(on_new),
        "added_on_new": {
            "precision": round(of_added.precision, 3),
            "recall": round(of_added.recall, 3),
        },
        "seconds": {
            "training": round(training, 1),
            "adding": round(grown.seconds_adding, 1),
            "to_first_answer": round(grown.seconds_to_answer, 1),
            "processor_adding": round(grown.processor_seconds, 1),
            "processor_similarity_table": round(embedding, 1),
            "all": round(time.monotonic() - began, 1),
        },
        "goals": {
            "recall@10 >= 0.80": reached >= GOAL_RECALL,
            "change on old codes within 0.2 points": abs(change) <= GOAL_CHANGE,
            "the same, added codes counted, by head": abs(by_head) <= GOAL_CHANGE,
            "the same, added codes counted, by joined": abs(in_all) <= GOAL_CHANGE,
            "servable within a minute": grown.seconds_to_answer <= GOAL_SECONDS,
        },
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def old_codes(
    before: Coder,
    grown: Grown,
    notes: Notes,
    added: frozenset[Code],
    then: NDArray[np.float32],
) -> dict[str, Any]:
    """Old notes before and after: F1 of the old codes, and with the added ones counted."""
    first = logits(before, notes.old)
    positions = [grown.coder.label_space.index(code) for code in before.label_space.codes]
    gold = [note.encounter.code_set for note in notes.old]
    was, now = assigned(before, first), assigned(grown.coder, then)
    return {
        "old": {
            "f1_before": points(micro(gold, was)),
            "f1_after": points(micro(gold, [codes - added for codes in now])),
            "f1_added_by_head": points(micro(gold, now)),
            "largest_difference_of_logits": float(np.abs(then[:, positions] - first).max()),
        }
    }


def main() -> int:
    words = asked(__doc__, "runs/october_drill")
    print(json.dumps(drill(words.folder, Size(), words.seed, words.overrides)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
