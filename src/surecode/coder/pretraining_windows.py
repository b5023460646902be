"""Texts → windows without padding → windows with masked tokens.

All documents stand one behind the other with a separator between them, and the row is cut into
windows of full length (RoBERTa's FULL-SENTENCES, Liu et al. 2019, arXiv 1907.11692, section 4.2):
no token is lost and only the last window has padding. Price: a window may hold the end of one
document and the beginning of the next, which see each other.

Which tokens are masked depends on seed, epoch and window alone, so a training that goes on after an
interruption guesses what an unbroken one would have guessed, and every epoch guesses others.

Legend: W windows, B windows of a batch, L tokens of a window, M masked tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from surecode.coder.pretraining_settings import MaskingSettings
from surecode.errors import InputError

# Texts that go to the tokenizer at once.
_TOGETHER = 256


@dataclass(frozen=True)
class Frame:
    """What stands around and between texts, and which tokens are no words."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    separator: int
    padding: int
    mask: int
    special: tuple[int, ...]
    tokens: int  # of the vocabulary

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Frame:
        """The frame of a tokenizer; raises `InputError` where it cannot mask."""
        if tokenizer.mask_token_id is None:
            raise InputError(
                "the encoder's tokenizer has no mask token, so that nothing can be masked; choose "
                "an encoder that was trained by masking, such as encoder=minilm"
            )
        probe = tokenizer("a", return_special_tokens_mask=True)
        first, last = np.flatnonzero(np.asarray(probe["special_tokens_mask"]) == 0)[[0, -1]]
        ids = [int(i) for i in probe["input_ids"]]
        between = (tokenizer.sep_token_id, tokenizer.eos_token_id, *ids[last + 1 :])
        padding = int(tokenizer.pad_token_id or 0)
        return cls(
            prefix=tuple(ids[:first]),
            suffix=tuple(ids[last + 1 :]),
            separator=int(next((i for i in between if i is not None), padding)),
            padding=padding,
            mask=int(tokenizer.mask_token_id),
            special=tuple(sorted(int(i) for i in tokenizer.all_special_ids)),
            tokens=len(tokenizer),
        )

    def ordinary(self) -> NDArray[np.int64]:
        """Ids of all tokens that are not special."""
        return np.setdiff1d(np.arange(self.tokens), self.special)


