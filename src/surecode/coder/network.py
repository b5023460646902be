"""Encoder with adapter and head as one network: a batch of windows in, logits out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from surecode.coder.label_attention import HeadOutput, LabelAttention
from surecode.data.batches import Batch
from surecode.errors import InputError


class Network(nn.Module):
    """The trainable whole.

    Legend: W windows, L tokens of a window, T content tokens, D width, E encounters, K codes.
    """

    def __init__(self, encoder: PeftModel, head: LabelAttention) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def embed(self, input_ids: Tensor) -> Tensor:
        """Word embeddings ``[W, L, D]``, before positions and layers."""
        embeddings: Tensor = self.encoder.get_input_embeddings()(input_ids)
        return embeddings

    def encode(self, batch: Batch, embeddings: Tensor | None = None) -> Tensor:
        """States ``[T, D]`` of the content tokens, the encounters one after the other.

        ``embeddings`` ``[W, L, D]`` replace the batch's own word embeddings: attribution
        differentiates with respect to them.
        """
        source = (
            {"input_ids": batch.input_ids} if embeddings is None else {"inputs_embeds": embeddings}
        )
        states: Tensor = self.encoder(
            **source, attention_mask=batch.attention_mask
        ).last_hidden_state
        return states.flatten(0, 1)[batch.content]

    def forward(self, batch: Batch, embeddings: Tensor | None = None) -> HeadOutput:
        """Logits ``[E, K]`` with the contribution of every token; the head runs in fp32."""
        states = self.encode(batch, embeddings)
        with torch.autocast(device_type=states.device.type, enabled=False):
            output: HeadOutput = self.head(states.float(), batch.tokens)
        return output

    def adapter_state(self) -> dict[str, Tensor]:
        """Weights of the adapter alone, under PEFT's names."""
        return {
            k: v.detach().cpu().contiguous()
            for k, v in get_peft_model_state_dict(self.encoder).items()
        }

    def head_state(self) -> dict[str, Tensor]:
        """Weights of the head alone."""
        return {k: v.detach().cpu().contiguous() for k, v in self.head.state_dict().items()}

    def merge_adapter(self) -> None:
        """Fold the adapter into the encoder: the same function at a third of the matrix products.

        Merged in fp32. Afterwards the network codes; it trains no more.
        """
        self.encoder = self.encoder.merge_and_unload()

    def load_state(self, adapter: Mapping[str, Tensor], head: Mapping[str, Tensor]) -> None:
        """Put trained weights in place.

        Raises:
            InputError: a weight is missing, unknown or of another shape.
        """
        expected = self.adapter_state()
        _check("adapter", expected, adapter)
        _check("head", self.head_state(), head)
        set_peft_model_state_dict(self.encoder, dict(adapter))
        self.head.load_state_dict(dict(head))


def _check(part: str, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    wrong = sorted(
        set(expected) ^ set(found)
        | {k for k in set(expected) & set(found) if expected[k].shape != found[k].shape}
    )
    if wrong:
        raise InputError(
            f"the {part}'s weights do not fit the network ({len(wrong)} differ, first {wrong[0]}); "
            "train again or take the bundle that belongs to this configuration"
        )
