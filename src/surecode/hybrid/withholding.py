"""Codes that no place of a term can carry: each is denied there, or means something else.

What training says of denied places is learned, and some corpora mark them: CodiEsp's annotators
marked one diagnosis in ten where the note denies it. Some mark by the word, too: "hipertensión
portal" as hypertension. Who bills must not, so a coder may withhold such codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.codes.label_space import LabelSpace
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.evidence.assertion_codes import fits
from surecode.hybrid.candidates import Candidates
from surecode.hybrid.place import Place
from surecode.hybrid.surroundings import Surroundings

# Log-odds of a code that is withheld, less than any that is learned.
WITHHELD = -15.0


@dataclass(frozen=True)
class Withholding:
    """What keeps a place from carrying a code; by default nothing does.

    Attributes:
        denied: that it is denied, hypothetical or of the family. A family history carries its
            codes, and procedures any place (`surecode.evidence.assertion_codes`).
        senses: that the rules of ambiguous words see another sense (`surecode.lexicon.senses`).
    """

    denied: bool = False
    senses: bool = False

    def columns(self, encounter: Encounter, proposed: Candidates, space: LabelSpace) -> list[int]:
        """Columns of the candidates no place of which can carry them."""
        if not (self.denied or self.senses):
            return []
        texts = {d.document_id: Surroundings(d.text) for d in encounter.documents if self.senses}

        def carries(code: Code, place: Place) -> bool:
            if self.denied and not fits(place.meant, code.system, code.value):
                return False
            if not self.senses:
                return True
            first, last = place.spans[0], place.spans[-1]
            sense = texts[first.document_id].sense(first.start, last.end, code)
            return sense != "contradicted"

        return [
            space.index(code)
            for code, places in zip(proposed.codes, proposed.places, strict=True)
            if code in space and places and not any(carries(code, place) for place in places)
        ]

    def to_dict(self) -> dict[str, bool]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Withholding:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        if (
            not isinstance(values, dict)
            or values.keys() != {"denied", "senses"}
            or not all(isinstance(value, bool) for value in values.values())
        ):
            raise InputError("terms: damaged; run `surecode train` again")
        return cls(**values)


def withheld(logits: NDArray[np.float64], columns: Iterable[int]) -> NDArray[np.float64]:
    """Logits ``[K]`` with some columns withheld."""
    changed = logits.copy()
    changed[list(columns)] = WITHHELD
    return changed
