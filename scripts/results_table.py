"""Print the results of finished runs as a Markdown table, the dictionary beside the coder.

    python scripts/results_table.py [artifacts/SPECIALTY ...]

Reads the figures that the stages left in ``artifacts/``; every cell of a table in a document of
this repository comes from here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = (
    "specialty",
    "data",
    "train / tune / calibrate / test",
    "codes",
    "micro-F1",
    "macro-F1 (of means / mean)",
    "MAP",
    "exact match",
    "automation rate [95%]",
    "accuracy among automated",
    "certificate",
)


def main() -> int:
    """Print one coder's row and one dictionary's row for each folder."""
    folders = [Path(word) for word in sys.argv[1:]] or sorted(Path("artifacts").glob("*"))
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for folder in folders:
        stage = {
            name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            for name in ("prepare", "calibrate", "evaluate")
        }
        print(_row(_coder(stage)))
        print(_row(_dictionary(stage)))
    return 0


def _coder(stage: dict[str, dict[str, Any]]) -> list[str]:
    prepare, calibrate, evaluate = stage["prepare"], stage["calibrate"], stage["evaluate"]
    counts = prepare["encounters"]
    rate, accuracy = evaluate["automation_rate"], evaluate["accuracy_among_automated"]
    among = "–" if accuracy is None else f"{accuracy['value']:.3f} of {accuracy['total']}"
    return [
        prepare["specialty"],
        evaluate["data"],
        " / ".join(str(counts[s]) for s in ("train", "tune", "calibrate", "test")),
        str(prepare["codes"]),
        *_measures(evaluate["coder"]),
        f"{rate['value']:.3f} [{rate['low']:.3f}, {rate['high']:.3f}]",
        among,
        calibrate["reason"],
    ]


def _dictionary(stage: dict[str, dict[str, Any]]) -> list[str]:
    figures = stage["evaluate"]["dictionary"]
    name = f"dictionary of {figures['mentions']} mentions"
    return ["", name, "", "", *_measures(figures), "", "", ""]


def _measures(figures: dict[str, float]) -> list[str]:
    return [
        f"{figures['micro_f1']:.3f}",
        f"{figures['macro_f1_of_means']:.3f} / {figures['macro_f1_mean']:.3f}",
        f"{figures['mean_average_precision']:.3f}",
        f"{figures['exact_match']:.3f}",
    ]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
