"""How many of the places that people marked does the note deny? A line for each code system.

    python scripts/denied_marks.py RUN_FOLDER

RUN_FOLDER is one of ``surecode prepare`` or later. Counts the marked mentions of train and tune
that are negated, hypothetical or of the family by the rules of assertion
(`surecode.evidence.assertion`), right on at least 99% of pairs written for them; on real notes
nobody counted.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from surecode.data import table
from surecode.evidence.assertion import assertion
from surecode.evidence.sections import sections


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    words = parser.parse_args()
    marked: Counter[str] = Counter()
    denied: Counter[str] = Counter()
    for encounter in table.read(words.run / "encounters.parquet"):
        if encounter.split not in ("train", "tune"):
            continue
        texts = {document.document_id: document.text for document in encounter.documents}
        found = {name: sections(text) for name, text in texts.items()}
        for code, spans in encounter.mentions:
            name = spans[0].document_id
            meant = assertion(texts[name], spans[0].start, spans[-1].end, found[name])
            marked[code.system] += 1
            denied[code.system] += meant.contrary
    for system, count in sorted(marked.items()):
        print(f"{system}: {denied[system]} of {count} mentions, {denied[system] / count:.3f}")


if __name__ == "__main__":
    main()
