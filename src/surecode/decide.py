"""The one place where a route is chosen.

An encounter is released without a person only if a certificate is in force for exactly this
bundle, no alarm has demoted the specialty, the coder assigned at least one code, and the confidence
reaches the threshold that is certified for the encounter's group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from surecode.calibration.certificate import Certificate, GroupResult, void_reason
from surecode.calibration.groups import EVERYONE
from surecode.record import Mode, Route


@dataclass(frozen=True)
class Decision:
    """Mode, route and the reasons in plain words."""

    mode: Mode
    route: Route
    reasons: tuple[str, ...]


def eligible(codes: int, doubts: Sequence[str] = ()) -> bool:
    """Whether an encounter may be automated at all: with a code to bill, and no doubt about any.

    The certificate is made on the same population, so this rule stands here for both.
    """
    return codes > 0 and not doubts


def decide(
    confidence: float,
    codes: int,
    certificate: Certificate | None,
    hashes: Mapping[str, str],
    today: date,
    in_scope: bool = True,
    group: str = EVERYONE,
    demotion: str | None = None,
    doubts: Sequence[str] = (),
) -> Decision:
    """Choose the route of one encounter.

    Args:
        confidence: estimated probability that the whole code set is right; NaN goes to review.
        codes: number of assigned codes.
        certificate: the bundle's certificate, None where none was made.
        hashes: what the certificate must have been made for (model, calibrator, label space).
        today: the day on which the certificate must be in force.
        in_scope: whether the encounter is one of those that the specialty includes: the
            certificate was made on no others.
        group: the encounter's group, by the fields that the certificate groups by.
        demotion: why the specialty was demoted to review (`surecode.monitoring.demotion`).
        doubts: why the evidence of codes needs a person, one reason for each such code.
    """
    if certificate is None:
        return Decision("assist", "review", ("there is no certificate",))
    void = void_reason(certificate, hashes, today)
    if void is not None:
        return Decision("assist", "review", (f"the certificate does not hold: {void}",))
    if demotion is not None:
        return Decision("assist", "review", (demotion,))
    route, reason = _route(confidence, codes, certificate.group(group), group, in_scope)
    if route == "auto" and doubts:
        return Decision("autonomous", "review", tuple(doubts))
    return Decision("autonomous", route, (reason,))


def _route(
    confidence: float, codes: int, found: GroupResult | None, group: str, in_scope: bool
) -> tuple[Route, str]:
    """The route under a certificate in force, and the reason."""
    if not in_scope:
        return "review", "the encounter is none of this specialty"
    if not eligible(codes):
        return "review", "no code reaches the cut"
    if not 0.0 <= confidence <= 1.0:
        return "review", "the confidence is not a number from 0 to 1"
    if found is None:
        return "review", f"the certificate knows no group {group or 'without a name'}"
    if found.threshold is None:
        return "review", f"nothing is certified for the group {found.name}: {found.reason}"
    if confidence < found.threshold:
        return "review", f"confidence {confidence:.6f} is below the certified {found.threshold:.6f}"
    return "auto", f"confidence {confidence:.6f} reaches the certified {found.threshold:.6f}"
