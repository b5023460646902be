"""Time the certificates of eight specialties; the last line is one JSON object.

    python scripts/bench_calibrate.py [--seed 0]

8,900 synthetic encounters in all, 400 thresholds each, for ``exact`` (the exact binomial test) and
for the precision of codes (betting). The baseline is what one writes first: a Python loop over the
thresholds with `scipy.stats.binomtest`, and for betting a second loop over the encounters. It stops
at the first threshold that fails, and only finds the threshold, while ours makes the whole
certificate. Both sides must find the same thresholds; they are timed in turns, five times, and
``ratio`` is that of the medians. All of it runs on one thread. The goal is one second for all
eight.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from certificate_methods import TUNE_N, certificate_of
from certificate_populations import SPECIALTIES, CodePopulation
from scipy import stats

from surecode.calibration.betting import LARGEST_BET, hashed_order
from surecode.calibration.fixed_sequence import GRID_SIZE, quantile_grid
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Target
from surecode.calibration.threshold_test import guessed_variance

RUNS = 5
TARGETS = {
    "exact": Target("exact", 0.95, 0.10),
    "code_precision": Target("precision", 0.95, 0.10, average="codes", cap=6.0),
}
# Tune, calibrate, and how many encounters the first threshold selects: the same on both sides.
Case = tuple[Sample, Sample, int]
Finder = Callable[[Sample, Sample, Target, int], float | None]


def main() -> int:
    """Draw, compare, time, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=0)
    rng = np.random.default_rng(parser.parse_args().seed)
    figures: dict[str, object] = {
        "encounters": sum(n for n, _ in SPECIALTIES.values()),
        "thresholds": GRID_SIZE,
        "goal_s": 1.0,
    }
    population = CodePopulation(0.85, 1.5, 0.7, targets=tuple(TARGETS.values()))
    drawn = [
        (population.draw(rng, TUNE_N, "t"), population.draw(rng, n, "c"))
        for n, _ in SPECIALTIES.values()
    ]
    for place, (name, target) in enumerate(TARGETS.items()):
        cases = []
        for pair in drawn:
            tune, calibrate = (replace(s, losses=(s.losses[place],)) for s in pair)
            start_n = certificate_of(tune, calibrate, Protocol((target,))).groups[0].start_n
            cases.append((tune, calibrate, start_n))
        loop = binomial_loop if name == "exact" else betting_loop
        figures[name] = compared(cases, target, loop)
    print(json.dumps(figures))
    return 0


def compared(cases: Sequence[Case], target: Target, loop: Finder) -> dict[str, float]:
    """Seconds for all cases, ours and the loop's, in turns."""
    ours_s, loop_s = [], []
    for _ in range(RUNS):
        ours, seconds = timed(cases, target, certificate)
        ours_s.append(seconds)
        theirs, seconds = timed(cases, target, loop)
        loop_s.append(seconds)
        if ours != theirs:
            sys.exit(f"bench_calibrate: thresholds differ: {ours} and {theirs}")
    return {
        "certified": sum(threshold is not None for threshold in ours),
        "best_s": round(min(ours_s), 4),
        "median_s": round(statistics.median(ours_s), 4),
        "loop_best_s": round(min(loop_s), 4),
        "loop_median_s": round(statistics.median(loop_s), 4),
        "ratio": round(statistics.median(loop_s) / statistics.median(ours_s), 1),
    }


def timed(cases: Sequence[Case], target: Target, find: Finder) -> tuple[list[float | None], float]:
    """The threshold of each case, and the seconds for all."""
    began = time.perf_counter()
    found = [find(tune, calibrate, target, start_n) for tune, calibrate, start_n in cases]
    return found, time.perf_counter() - began


def certificate(tune: Sample, calibrate: Sample, target: Target, start_n: int) -> float | None:
    """The threshold of the whole certificate."""
    protocol = Protocol((target,), start_n=start_n)
    return certificate_of(tune, calibrate, protocol).groups[0].threshold


def binomial_loop(tune: Sample, calibrate: Sample, target: Target, start_n: int) -> float | None:
    """One `binomtest` per threshold, until one fails."""
    best = None
    wrong = calibrate.losses[0].error
    for threshold in quantile_grid(tune.confidence):
        chosen = calibrate.confidence >= threshold
        n = int(chosen.sum())
        if n < start_n:
            continue
        errors = int(wrong[chosen].sum())
        if stats.binomtest(errors, n, target.alpha, alternative="less").pvalue > target.delta:
            break
        best = float(threshold)
    return best


def betting_loop(tune: Sample, calibrate: Sample, target: Target, start_n: int) -> float | None:
    """One bet after the other, for each threshold, until one fails."""
    best = None
    losses = calibrate.losses[0]
    order = hashed_order(calibrate.encounter_ids).tolist()
    score = calibrate.confidence.tolist()
    excess = (losses.error - target.alpha * losses.size).tolist()
    variance = guessed_variance(target, tune.losses[0], losses.cap)
    limit = LARGEST_BET / ((1.0 - target.alpha) * losses.cap)
    for threshold in quantile_grid(tune.confidence).tolist():
        n = sum(1 for value in score if value >= threshold)
        if n < start_n:
            continue
        bet = min(math.sqrt(2.0 * math.log(1.0 / target.delta) / (n * variance)), limit)
        capital = most = 1.0
        for i in order:
            if score[i] >= threshold:
                capital *= 1.0 - bet * excess[i]
                most = max(most, capital)
        if 1.0 / most > target.delta:
            break
        best = threshold
    return best


if __name__ == "__main__":
    sys.exit(main())
