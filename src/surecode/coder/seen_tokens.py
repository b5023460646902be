"""Which tokens of the encoder's vocabulary training contained: new words make a note hard."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError

_HEX = re.compile(r"(?:[0-9a-f]{2})*")


@dataclass(frozen=True)
class SeenTokens:
    """A set of token ids from 0 to ``size - 1``, one bit each; ``len()`` counts the ids.

    ``bits`` packs eight ids to a byte, the lowest id in the highest bit. It holds no text: ids of
    a public vocabulary, without order or count.
    """

    size: int
    bits: bytes = field(repr=False)
    _seen: NDArray[np.bool_] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        packed = np.frombuffer(self.bits, dtype=np.uint8)
        flags = np.unpackbits(packed).astype(bool)
        if self.size < 0 or len(packed) != (self.size + 7) // 8 or flags[self.size :].any():
            raise InputError(
                f"seen tokens: {len(self.bits)} bytes do not hold {self.size} ids; collect them "
                "again from the train split"
            )
        object.__setattr__(self, "_seen", flags[: self.size])

    def __len__(self) -> int:
        return int(self._seen.sum())

    @classmethod
    def collect(cls, token_ids: Iterable[ArrayLike], size: int) -> SeenTokens:
        """The ids in some arrays `[T]`; raises `InputError` where one is not in 0 to size - 1."""
        seen = np.zeros(size, dtype=bool)
        for ids in map(_ids, token_ids):
            if ids.size and int(ids.max()) >= size:
                raise InputError(
                    f"seen tokens: id {int(ids.max())} is beyond the vocabulary of {size}; "
                    "give the size of this tokenizer's vocabulary"
                )
            seen[ids] = True
        return cls(size, np.packbits(seen).tobytes())

    def unseen_share(self, token_ids: ArrayLike) -> float:
        """The share of token ids `[T]` that are not in the set; 0 without tokens."""
        ids = _ids(token_ids)
        if not ids.size:
            return 0.0
        inside = ids[ids < self.size]
        return (len(ids) - int(self._seen[inside].sum())) / len(ids)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the size, and the bits in hexadecimal."""
        return {"size": self.size, "bits": self.bits.hex()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SeenTokens:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        if (
            not isinstance(values, Mapping)
            or set(values) != {"size", "bits"}
            or type(values["size"]) is not int
            or not isinstance(values["bits"], str)
            or not _HEX.fullmatch(values["bits"])
        ):
            raise InputError(
                "seen tokens: expected a size and bits in hexadecimal and nothing else; write the "
                "file again with surecode calibrate"
            )
        return cls(values["size"], bytes.fromhex(values["bits"]))


def _ids(token_ids: ArrayLike) -> NDArray[np.int64]:
    ids = np.asarray(token_ids)
    if ids.ndim != 1 or (ids.size and (ids.dtype.kind not in "iu" or int(ids.min()) < 0)):
        raise InputError(
            f"seen tokens: ids are {ids.dtype} of shape {ids.shape}; give whole numbers [T] of 0 "
            "or more"
        )
    return ids.astype(np.int64)
