"""An encoder cut at a layer: the frozen part below it, the trained part above it.

Both parts are the library's own forward pass, run on a shallow copy of the encoder that holds some
of its layers. The copy shares every layer, so there is one set of weights and of gradients; the
encoder itself is never changed, which is why an exception, a second thread or a wrapper for several
devices cannot leave it in halves. A copy costs some ten microseconds and is made anew for each
call: an adapter that was merged or swapped meanwhile is seen.

Masks, rotary embeddings and the final norm stay the library's business. Below the cut the final
norm is left out; above it the embeddings pass on the states that they are given.

Legend: W windows, L tokens of a window, D width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from surecode.coder.architectures import ARCHITECTURES, layers_of, layers_path
from surecode.errors import InputError

# The norm after the last layer, where an architecture has one.
_FINAL_NORM = {"megatron-bert": "encoder.ln", "modernbert": "final_norm"}
# What the forward pass does after the lowest of its layers, whichever that is.
_AFTER_LOWEST = {"deberta-v2": "encoder.conv"}


def can_be_cut(encoder: PreTrainedModel | PeftModel) -> bool:
    """Whether the encoder's architecture is one of those that this module knows how to cut."""
    return _bare(encoder).config.model_type in ARCHITECTURES


def lower_states(
    encoder: PreTrainedModel | PeftModel,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    depth: int,
) -> Tensor:
    """Hidden states ``[W, L, D]`` that enter layer ``depth``; nothing above it is computed.

    Args:
        encoder: the encoder, with or without an adapter.
        input_ids: ``[W, L]`` tokens.
        attention_mask: ``[W, L]``, 0 on padding; None where there is none.
        depth: from 1 to the number of layers, which stands for the final norm.

    Raises:
        InputError: the architecture is not one of those whose layers are known.
    """
    part = _part(encoder, slice(0, depth), depth)
    norm = _FINAL_NORM.get(part.config.model_type)
    if norm is not None:
        _put(part, norm, nn.Identity())
    states: Tensor = part(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return states


def upper_states(
    encoder: PreTrainedModel | PeftModel,
    hidden: Tensor,
    attention_mask: Tensor | None,
    depth: int,
) -> Tensor:
    """Last hidden states ``[W, L, D]`` from those that enter layer ``depth``, final norm included.

    What `lower_states` gives, `upper_states` takes: one after the other they are the encoder.

    Args:
        encoder: the encoder, with or without an adapter.
        hidden: ``[W, L, D]`` states in any floating-point type; they enter in the encoder's own.
        attention_mask: ``[W, L]``, 0 on padding; None where there is none.
        depth: the layer that they enter.

    Raises:
        InputError: the architecture is not one of those whose layers are known.
    """
    part = _part(encoder, slice(depth, None), depth)
    hidden = hidden.to(part.dtype)
    if not len(layers_of(part)):
        norm = _FINAL_NORM.get(part.config.model_type)
        return hidden if norm is None else part.get_submodule(norm)(hidden)
    _start_from_states(part)
    states: Tensor = part(inputs_embeds=hidden, attention_mask=attention_mask).last_hidden_state
    return states


def upper_part(encoder: PreTrainedModel | PeftModel, depth: int) -> PreTrainedModel:
    """The encoder from layer ``depth`` on, which takes states in place of embeddings.

    Raises:
        InputError: the architecture is not one of those whose layers are known.
    """
    part = _part(encoder, slice(depth, None), depth)
    _start_from_states(part)
    return part


def _start_from_states(part: PreTrainedModel) -> None:
    after_lowest = _AFTER_LOWEST.get(part.config.model_type)
    if after_lowest is not None:
        _put(part, after_lowest, None)
    part.embeddings = _PassOn()


@torch.no_grad()
def window_states(
    encoder: PreTrainedModel | PeftModel,
    windows: Sequence[NDArray[np.int64]],
    padding_id: int,
    depth: int,
    precision: Literal["fp32", "bf16"],
) -> list[Tensor]:
    """What a training at ``precision`` would feed into layer ``depth``, window by window.

    Args:
        encoder: the encoder, with or without an adapter; without dropout, as it is loaded.
        windows: token ids, special tokens included; those of about one length waste the least.
        padding_id: the tokenizer's padding, from which some encoders count positions.
        depth: the layer; those below it must be frozen, or the states are of one moment only.
        precision: ``bf16`` multiplies in bfloat16, as training in mixed precision does. The
            states themselves stay fp32 between the layers.

    Returns:
        One tensor ``[l, D]`` in fp32 on the CPU for each window of l tokens.
    """
    longest = max(len(window) for window in windows)
    input_ids = torch.full((len(windows), longest), padding_id)
    attention_mask = torch.zeros_like(input_ids)
    for row, window in enumerate(windows):
        input_ids[row, : len(window)] = torch.tensor(window)
        attention_mask[row, : len(window)] = 1
    device = encoder.device
    # Attention without a mask is the faster kernel.
    mask = None if attention_mask.all() else attention_mask.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        states = lower_states(encoder, input_ids.to(device), mask, depth).float().cpu()
    return [row[: len(window)] for row, window in zip(states, windows, strict=True)]


class _PassOn(nn.Module):
    """Embeddings that are none: the states that come in as embeddings go on as they are."""

    def forward(self, inputs_embeds: Tensor, **_: object) -> Tensor:
        return inputs_embeds


def _bare(encoder: PreTrainedModel | PeftModel) -> PreTrainedModel:
    # LoRA lives inside the layers, so the wrapper itself computes nothing.
    return encoder.get_base_model() if isinstance(encoder, PeftModel) else encoder


def _part(encoder: PreTrainedModel | PeftModel, kept: slice, depth: int) -> PreTrainedModel:
    """The encoder with some of its layers and no pooler, which reads the last state only."""
    if not can_be_cut(encoder):
        raise InputError(
            f"encoder of type {_bare(encoder).config.model_type}: known is only where to cut "
            f"{', '.join(ARCHITECTURES)}; set trainer.cache_activations=false"
        )
    part = _shallow(_bare(encoder))
    layers = layers_of(part)
    if not 1 <= depth <= len(layers):
        raise ValueError(f"depth {depth} of an encoder with {len(layers)} layers")
    if "pooler" in part._modules:
        _put(part, "pooler", None)
    _put(part, layers_path(part), layers[kept])
    return part


def _shallow(module: nn.Module) -> nn.Module:
    """The same parameters, buffers and children; another child may take a place without notice."""
    double = copy.copy(module)
    double.__dict__["_modules"] = dict(module._modules)
    return double


def _put(model: nn.Module, path: str, child: nn.Module | None) -> None:
    """Put ``child`` at the dotted ``path`` of a shallow copy, copying what lies on the way."""
    *above, name = path.split(".")
    for step in above:
        double = _shallow(model.get_submodule(step))
        setattr(model, step, double)
        model = double
    setattr(model, name, child)
