from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "experiments" / "drift_alarm" / "README.md").read_text(encoding="utf-8")


def printed(*options: str) -> list[str]:
    command = [sys.executable, str(ROOT / "scripts" / "drift_alarm.py"), *options]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return outcome.stdout.splitlines()


def test_the_script_prints_the_table_that_the_experiment_shows() -> None:
    lines = printed("--simulations", "20", "--audits", "25")
    assert lines[0] in README
    assert [line.split("|")[1:3] for line in lines[2:5]] == [
        line.split("|")[1:3] for line in README.splitlines() if line.startswith("| 25 |")
    ]


@pytest.mark.slow
def test_the_figures_are_those_of_the_command() -> None:
    options = re.search(r"python scripts/drift_alarm.py (--simulations \d+ --seed \d+)", README)
    assert options is not None
    rows = [line for line in printed(*options[1].split(), "--audits", "25") if line.startswith("|")]
    assert len(rows) == 5
    assert set(rows) <= set(README.splitlines())
