"""Encoder with adapter and head as one network: a batch of windows in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from surecode.coder.adapter import (
    check_weights,
    first_trained_layer,
    load_trained_state,
    merged,
    trained_state,
)
from surecode.coder.heads.head import Head
from surecode.coder.layers import upper_states
from surecode.coder.packed import packed_states, runs_of
from surecode.data.batches import Batch


class Network(nn.Module):
    """The trainable whole.

    Legend: W windows, L tokens of a window, T content tokens, D width, E encounters, K codes.
    """

    def __init__(
        self, encoder: PreTrainedModel | PeftModel, head: Head, packs: bool = False
    ) -> None:
        """``packs``: the encoder takes windows in a row (`surecode.coder.packed`)."""
        super().__init__()
        self.packs = packs
        self.encoder = encoder
        self.head = head
        # States of a batch enter here where a cache has those of the frozen layers below.
        self.depth = first_trained_layer(encoder)

    def embed(self, input_ids: Tensor) -> Tensor:
        """Word embeddings ``[W, L, D]``, before positions and layers."""
        embeddings: Tensor = self.encoder.get_input_embeddings()(input_ids)
        return embeddings

    def encode(self, batch: Batch, embeddings: Tensor | None = None) -> Tensor:
        """States ``[T, D]`` of the content tokens, the encounters one after the other.

        Where the encoder takes windows in a row there is no padding; elsewhere windows of nearly
        equal length pass it together. Where a batch is more than one encoder call may be
        (``Batch.call_tokens``), training keeps no activations of a call and computes them again in
        the backward pass: memory does not grow with the encounter.

        ``embeddings`` ``[W, L, D]`` replace the batch's own word embeddings: attribution
        differentiates with respect to them.
        """
        longest = batch.input_ids.shape[1]
        states, starts, offset = [], [0] * len(batch.lengths), 0
        packed = self.packs and embeddings is None
        for rows in _calls(batch) if packed else batch.groups:
            length = max(batch.lengths[row] for row in rows)
            for row in rows:
                starts[row] = offset
                offset += batch.lengths[row] if packed else length
            states.append(
                self._encode_row(batch, rows)
                if packed
                else self._encode_group(batch, rows, length, embeddings)
            )
        begin = torch.tensor(starts, device=batch.content.device)[batch.content // longest]
        return torch.cat(states)[begin + batch.content % longest]

    def _encode_row(self, batch: Batch, rows: Sequence[int]) -> Tensor:
        """States ``[N, D]`` of windows one behind the other; those of one length stand together."""
        lengths = [batch.lengths[row] for row in rows]
        longest, device = batch.input_ids.shape[1], batch.input_ids.device
        places = np.concatenate([np.arange(length) for length in lengths])
        index = places + np.repeat(np.array(rows) * longest, lengths)
        source = batch.input_ids if batch.hidden is None else batch.hidden
        return self._maybe_again(
            batch,
            packed_states,
            self.encoder,
            source.flatten(0, 1)[torch.from_numpy(index).to(device)],
            torch.from_numpy(places).to(device),
            runs_of(lengths),
            None if batch.hidden is None else self.depth,
        )

    def _encode_group(
        self, batch: Batch, rows: Sequence[int], length: int, embeddings: Tensor | None
    ) -> Tensor:
        """States ``[len(rows) * length, D]`` of windows that are cut to one length."""
        chosen = torch.tensor(rows, device=batch.input_ids.device)
        full = all(batch.lengths[row] == length for row in rows)
        # Nothing to mask: attention without a mask is the faster kernel.
        mask = None if full else batch.attention_mask[chosen, :length]
        source = batch.input_ids if embeddings is None else embeddings
        source = source if batch.hidden is None else batch.hidden
        cached = batch.hidden is not None
        states = self._maybe_again(batch, self._group_states, source[chosen, :length], mask, cached)
        return states.flatten(0, 1)

    def window_states(self, embeddings: Tensor) -> Tensor:
        """States ``[m, l, D]`` of m windows of one length, from word embeddings of that shape.

        Nothing is padded, and the windows do not see each other: attribution differentiates
        single windows.
        """
        kind = self.encoder.get_input_embeddings().weight.dtype
        return self._group_states(embeddings.to(kind), None, cached=False)

    def _group_states(self, source: Tensor, mask: Tensor | None, cached: bool) -> Tensor:
        if cached:
            return upper_states(self.encoder, source, mask, self.depth)
        key = "inputs_embeds" if source.is_floating_point() else "input_ids"
        states: Tensor = self.encoder(**{key: source, "attention_mask": mask}).last_hidden_state
        return states

    @staticmethod
    def _maybe_again(batch: Batch, states: Callable[..., Tensor], *arguments: Any) -> Tensor:
        """Call; in training, keep no activations where the batch is too large for it."""
        if batch.recompute and torch.is_grad_enabled():
            again: Tensor = checkpoint(states, *arguments, use_reentrant=False)
            return again
        return states(*arguments)

    def forward(self, batch: Batch, embeddings: Tensor | None = None) -> Tensor:
        """Logits ``[E, K]``; the head runs in fp32."""
        return self.read(self.encode(batch, embeddings), batch.tokens)

    def read(self, states: Tensor, tokens: tuple[int, ...]) -> Tensor:
        """Token states ``[T, D]`` → logits ``[E, K]``."""
        with torch.autocast(device_type=states.device.type, enabled=False):
            logits: Tensor = self.head(states.float(), tokens)
        return logits

    def contributions(self, states: Tensor, codes: Tensor) -> Tensor:
        """What each token of one encounter adds to some codes' logits.

        States ``[t, D]`` of one encounter and code positions ``[n]`` → ``[t, n]``; a code's column
        and its offset sum up to its logit.
        """
        contributions: Tensor = self.head.contributions(states.float(), codes)
        return contributions

    def adapter_state(self) -> dict[str, Tensor]:
        """What training changed in the encoder: the adapter, all weights, or nothing."""
        return trained_state(self.encoder)

    def head_state(self) -> dict[str, Tensor]:
        """Weights of the head alone."""
        return {k: v.detach().cpu().contiguous() for k, v in self.head.state_dict().items()}

    def merge_adapter(self) -> None:
        """Fold the adapter into the encoder: the same function at a third of the matrix products.

        Merged in fp32. Afterwards the network codes; it trains no more.
        """
        self.encoder = merged(self.encoder)

    def load_state(self, adapter: Mapping[str, Tensor], head: Mapping[str, Tensor]) -> None:
        """Put trained weights in place.

        Raises:
            InputError: a weight is missing, unknown or of another shape.
        """
        check_weights("head", self.head_state(), head)
        load_trained_state(self.encoder, adapter)
        self.head.load_state_dict(dict(head))


def _calls(batch: Batch) -> Iterator[list[int]]:
    """The batch's windows, longest first, cut where an encoder call may hold no more."""
    call: list[int] = []
    tokens = 0
    for row in sorted(range(len(batch.lengths)), key=lambda row: (-batch.lengths[row], row)):
        if call and batch.call_tokens and tokens + batch.lengths[row] > batch.call_tokens:
            yield call
            call, tokens = [], 0
        call.append(row)
        tokens += batch.lengths[row]
    yield call
