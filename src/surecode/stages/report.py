"""What a person sees while stages run: a line when one ends, a short table at the end."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from surecode.settings import Config
from surecode.stages.run_folder import Figures

# Without a terminal rich takes 80 columns, too few for the table of results.
console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 140)


def start(config: Config) -> None:
    """Say what runs and where its files go."""
    console.print(f"[bold]{config.specialty.name}[/bold] → {config.run_folder}")


def announce(stage: str, figures: Figures) -> None:
    """One line per finished stage."""
    console.print(f"  [bold]{stage:10}[/bold] {_LINES[stage](figures)}")


def summary(config: Config, figures: Mapping[str, Figures]) -> None:
    """The run's result and where everything lies."""
    console.print(results_table([(config.specialty.name, figures)]))
    console.print(f"run folder {config.run_folder}, figures {config.artifact_folder}")


def results_table(runs: list[tuple[str, Mapping[str, Figures]]]) -> Table:
    """One row per specialty; the data's name stands in the title."""
    names = ", ".join(sorted({figures["evaluate"]["data"] for _, figures in runs}))
    splits = ", ".join(sorted({figures["evaluate"]["split"] for _, figures in runs}))
    table = Table(title=f"Results on {splits} ({names})")
    table.add_column("specialty")
    for column in (
        "encounters",
        "micro-F1",
        "dictionary",
        "exact match",
        "threshold",
        "automation rate [95%]",
        "accuracy among automated",
    ):
        table.add_column(column, justify="right")
    for specialty, figures in runs:
        evaluate, calibrate = figures["evaluate"], figures["calibrate"]
        table.add_row(
            specialty,
            str(evaluate["encounters"]),
            f"{evaluate['coder']['micro_f1']:.3f}",
            f"{evaluate['dictionary']['micro_f1']:.3f}",
            f"{evaluate['coder']['exact_match']:.3f}",
            _threshold(calibrate),
            _interval(evaluate["automation_rate"]),
            _accuracy(evaluate["accuracy_among_automated"]),
        )
    return table


def level_table(figures: Figures) -> Table:
    """What each level of the target would automate, and how many encounters would certify it."""
    table = Table(
        title="Automation by level (each row a test of its own; promised is only the one marked)"
    )
    for column in ("level", "group", "threshold", "automation rate [95%]", "encounters to certify"):
        table.add_column(column, justify="left" if column == "group" else "right")
    needed = {row["level"]: row["encounters"] for row in figures["required"]}  # none if not exact
    for row in figures["automation_by_level"]:
        low, high = row["automation_rate_interval"]
        encounters = needed.get(row["level"])
        table.add_row(
            f"{row['level']:.3g}" + (" *" if row["promised"] else ""),
            row["group"] or "all",
            "none" if row["threshold"] is None else f"{row['threshold']:.3f}",
            f"{row['automation_rate']:.1%} [{low:.1%}, {high:.1%}]",
            "–" if encounters is None else f"about {encounters:,}",
        )
    return table


def _threshold(calibrate: Figures) -> str:
    values = [group["threshold"] for group in calibrate["groups"]]
    return ", ".join("none" if value is None else f"{value:.3f}" for value in values)


def _interval(rate: Mapping[str, Any]) -> str:
    return f"{rate['value']:.1%} [{rate['low']:.1%}, {rate['high']:.1%}]"


def _accuracy(rate: Mapping[str, Any] | None) -> str:
    return "–" if rate is None else f"{rate['value']:.1%} ({rate['count']}/{rate['total']})"


def _prepare(figures: Figures) -> str:
    counts = ", ".join(f"{split} {count}" for split, count in figures["encounters"].items())
    return f"{figures['data']}: {counts}; {figures['codes']} codes"


def _train(figures: Figures) -> str:
    if figures["reused"]:
        return "reused: these settings are trained already (trainer.resume=false trains anew)"
    if "terms" in figures:
        return f"{figures['terms']} terms, {figures['seconds']:.0f} s"
    early = ", stopped early" if figures["stopped_early"] else ""
    return (
        f"{figures['epochs']} epochs{early}, loss on tune {figures['best_tune_loss']:.4f}, "
        f"{figures['seconds']:.0f} s"
    )


def _calibrate(figures: Figures) -> str:
    said = []
    for group in figures["groups"]:
        name = f"{group['name']}: " if group["name"] else ""
        line = f"{name}{group['reason']}"
        if group["certified"]:
            low, high = group["automation_rate_interval"]
            line += (
                f" from confidence {group['threshold']:.3f} on: automates "
                f"{group['automation_rate']:.1%} [{low:.1%}, {high:.1%}] of "
                f"{group['n_calibrate']} encounters"
            )
        said.append(line)
    return "; ".join(said)


def _evaluate(figures: Figures) -> str:
    coder, dictionary = figures["coder"], figures["dictionary"]
    return (
        f"{figures['encounters']} encounters: micro-F1 {coder['micro_f1']:.3f} (dictionary "
        f"{dictionary['micro_f1']:.3f}), exact match {coder['exact_match']:.3f} (dictionary "
        f"{dictionary['exact_match']:.3f}), automation rate {_interval(figures['automation_rate'])}"
    )


def _explain(figures: Figures) -> str:
    touched, found = figures["gold_evidence_touched"], figures["verification"]
    share = "no gold evidence" if touched is None else f"{touched:.1%} touch the gold evidence"
    if found is not None:
        share += f", {found.get('verified', 0) / sum(found.values()):.1%} verified by deletion"
    gap = figures["completeness_gap_median"]
    checked = "" if gap is None else f"; integrated gradients complete within {gap:.2%} (median)"
    return f"{figures['codes']} codes, {share}{checked}"


def _register(figures: Figures) -> str:
    return f"{figures['model']} version {figures['version']} as {figures['alias']}"


_LINES = {
    "prepare": _prepare,
    "train": _train,
    "calibrate": _calibrate,
    "evaluate": _evaluate,
    "explain": _explain,
    "register": _register,
}
