"""Print how fast drift alarm and breach proof come, and how often without cause.

    python scripts/drift_alarm.py [--simulations 10000] [--seed 1] [--audits 25 50 100]

Synthetic: audits are independent draws with a known error rate; no coder and no note is involved.
The table in experiments/drift_alarm/README.md is this script's output.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from surecode.calibration.bounds import clopper_pearson
from surecode.monitoring.alarm_settings import AlarmSettings
from surecode.monitoring.required import weeks_after
from surecode.monitoring.simulation import simulate_alarms, simulate_breaches

ALPHA, DELTA = 0.05, 0.05
STABLE, STABLE_WEEKS, HORIZON_WEEKS, WATCHED_WEEKS, CREEP_WEEKS = 0.04, 26, 104, 104, 52
AVERAGE_RUN_LENGTHS = (260, 520)

Simulate = Callable[[AlarmSettings, NDArray[np.float64], int, int], NDArray[np.int64]]
DETECTORS: list[tuple[str, Simulate, int]] = [
    (f"breach proof, delta {DELTA}", simulate_breaches, AVERAGE_RUN_LENGTHS[0]),
    *((f"drift alarm, {weeks} weeks", simulate_alarms, weeks) for weeks in AVERAGE_RUN_LENGTHS),
]
COLUMNS = (
    "audits/week",
    "detector",
    f"P(within {WATCHED_WEEKS} weeks) at .05 [95%]",
    "at .04 [95%]",
    ".04 to .08: weeks, median (90%)",
    ".04 to .12",
    "creep .04 to .10, from .05 on",
)


def main() -> int:
    """Print one row for each number of audits and each detector."""
    parser = argparse.ArgumentParser(description="drift alarm and breach proof, simulated")
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--audits", type=int, nargs="+", default=[25, 50, 100])
    options = parser.parse_args()

    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    widest = 0.0
    for audits in options.audits:
        for name, simulate, run_length in DETECTORS:
            settings = AlarmSettings(ALPHA, audits, run_length, DELTA)

            def weeks(
                rates: list[float],
                after: int,
                simulate: Simulate = simulate,
                settings: AlarmSettings = settings,
            ) -> NDArray[np.float64]:
                found = simulate(settings, np.array(rates), options.simulations, options.seed)
                return weeks_after(found, int(settings.audits_per_week), after)

            cells = [_share(weeks([rate] * WATCHED_WEEKS, 0)) for rate in (ALPHA, STABLE)]
            for delays in (
                weeks([STABLE] * STABLE_WEEKS + [0.08] * HORIZON_WEEKS, STABLE_WEEKS),
                weeks([STABLE] * STABLE_WEEKS + [0.12] * HORIZON_WEEKS, STABLE_WEEKS),
                weeks(*_creep()),
            ):
                cell, width = _delay(delays)
                cells.append(cell)
                widest = max(widest, width)
            print("| " + " | ".join([str(audits), name, *cells]) + " |", flush=True)
    print(f"\n95% intervals of the quantiles of weeks are at most {widest:g} weeks wide.")
    return 0


def _creep() -> tuple[list[float], int]:
    """The error rate of each week, and the first week (from 0) in which it is above alpha."""
    steps = STABLE + (0.10 - STABLE) * np.arange(1, CREEP_WEEKS + 1) / CREEP_WEEKS
    rates = [STABLE] * STABLE_WEEKS + steps.tolist() + [0.10] * HORIZON_WEEKS
    return rates, int(np.argmax(np.array(rates) > ALPHA))


def _share(weeks: NDArray[np.float64]) -> str:
    found = int(np.isfinite(weeks).sum())
    low, high = clopper_pearson(found, len(weeks), 0.95)
    return f"{found / len(weeks):.4f} [{float(low):.4f}, {float(high):.4f}]"


def _delay(weeks: NDArray[np.float64]) -> tuple[str, float]:
    """Median and 90% quantile of the weeks after the drift, and their widest 95% interval."""
    late = np.sort(weeks[weeks > 0])
    places = [stats.binom.ppf([0.5, 0.025, 0.975], len(late), share) for share in (0.5, 0.9)]
    values = [late[np.minimum(place.astype(int), len(late) - 1)] for place in places]
    width = max(float(value[2] - value[1]) for value in values)
    return f"{values[0][0]:.0f} ({values[1][0]:.0f})", width


if __name__ == "__main__":
    sys.exit(main())
