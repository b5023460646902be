"""Time the generator of synthetic encounters; the last line is one JSON object.

    python scripts/bench_synthetic.py [ENCOUNTERS]

Encounters per second of one process, the median of five runs for each specialty at difficulty
0.2. The goal is 200.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import date

from surecode.data.sources.synthetic import SPECIALTIES, generate

RUNS = 5


def main() -> int:
    """Interleave the specialties, so that a slow moment of the machine hits them alike."""
    encounters = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rates: dict[str, list[float]] = {specialty: [] for specialty in SPECIALTIES}
    for seed in range(RUNS):
        for specialty in SPECIALTIES:
            began = time.perf_counter()
            made = sum(
                1
                for _ in generate(
                    specialty=specialty,
                    encounters=encounters,
                    seed=seed,
                    difficulty=0.2,
                    typo_rate=0.01,
                    start=date(2025, 10, 1),
                    end=date(2026, 9, 30),
                )
            )
            rates[specialty].append(made / (time.perf_counter() - began))
    print(json.dumps({name: round(statistics.median(values)) for name, values in rates.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
