"""What a certificate stands on, as pictures: the certified point and the reliability of codes.

Made and saved as those of `surecode.evaluation.figures` are.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from surecode.calibration.bounds import clopper_pearson
from surecode.calibration.certificate import Certificate, GroupResult, split_fingerprint
from surecode.calibration.clusters import units_of
from surecode.calibration.groups import EVERYONE
from surecode.calibration.reliability import ReliabilityBins
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses, Target
from surecode.errors import InputError
from surecode.evaluation.figures import BLUE, GREEN, GREY, ORANGE, canvas


def certified_risk_coverage(
    certificate: Certificate,
    calibrate: Sample,
    *,
    data: str,
    group: str = EVERYONE,
    target: int = 0,
) -> Figure:
    """Error among the automated of calibrate against coverage, with the threshold certified.

    The green bar is the error's 95% interval, exact, where every loss is 0 or 1; the green tick is
    the error that the certificate rules out, at the delta of the group. Coverage is a share of all
    the group's encounters that took part. Where nothing is certified, the threshold that the
    certificate describes is hollow. Raises `InputError` where ``calibrate`` is not the split that
    the certificate was made from, or it has no such group, target or encounter.
    """
    result, asked = _result(certificate, group, target)
    losses, confidence, total = _taking_part(certificate, calibrate, group, target)
    if not len(confidence):
        raise InputError(
            "risk-coverage: no encounter may be automated, so there is nothing to draw"
        )
    order = np.argsort(-confidence, kind="stable")
    last = np.flatnonzero(np.diff(confidence[order], append=-np.inf))
    errors, sizes = np.cumsum(losses.error[order])[last], np.cumsum(losses.size[order])[last]
    risk = np.divide(errors, sizes, out=np.zeros(len(last)), where=sizes > 0)
    coverage = (last + 1) / total
    figure, axes = canvas(
        "Error and automation", _title(certificate.specialty, group), data, size=(6.6, 5.6)
    )
    axes.plot(
        coverage,
        risk,
        color=BLUE,
        linewidth=1.8,
        marker="o" if len(coverage) <= 25 else None,
        markersize=4,
        label="observed",
    )
    axes.axhline(
        asked.alpha,
        color=ORANGE,
        linestyle="--",
        linewidth=1.5,
        label=f"target: at most {asked.alpha:.1%}",
    )
    highest = _draw_point(axes, result, target, total)
    axes.set(
        xlim=(0.0, max(1.02 * float(coverage[-1]), 0.05)),
        ylim=(0.0, min(1.02, 1.12 * max(highest, asked.alpha, float(risk[-1])) + 0.003)),
        xlabel="Coverage (share of encounters automated)",
        ylabel="Error among the automated"
        if losses.binary
        else "Error among the automated, over size",
    )
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def reliability_of_codes(bins: ReliabilityBins, *, k: int, specialty: str, data: str) -> Figure:
    """How often the ``k`` likeliest codes of each encounter are gold, against their probability.

    ``bins`` are those of `reliability_at_k`. There are no intervals: codes of one encounter are
    right or wrong together, so that binomial ones would be too narrow.
    """
    if not len(bins.count):
        raise InputError("reliability: no bins, so there is nothing to draw; give some encounters")
    figure, axes = canvas(f"Reliability of the top {k} codes", specialty, data, size=(5.6, 6.3))
    axes.plot(
        [0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="perfectly calibrated"
    )
    axes.vlines(
        bins.confidence, bins.confidence, bins.accuracy, color=ORANGE, linewidth=1.6, label="gap"
    )
    axes.plot(
        bins.confidence,
        bins.accuracy,
        color=BLUE,
        marker="o",
        markersize=6,
        linewidth=1.8,
        label="observed",
    )
    gap = float(np.average(np.abs(bins.accuracy - bins.confidence), weights=bins.count))
    axes.text(
        0.03,
        0.97,
        f"{int(bins.count.sum()):,} codes in {len(bins.count)} bins\n"
        f"of {int(bins.count.min()):,} to {int(bins.count.max()):,}\n"
        f"mean gap {gap:.3f}",
        transform=axes.transAxes,
        va="top",
        fontsize=9,
        color=GREY,
    )
    axes.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        xlabel="Probability of a code (mean of bin)",
        ylabel="Share of codes that are gold",
    )
    axes.set_aspect("equal")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _title(specialty: str, group: str) -> str:
    return specialty if group == EVERYONE else f"{specialty}, {group}"


def _result(certificate: Certificate, group: str, target: int) -> tuple[GroupResult, Target]:
    result = certificate.group(group)
    if result is None or not 0 <= target < len(certificate.targets):
        raise InputError(
            f"risk-coverage: the certificate has no group {group!r} with a target {target}; name "
            "one of its groups and count targets from 0"
        )
    return result, certificate.targets[target]


def _taking_part(
    certificate: Certificate, calibrate: Sample, group: str, target: int
) -> tuple[Losses, NDArray[np.float64], int]:
    """Losses and confidences of the candidates of a group, and how many encounters it has."""
    if split_fingerprint(calibrate.encounter_ids) != certificate.split_fingerprint:
        raise InputError(
            "risk-coverage: these are not the encounters that the certificate was made from; give "
            "the calibrate split that it was made from"
        )
    units = units_of(calibrate.encounter_ids, calibrate.clusters, certificate.clustering)
    sample = calibrate.take(units.kept).of(group)
    rows = np.flatnonzero(sample.candidate)
    return sample.losses[target].take(rows), sample.confidence[rows], len(sample)


def _draw_point(axes: Axes, result: GroupResult, target: int, total: int) -> float:
    """Draw the certificate's threshold; returns the highest error drawn."""
    found = result.results[target]
    if found.estimate is None:
        return 0.0
    at, error = result.n_selected / total, 1.0 - found.estimate
    name = "certified" if result.certified else "not certified"
    axes.plot(
        at,
        error,
        color=GREEN,
        marker="D",
        markersize=8,
        markerfacecolor=GREEN if result.certified else "white",
        linestyle="none",
        zorder=6,
        label=f"{name}: {at:.1%} at error {error:.1%}",
    )
    highest = error
    if found.bound == "exact binomial":
        low, high = (float(x) for x in clopper_pearson(found.errors, found.size, 0.95))
        axes.errorbar(
            at,
            error,
            yerr=np.maximum([[error - low], [high - error]], 0.0),
            color=GREEN,
            linestyle="none",
            elinewidth=2.2,
            zorder=5,
            label=f"95% interval: {low:.1%} to {high:.1%}",
        )
        highest = high
    if found.lower_bound is not None:
        limit = 1.0 - found.lower_bound
        axes.plot(
            at,
            limit,
            color=GREEN,
            marker="_",
            markersize=18,
            markeredgewidth=2.2,
            linestyle="none",
            zorder=6,
            label=f"with {100 * (1 - result.delta):.4g}% certainty at most {limit:.2%}",
        )
        highest = max(highest, limit)
    return highest
