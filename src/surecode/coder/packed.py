"""Windows one behind the other in a single row: the encoder computes no padding at all.

Everything but attention works on tokens one by one, so a batch can be one row of N real tokens.
Attention is computed for runs of windows of equal length, which are views of the row: a window
sees its own tokens and needs no mask. `scripts/bench_coder.py` compares with padding to the longest
note of a batch.

Price: it is for encoders whose positions can be given and whose attention is global. Others take
their windows in groups of nearly equal length (`surecode.data.batches`).

Legend: N tokens of all windows, H heads, D width of the states, d of a head, W windows, l tokens of
each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask
from transformers.models.bert.modeling_bert import eager_attention_forward

from surecode.coder.architectures import first_position
from surecode.coder.layers import upper_part

# Start of a run in the row, windows, tokens of each.
Run = tuple[int, int, int]

# Their attention is global, and their positions can be given.
_PACKABLE = {"bert", "roberta", "xlm-roberta", "camembert"}
_NAMES = {"sdpa": "windows_sdpa", "eager": "windows_eager"}


def allow_packing(encoder: PreTrainedModel, attention: str) -> bool:
    """Let an encoder take rows, beside padded windows; whether it can.

    ``attention`` is how attention is computed, ``sdpa`` or ``eager``, in rows and in windows.
    """
    if encoder.config.model_type not in _PACKABLE:
        return False
    encoder.set_attn_implementation(_NAMES[attention])
    return True


def runs_of(lengths: Sequence[int]) -> list[Run]:
    """The runs of windows of equal length; windows of one length must stand together."""
    runs: list[Run] = []
    start = 0
    for length in lengths:
        if runs and runs[-1][2] == length:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, length)
        else:
            runs.append((start, 1, length))
        start += length
    return runs


def packed_states(
    encoder: PreTrainedModel | PeftModel,
    source: Tensor,
    positions: Tensor,
    runs: Sequence[Run],
    depth: int | None = None,
) -> Tensor:
    """Last hidden states ``[N, D]`` of the windows in a row.

    Args:
        encoder: an encoder that `allow_packing` said yes to, with or without an adapter.
        source: ``[N]`` token ids, or ``[N, D]`` states that enter layer ``depth``.
        positions: ``[N]`` place of each token in its window, from 0.
        runs: which windows stand where.
        depth: the layer that states enter; None for token ids.
    """
    unmasked = torch.zeros((1, 1, 1, 1), device=source.device)  # keeps the library from making one
    common: dict[str, Any] = {"attention_mask": unmasked, "runs": tuple(runs)}
    if depth is not None:
        part = upper_part(encoder, depth)
        kind = next(encoder.parameters()).dtype  # above a frozen encoder there are none
        states: Tensor = part(inputs_embeds=source[None].to(kind), **common).last_hidden_state
        return states[0]
    begin = first_position(encoder.config)
    states = encoder(
        input_ids=source[None], position_ids=positions[None] + begin, **common
    ).last_hidden_state
    return states[0]


def _attend(
    attention: Literal["sdpa", "eager"],
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    runs: Sequence[Run] | None = None,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention ``[1, N, H, d]`` of a row, or the library's own where there is none."""
    if runs is None:
        own = sdpa_attention_forward if attention == "sdpa" else eager_attention_forward
        result: tuple[Tensor, Tensor | None] = own(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **more
        )
        return result
    heads, width = query.shape[1], query.shape[3]
    scale = width**-0.5 if scaling is None else scaling
    sizes = [windows * length for _, windows, length in runs]
    # Split, not sliced: the gradient of each slice would be as large as the whole row.
    pieces = [torch.split(tensor[0].transpose(0, 1), sizes) for tensor in (query, key, value)]
    parts = []
    for (_, windows, length), *own in zip(runs, *pieces, strict=True):
        q, k, v = (p.view(windows, length, heads, width).transpose(1, 2) for p in own)
        if attention == "sdpa":
            part = scaled_dot_product_attention(q, k, v, scale=scale, dropout_p=dropout)
        else:
            weights = torch.softmax((q * scale) @ k.transpose(-1, -2), -1, dtype=torch.float32)
            weights = nn.functional.dropout(weights.to(v.dtype), dropout, module.training)
            part = weights @ v
        # [W, H, l, d] → [W * l, H, d]
        parts.append(part.transpose(1, 2).reshape(windows * length, heads, width))
    return torch.cat(parts)[None], None


def _attend_sdpa(*arguments: Any, **named: Any) -> tuple[Tensor, Tensor | None]:
    return _attend("sdpa", *arguments, **named)


def _attend_eager(*arguments: Any, **named: Any) -> tuple[Tensor, Tensor | None]:
    return _attend("eager", *arguments, **named)


AttentionInterface.register(_NAMES["sdpa"], _attend_sdpa)
AttentionInterface.register(_NAMES["eager"], _attend_eager)
AttentionMaskInterface.register(_NAMES["sdpa"], sdpa_mask)
AttentionMaskInterface.register(_NAMES["eager"], eager_mask)
