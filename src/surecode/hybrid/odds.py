"""Log-odds of chances that may be 0 or 1."""

from __future__ import annotations

import math

_SURE = 0.005  # kept from 0 and 1, before log-odds are taken


def odds(p: float) -> float:
    """Log-odds of a chance, between -5.3 and 5.3."""
    return math.log((p + _SURE) / (1.0 + _SURE - p))
