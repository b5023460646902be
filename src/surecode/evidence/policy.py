"""How evidence is made, shown and weighed: an object that bundles carry and certificates bind.

What the rules of assertion say decides who goes to a person, so their code is part of the policy's
fingerprint: a certificate made under other rules does not hold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from surecode.errors import InputError
from surecode.evidence.attribution import METHODS, Method
from surecode.evidence.span_policy import SpanPolicy

Deletion = Literal["none", "without", "both"]
Doubt = Literal["absent", "negated", "hypothetical", "family", "historical", "uncertain"]
DOUBTS: tuple[Doubt, ...] = get_args(Doubt)
# The files that say what a span is, how it is meant and what follows from it.
RULES = (
    *("assertion.py", "assertion_codes.py", "cues.py", "cue_lists.py", "cue_lists/*.txt"),
    *("attribution.py", "attribution_methods/*.py", "integrated_gradients.py"),
    *(
        "window_gradients.py",
        "doubt.py",
        "folding.py",
        "language.py",
        "scope.py",
        "section_names.py",
        "sections.py",
        "sentences.py",
    ),
    *("mentions.py", "spans.py", "stop_words.py", "words.py"),
)


@dataclass(frozen=True)
class EvidencePolicy:
    """Attribution, spans, verification, and which evidence sends an encounter to a person.

    ``mass_left_out`` is that of `surecode.evidence.attribution.attribute`. ``deletion``: whether
    the probability ``without`` the spans is computed, or that with the spans alone as well
    (``both``). A code all of whose spans are meant in one of the ways ``doubts`` needs a person,
    and so does one without any span where ``absent`` is among them.
    """

    spans: SpanPolicy
    method: Method = "head"
    mass_left_out: float = 0.01
    deletion: Deletion = "without"
    doubts: tuple[Doubt, ...] = ("absent", "negated", "hypothetical", "family", "historical")

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(
                f"evidence policy: method {self.method!r} is unknown; choose {', '.join(METHODS)}"
            )
        if not 0.0 <= self.mass_left_out < 1.0:
            raise InputError(
                f"evidence policy: mass_left_out {self.mass_left_out} must be at least 0, below 1"
            )
        if self.deletion not in get_args(Deletion) or set(self.doubts) - set(DOUBTS):
            raise InputError(
                f"evidence policy: deletion {self.deletion!r} or doubts {list(self.doubts)} are "
                f"unknown; choose among {', '.join(get_args(Deletion))} and {', '.join(DOUBTS)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``evidence.json``."""
        return asdict(self) | {"spans": self.spans.to_dict(), "doubts": list(self.doubts)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> EvidencePolicy:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        if not isinstance(values, Mapping) or set(values) != {
            *("spans", "method", "mass_left_out", "deletion", "doubts"),
        }:
            raise InputError("evidence policy: its keys are not those of this version")
        rest = {name: values[name] for name in ("method", "mass_left_out", "deletion")}
        return cls(SpanPolicy.from_dict(values["spans"]), **rest, doubts=tuple(values["doubts"]))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the policy and of the rules that it is applied by."""
        content = json.dumps(self.to_dict(), sort_keys=True) + _rules()
        return hashlib.sha256(content.encode("utf-8")).hexdigest()


@cache
def _rules() -> str:
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted({path for pattern in RULES for path in here.glob(pattern)}):
        digest.update(file.name.encode("utf-8") + file.read_bytes())
    return digest.hexdigest()
