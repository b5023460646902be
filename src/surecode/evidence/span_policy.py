"""How many words make the evidence of a code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from surecode.errors import InputError
from surecode.evidence.stop_words import LANGUAGES, Language


@dataclass(frozen=True)
class SpanPolicy:
    """What `surecode.evidence.spans.evidence_spans` takes.

    Attributes:
        positive_mass: words are taken, best first, until they hold this share of the positive
            contributions to words that may be evidence; in (0, 1].
        maximum_gap: words between two taken words over which they still join into one span.
        maximum_spans: most spans of one code.
        seed: share of all positive contributions that a word needs to be taken; in [0, 1).
        grow: a taken word takes its neighbours along that have this share of what a seed needs
            (hysteresis, as in Canny 1986); in (0, 1]. Without ``seed`` nothing grows.
        maximum_words: most words of one span; a longer one falls into parts.
        repeated: places of the same text in lower case are one span with several mentions.
        stop_words: language whose stop words make no evidence by themselves.

    Raises:
        InputError: a value is outside its range.
    """

    positive_mass: float
    maximum_gap: int
    maximum_spans: int
    seed: float = 0.02
    grow: float = 0.3
    maximum_words: int = 12
    repeated: bool = True
    stop_words: Language = "both"

    def __post_init__(self) -> None:
        ranges = {
            "positive_mass in (0, 1]": 0 < self.positive_mass <= 1,
            "maximum_gap of 0 or more": self.maximum_gap >= 0,
            "maximum_spans of 1 or more": self.maximum_spans >= 1,
            "seed in [0, 1)": 0 <= self.seed < 1,
            "grow in (0, 1]": 0 < self.grow <= 1,
            "maximum_words of 1 or more": self.maximum_words >= 1,
            f"stop_words among {', '.join(LANGUAGES)}": self.stop_words in LANGUAGES,
        }
        for wanted, holds in ranges.items():
            if not holds:
                raise InputError(f"span policy: it needs {wanted}; correct it")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a bundle."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SpanPolicy:
        """The inverse of :meth:`to_dict`; fields that an older bundle lacks have their defaults.

        Raises:
            InputError: a field is unknown, missing without a default, of another type or range.
        """
        kinds = {"float": (float, int), "int": (int,), "bool": (bool,), "Language": (str,)}
        known = {field.name: kinds[str(field.type)] for field in fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise InputError(f"span policy: unknown field {unknown[0]}; calibrate again")
        for name, value in values.items():
            # A bool is an int to Python.
            if not isinstance(value, known[name]) or (
                isinstance(value, bool) and bool not in known[name]
            ):
                raise InputError(f"span policy: {name} has the wrong type; calibrate again")
        missing = sorted({"positive_mass", "maximum_gap", "maximum_spans"} - set(values))
        if missing:
            raise InputError(f"span policy: the field {missing[0]} is missing; calibrate again")
        return cls(**values)
