"""How often do a mention's words alone tell its code?

    python scripts/mention_codes.py RUN_FOLDER

RUN_FOLDER is one of ``surecode prepare`` or later. What `surecode.hybrid.mention_codes` learns from
train, without and with the lists that ship, is asked for the mentions that people marked in tune,
those worded as one of train and others apart: whether the likeliest code is theirs, and whether it
has their stem. Calibrate and test are not read.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tagger_places import train_and_tune

from surecode.encounter import Encounter
from surecode.hybrid.mention_codes import MentionCodes
from surecode.hybrid.mention_words import marked_wordings
from surecode.hybrid.sites import stem_of
from surecode.lexicon.documents import languages_of
from surecode.lexicon.terms_shipped import shipped_terms


def main() -> None:
    """Print one row for each kind of wording."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    words = parser.parse_args()
    train, tune = train_and_tune(words.run)
    systems = {code.system for encounter in train for code in encounter.code_set}
    listed = shipped_terms(systems, languages_of(train))
    plain, beside = MentionCodes.learn(train), MentionCodes.learn(train, listed)
    if plain is None or beside is None:
        raise SystemExit(f"{words.run}: nothing is marked in train; give marked encounters")
    print(f"learned from {len(train)} encounters, asked of {len(tune)}\n")
    print("| wording | lists | mentions | code right | stem right |\n|---|---|--:|--:|--:|")
    for name, codes in (("without", plain), ("with", beside)):
        counts = counted(codes, tune)
        for kind in ("as in train", "new"):
            if mentions := counts[kind, "all"]:
                right, stem = (counts[kind, what] / mentions for what in ("right", "stem"))
                print(f"| {kind} | {name} | {mentions} | {right:.3f} | {stem:.3f} |")


def counted(codes: MentionCodes, encounters: Iterable[Encounter]) -> Counter[tuple[str, str]]:
    """Mentions of each kind of wording, and how many have their likeliest code or its stem."""
    counts: Counter[tuple[str, str]] = Counter()
    for words, code in marked_wordings(encounters):
        wording = " ".join(words)
        (shares,) = codes([wording])
        said = max(shares, key=lambda one: shares[one], default=None)
        kind = "as in train" if codes.knows(wording) else "new"
        counts[kind, "all"] += 1
        counts[kind, "right"] += said == code
        counts[kind, "stem"] += said is not None and stem_of(said) == stem_of(code)
    return counts


if __name__ == "__main__":
    main()
