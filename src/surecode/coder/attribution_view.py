"""A network and one encounter's batch as attribution sees them (`surecode.evidence.network_view`).

Legend: W windows, L tokens of the longest, l of one, T content tokens, D width, K codes, n some of
them, m copies of a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from surecode.coder.heads.cotangents import ClosedForm, Whole, cotangents
from surecode.coder.losses import widened
from surecode.coder.network import Network
from surecode.data.batches import Batch
from surecode.errors import InputError
from surecode.evidence.network_view import WindowPart


@dataclass(frozen=True)
class AttributionView:
    """One encounter as its network reads it; the encoder as it is, the head in fp32.

    A network in fp64 stays in fp64: that is how rounding is told from error.
    """

    network: Network
    batch: Batch
    windows: tuple[WindowPart, ...]
    token_ids: Tensor  # [T]
    embeddings: Tensor  # [W, L, D] fp32
    masked: Tensor  # [W, L, D] fp32, every content token masked

    @property
    def codes(self) -> int:
        """K, size of the label space."""
        return self.network.head.codes

    def states(self) -> Tensor:
        """States ``[T, D]`` in fp32, by the same calls as coding."""
        with torch.no_grad():
            return widened(self.network.encode(self.batch))

    def encode(self, embeddings: Tensor) -> Tensor:
        """States ``[m, l, D]`` in fp32 of windows of one length, from their embeddings."""
        return widened(self.network.window_states(embeddings))

    def logits(self, states: Tensor, codes: Tensor) -> Tensor:
        """Logits ``[n]`` of codes ``[n]`` from all states ``[T, D]``."""
        return self.contributions(states, codes).sum(dim=0) + self.offset(states, codes)

    def attention(self, states: Tensor, codes: Tensor) -> Tensor:
        """Attention ``[T, n]`` of the codes."""
        with _exact(states):
            return self.network.head.attention(states, codes)

    def contributions(self, states: Tensor, codes: Tensor) -> Tensor:
        """What each token adds to the logits, ``[T, n]``."""
        with _exact(states):
            return self.network.head.contributions(states, codes)

    def offset(self, states: Tensor, codes: Tensor) -> Tensor:
        """The part ``[n]`` of the logits that stands on no token."""
        with _exact(states):
            return self.network.head.offset(states, codes)

    def cotangents(self, states: Tensor, codes: Tensor) -> ClosedForm | Whole:
        """Gradients of the codes' logits with respect to the states ``[T, D]``."""
        with _exact(states):
            return cotangents(self.network.head, states, codes)


def attribution_view(network: Network, batch: Batch, mask_id: int) -> AttributionView:
    """View of the one encounter of a batch.

    Args:
        network: in evaluation mode; with its adapter or merged, its weights frozen or not.
        batch: one encounter's windows, on the network's device.
        mask_id: the token that says nothing (`Windower.mask_id`).

    Raises:
        InputError: the batch holds more than one encounter or states in place of tokens, or the
            network is in training mode.
    """
    if len(batch.tokens) != 1 or batch.hidden is not None:
        raise InputError(
            f"attribution explains one encounter by its tokens, this batch holds "
            f"{len(batch.tokens)}{' as cached states' if batch.hidden is not None else ''}; "
            "collate each encounter by itself"
        )
    if network.training:
        raise InputError("the network is in training mode; call eval() before attributing")
    longest = batch.input_ids.shape[1]
    ids = batch.input_ids.flatten()
    with torch.inference_mode(False), torch.no_grad():
        masked = ids.clone()
        masked[batch.content] = mask_id
        return AttributionView(
            network=network,
            batch=batch,
            windows=_parts(batch, longest),
            token_ids=ids[batch.content],
            embeddings=widened(network.embed(batch.input_ids)),
            masked=widened(network.embed(masked.view_as(batch.input_ids))),
        )


def _parts(batch: Batch, longest: int) -> tuple[WindowPart, ...]:
    """Windows as `collate` lays them: their content in one run each, one behind the other."""
    rows, places = batch.content.cpu() // longest, batch.content.cpu() % longest
    parts, start = [], 0
    for row, length in enumerate(batch.lengths):
        mine = places[rows == row]
        begin = int(mine[0])
        parts.append(
            WindowPart(length, slice(start, start + len(mine)), slice(begin, begin + len(mine)))
        )
        start += len(mine)
    return tuple(parts)


def _exact(states: Tensor) -> torch.autocast:
    """The head runs in fp32, whatever the encoder runs in."""
    return torch.autocast(device_type=states.device.type, enabled=False)
