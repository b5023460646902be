"""Windows → batches of real windows only, under a budget of tokens.

Encounters are shuffled, sorted by length inside a buffer and cut into batches whose padded size
(windows x longest window) stays within the budget; the order of the batches is random again.
Inside a batch, windows of nearly equal length go through the encoder together, so that the short
tail of a document is not padded to a full window. Padding is masked in the encoder and dropped
before the head: an encounter's logits do not depend on its neighbours.

Price: a group is an encoder call of its own, and a call costs as much as ``CALL_TOKENS`` tokens;
the groups are those of the lowest total cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surecode.data.windows import Windows

# What an encoder call costs beyond its tokens, in tokens of a small encoder on two cores.
CALL_TOKENS = 48


@dataclass(frozen=True)
class Batch:
    """Windows of E encounters as one encoder batch.

    Shapes: W windows, L the longest of them, T content tokens of all encounters, K codes, D width.
    """

    input_ids: Tensor  # [W, L] int64
    attention_mask: Tensor  # [W, L] int64, 0 on padding
    content: Tensor  # [T] int64 positions in the flattened [W * L], in the encounters' order
    tokens: tuple[int, ...]  # E counts that sum up to T
    lengths: tuple[int, ...]  # W tokens of each window, special tokens included
    groups: tuple[tuple[int, ...], ...]  # rows that go through the encoder together
    encounter_ids: tuple[str, ...]  # E, for messages
    gold: Tensor | None = None  # [E, K] float, 1 where the code is assigned
    evidence: Tensor | None = None  # [M, 3] int64: encounter, code, content token within it
    hidden: Tensor | None = None  # [W, L, D] states that enter the first trained layer
    scale: float = 1.0  # what the summed loss of the encounters is multiplied by
    call_tokens: int | None = None  # most tokens of one encoder call; None: no limit

    @property
    def padding(self) -> int:
        """Padded tokens that an encoder reads which takes its windows in groups."""
        read = sum(len(rows) * max(self.lengths[row] for row in rows) for rows in self.groups)
        return read - sum(self.lengths)

    @property
    def recompute(self) -> bool:
        """Whether it is more than one encoder call may be, so that no activations are kept."""
        return self.call_tokens is not None and sum(self.lengths) > self.call_tokens

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""

        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device)

        return replace(
            self,
            input_ids=self.input_ids.to(device),
            attention_mask=self.attention_mask.to(device),
            content=self.content.to(device),
            gold=moved(self.gold),
            evidence=moved(self.evidence),
            hidden=moved(self.hidden),
        )


def collate(
    encounters: Sequence[Windows],
    padding_id: int,
    gold: NDArray[np.bool_] | None = None,
    call_tokens: int | None = None,
) -> Batch:
    """Pack the windows of E encounters, with their gold ``[E, K]`` where it is known.

    ``call_tokens`` bounds the tokens of one encoder call: an encounter of any length is encoded at
    bounded memory.
    """
    windows = [window for encounter in encounters for window in encounter.input_ids]
    content = [place for encounter in encounters for place in encounter.content]
    lengths = tuple(len(window) for window in windows)
    longest = max(lengths)
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
        lengths,
        group_windows(lengths, call_tokens),
        tuple(encounter.encounter_id for encounter in encounters),
        None if gold is None else torch.from_numpy(gold.astype(np.float32)),
        scale=1 / len(encounters),
        call_tokens=call_tokens,
    )


def group_windows(
    lengths: Sequence[int], group_tokens: int | None = None, call_tokens: int = CALL_TOKENS
) -> tuple[tuple[int, ...], ...]:
    """Rows of windows to encode together: the partition by length of the lowest cost.

    A group costs ``call_tokens`` plus its padded size. Exact by dynamic programming over the
    distinct lengths; groups above ``group_tokens`` padded tokens are cut, never below one window.
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    distinct = sorted(set(lengths), reverse=True)
    counts = [sum(1 for length in lengths if length == value) for value in distinct]
    before = np.concatenate([[0], np.cumsum(counts)])
    # best[j]: lowest cost of the j longest distinct lengths; cut[j]: where its last group begins.
    best, cut = [0.0], [0]
    for j in range(1, len(distinct) + 1):
        costs = [
            best[i] + call_tokens + distinct[i] * float(before[j] - before[i]) for i in range(j)
        ]
        cut.append(int(np.argmin(costs)))
        best.append(costs[cut[-1]])
    groups = []
    end = len(distinct)
    while end:
        groups.append(order[before[cut[end]] : before[end]])
        end = cut[end]
    return tuple(
        tuple(group[start : start + step])
        for group in reversed(groups)
        for step in (max((group_tokens or len(group) * lengths[group[0]]) // lengths[group[0]], 1),)
        for start in range(0, len(group), step)
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


def share(indices: Sequence[int], sizes: Sequence[int], rank: int, world: int) -> list[int]:
    """The encounters of a batch that one of ``world`` ranks works on; possibly none.

    The largest first, each to the rank with the least work (Graham 1969), in a fixed order: every
    rank comes to the same plan by itself.
    """
    work = [0] * world
    shares: list[list[int]] = [[] for _ in range(world)]
    for index in sorted(indices, key=lambda i: (-sizes[i], i)):
        idlest = work.index(min(work))
        work[idlest] += sizes[index]
        shares[idlest].append(index)
    return sorted(shares[rank])


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
