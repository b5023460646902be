"""Windows → batches of real windows only, under a budget of tokens.

Encounters are shuffled, sorted by length inside a buffer and cut into batches whose padded size
(windows x longest window) stays within the budget; the order of the batches is random again.
Padding inside a window is masked in the encoder and dropped before the head, so an encounter's
logits do not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surecode.data.windows import Windows


@dataclass(frozen=True)
class Batch:
    """Windows of E encounters as one encoder batch.

    Shapes: W windows, L the longest of them, T content tokens of all encounters, K codes.
    """

    input_ids: Tensor  # [W, L] int64
    attention_mask: Tensor  # [W, L] int64, 0 on padding
    content: Tensor  # [T] int64 positions in the flattened [W * L], in the encounters' order
    tokens: tuple[int, ...]  # E counts that sum up to T
    gold: Tensor | None = None  # [E, K] float, 1 where the code is assigned

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(
            self.input_ids.to(device),
            self.attention_mask.to(device),
            self.content.to(device),
            self.tokens,
            None if self.gold is None else self.gold.to(device),
        )


def collate(
    encounters: Sequence[Windows], padding_id: int, gold: NDArray[np.bool_] | None = None
) -> Batch:
    """Pack the windows of E encounters, with their gold ``[E, K]`` where it is known."""
    windows = [window for encounter in encounters for window in encounter.input_ids]
    content = [place for encounter in encounters for place in encounter.content]
    longest = max(len(window) for window in windows)
    input_ids = np.full((len(windows), longest), padding_id, dtype=np.int64)
    attention_mask = np.zeros((len(windows), longest), dtype=np.int64)
    positions = []
    for row, (window, place) in enumerate(zip(windows, content, strict=True)):
        input_ids[row, : len(window)] = window
        attention_mask[row, : len(window)] = 1
        positions.append(np.arange(place.start, place.stop) + row * longest)
    return Batch(
        torch.from_numpy(input_ids),
        torch.from_numpy(attention_mask),
        torch.from_numpy(np.concatenate(positions)),
        tuple(encounter.tokens for encounter in encounters),
        None if gold is None else torch.from_numpy(gold.astype(np.float32)),
    )


def batch_indices(
    encounters: Sequence[Windows], budget: int, seed: int | None, buffer: int = 512
) -> Iterator[list[int]]:
    """Positions of the encounters of each batch, every encounter once.

    Args:
        encounters: the windows of N encounters.
        budget: most tokens of a batch, padding included; an encounter above it stands alone.
        seed: order of the batches; None keeps the encounters' own order (no sorting).
        buffer: encounters among which those of equal length are sought.
    """
    order = np.arange(len(encounters))
    if seed is None:
        yield from _cut(encounters, order, budget)
        return
    generator = np.random.default_rng(seed)
    generator.shuffle(order)
    lengths = np.array([windows.longest for windows in encounters])
    batches = []
    for start in range(0, len(order), buffer):
        piece = order[start : start + buffer]
        batches += list(_cut(encounters, piece[np.argsort(lengths[piece], kind="stable")], budget))
    for position in generator.permutation(len(batches)):
        yield batches[position]


def _cut(
    encounters: Sequence[Windows], order: NDArray[np.int64], budget: int
) -> Iterator[list[int]]:
    batch: list[int] = []
    windows = longest = 0
    for index in order:
        candidate = encounters[index]
        grown = max(longest, candidate.longest)
        count = windows + len(candidate.input_ids)
        if batch and grown * count > budget:
            yield batch
            batch, count, grown = [], len(candidate.input_ids), candidate.longest
        batch.append(int(index))
        windows, longest = count, grown
    if batch:
        yield batch
