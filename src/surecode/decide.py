"""The one place where a route is chosen.

An encounter is released without a person only if a certificate is in force for exactly this
bundle, the coder assigned at least one code, and the confidence reaches the certified threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from surecode.calibration.certificate import Certificate, void_reason
from surecode.record import Mode, Route


@dataclass(frozen=True)
class Decision:
    """Mode, route and the reasons in plain words."""

    mode: Mode
    route: Route
    reasons: tuple[str, ...]


def eligible(codes: int) -> bool:
    """Whether an encounter may be automated at all: nothing can be billed without a code.

    The certificate is made on the same population, so this rule stands here for both.
    """
    return codes > 0


def decide(
    confidence: float,
    codes: int,
    certificate: Certificate | None,
    hashes: Mapping[str, str],
    today: date,
    in_scope: bool = True,
) -> Decision:
    """Choose the route of one encounter.

    Args:
        confidence: estimated probability that the whole code set is right.
        codes: number of assigned codes.
        certificate: the bundle's certificate, None where none was made.
        hashes: what the certificate must have been made for (model, calibrator, label space).
        today: the day on which the certificate must be in force.
        in_scope: whether the encounter is one of those that the specialty includes: the
            certificate was made on no others.
    """
    if certificate is None:
        return Decision("assist", "review", ("there is no certificate",))
    void = void_reason(certificate, hashes, today)
    if void is not None or certificate.threshold is None:
        return Decision("assist", "review", (f"the certificate does not hold: {void}",))
    if not in_scope:
        return Decision("autonomous", "review", ("the encounter is none of this specialty",))
    if not eligible(codes):
        return Decision("autonomous", "review", ("no code reaches the cut",))
    if not bool(certificate.clears(confidence)):
        reason = f"confidence {confidence:.6f} is below the certified {certificate.threshold:.6f}"
        return Decision("autonomous", "review", (reason,))
    reason = f"confidence {confidence:.6f} reaches the certified {certificate.threshold:.6f}"
    return Decision("autonomous", "auto", (reason,))
