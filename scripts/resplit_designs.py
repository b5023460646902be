"""One resplit: tune, calibrate and report drawn anew, a threshold made and judged.

Two designs. ``halves``: calibrate and report are disjoint, so the report is a small sample itself
and can fall below the level by chance alone. ``resampled``: calibrate is drawn with replacement
from all documents outside tune, and those documents are the population; what a threshold is worth
there is known, not estimated, so a certificate breaks its promise with probability delta at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from resplit_population import Population

from surecode.calibration.certify import certify
from surecode.calibration.fixed_sequence import quantile_grid
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample

# What numpy makes a generator from: a number, or several.
Seed = int | tuple[int, ...]
TUNE, CALIBRATE = 0.2, 0.4
# Fewer automated calibrate encounters than this are no threshold in common practice either.
FEWEST = 30
_TODAY, _EXPIRES = date(2026, 1, 1), date(2026, 12, 31)


@dataclass(frozen=True)
class Verdict:
    """What one threshold is worth among the documents that judge it.

    ``metric`` and ``recall`` are of the automated, None without any. ``broken``: the metric is
    below the level. Without a threshold nothing is automated, and nothing is broken.
    """

    certified: bool
    automated: float
    metric: float | None
    recall: float | None
    broken: bool


@dataclass(frozen=True)
class Resplit:
    """The certificate's and the empirical threshold's verdicts in both designs."""

    halves: Verdict
    resampled: Verdict
    empirical_halves: Verdict
    empirical_resampled: Verdict


def resplit(documents: Population, seed: Seed) -> Resplit:
    """Draw the splits, make both thresholds in both designs, judge them."""
    draw = np.random.default_rng(seed)
    tune, outside = _cut(documents, draw)
    n_calibrate = round(CALIBRATE * len(documents))
    # Outside comes in random order.
    calibrate = outside.take(np.arange(n_calibrate))
    report = outside.take(np.arange(n_calibrate, len(outside)))
    drawn = outside.take(draw.integers(len(outside), size=n_calibrate))
    return Resplit(
        judge(report, certified_threshold(calibrate, tune)),
        judge(outside, certified_threshold(drawn, tune)),
        judge(report, empirical_threshold(calibrate, tune)),
        judge(outside, empirical_threshold(drawn, tune)),
    )


def tune_of(documents: Population, seed: Seed) -> Population:
    """The tune split of `resplit` with the same seed."""
    return _cut(documents, np.random.default_rng(seed))[0]


def certified_threshold(calibrate: Population, tune: Population) -> float | None:
    """The certificate's threshold, None where nothing is certified.

    A document that was drawn twice is two encounters, so encounters are named by their draw.
    """
    certificate = certify(
        _sample(calibrate, "calibrate"),
        _sample(tune, "tune"),
        Protocol(targets=(calibrate.target,)),
        specialty="resplit",
        created=_TODAY,
        expires=_EXPIRES,
        hashes={},
    )
    return certificate.groups[0].threshold


def empirical_threshold(calibrate: Population, tune: Population) -> float | None:
    """Common practice: the most lenient threshold whose metric on calibrate is the level or more.

    Among the certificate's own thresholds, those that automate `FEWEST` encounters.
    """
    for threshold in quantile_grid(tune.confidence[tune.eligible])[::-1]:
        chosen = automated(calibrate, float(threshold))
        if chosen.sum() >= FEWEST and not is_below(calibrate, chosen):
            return float(threshold)
    return None


def judge(documents: Population, threshold: float | None) -> Verdict:
    """What a threshold is worth among these documents."""
    if threshold is None:
        return Verdict(False, 0.0, None, None, False)
    chosen = automated(documents, threshold)
    if not chosen.any():
        return Verdict(True, 0.0, None, None, False)
    error, size = documents.losses.error[chosen].sum(), documents.losses.size[chosen].sum()
    return Verdict(
        True,
        float(chosen.mean()),
        float(1.0 - error / size),
        float(documents.right[chosen].sum() / max(int(documents.gold[chosen].sum()), 1)),
        is_below(documents, chosen),
    )


def possible(documents: Population) -> float:
    """The largest share that a threshold automates within the level, were the truth known."""
    thresholds = np.unique(documents.confidence[documents.eligible])
    shares = [
        chosen.mean()
        for chosen in (automated(documents, float(t)) for t in thresholds)
        if not is_below(documents, chosen)
    ]
    return float(max(shares, default=0.0))


def automated(documents: Population, threshold: float) -> NDArray[np.bool_]:
    """Which documents `[N]` a threshold automates."""
    return documents.eligible & (documents.confidence >= threshold)


def is_below(documents: Population, chosen: NDArray[np.bool_]) -> bool:
    """Whether the metric of the chosen is below the level, rounding aside."""
    error, size = documents.losses.error[chosen].sum(), documents.losses.size[chosen].sum()
    return bool(error > documents.target.alpha * size + 1e-9)


def _cut(documents: Population, draw: np.random.Generator) -> tuple[Population, Population]:
    """Tune, and all documents outside it in random order."""
    order = draw.permutation(len(documents))
    n_tune = round(TUNE * len(documents))
    return documents.take(order[:n_tune]), documents.take(order[n_tune:])


def _sample(documents: Population, split: str) -> Sample:
    names: Sequence[str] = [f"{split} {place}" for place in range(len(documents))]
    return Sample(names, documents.confidence, (documents.losses,), documents.eligible)
