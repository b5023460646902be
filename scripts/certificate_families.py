"""Several specialties under one promise: how often each, and any, breaks it.

A specialty is its number of calibrate encounters and its population. Letters: G specialties.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from certificate_methods import TUNE_N, certificate_of
from certificate_populations import Population

from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses

Specialties = Mapping[str, tuple[int, Population]]


@dataclass(frozen=True)
class FamilyOutcome:
    """Violations `[G]` by specialty, ``any_violation`` of the whole; ``shares`` `[G]` of the best.

    ``any_whole`` counts the repetitions in which a specialty certified its most lenient threshold,
    so that others got more of delta under Holm. ``weighted_share`` is automated volume over the
    best possible one.
    """

    repetitions: int
    violations: dict[str, int]
    any_violation: int
    any_whole: int
    shares: dict[str, float]
    weighted_share: float


def draw_family(
    specialties: Specialties, rng: np.random.Generator, tune_n: int = TUNE_N
) -> tuple[Sample, Sample]:
    """Tune and calibrate of all specialties, each encounter in the group of its specialty."""
    tune = {s: p.draw(rng, tune_n, f"{s}/t") for s, (_, p) in specialties.items()}
    calibrate = {s: p.draw(rng, n, f"{s}/c") for s, (n, p) in specialties.items()}
    return joined(tune), joined(calibrate)


def joined(samples: Mapping[str, Sample]) -> Sample:
    """One sample with a group for each."""
    losses = [sample.losses[0] for sample in samples.values()]
    together = Losses(
        np.concatenate([each.error for each in losses]),
        np.concatenate([each.size for each in losses]),
        losses[0].cap,
        losses[0].binary,
        np.concatenate([each.clipped for each in losses]),
    )
    return Sample(
        [name for sample in samples.values() for name in sample.encounter_ids],
        np.concatenate([sample.confidence for sample in samples.values()]),
        (together,),
        groups=[group for group, sample in samples.items() for _ in range(len(sample))],
    )


def simulate_family(
    specialties: Specialties,
    repetitions: int,
    protocols: Mapping[str, Protocol],
    seed: int,
    tune_n: int = TUNE_N,
) -> dict[str, FamilyOutcome]:
    """Each repetition draws all specialties, the same for all protocols."""
    rng = np.random.default_rng(seed)
    broken = {name: dict.fromkeys(specialties, 0) for name in protocols}
    rates = {name: dict.fromkeys(specialties, 0.0) for name in protocols}
    any_broken, any_whole = dict.fromkeys(protocols, 0), dict.fromkeys(protocols, 0)
    for _ in range(repetitions):
        tune, calibrate = draw_family(specialties, rng, tune_n)
        for name, protocol in protocols.items():
            some = False
            groups = certificate_of(tune, calibrate, protocol).groups
            for group in groups:
                population = specialties[group.name][1]
                if group.threshold is not None:
                    missed = not population.holds(group.threshold)
                    broken[name][group.name] += missed
                    rates[name][group.name] += population.rate(group.threshold)
                    some |= missed
            any_broken[name] += some
            any_whole[name] += any(group.complete for group in groups)
    best = {name: population.best_rate for name, (_, population) in specialties.items()}
    volume = sum(n * best[name] for name, (n, _) in specialties.items())
    return {
        name: FamilyOutcome(
            repetitions,
            broken[name],
            any_broken[name],
            any_whole[name],
            {s: rates[name][s] / repetitions / best[s] if best[s] else np.nan for s in specialties},
            sum(n * rates[name][s] / repetitions for s, (n, _) in specialties.items()) / volume
            if volume
            else np.nan,
        )
        for name in protocols
    }
