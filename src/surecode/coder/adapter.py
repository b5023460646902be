"""LoRA on the encoder alone, by PEFT; the head never passes through PEFT.

Adapters of specialties with different label counts share one encoder that way, and no head gets
lost on reload (Hu et al. 2021, arXiv 2106.09685).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from surecode.errors import InputError


def add_lora(
    encoder: PreTrainedModel,
    rank: int,
    alpha: float,
    dropout: float,
    target_modules: Sequence[str],
    layers: Sequence[int] | None,
) -> PeftModel:
    """Freeze the encoder and add trainable low-rank updates.

    Args:
        encoder: the pre-trained encoder; changed in place.
        rank: rank of the updates.
        alpha: scale; the update is multiplied by alpha / rank.
        dropout: dropout on the adapter's input.
        target_modules: names of the linear layers to adapt (suffixes, as PEFT reads them).
        layers: indices of the adapted layers, None for all. No gradient flows below the first.

    Raises:
        InputError: no linear layer of the encoder has one of these names.
    """
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(target_modules),
        layers_to_transform=None if layers is None else list(layers),
    )
    try:
        with warnings.catch_warnings():
            # PEFT 0.21 asks transformers 5 for an attribute under its old name.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
            return get_peft_model(encoder, config)
    except ValueError:
        raise InputError(
            f"adapter.target_modules={list(target_modules)} with adapter.layers={layers}: the "
            "encoder has no such layers; name linear layers of this encoder"
        ) from None
