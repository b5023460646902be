"""What became of a code when its evidence was deleted, and what that says of the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any, Literal, get_args

from surecode.errors import InputError

Status = Literal["verified", "partial", "diffuse", "none"]

# A probability that falls by this share of itself is verified, by less than the other diffuse.
FALL_VERIFIED = Fraction(1, 2)
FALL_DIFFUSE = Fraction(1, 10)
# Probabilities are rounded to so many decimal places. Those of one encounter are verified together,
# always in the same order and in the same calls, and agree bit for bit. A code verified alone goes
# through matrix products of another size, which may change the last bits of a state: rounding hides
# that almost always in fp32, and cannot where it falls on the edge of the last place.
DECIMALS = 6


@dataclass(frozen=True)
class Verification:
    """What the deletion of its evidence does to one code.

    Attributes:
        p: the probability that the code was assigned with.
        p_without: without the spans, all mentions of them; None if there is no span.
        p_only: with nothing but the spans; None if there is no span, or if it was not asked for.
        flips: the code would not be assigned without its spans.
        status: ``verified`` if the decision flips or the probability falls by half or more,
            ``diffuse`` if it falls by less than a tenth, ``partial`` in between, ``none`` if there
            is no span.
    """

    p: float
    p_without: float | None
    p_only: float | None
    flips: bool
    status: Status

    @property
    def comprehensiveness(self) -> float | None:
        """Share of the probability that falls with the spans; below 0 where it rises."""
        return None if self.p_without is None else _fall(self.p, self.p_without)

    @property
    def sufficiency(self) -> float | None:
        """Share of the probability that is missing with nothing but the spans; low is good."""
        return None if self.p_only is None else max(_fall(self.p, self.p_only), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verification:
        """The inverse of :meth:`to_dict`; raises `InputError` on other fields or another status."""
        if set(values) != {field.name for field in fields(cls)}:
            raise InputError("verification: its fields are not those of this version; explain anew")
        if values["status"] not in get_args(Status):
            raise InputError(f"verification: status is not one of {list(get_args(Status))}")
        return cls(**values)


def judge(p: float, without: float | None, alone: float | None, cut: float) -> Verification:
    """The verification of a code that is assigned from the probability ``cut``.

    Everything follows from the rounded probabilities, so who reads them comes to the same.

    Args:
        p: the probability that it was assigned with.
        without: that without its spans; None if it has none.
        alone: that with nothing but its spans; None if it was not asked for.
        cut: the probability from which a code is assigned.

    Raises:
        InputError: a probability is not in [0, 1].
    """
    p = _rounded(p)
    if without is None:
        return Verification(p, None, None, False, "none")
    p_without = _rounded(without)
    flips = p_without < cut
    unit = 10**DECIMALS  # in whole units, so that a fall by exactly a half or a tenth is one
    before, after = round(p * unit), round(p_without * unit)
    fall = Fraction(before - after, before or 1)
    status: Status = "partial"
    if flips or fall >= FALL_VERIFIED:
        status = "verified"
    elif fall < FALL_DIFFUSE:
        status = "diffuse"
    return Verification(p, p_without, None if alone is None else _rounded(alone), flips, status)


def _rounded(p: float) -> float:
    if not 0 <= p <= 1:  # NaN neither
        raise InputError(
            "verification: a probability is not in [0, 1]; the network overflowed, so code in fp32 "
            "or train again"
        )
    return round(p, DECIMALS)


def _fall(p: float, lower: float) -> float:
    """Share of ``p`` that is lost; none of nothing."""
    return (p - lower) / p if p > 0 else 0.0
