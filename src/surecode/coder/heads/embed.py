"""Descriptions of codes → embeddings: the mean state that the encoder gives a description's tokens.

The encoder reads a description as it reads a note, by the same windows; special tokens are left
out. It must be the base encoder, without the adapter, at training and when codes are added later:
the adapter changes while the embeddings stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import torch
from torch import Tensor

from surecode.data.batches import Batch, batch_indices, collate
from surecode.data.windows import Windows
from surecode.encounter import Document, Encounter


def embed_descriptions(
    encode: Callable[[Batch], Tensor],
    windower: Callable[[Encounter], Windows],
    padding_id: int,
    texts: Sequence[str | None],
    batch_tokens: int = 4096,
) -> tuple[Tensor, Tensor]:
    """Embeddings ``[K, D]`` and which of the K codes have one ``[K]`` (bool).

    Args:
        encode: states ``[T, D]`` of the content tokens of a batch, by the base encoder.
        windower: cuts a description into windows, as it does with encounters.
        padding_id: the tokenizer's padding.
        texts: K descriptions, None for a code without one; its row is 0.
        batch_tokens: most tokens of an encoder batch, padding included.

    Raises:
        InputError: a description holds no word, or nothing that the tokenizer knows.
    """
    places = [place for place, text in enumerate(texts) if text is not None]
    described = torch.zeros(len(texts), dtype=torch.bool)
    described[places] = True
    # Where no code has a description, a letter still tells the width.
    found = [text for text in texts if text is not None] or ["a"]
    windows = [windower(_as_encounter(number, text)) for number, text in enumerate(found, 1)]
    means: list[Tensor] = [torch.empty(0)] * len(found)
    with torch.no_grad():
        # A seed, for only then texts of equal length come together; the order has no say here.
        for indices in batch_indices(windows, batch_tokens, seed=0):
            batch = collate([windows[index] for index in indices], padding_id)
            parts = torch.split(encode(batch).float().cpu(), list(batch.tokens))
            for index, part in zip(indices, parts, strict=True):
                means[index] = part.mean(dim=0)
    embeddings = torch.zeros(len(texts), means[0].shape[0])
    if places:
        embeddings[places] = torch.stack(means)
    return embeddings, described


def _as_encounter(number: int, text: str) -> Encounter:
    """A description in the clothes of a note: only its text is read."""
    name = f"description {number}"
    document = Document(name, "description", text)
    return Encounter(name, "none", "none", "professional", "none", date(2000, 1, 1), (document,))
