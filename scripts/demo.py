"""The demo: two specialties from generated notes to registered, certified, explained coders.

Run by ``make demo``. Everything it does is ``surecode`` commands; it only puts their results
beside each other, codes one note with the registered model, and says what to type next.
"""

from __future__ import annotations

import sys
from pathlib import Path

import surecode
from surecode.config import compose_config, parse
from surecode.registry.models import model_uri
from surecode.registry.tracking import connect
from surecode.settings import Config
from surecode.stages.report import announce, console, results_table, start
from surecode.stages.run import run

SPECIALTIES = ("radiology", "emergency")
NOTE = Path(__file__).with_name("demo_note.txt")


def main() -> int:
    """Run every specialty of the demo and show what came of it."""
    results = []
    for specialty in SPECIALTIES:
        config = parse(Config, compose_config("run", ["experiment=demo", f"specialty={specialty}"]))
        start(config)
        results.append((specialty, run(config, announce)))
    console.print()
    console.print(results_table(results))
    connect(config.tracking)
    coder = surecode.load(model_uri(SPECIALTIES[0], "challenger"))
    console.print(
        f"\nThe decision record of {NOTE.name}, by surecode-{SPECIALTIES[0]}@challenger:\n"
    )
    console.print(coder.code(NOTE.read_text(encoding="utf-8")).to_json(indent=2), markup=False)
    console.print(
        "\n[bold]Next[/bold]\n"
        f"  surecode predict specialty={SPECIALTIES[0]} note=scripts/{NOTE.name}\n"
        f"  surecode serve specialty={SPECIALTIES[0]} port=5000\n"
        "  surecode run specialty=pathology data.difficulty=0.4\n"
        "  mlflow ui --backend-store-uri sqlite:///mlflow.db\n"
        "(after `. .venv/bin/activate`)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
