"""Reliability diagram and risk-coverage curve as pictures.

Figures are made without pyplot, so that no global state is touched, and saved without dates or
versions: the same data give the same bytes. Colours are those of Okabe and Ito, which readers
with any colour vision tell apart. Letters: N encounters.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from surecode.errors import InputError
from surecode.evaluation.selective import Rate, aurc, rate, risk_coverage
from surecode.files import whole

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B6B6B"


@dataclass(frozen=True, slots=True)
class Bin:
    """Encounters of neighbouring confidence: their mean confidence and their accuracy."""

    confidence: float
    accuracy: Rate


def equal_mass_bins(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> list[Bin]:
    """At most ``bins`` bins of about equally many encounters; equal confidences share a bin.

    ``confidence`` is ``[N]`` in [0, 1], ``correct`` is ``[N]`` of bool. Raises `InputError` if
    they are empty, uneven in length or out of range.
    """
    scores, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=bool)
    if scores.ndim != 1 or scores.shape != right.shape or not len(scores):
        raise InputError(
            f"reliability: confidence has shape {scores.shape}, correct {right.shape}; "
            "give one of each per encounter"
        )
    if not ((scores >= 0) & (scores <= 1)).all():
        raise InputError("reliability: a confidence lies outside 0 to 1; give probabilities")
    if bins < 1:
        raise InputError(f"reliability: {bins} bins; give at least one")
    edges = np.unique(np.quantile(scores, np.arange(1, bins) / bins, method="higher"))
    member = np.searchsorted(edges, scores, side="right")
    return [
        Bin(float(scores[member == b].mean()), rate(int(right[member == b].sum()), int(size)))
        for b, size in enumerate(np.bincount(member))
        if size
    ]


def reliability_diagram(
    confidence: ArrayLike, correct: ArrayLike, *, specialty: str, data: str, bins: int = 10
) -> Figure:
    """Accuracy against confidence, in bins of equal mass, with exact 95% intervals and counts.

    ``specialty`` and ``data`` (which encounters, and whether they are synthetic) make the title.
    Raises `InputError` as `equal_mass_bins` does.
    """
    cells = equal_mass_bins(confidence, correct, bins)
    figure, axes = canvas("Reliability", specialty, data, size=(5.6, 6.2))
    axes.plot(
        [0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="perfectly calibrated"
    )
    mean = np.array([c.confidence for c in cells])
    value = np.array([c.accuracy.value for c in cells])
    low = value - [c.accuracy.low for c in cells]
    high = np.array([c.accuracy.high for c in cells]) - value
    axes.errorbar(
        mean,
        value,
        yerr=np.maximum([low, high], 0.0),
        color=BLUE,
        marker="o",
        markersize=6,
        linewidth=1.8,
        elinewidth=1.1,
        capsize=3,
        label="observed, 95% interval, encounters in bin",
    )
    for cell in cells:
        axes.annotate(
            f"{cell.accuracy.total:,}",
            (cell.confidence, cell.accuracy.low),
            xytext=(0, -4),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=7.5,
            color=GREY,
        )
    axes.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.07, 1.04),
        xlabel="Confidence (mean of bin)",
        ylabel="Accuracy (code set exactly right)",
    )
    axes.set_aspect("equal")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def risk_coverage_curve(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    specialty: str,
    data: str,
    certified: tuple[float, float] | None = None,
    target_accuracy: float | None = None,
) -> Figure:
    """Risk among the automated against coverage, the most confident encounters first.

    ``certified`` is the (coverage, risk) at the certificate's threshold; ``target_accuracy`` in
    [0, 1] draws the risk that the target allows. Raises `InputError` as `risk_coverage` does.
    """
    coverage, risk = risk_coverage(confidence, correct)
    figure, axes = canvas("Risk and coverage", specialty, data, size=(6.4, 5.4))
    overall = float(risk[-1])
    axes.axhline(
        overall,
        color=GREY,
        linestyle=":",
        linewidth=1.2,
        label=f"risk at full coverage {overall:.1%}",
    )
    axes.plot(
        coverage,
        risk,
        color=BLUE,
        linewidth=2,
        marker="o" if len(coverage) <= 25 else None,
        markersize=4,
        label=f"observed, AURC {aurc(confidence, correct):.3f}",
    )
    if target_accuracy is not None:
        allowed = 1.0 - target_accuracy
        label = f"target: at most {allowed:.1%}"
        axes.axhline(allowed, color=ORANGE, linestyle="--", linewidth=1.5, label=label)
    if certified is not None:
        axes.plot(
            *certified,
            color=GREEN,
            marker="D",
            markersize=9,
            markeredgecolor="white",
            linestyle="none",
            zorder=5,
            label=f"certified: {certified[0]:.1%} at risk {certified[1]:.1%}",
        )
    highest = axes.dataLim.y1
    axes.set(
        xlim=(0.0, 1.01),
        ylim=(0.0, min(1.02, 1.1 * highest + 0.005)),
        xlabel="Coverage (share of encounters automated)",
        ylabel="Risk (share of errors among the automated)",
    )
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a PNG, whole or not at all; equal figures give equal bytes."""
    content = png(figure)
    with whole(Path(path)) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def png(figure: Figure) -> bytes:
    """The figure as a PNG; equal figures give equal bytes."""
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150, metadata={"Software": None})
    return content.getvalue()


def canvas(name: str, specialty: str, data: str, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """An empty picture with title, the name of the data below it, a grid and axes in percent."""
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(f"{name}: {specialty}", loc="left", fontsize=13, fontweight="bold", pad=22)
    axes.text(
        0, 1.02, data, transform=axes.transAxes, fontsize=9.5, color=GREY, va="bottom", ha="left"
    )
    axes.grid(color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure, axes