@dataclass(frozen=True)
class Packed:
    """Windows of full length; the last may end in padding.

    Attributes:
        ids: ``[W, L]`` token ids.
        content: ``[W, L]``, whether a token stands in a text.
        padding: the token id of padding.
    """

    ids: NDArray[np.int32]
    content: NDArray[np.bool_]
    padding: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def tokens(self) -> int:
        """Tokens of the texts."""
        return int(self.content.sum())


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> Iterator[NDArray[np.int32]]:
    """Token ids of each text, without special tokens around it."""
    for start in range(0, len(texts), _TOGETHER):
        encoded = tokenizer(
            list(texts[start : start + _TOGETHER]),
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        for ids in encoded["input_ids"]:
            yield np.asarray(ids, dtype=np.int32)


def pack(texts: Sequence[NDArray[np.int32]], frame: Frame, length: int) -> Packed:
    """Cut the row of all texts into windows.

    Args:
        texts: token ids of each text.
        frame: special tokens.
        length: L.

    Raises:
        InputError: the window has no room for a token, or there is no token.
    """
    room = length - len(frame.prefix) - len(frame.suffix)
    if room < 1:
        raise InputError(f"encoder.window_length={length}: no room for a token; raise it")
    separator = np.array([frame.separator], dtype=np.int32)
    pieces = [piece for ids in texts if len(ids) for piece in (ids, separator)][:-1]
    if not pieces:
        raise InputError(
            "the texts hold no character that the encoder's tokenizer knows; check their encoding"
        )
    row = np.concatenate(pieces)
    in_text = np.concatenate([np.full(len(piece), piece is not separator) for piece in pieces])
    count = -(-len(row) // room)
    ids = np.full((count, length), frame.padding, dtype=np.int32)
    content = np.zeros((count, length), dtype=np.bool_)
    for window in range(count):
        own = row[window * room : (window + 1) * room]
        ids[window, : len(own) + length - room] = [*frame.prefix, *own, *frame.suffix]
        begin = len(frame.prefix)
        content[window, begin : begin + len(own)] = in_text[window * room : (window + 1) * room]
    return Packed(ids, content, frame.padding)


def mask_window(
    ids: NDArray[np.int32],
    content: NDArray[np.bool_],
    frame: Frame,
    ordinary: NDArray[np.int64],
    masking: MaskingSettings,
    seed: Sequence[int],
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Hide some tokens of one window ``[L]``.

    ``masking.share`` of the tokens that are no special ones, but at least one, are to be guessed;
    of those 80% are shown as the mask, 10% as another token and 10% as they are, by default
    (Devlin et al. 2019, arXiv 1810.04805, section 3.1). Tokens are drawn without replacement, as
    in BERT's own code, so that the share is kept in every window.

    Args:
        ids: the window.
        content: which of its tokens stand in a text.
        frame: special tokens.
        ordinary: ids that a token may be replaced by.
        masking: the shares.
        seed: what the draws depend on.

    Returns:
        The window as it is shown, and the places to guess ``[M]`` in their order.
    """
    generator = np.random.default_rng(list(seed))
    free = np.flatnonzero(content & ~np.isin(ids, frame.special))
    count = min(max(round(masking.share * len(free)), 1), len(free))
    places = np.sort(generator.permutation(free)[:count])
    draws = generator.random(count)
    others = generator.choice(ordinary, count)
    shown = ids.copy()
    shown[places[draws < masking.masked]] = frame.mask
    replaced = (draws >= masking.masked) & (draws < masking.masked + masking.random)
    shown[places[replaced]] = others[replaced]
    return shown, places


@dataclass(frozen=True)
class MaskedBatch:
    """B windows with hidden tokens.

    Attributes:
        input_ids: ``[B, L]`` what is shown.
        attention_mask: ``[B, L]``, or None where there is no padding.
        places: ``[M]`` places to guess in the flattened batch.
        hidden: ``[M]`` the tokens that stand there.
        tokens: tokens of texts in the batch.
    """

    input_ids: Tensor
    attention_mask: Tensor | None
    places: Tensor
    hidden: Tensor
    tokens: int

    def to(self, device: torch.device) -> MaskedBatch:
        """A copy on a device."""
        mask = self.attention_mask
        return replace(
            self,
            input_ids=self.input_ids.to(device),
            attention_mask=None if mask is None else mask.to(device),
            places=self.places.to(device),
            hidden=self.hidden.to(device),
        )


def masked_batch(
    packed: Packed,
    indices: Sequence[int],
    frame: Frame,
    masking: MaskingSettings,
    seed: Sequence[int],
) -> MaskedBatch:
    """Some windows as a batch; each is masked by ``seed`` and its own index."""
    ordinary = frame.ordinary()
    length = packed.ids.shape[1]
    shown, places = [], []
    for row, index in enumerate(indices):
        ids, own = mask_window(
            packed.ids[index], packed.content[index], frame, ordinary, masking, [*seed, index]
        )
        shown.append(ids)
        places.append(own + row * length)
    flat = np.concatenate(places)
    ids = packed.ids[list(indices)].astype(np.int64)
    padded = ids != packed.padding
    return MaskedBatch(
        input_ids=torch.from_numpy(np.stack(shown).astype(np.int64)),
        attention_mask=None if padded.all() else torch.from_numpy(padded.astype(np.int64)),
        places=torch.from_numpy(flat),
        hidden=torch.from_numpy(ids.reshape(-1)[flat]),
        tokens=int(packed.content[list(indices)].sum()),
    )
