"""The label space: the codes that a coder can assign, in a fixed order.

E encounters, K codes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from surecode.codes.systems import check_syntax, parse, system_of
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.files import read_json, write_json


@dataclass(frozen=True)
class LabelSpace:
    """The codes that a coder can assign, sorted by system and value."""

    codes: tuple[Code, ...]

    def __post_init__(self) -> None:
        if not self.codes:
            raise InputError(
                "the label space is empty: no code is left to learn; "
                "lower label_space.minimum_count or give more data"
            )
        if list(self.codes) != sorted(set(self.codes)):
            raise InputError("the label space is not sorted or names a code twice; build it anew")
        for code in self.codes:
            check_syntax(code)

    def __len__(self) -> int:
        return len(self.codes)

    def __contains__(self, code: Code) -> bool:
        return code in self._index

    @classmethod
    def from_encounters(
        cls, encounters: Iterable[Encounter], systems: Collection[str], minimum_count: int
    ) -> LabelSpace:
        """The codes of these systems in at least ``minimum_count`` encounters of split ``train``.

        Other splits are left out of the count, so that the label space learns nothing from them.
        Raises `InputError` where no code is left.
        """
        names = {system_of(name).name for name in systems}
        counts: Counter[Code] = Counter()
        train = 0
        for encounter in encounters:
            if encounter.split == "train":
                train += 1
                counts.update(code for code in encounter.code_set if code.system in names)
        codes = tuple(sorted(code for code, count in counts.items() if count >= minimum_count))
        if not codes:
            raise InputError(
                f"label space: none of {len(counts)} codes of {', '.join(sorted(names))} stands in "
                f"{minimum_count} of the {train} encounters of train or more; "
                "lower label_space.minimum_count or give more data"
            )
        return cls(codes)

    def index(self, code: Code) -> int:
        """The column of a code; `InputError` for a code outside of the label space."""
        if code not in self._index:
            raise InputError(
                f"code {code} is not in the label space of {len(self)} codes; "
                "lower label_space.minimum_count and train again"
            )
        return self._index[code]

    def encode(self, code_sets: Sequence[Collection[Code]]) -> npt.NDArray[np.bool_]:
        """The code sets as rows ``[E, K]``; codes outside of the label space have no column."""
        rows = np.zeros((len(code_sets), len(self)), dtype=np.bool_)
        for row, code_set in enumerate(code_sets):
            rows[row, [self._index[code] for code in code_set if code in self._index]] = True
        return rows

    @cached_property
    def hash(self) -> str:
        """Hexadecimal SHA-256 of the codes in their order."""
        return hashlib.sha256("\n".join(map(str, self.codes)).encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Write the label space as JSON; the file appears whole or not at all."""
        write_json(path, {"codes": [str(code) for code in self.codes], "hash": self.hash})

    @classmethod
    def read(cls, path: Path) -> LabelSpace:
        """Read what `write` wrote; a missing or damaged file raises `InputError`."""
        remedy = "build it anew with `surecode prepare`"
        content = read_json(path, remedy)
        damaged = f"{path}: the label space is damaged; {remedy}"
        try:
            space = cls(tuple(parse(text) for text in content["codes"]))
            expected = content["hash"]
        except (InputError, KeyError, TypeError, AttributeError):
            raise InputError(damaged) from None
        if space.hash != expected:
            raise InputError(damaged)
        return space

    @cached_property
    def _index(self) -> dict[Code, int]:
        return {code: column for column, code in enumerate(self.codes)}
