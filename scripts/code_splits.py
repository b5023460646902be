"""Code encounters of several splits by a run's bundle, for `compare_coders.py`.

    python scripts/code_splits.py RUN_FOLDER OUTPUT --splits calibrate,test
    python scripts/compare_coders.py OUTPUT/decisions.jsonl dictionary \\
        --encounters RUN_FOLDER/encounters.parquet --train train,tune

Writes decisions.jsonl (which quotes the notes) and ranked.parquet, as `surecode evaluate` does for
one split. Nothing is deleted to verify evidence, which takes time and changes no code.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from surecode.bundle.load import load_bundle
from surecode.data import table
from surecode.encounter import Code
from surecode.evaluation.ranked import rank, write_ranked
from surecode.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--splits", default="calibrate,test")
    words = parser.parse_args()
    splits = words.splits.split(",")
    coder = load_bundle(words.run / "bundle", sealed=False)
    assert coder.evidence is not None  # a calibrated bundle has a policy
    coder = replace(coder, evidence=replace(coder.evidence, deletion="none"))
    encounters = [e for e in table.read(words.run / "encounters.parquet") if e.split in splits]
    lines, ranked = [], []
    for encounter in tqdm(encounters, unit="encounter", leave=False):
        output = coder.run(encounter)
        record = coder.record(encounter, output)
        lines.append(record.to_json() + "\n")
        assigned = {Code(code.system, code.value) for code in record.codes}
        ranked.append(rank(encounter.encounter_id, coder.scored(output.logits), keep=assigned))
    words.output.mkdir(parents=True, exist_ok=True)
    write_text(words.output / "decisions.jsonl", "".join(lines))
    write_ranked(ranked, words.output / "ranked.parquet")
    print(f"{len(lines)} encounters of {words.splits} → {words.output}")


if __name__ == "__main__":
    main()
