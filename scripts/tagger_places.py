"""How many mentions do the two kinds of tagger place exactly, whatever their codes?

    python scripts/tagger_places.py RUN_FOLDER

RUN_FOLDER is one of ``surecode prepare`` or later. Taggers learn from train and are measured on
tune: of mentions that overlap the likelier one, and of these those of a chance of one half or more.
A mention in pieces is taken from its first to its last character. Seconds are those of learning
and reading in this process, one kind after the other. Calibrate and test are not read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from surecode.data import table
from surecode.encounter import Encounter
from surecode.evaluation.mention_score import MentionScore
from surecode.hybrid.tagger import Tagged, Tagger, tagged

_LEAST = 0.5


def placed(
    seen: Iterable[tuple[Encounter, Mapping[str, Tagged]]], least: float = 0.0
) -> MentionScore:
    """Of the mentions that people marked and those that a tagger sees, how many are the same.

    Args:
        seen: encounters, and what the tagger says of their documents, by id; of mentions that
            overlap the likelier one counts.
        least: chance of a mention that counts.
    """
    right = found = marked = 0
    for encounter, tagged_documents in seen:
        gold = {
            (spans[0].document_id, min(s.start for s in spans), max(s.end for s in spans))
            for _, spans in encounter.mentions
        }
        said = {
            (document, mention.start, mention.end)
            for document, one in tagged_documents.items()
            for mention in one.likeliest
            if mention.chance >= least
        }
        right, found, marked = right + len(gold & said), found + len(said), marked + len(gold)
    return MentionScore.of(right, found, marked)


def train_and_tune(run: Path) -> tuple[list[Encounter], list[Encounter]]:
    """The encounters of a run folder's train and tune."""
    encounters = list(table.read(run / "encounters.parquet"))
    train, tune = ([e for e in encounters if e.split == split] for split in ("train", "tune"))
    return train, tune


def main() -> None:
    """Print one row for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    words = parser.parse_args()
    train, tune = train_and_tune(words.run)
    print(f"learned from {len(train)} encounters, measured on {len(tune)}\n")
    print("| tagger | precision | recall | F1 | seconds of learning | of reading |")
    print("|---|--:|--:|--:|--:|--:|")
    for kind in ("crf", "network"):
        start = time.perf_counter()
        tagger = Tagger.learn(train, network=kind == "network")
        learned = time.perf_counter()
        if tagger is None:
            raise SystemExit(f"{words.run}: nothing is marked in train; give marked encounters")
        score = placed(((one, tagged(tagger, one)) for one in tune), _LEAST)
        read = time.perf_counter() - learned
        print(
            f"| {kind} | {score.precision:.3f} | {score.recall:.3f} | {score.f1:.3f} "
            f"| {learned - start:.0f} | {read:.0f} |"
        )


if __name__ == "__main__":
    main()
