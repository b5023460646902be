"""The tables of a certificate's page: evidence by group and target, and what it takes to certify.

Shares that speak for the coder are rounded down and p-values up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from surecode.calibration.bounds import required_encounters
from surecode.calibration.certificate import Certificate, GroupResult, TargetResult
from surecode.calibration.required import Plan
from surecode.page.elements import table

GROUP_HEADS = (
    "Group",
    "Encounters",
    "Eligible",
    "Needed at first",
    "Automated",
    "Automation rate",
    "Threshold",
)
TARGET_HEADS = (
    "Group",
    "Encounters",
    "Errors",
    "Observed",
    "Proved at least",
    "P-value",
    "Delta",
    "Test",
)
PLAN_HEADS = ("Level", "Encounters to audit", "Automation rate", "Accuracy on tune", "Threshold")


def group_table(certificate: Certificate) -> str:
    """Encounters, automation rate and threshold of every group."""
    return table(
        "The calibrate split. Eligible are encounters with a confidence that no rule stops; the "
        "first threshold needs that many of them. The rate is a share of all encounters, with its "
        "exact 95% interval; the threshold is the least confidence of an automated encounter.",
        GROUP_HEADS,
        [
            (
                said(group),
                f"{group.n_calibrate:,}",
                f"{group.n_eligible:,}",
                f"{group.start_n:,}",
                f"{group.n_selected if group.certified else 0:,}",
                rate_of(group),
                "none" if group.threshold is None else f"{group.threshold:.8g}",
            )
            for group in certificate.groups
        ],
    )


def target_tables(certificate: Certificate) -> list[str]:
    """For every target its errors, bounds and p-values by group."""
    return [
        table(
            f"{sentence(target.says())}? Encounters and errors are those from the threshold on; "
            "of a group without one, from the strictest threshold tested or, where none could be "
            "tested, the most lenient. Proved is the accuracy that these encounters prove by "
            "themselves; promised is the level alone.",
            TARGET_HEADS,
            [
                (said(group), f"{group.n_selected:,}", *_result(group.results[at], group.delta))
                for group in certificate.groups
            ],
        )
        for at, target in enumerate(certificate.targets)
    ]


def required_tables(certificate: Certificate, plan: Sequence[Plan]) -> list[str]:
    """Automated encounters needed by number of errors, for each exact target, and the plan."""
    parts = []
    delta = min((group.delta for group in certificate.groups), default=certificate.targets[0].delta)
    for target in certificate.targets:
        if target.metric != "exact":
            continue
        rows = [
            (str(errors), f"{required_encounters(target.level, delta, errors):,}")
            for errors in range(6)
        ]
        caption = (
            f"Automated encounters that prove {percent(target.level)} with {percent(1 - delta)} "
            "certainty, by the errors among them."
        )
        parts.append(table(caption, ("Errors", "Automated encounters needed"), rows))
    if plan:
        caption = (
            "What the tune split suggests for another certificate: a plan and no promise. "
            "Encounters are those to be audited, the automated and the others."
        )
        parts.append(table(caption, PLAN_HEADS, [_planned(row) for row in plan]))
    return parts


def sentence(words: str) -> str:
    """Words with a capital at the start."""
    return words[:1].upper() + words[1:]


def said(group: GroupResult) -> str:
    """The name of a group in words."""
    return group.name or "all encounters"


def percent(value: float) -> str:
    """A share in percent, with as many digits as it has."""
    return f"{100.0 * value:.6g}%"


def rate_of(group: GroupResult) -> str:
    """The automation rate with its 95% interval."""
    low, high = group.automation_rate_interval
    return f"{group.automation_rate:.1%} ({low:.1%} to {high:.1%})"


def _result(result: TargetResult, delta: float) -> tuple[str, ...]:
    cut = f", {result.clipped:,} cut at the cap" if result.clipped else ""
    return (
        f"{result.errors:.6g} of {result.size:.6g}{cut}",
        "none" if result.estimate is None else _down(result.estimate),
        "none" if result.lower_bound is None else _down(result.lower_bound),
        p_value(result.p_value),
        f"{delta:.6g}",
        result.bound,
    )


def _down(share: float) -> str:
    """A share in percent, rounded down: what is shown as 95% is 95%."""
    return f"{math.floor(share * 10_000.0 + 1e-9) / 100.0:.2f}%"


def p_value(p: float) -> str:
    """Three digits, rounded up: what is shown as .1 is no more."""
    if p < 1e-300:
        return "below 1e-300"
    scale = 10.0 ** (2 - math.floor(math.log10(p)))
    return f"{math.ceil(p * scale - 1e-9) / scale:.3g}"


def _planned(row: Plan) -> tuple[str, ...]:
    if row.encounters is None:
        return (percent(row.level), "no number is enough", "none", "none", "none")
    return (
        percent(row.level),
        f"{row.encounters:,}",
        "none" if row.automation_rate is None else f"{row.automation_rate:.1%}",
        "none" if row.accuracy is None else _down(row.accuracy),
        "none" if row.threshold is None else f"{row.threshold:.6g}",
    )
