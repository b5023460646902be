"""How often do a mention's words alone tell its code?

    python scripts/mention_codes.py RUN_FOLDER

RUN_FOLDER is one of ``surecode prepare`` or later. What `surecode.hybrid.mention_codes` learns from
train is asked for the mentions that people marked in tune, those worded as one of train and others
apart: whether the likeliest code is theirs, and whether it has their stem. Calibrate and test are
not read.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from surecode.data import table
from surecode.hybrid.mention_codes import MentionCodes
from surecode.hybrid.sites import stem_of


def main() -> None:
    """Print one row for each kind of wording."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    words = parser.parse_args()
    encounters = list(table.read(words.run / "encounters.parquet"))
    train, tune = ([e for e in encounters if e.split == split] for split in ("train", "tune"))
    codes = MentionCodes.learn(train)
    if codes is None:
        raise SystemExit(f"{words.run}: nothing is marked in train; give marked encounters")
    counts: Counter[tuple[str, str]] = Counter()
    for encounter in tune:
        for code, spans in encounter.mentions:
            text = encounter.text(spans[0].document_id)
            here = [span for span in spans if span.document_id == spans[0].document_id]
            wording = text[min(s.start for s in here) : max(s.end for s in here)]
            (shares,) = codes([wording])
            said = max(shares, key=lambda one: shares[one], default=None)
            kind = "as in train" if codes.knows(wording) else "new"
            counts[kind, "all"] += 1
            counts[kind, "right"] += said == code
            counts[kind, "stem"] += said is not None and stem_of(said) == stem_of(code)
    print(f"learned from {len(train)} encounters, asked of {len(tune)}\n")
    print("| wording | mentions | code right | stem right |\n|---|--:|--:|--:|")
    for kind in ("as in train", "new"):
        if mentions := counts[kind, "all"]:
            right, stem = (counts[kind, name] / mentions for name in ("right", "stem"))
            print(f"| {kind} | {mentions} | {right:.3f} | {stem:.3f} |")


if __name__ == "__main__":
    main()
