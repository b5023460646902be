"""What the bets of a certificate are worth, and where its sequence should begin: two tables.

The first asks how often encounters whose error is below the 5% allowed prove it at delta .1: by
the exact binomial test, by one bet for all encounters (`surecode.calibration.betting`), by bets
that learn the variance on the way (Waudby-Smith & Ramdas 2024, equation 26, with the prior mean and
variance of the null), and by a mixture of 20 bets. The second certifies precision over codes with
the start that zero errors need, and with the default one. Everything is synthetic.

    python scripts/betting_power.py     # under a minute on one core; seed 0
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from certificate_methods import certified, simulate
from certificate_populations import CodePopulation
from numpy.typing import NDArray

from surecode.calibration.betting import LARGEST_BET, p_betting
from surecode.calibration.bounds import p_binomial
from surecode.calibration.fixed_sequence import smallest_start_n
from surecode.calibration.protocol import Protocol
from surecode.calibration.targets import Target

Floats = NDArray[np.float64]

ALPHA, DELTA = 0.05, 0.1
VARIANCE = ALPHA * (1.0 - ALPHA)
SIZES, ERRORS = (60, 100, 200, 500, 1000), (0.01, 0.02, 0.03)
TARGET = Target("precision", 1.0 - ALPHA, DELTA, average="codes", cap=5.0)
POPULATIONS = {
    "good score": CodePopulation(0.85, 3.0, 0.5, targets=(TARGET,)),
    "fair score": CodePopulation(0.90, 6.0, 1.0, targets=(TARGET,)),
    "noisy score": CodePopulation(0.80, 2.0, 1.5, targets=(TARGET,)),
}


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    bets(words.repetitions, words.seed)
    starts(words.repetitions // 10, words.seed)
    return 0


def bets(repetitions: int, seed: int) -> None:
    """How often each test passes, by number of encounters and true error."""
    rng = np.random.default_rng(seed)
    print("| encounters | error | exact binomial | one bet | bets that learn | mixture of bets |")
    print("|--:|--:|--:|--:|--:|--:|")
    for n in SIZES:
        for error in ERRORS:
            losses = (rng.random((repetitions, n)) < error).astype(np.float64)
            found = (
                p_binomial(losses.sum(axis=1), n, ALPHA),
                np.array([_one_bet(row) for row in losses]),
                np.exp(-_learning(losses).max(axis=1)),
                np.exp(-_mixture(losses).max(axis=1)),
            )
            cells = " | ".join(f"{(p <= DELTA).mean():.2f}" for p in found)
            print(f"| {n:,} | {error:.2f} | {cells} |")
    print()


def _one_bet(losses: Floats) -> float:
    everyone, ones = np.array([len(losses)]), np.ones(len(losses))
    p = p_betting(losses, ones, everyone, ALPHA, DELTA, cap=1.0, variance=VARIANCE)
    return float(p[0])


def _learning(losses: Floats) -> Floats:
    """Log capital `[R, n]` of bets that know the encounters before."""
    seen = np.arange(1, losses.shape[1] + 1)
    mean = (ALPHA + np.cumsum(losses, axis=1)) / (seen + 1)
    variance = (VARIANCE + np.cumsum((losses - mean) ** 2, axis=1)) / (seen + 1)
    before = np.column_stack([np.full(len(losses), VARIANCE), variance[:, :-1]])
    bet = np.sqrt(2.0 * np.log(1.0 / DELTA) / (losses.shape[1] * before))
    bet = np.minimum(bet, LARGEST_BET / (1.0 - ALPHA))
    return np.asarray(np.cumsum(np.log1p(-bet * (losses - ALPHA)), axis=1), dtype=np.float64)


def _mixture(losses: Floats) -> Floats:
    """Log capital `[R, n]`, the mean over 20 bets that share the capital."""
    grid = np.linspace(0.05, 1.0, 20) * 0.99 / (1.0 - ALPHA)
    capital = np.zeros_like(losses)
    for bet in grid:
        capital += np.exp(np.cumsum(np.log1p(-bet * (losses - ALPHA)), axis=1)) / len(grid)
    return np.log(capital)


def starts(repetitions: int, seed: int) -> None:
    """Violations and share of the best automation, by where the sequence begins."""
    print(f"| population ({repetitions} repetitions) | n | best rate | zero errors | default |")
    print("|---|--:|--:|--:|--:|")
    for name, population in POPULATIONS.items():
        for n in (300, 1000, 3000):
            methods = {
                "zero": certified(Protocol((TARGET,), start_n=_zero(population, seed))),
                "default": certified(Protocol((TARGET,))),
            }
            found = simulate(population, n, repetitions, methods, seed)
            cells = " | ".join(
                f"{found[way].violations / repetitions:.3f} / {found[way].share:.2f}"
                for way in methods
            )
            print(f"| {name} | {n:,} | {population.best_rate:.2f} | {cells} |")


def _zero(population: CodePopulation, seed: int) -> int:
    """How many encounters prove the target without an error, at a size below the mean one."""
    sizes = population.draw(np.random.default_rng(seed), 10_000, "s").losses[0].size
    return smallest_start_n(TARGET, DELTA, float(sizes.mean()) - 0.5, bound="betting")


if __name__ == "__main__":
    sys.exit(main())
