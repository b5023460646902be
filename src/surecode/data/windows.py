"""Documents → windows: runs of at most L tokens with the characters that each token covers.

Property: every character that the tokenizer keeps is covered; a window holds tokens of one
document only. Price: with ``overlap`` > 0 a token near a cut is encoded twice, and its two copies
are two tokens to the head (their contributions add up).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from surecode.encounter import Encounter
from surecode.errors import InputError


@dataclass(frozen=True)
class Windows:
    """The windows of one encounter and the place of every content token in its documents.

    Special tokens frame each window in ``input_ids`` but are no content: the head never sees
    them, so every contribution to a logit lies on words of a document.
    """

    encounter_id: str
    input_ids: tuple[NDArray[np.int64], ...]  # W arrays, each [<= L], special tokens included
    content: tuple[slice, ...]  # W: where the content tokens stand in each window
    document: NDArray[np.int64]  # [T] position of the token's document in the encounter
    offsets: NDArray[np.int64]  # [T, 2] code points of that document, half-open

    @property
    def tokens(self) -> int:
        """Number of content tokens T."""
        return len(self.document)

    @property
    def longest(self) -> int:
        """Tokens of the longest window, special tokens included."""
        return max(len(window) for window in self.input_ids)


class Windower:
    """Cuts encounters into windows with one tokenizer.

    Args:
        tokenizer: a fast tokenizer (it must know the offsets of its tokens).
        length: most tokens of a window, special tokens included (L).
        overlap: content tokens that two neighbouring windows of a document share.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, length: int, overlap: int = 0) -> None:
        probe = tokenizer("a", return_special_tokens_mask=True)
        special = np.asarray(probe["special_tokens_mask"], dtype=bool)
        first, last = np.flatnonzero(~special)[[0, -1]]
        self._prefix = np.asarray(probe["input_ids"][:first], dtype=np.int64)
        self._suffix = np.asarray(probe["input_ids"][last + 1 :], dtype=np.int64)
        self._room = length - len(self._prefix) - len(self._suffix)
        if not 0 <= overlap < self._room:
            raise InputError(
                f"encoder.window_overlap={overlap}: it must be at least 0 and smaller than the "
                f"{self._room} content tokens of a window; lower it or raise encoder.window_length"
            )
        self._tokenizer = tokenizer
        self._length, self._overlap = length, overlap
        # What stands for "no word here" in attribution; a tokenizer without a mask has a pad.
        mask = tokenizer.mask_token_id
        self.mask_id = int(tokenizer.pad_token_id or 0) if mask is None else int(mask)
        self._step = self._room - overlap

    @property
    def length(self) -> int:
        """Most tokens of a window, special tokens included (L)."""
        return self._length

    @property
    def overlap(self) -> int:
        """Content tokens that two neighbouring windows of a document share."""
        return self._overlap

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, added tokens included."""
        return len(self._tokenizer)

    @cached_property
    def tokenizer_hash(self) -> str:
        """Hexadecimal SHA-256 of all that the tokenizer does: vocabulary, rules, special tokens."""
        content = json.loads(self._tokenizer.backend_tokenizer.to_str())
        # What a caller last asked for, and never used here.
        content.pop("padding", None)
        content.pop("truncation", None)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def __call__(self, encounter: Encounter) -> Windows:
        """Windows of one encounter; raises `InputError` if its documents have no token at all."""
        input_ids: list[NDArray[np.int64]] = []
        content: list[slice] = []
        document: list[NDArray[np.int64]] = []
        offsets: list[NDArray[np.int64]] = []
        for position, text in enumerate(d.text for d in encounter.documents):
            encoded = self._tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            )
            ids = np.asarray(encoded["input_ids"], dtype=np.int64)
            places = np.asarray(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2)
            for start in self._starts(len(ids)):
                piece = slice(start, start + self._room)
                input_ids.append(np.concatenate([self._prefix, ids[piece], self._suffix]))
                begin = len(self._prefix)
                content.append(slice(begin, begin + len(ids[piece])))
                offsets.append(places[piece])
                document.append(np.full(len(ids[piece]), position))
        if not input_ids:
            raise InputError(
                f"encounter {encounter.encounter_id}: its documents hold no character that the "
                "encoder's tokenizer knows; check the text's encoding"
            )
        return Windows(
            encounter.encounter_id,
            tuple(input_ids),
            tuple(content),
            np.concatenate(document),
            np.concatenate(offsets),
        )

    def all(self, encounters: Iterable[Encounter]) -> list[Windows]:
        """Windows of many encounters, in their order."""
        return [self(encounter) for encounter in encounters]

    def _starts(self, tokens: int) -> Sequence[int]:
        """Where the windows of a document of ``tokens`` tokens begin; the last one is not empty."""
        if tokens == 0:
            return ()
        return range(0, max(tokens - self._overlap, 1), self._step)
