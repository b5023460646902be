"""The reference of the benchmark: a coder as public code runs it, with this project's weights.

explainable-medical-coding, medical-coding-reproducibility and PLM-ICD batch by number of notes:
eight in random order, each cut into chunks of 128 tokens, all padded to the longest of the batch,
and every padded chunk goes through the encoder. Here the padding is masked in the label attention,
so that the logits are those of the coder.

Legend: N notes of a batch, C chunks of the longest, L tokens of a chunk, D width, K codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from surecode.coder.heads.label_attention import LabelAttention
from surecode.data.windows import Windows

CHUNK = 128
NOTES = 8
DROPOUT = 0.1  # hidden and attention dropout in the encoder's published configuration


@dataclass(frozen=True)
class PaddedBatch:
    input_ids: Tensor  # [N, C, L]
    attention_mask: Tensor  # [N, C, L]
    content: Tensor  # [N, C, L] bool: real tokens but the special ones, which the coder leaves out
    indices: list[int]

    @property
    def size(self) -> int:
        return self.input_ids.numel()


def padded_batches(
    notes: Sequence[Windows], padding_id: int, seed: int | None, size: int = NOTES
) -> Iterator[PaddedBatch]:
    """Batches of ``size`` notes; in random order with a seed, else in the notes' own."""
    order = np.arange(len(notes))
    if seed is not None:
        np.random.default_rng(seed).shuffle(order)
    for start in range(0, len(order), size):
        indices = [int(index) for index in order[start : start + size]]
        chosen = [notes[index] for index in indices]
        shape = len(chosen), max(len(note.input_ids) for note in chosen), CHUNK
        input_ids = torch.full(shape, padding_id)
        attention_mask = torch.zeros(shape, dtype=torch.long)
        content = torch.zeros(shape, dtype=torch.bool)
        for row, note in enumerate(chosen):
            for chunk, (ids, place) in enumerate(zip(note.input_ids, note.content, strict=True)):
                input_ids[row, chunk, : len(ids)] = torch.from_numpy(ids)
                attention_mask[row, chunk, : len(ids)] = 1
                content[row, chunk, place] = True
        yield PaddedBatch(input_ids, attention_mask, content, indices)


class Reference(nn.Module):
    """Label attention (LAAT) over all tokens of the padded batch, pooled before it is weighed."""

    def __init__(self, encoder: nn.Module, head: LabelAttention) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, batch: PaddedBatch) -> Tensor:
        notes, chunks, length = batch.input_ids.shape
        states = self.encoder(
            input_ids=batch.input_ids.view(-1, length),
            attention_mask=batch.attention_mask.view(-1, length),
        ).last_hidden_state
        states = states.view(notes, chunks * length, -1)
        scores = torch.tanh(self.head.project(states)) @ self.head.query.T  # [N, T, K]
        padding = ~batch.content.view(notes, -1, 1)
        attention = scores.masked_fill(padding, float("-inf")).softmax(dim=1)
        pooled = attention.transpose(1, 2) @ states  # [N, K, D]
        return (self.head.value * pooled).sum(dim=2) + self.head.bias


def set_dropout(encoder: nn.Module, probability: float) -> None:
    """Dropout of the encoder itself; an adapter's own stays as it is."""
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Dropout) and "lora_" not in name:
            module.p = probability
