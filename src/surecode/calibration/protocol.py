"""How a certificate is made: all of it is decided before calibrate is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from surecode.calibration.clusters import Clustering
from surecode.calibration.family import Family
from surecode.calibration.fixed_sequence import GRID_SIZE
from surecode.calibration.targets import Target
from surecode.errors import InputError


@dataclass(frozen=True)
class Protocol:
    """How a certificate is made: all of it is decided before calibrate is looked at.

    ``start_n`` overrides how many encounters the first threshold must select. ``others`` are the
    further specialties of the family and ``others_whole`` those of them whose every threshold was
    certified. ``comparison`` tests by Hoeffding-Bentkus where it holds.
    """

    targets: tuple[Target, ...] = field(default_factory=lambda: (Target(),))
    family: Family = "each"
    others: int = 0
    others_whole: int = 0
    clustering: Clustering = "one"
    grid_size: int = GRID_SIZE
    start_n: int | None = None
    comparison: bool = False

    def __post_init__(self) -> None:
        if not self.targets:
            raise InputError("certify: no target; give at least one")
        if len({target.delta for target in self.targets}) > 1:
            raise InputError(
                "certify: the targets differ in delta, but they hold together or not at all; give "
                "them the same"
            )
        if not 0 <= self.others_whole <= self.others:
            raise InputError(
                f"certify: {self.others_whole} of {self.others} other specialties are certified "
                "whole; count them again"
            )

    @property
    def delta(self) -> float:
        """The probability with which a target may fail."""
        return self.targets[0].delta
