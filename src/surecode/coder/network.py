"""Encoder with adapter and head as one network: a batch of windows in, logits out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from surecode.coder.adapter import first_trained_layer, load_trained_state, merged, trained_state
from surecode.coder.heads.head import Head
from surecode.coder.layers import upper_states
from surecode.data.batches import Batch
from surecode.errors import InputError


class Network(nn.Module):
    """The trainable whole.

    Legend: W windows, L tokens of a window, T content tokens, D width, E encounters, K codes.
    """

    def __init__(self, encoder: PreTrainedModel | PeftModel, head: Head) -> None:
        super().__init__()
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

        Windows of nearly equal length pass the encoder together. Where a batch is more than one
        encounter call may hold (``Batch.groups``), training keeps no activations of a group and
        computes them again in the backward pass: memory does not grow with the encounter.

        ``embeddings`` ``[W, L, D]`` replace the batch's own word embeddings: attribution
        differentiates with respect to them.
        """
        longest = batch.input_ids.shape[1]
        device = batch.input_ids.device
        states, starts = [], [0] * len(batch.lengths)
        offset = 0
        for rows in batch.groups:
            length = max(batch.lengths[row] for row in rows)
            states.append(self._encode_group(batch, rows, length, embeddings))
            for place, row in enumerate(rows):
                starts[row] = offset + place * length
            offset += len(rows) * length
        begin = torch.tensor(starts, device=device)[batch.content // longest]
        return torch.cat(states)[begin + batch.content % longest]

    def _encode_group(
        self, batch: Batch, rows: Sequence[int], length: int, embeddings: Tensor | None
    ) -> Tensor:
        """States ``[len(rows) * length, D]`` of windows that were cut to one length."""
        chosen = torch.tensor(rows, device=batch.input_ids.device)
        full = all(batch.lengths[row] == length for row in rows)
        # Nothing to mask: attention without a mask is the faster kernel.
        mask = None if full else batch.attention_mask[chosen, :length]
        if batch.hidden is not None:
            source = batch.hidden[chosen, :length]
        elif embeddings is not None:
            source = embeddings[chosen, :length]
        else:
            source = batch.input_ids[chosen, :length]
        cached = batch.hidden is not None
        if batch.recompute and torch.is_grad_enabled():
            states = checkpoint(self._states, source, mask, cached, use_reentrant=False)
        else:
            states = self._states(source, mask, cached)
        flat: Tensor = states.flatten(0, 1)
        return flat

    def _states(self, source: Tensor, mask: Tensor | None, cached: bool) -> Tensor:
        if cached:
            return upper_states(self.encoder, source, mask, self.depth)
        key = "inputs_embeds" if source.is_floating_point() else "input_ids"
        states: Tensor = self.encoder(**{key: source, "attention_mask": mask}).last_hidden_state
        return states

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
        own = self.head_state()
        wrong = sorted(
            set(own) ^ set(head)
            | {k for k in set(own) & set(head) if own[k].shape != head[k].shape}
        )
        if wrong:
            raise InputError(
                f"the head's weights do not fit the network ({len(wrong)} differ, first "
                f"{wrong[0]}); take the head of this label space and head.kind, or train again"
            )
        load_trained_state(self.encoder, adapter)
        self.head.load_state_dict(dict(head))
