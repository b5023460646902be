"""How often each way to choose a threshold breaks its promise, and how much it automates.

    python scripts/certificate_power.py [--repetitions 2000] [--seed 0] [--output FILE]

Synthetic populations whose truth is known exactly (certificate_populations.py). Prints two tables
in markdown and puts them in place of the old ones in experiments/certificates/README.md, between
the comments that name them. 5,000 encounters and the eight specialties take a quarter of the
repetitions.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from certificate_families import FamilyOutcome, simulate_family
from certificate_methods import (
    Method,
    Outcome,
    conformal_selection,
    empirical,
    sequence,
    simulate,
)
from certificate_populations import POPULATIONS, SPECIALTIES

from surecode.calibration.protocol import Protocol
from surecode.calibration.targets import Target

README = Path(__file__).resolve().parents[1] / "experiments" / "certificates" / "README.md"
TARGET = Target("exact", 0.95, 0.10)
SIZES = (200, 1000, 5000)
METHODS: dict[str, Method] = {
    "certificate": sequence("exact binomial", TARGET),
    "Hoeffding-Bentkus": sequence("Hoeffding-Bentkus", TARGET),
    "betting": sequence("betting", TARGET),
    "conformal selection": conformal_selection(TARGET),
    "empirical": empirical(TARGET),
}
FAMILIES = {
    "each": Protocol(family="each"),
    "Bonferroni": Protocol(family="bonferroni"),
    "Holm": Protocol(family="holm"),
}


def main() -> int:
    """Simulate, print, and renew the tables of the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=README)
    asked = parser.parse_args()
    if asked.repetitions < 4:
        parser.error("--repetitions must be at least 4")
    fewer = asked.repetitions // 4
    rows = []
    for name in [name for name in POPULATIONS if name[0] in "ABCDEF"]:
        for n in SIZES:
            repetitions = asked.repetitions if n < 5000 else fewer
            found = simulate(POPULATIONS[name], n, repetitions, METHODS, asked.seed)
            rows.append((name, n, repetitions, found))
            print(name, n, file=sys.stderr)
    families = simulate_family(SPECIALTIES, fewer, FAMILIES, asked.seed)
    tables = {"power": power_table(rows), "specialties": specialties_table(families)}
    text = asked.output.read_text(encoding="utf-8")
    for name, table in tables.items():
        print(table)
        text = renewed(text, name, table)
    asked.output.write_text(text, encoding="utf-8")
    return 0


def power_table(rows: Sequence[tuple[str, int, int, Mapping[str, Outcome]]]) -> str:
    """One row per population and size; a cell says violations / share of the best possible."""
    lines = [
        f"| population | n | repetitions | {' | '.join(METHODS)} |",
        f"|---|--:|--:|{'--:|' * len(METHODS)}",
    ]
    for name, n, repetitions, found in rows:
        cells = [f"{found[m].violations / repetitions:.3f} / {_share(found[m])}" for m in METHODS]
        lines.append(f"| {name} | {n:,} | {repetitions:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def specialties_table(families: Mapping[str, FamilyOutcome]) -> str:
    """One row per specialty, then the whole."""
    repetitions = next(iter(families.values())).repetitions
    lines = [
        f"| specialty ({repetitions:,} repetitions) | n | best rate | {' | '.join(families)} |",
        f"|---|--:|--:|{'--:|' * len(families)}",
    ]
    for name, (n, population) in SPECIALTIES.items():
        cells = [
            f"{found.violations[name] / repetitions:.3f} / {found.shares[name]:.2f}"
            for found in families.values()
        ]
        lines.append(f"| {name} | {n:,} | {population.best_rate:.3f} | {' | '.join(cells)} |")
    cells = [
        f"{found.any_violation / repetitions:.3f} / {found.weighted_share:.3f}"
        for found in families.values()
    ]
    total = sum(n for n, _ in SPECIALTIES.values())
    lines.append(f"| any / weighted by volume | {total:,} | | {' | '.join(cells)} |")
    return "\n".join(lines)


def renewed(text: str, name: str, table: str) -> str:
    """The page with the table between ``<!-- name -->`` and ``<!-- end -->`` replaced."""
    section = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not section.search(text):
        sys.exit(f"certificate_power: the page has no section {name}; add <!-- {name} -->")
    return section.sub(lambda found: f"{found[1]}{table}\n{found[2]}", text, count=1)


def _share(outcome: Outcome) -> str:
    return "–" if np.isnan(outcome.share) else f"{outcome.share:.2f}"


if __name__ == "__main__":
    sys.exit(main())
