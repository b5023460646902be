"""What another level or another delta would automate, as pictures.

Each says on itself that only what was fixed beforehand is promised. Made and saved as those of
`surecode.evaluation.figures` are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from surecode.calibration.what_if import WhatIf
from surecode.errors import InputError
from surecode.evaluation.figures import BLUE, GREEN, GREY, ORANGE, canvas

# Of groups, in turn: told apart by the mark as well as by the colour.
LINES = (BLUE, ORANGE, "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKS = ("o", "s", "^", "v", "P", "X", "<")


def automation_against_level(rows: Sequence[WhatIf], *, specialty: str, data: str) -> Figure:
    """Automation rate of `automation_by_level` with exact 95% intervals.

    Raises `InputError` where there are no rows.
    """
    deltas = " or ".join(_percent(delta) for delta in sorted({row.delta for row in rows}))
    caption = (
        f"Each level is a test of its own that errs in at most {deltas} of cases; that one of them "
        f"errs\nis likelier. {_promise('level', [row.level for row in rows if row.promised])}"
    )
    figure, axes = canvas("Automation by level", specialty, data, size=(6.6, 5.4))
    _draw(figure, axes, rows, [row.level for row in rows])
    _label(axes, [row.level for row in rows], "Target level", caption)
    return figure


def automation_against_delta(rows: Sequence[WhatIf], *, specialty: str, data: str) -> Figure:
    """Automation rate of `automation_by_delta` with exact 95% intervals.

    Raises `InputError` where there are no rows.
    """
    caption = (
        "Each delta is a test of its own; that one of them errs is likelier.\n"
        f"{_promise('delta', [row.delta for row in rows if row.promised])}"
    )
    figure, axes = canvas("Automation by delta", specialty, data, size=(6.6, 5.4))
    axes.set_xscale("log")
    _draw(figure, axes, rows, [row.delta for row in rows])
    words = "Delta (probability that the target is missed)"
    _label(axes, [row.delta for row in rows], words, caption)
    return figure


def _draw(figure: Figure, axes: Axes, rows: Sequence[WhatIf], places: Sequence[float]) -> None:
    """Lines by group: filled where certified, hollow where not, a diamond where promised."""
    if not rows:
        raise InputError("what if: no rows, so there is nothing to draw; give at least one level")
    points = list(zip(places, rows, strict=True))
    groups = list(dict.fromkeys(row.group for row in rows))
    for number, group in enumerate(groups):
        _draw_group(
            axes,
            [point for point in points if point[1].group == group],
            color=LINES[number % len(LINES)],
            mark=MARKS[number % len(MARKS)],
        )
    # Marks lie on the axis where nothing is automated, and must not be cut in half there.
    for place, row in points:
        if row.promised:
            _diamond(axes.plot(place, row.automation_rate, linestyle="none", clip_on=False)[0])
    promised = _diamond(Line2D([], [], linestyle="none", label="fixed beforehand"))
    hollow = Line2D(
        [], [], color=GREY, marker="o", mfc="white", linestyle="none", label="nothing certified"
    )
    handles = list(axes.get_legend_handles_labels()[0])
    handles += [promised] if any(row.promised for row in rows) else []
    handles += [] if all(row.certified for row in rows) else [hollow]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    highest = max(row.automation_rate_interval[1] for row in rows)
    axes.set(ylim=(0.0, min(1.02, 1.1 * highest)), ylabel="Automation rate on calibrate")


def _draw_group(
    axes: Axes, points: Sequence[tuple[float, WhatIf]], *, color: str, mark: str
) -> None:
    axes.plot(
        [place for place, _ in points],
        [row.automation_rate for _, row in points],
        color=color,
        linewidth=1.2,
        alpha=0.5,
        zorder=2,
    )
    certified = [(place, row) for place, row in points if row.certified]
    rate = np.array([row.automation_rate for _, row in certified])
    low = rate - [row.automation_rate_interval[0] for _, row in certified]
    high = np.array([row.automation_rate_interval[1] for _, row in certified]) - rate
    axes.errorbar(
        [place for place, _ in certified],
        rate,
        yerr=np.maximum([low, high], 0.0),
        color=color,
        marker=mark,
        markersize=6,
        linestyle="none",
        elinewidth=1.1,
        capsize=3,
        zorder=3,
        label=f"{points[0][1].group or 'certified'}, 95% interval",
    )
    for place, row in points:
        if not row.certified:
            axes.plot(
                place,
                row.automation_rate,
                color=color,
                marker=mark,
                markersize=7,
                markerfacecolor="white",
                clip_on=False,
                zorder=4,
            )


def _diamond(line: Line2D) -> Line2D:
    line.set(color=GREEN, marker="D", markersize=11, markerfacecolor="none", markeredgewidth=2)
    line.set_zorder(5)
    return line


def _label(axes: Axes, places: Sequence[float], words: str, caption: str) -> None:
    axes.set_xlabel(words)
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(places))))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value)))
    axes.text(
        0.5, -0.2, caption, transform=axes.transAxes, ha="center", va="top", fontsize=9, color=GREY
    )


def _percent(share: float) -> str:
    return f"{100 * share:.6g}%"


def _promise(word: str, promised: Sequence[float]) -> str:
    if not promised:
        return f"No {word} of these is promised: none was fixed beforehand."
    return f"Only the {word} fixed beforehand, {_percent(promised[0])}, is promised."
