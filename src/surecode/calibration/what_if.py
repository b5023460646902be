"""What another level or another delta would automate: for deciding about the *next* certificate.

Every row is a certificate of its own, made from the same encounters, and each by itself keeps its
promise. Not all of them together: with 1,000 encounters of a synthetic population, ten levels and
delta .1, some row missed its level in .23 of 600 repetitions, each row alone in .09 at most
(``tests/calibration/test_what_if.py``, slow). So the level is fixed before calibrate is looked at,
and these rows are for reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from surecode.calibration.certify import certify
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.errors import InputError

LEVELS = tuple(round(0.90 + 0.01 * step, 2) for step in range(10))
DELTAS = (0.01, 0.05, 0.10, 0.20)


@dataclass(frozen=True)
class WhatIf:
    """One group at one level and one delta.

    ``promised`` where level and delta are those of the protocol. ``threshold`` is None, and
    ``automated`` and ``automation_rate`` are 0, where nothing is certified; ``reason`` says why.
    ``automation_rate_interval`` is two-sided, 95%.
    """

    group: str
    level: float
    delta: float
    promised: bool
    certified: bool
    reason: str
    threshold: float | None
    encounters: int
    automated: int
    automation_rate: float
    automation_rate_interval: tuple[float, float]


def automation_by_level(
    calibrate: Sample,
    tune: Sample,
    protocol: Protocol | None = None,
    levels: Sequence[float] = LEVELS,
    target: int = 0,
) -> tuple[WhatIf, ...]:
    """One row per level and group, in the order of ``levels``.

    Of several targets the one at position ``target`` takes the levels and the others keep theirs.
    A ``start_n`` of the protocol serves its own level only; other levels start where they would by
    default. Raises `InputError` for such a position that does not exist and as `certify` does.
    """
    protocol = protocol or Protocol()
    if not 0 <= target < len(protocol.targets):
        raise InputError(
            f"what if: there is no target {target} among {len(protocol.targets)}; count from 0"
        )
    own = protocol.targets[target].level
    rows = []
    for level in levels:
        asked = list(protocol.targets)
        asked[target] = replace(asked[target], level=level)
        varied = replace(protocol, targets=tuple(asked))
        rows += _rows(calibrate, tune, varied, level, promised=level == own, protocol=protocol)
    return tuple(rows)


def automation_by_delta(
    calibrate: Sample,
    tune: Sample,
    protocol: Protocol | None = None,
    deltas: Sequence[float] = DELTAS,
) -> tuple[WhatIf, ...]:
    """One row per delta and group, in the order of ``deltas``, at the protocol's level.

    The level of a row is that of the first target. Raises `InputError` as `certify` does.
    """
    protocol = protocol or Protocol()
    rows = []
    for delta in deltas:
        asked = tuple(replace(target, delta=delta) for target in protocol.targets)
        varied = replace(protocol, targets=asked)
        promised = delta == protocol.delta
        rows += _rows(calibrate, tune, varied, asked[0].level, promised, protocol)
    return tuple(rows)


def _rows(
    calibrate: Sample,
    tune: Sample,
    varied: Protocol,
    level: float,
    promised: bool,
    protocol: Protocol,
) -> list[WhatIf]:
    start_n = protocol.start_n if promised else None
    # Specialty, dates and hashes are of no use here: this certificate is never shown or written.
    certificate = certify(
        calibrate,
        tune,
        replace(varied, start_n=start_n),
        specialty="what if",
        created=date.min,
        expires=date.min,
        hashes={},
    )
    return [
        WhatIf(
            group=group.name,
            level=level,
            delta=varied.delta,
            promised=promised,
            certified=group.certified,
            reason=group.reason,
            threshold=group.threshold,
            encounters=group.n_calibrate,
            automated=group.n_selected if group.certified else 0,
            automation_rate=group.automation_rate,
            automation_rate_interval=group.automation_rate_interval,
        )
        for group in certificate.groups
    ]
