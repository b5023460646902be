"""Ways to choose a threshold, and how often each breaks its promise.

A method sees tune and calibrate and gives a threshold, or None to automate nothing. It is judged by
the truth of the population: a violation is a threshold that truly misses a target.

Letters: N encounters of calibrate, M of tune, J thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from certificate_populations import Population
from numpy.typing import NDArray

from surecode.calibration.bounds import p_binomial
from surecode.calibration.certificate import Certificate
from surecode.calibration.certify import certify
from surecode.calibration.fixed_sequence import (
    default_start_n,
    fixed_sequence,
    quantile_grid,
    smallest_start_n,
)
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Target
from surecode.calibration.threshold_test import Bound, ThresholdTest, guessed_variance

Method = Callable[[Sample, Sample], float | None]

TUNE_N = 500


@dataclass(frozen=True)
class Outcome:
    """Violations among the repetitions, and the mean automation rate over the best possible one.

    ``share`` is NaN where the best possible rate is 0.
    """

    repetitions: int
    violations: int
    share: float


def simulate(
    population: Population, n: int, repetitions: int, methods: Mapping[str, Method], seed: int
) -> dict[str, Outcome]:
    """Each repetition draws tune and ``n`` encounters of calibrate, the same for all methods."""
    rng = np.random.default_rng(seed)
    violations, rates = dict.fromkeys(methods, 0), dict.fromkeys(methods, 0.0)
    for _ in range(repetitions):
        tune, calibrate = population.draw(rng, TUNE_N, "t"), population.draw(rng, n, "c")
        for name, method in methods.items():
            threshold = method(tune, calibrate)
            if threshold is not None:
                violations[name] += not population.holds(threshold)
                rates[name] += population.rate(threshold)
    best = population.best_rate
    return {
        name: Outcome(
            repetitions, violations[name], rates[name] / repetitions / best if best else np.nan
        )
        for name in methods
    }


def certificate_of(tune: Sample, calibrate: Sample, protocol: Protocol) -> Certificate:
    """The certificate of a made-up specialty."""
    return certify(
        calibrate,
        tune,
        protocol,
        specialty="synthetic",
        created=date(2026, 1, 1),
        expires=date(2026, 10, 1),
        hashes={},
    )


def certified(protocol: Protocol) -> Method:
    """The threshold that :func:`certify` gives."""

    def method(tune: Sample, calibrate: Sample) -> float | None:
        return certificate_of(tune, calibrate, protocol).groups[0].threshold

    return method


def sequence(bound: Bound, target: Target) -> Method:
    """The same threshold without the certificate around it, so some times faster."""

    def method(tune: Sample, calibrate: Sample) -> float | None:
        losses = calibrate.losses[0]
        variance = guessed_variance(target, tune.losses[0], losses.cap)
        order = np.arange(len(calibrate))  # the encounters were drawn in random order already
        test = ThresholdTest(target, losses, bound, target.delta, variance, order)
        grid = quantile_grid(tune.confidence)
        start_n = default_start_n(
            len(calibrate), target, target.delta, bound=bound, variance=variance
        )
        result = fixed_sequence(calibrate.confidence, [test], grid, target.delta, start_n)
        return float(grid[result.position]) if result.certified else None

    return method


# ---- what breaks the promise ---------------------------------------------------------------------


def empirical(target: Target) -> Method:
    """The most lenient score at which calibrate itself reaches the level: common practice."""

    def method(tune: Sample, calibrate: Sample) -> float | None:
        score, errors = _ranked(calibrate.confidence, calibrate.losses[0].error)
        reached = np.flatnonzero(errors <= target.alpha * np.arange(1, len(score) + 1))
        return float(score[reached[-1]]) if reached.size else None

    return method


def conformal_selection(target: Target) -> Method:
    """Jin & Candes, "Selection by prediction with conformal p-values" (2023), algorithm 1.

    Tune's scores are the batch to select from: conformal p-values of "this encounter is wrong",
    then Benjamini-Hochberg at 1 - level. The threshold is the lowest score selected. It promises
    an expected share of errors, over many batches, not the accuracy that was realised.
    """

    def method(tune: Sample, calibrate: Sample) -> float | None:
        wrong = np.sort(calibrate.confidence[calibrate.losses[0].error > 0.0])
        batch = np.sort(tune.confidence)[::-1]
        above = len(wrong) - np.searchsorted(wrong, batch, side="left")
        p_values = (1.0 + above) / (len(calibrate) + 1.0)  # rising, as the batch falls
        ranks = np.arange(1, len(batch) + 1)
        selected = np.flatnonzero(p_values <= target.alpha * ranks / len(batch))
        return float(batch[selected[-1]]) if selected.size else None

    return method


def best_start(target: Target) -> Method:
    """A sequence whose start was chosen by calibrate's gold: the one that ends most lenient."""

    def method(tune: Sample, calibrate: Sample) -> float | None:
        grid = quantile_grid(tune.confidence)
        _, errors = _ranked(calibrate.confidence, calibrate.losses[0].error)
        selected = (calibrate.confidence >= grid[:, None]).sum(axis=1)
        found = np.append(0.0, errors)[selected]
        passed = p_binomial(found, selected, target.alpha) <= target.delta
        passed &= selected >= smallest_start_n(target, target.delta)
        return float(grid[np.flatnonzero(passed)[-1]]) if passed.any() else None

    return method


def best_score(target: Target, scores: int, seed: int) -> Method:
    """The best of many scores by calibrate's gold; only where p is flat is its truth the same.

    Each score is the given one and noise; the sequence itself is ours.
    """
    rng = np.random.default_rng(seed)
    ours = sequence("exact binomial", target)

    def method(tune: Sample, calibrate: Sample) -> float | None:
        best: tuple[int, float] | None = None
        for _ in range(scores):
            noisy_tune, noisy = _with_noise(tune, rng), _with_noise(calibrate, rng)
            threshold = ours(noisy_tune, noisy)
            if threshold is not None:
                automated = int((noisy.confidence >= threshold).sum())
                best = max(best or (0, threshold), (automated, threshold))
        return None if best is None else best[1]

    return method


def pooled_codes(target: Target) -> Method:
    """The fixed sequence with a binomial test on codes, as if those of an encounter were apart."""

    def method(tune: Sample, calibrate: Sample) -> float | None:
        grid = quantile_grid(tune.confidence)
        losses = calibrate.losses[0]
        _, wrong = _ranked(calibrate.confidence, losses.error)
        _, codes = _ranked(calibrate.confidence, losses.size)
        selected = (calibrate.confidence >= grid[:, None]).sum(axis=1)
        start_n = default_start_n(len(calibrate), Target("exact", target.level), target.delta)
        tested = selected >= start_n
        if not tested.any():
            return None
        found = np.append(0.0, wrong)[selected[tested]]
        among = np.append(0.0, codes)[selected[tested]]
        passed = p_binomial(found, among, target.alpha) <= target.delta
        accepted = len(passed) if passed.all() else int(np.argmin(passed))
        return float(grid[tested][accepted - 1]) if accepted else None

    return method


def _ranked(
    confidence: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Falling confidence `[N]` and the running sum of ``values`` `[N]` along it."""
    order = np.argsort(-confidence, kind="stable")
    return confidence[order], np.cumsum(values[order])


def _with_noise(sample: Sample, rng: np.random.Generator) -> Sample:
    noise = rng.standard_normal(len(sample))
    return Sample(sample.encounter_ids, sample.confidence + noise, sample.losses)
