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
        InputError: a name or a layer has no linear layer in the encoder.
    """
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(target_modules),
        layers_to_transform=None if layers is None else list(layers),
        # The head reads token states; a pooler would carry an adapter that never learns.
        exclude_modules=["pooler.dense"],
    )
    try:
        with warnings.catch_warnings():
            # PEFT 0.21 asks transformers 5 for an attribute under its old name.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
            # Not every encoder has a pooler to leave out.
            warnings.filterwarnings("ignore", message=".*no modules were excluded.*")
            model = get_peft_model(encoder, config)
    except ValueError:
        adapted: list[str] = []
    else:
        adapted = model.targeted_module_names
    # PEFT is content with one match; a name or a layer without any would go unnoticed.
    idle = [n for n in target_modules if not any(f".{m}".endswith(f".{n}") for m in adapted)]
    idle += [f"layer {n}" for n in layers or () if not any(f".{n}." in m for m in adapted)]
    if idle:
        raise InputError(
            f"adapter.target_modules={list(target_modules)} with adapter.layers={layers}: the "
            f"encoder has no linear layer for {', '.join(idle)}; name linear layers of this encoder"
        )
    return model
