"""What is trained in an encoder: low-rank updates by PEFT, all of its weights, or nothing.

The head never passes through PEFT: adapters of specialties with different label counts share one
encoder that way, and no head gets lost on reload. LoRA: Hu et al. 2021 (arXiv 2106.09685); rsLoRA
scales by alpha / sqrt(rank): Kalajdzievski 2023 (arXiv 2312.03732); DoRA learns the magnitude of
each output apart: Liu et al. 2024 (arXiv 2402.09353).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft import get_peft_model_state_dict as peft_state
from peft import set_peft_model_state_dict as load_peft_state
from torch import Tensor, nn
from transformers import PreTrainedModel

from surecode.coder.architectures import layers_of, layers_path, preset_linear
from surecode.errors import InputError
from surecode.settings import AdapterSettings


def adapt(encoder: PreTrainedModel, settings: AdapterSettings) -> PreTrainedModel | PeftModel:
    """Make trainable what the settings say and freeze the rest; the encoder is changed in place.

    A pooler is never trained: the head reads token states. No gradient flows below the lowest
    trained layer.

    Raises:
        InputError: a name or a layer has no counterpart in the encoder, or a preset is unknown for
            its architecture.
    """
    encoder.requires_grad_(False)
    if settings.kind == "frozen":
        return encoder
    if settings.kind == "full":
        return _all_weights(encoder, settings.layers)
    config = lora_config(encoder, settings)
    with warnings.catch_warnings():
        # PEFT 0.21 asks transformers 5 for an attribute under its old name.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        return get_peft_model(encoder, config)


def lora_config(encoder: PreTrainedModel, settings: AdapterSettings) -> LoraConfig:
    """PEFT's configuration of a low-rank adapter for this encoder.

    Raises:
        InputError: as `adapt`.
    """
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_rslora=settings.kind == "rslora",
        use_dora=settings.kind == "dora",
        # Whole names: PEFT would match suffixes, in all layers and outside of them.
        target_modules=linear_names(encoder, settings.target_modules, settings.layers),
    )


def linear_names(
    encoder: PreTrainedModel, target_modules: str | Sequence[str], layers: Sequence[int] | None
) -> list[str]:
    """Dotted names of the linear layers to adapt, the lowest first.

    Args:
        encoder: the encoder, with or without adapters on it.
        target_modules: a preset, or suffixes of names inside a layer.
        layers: indices of the layers, None for all.

    Raises:
        InputError: as `adapt`.
    """
    path = layers_path(encoder)
    preset = isinstance(target_modules, str)
    if isinstance(target_modules, str):
        wanted = preset_linear(encoder.config, target_modules)
    else:
        wanted = tuple(target_modules)
    found = []
    for index, layer in enumerate(layers_of(encoder)):
        if layers is None or index in layers:
            found += [
                (index, name, suffix)
                for name in _linear_in(layer)
                for suffix in wanted
                if (name == suffix if preset else f".{name}".endswith(f".{suffix}"))
            ]
    idle = [suffix for suffix in wanted if suffix not in {hit[2] for hit in found}]
    idle += [f"layer {index}" for index in layers or () if index not in {hit[0] for hit in found}]
    if idle or not found:
        asked = target_modules if preset else list(target_modules)
        raise InputError(
            f"adapter.target_modules={asked} with adapter.layers={layers and list(layers)}: the "
            f"encoder has no linear layer for {', '.join(idle) or 'an empty list'}; name linear "
            "layers of this encoder"
        )
    return list(dict.fromkeys(f"{path}.{index}.{name}" for index, name, _ in found))


def trained_state(encoder: PreTrainedModel | PeftModel) -> dict[str, Tensor]:
    """Weights that training changes, on the CPU: an adapter's under PEFT's names, else the
    encoder's own; none where it is frozen.
    """
    if isinstance(encoder, PeftModel):
        # Else PEFT asks the hub whether the vocabulary was changed.
        state = peft_state(encoder, save_embedding_layers=False)
    else:
        state = {name: p for name, p in encoder.named_parameters() if p.requires_grad}
    return {name: weight.detach().cpu().contiguous() for name, weight in state.items()}


def load_trained_state(encoder: PreTrainedModel | PeftModel, state: Mapping[str, Tensor]) -> None:
    """Put trained weights in place.

    Raises:
        InputError: a weight is missing, unknown or of another shape.
    """
    check_weights("adapter", trained_state(encoder), state)
    if isinstance(encoder, PeftModel):
        load_peft_state(encoder, dict(state))
    else:
        parameters = dict(encoder.named_parameters())
        with torch.no_grad():
            for name, weight in state.items():
                parameters[name].copy_(weight)


def merged(encoder: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The encoder with its adapter folded in: the same function at a third of the matrix products.

    Merged in fp32, in place. Afterwards the encoder is frozen; where all weights or none were
    trained there is nothing to fold in, and it comes back as it is.
    """
    return encoder.float().merge_and_unload() if isinstance(encoder, PeftModel) else encoder


def first_trained_layer(encoder: PreTrainedModel | PeftModel) -> int:
    """Number of lower layers, embeddings included, that no gradient reaches.

    0 where the lowest layer or the embeddings are trained, all of them in a frozen encoder. What
    lies below gives the same states in every epoch.
    """
    model = encoder.get_base_model() if isinstance(encoder, PeftModel) else encoder
    layers = layers_of(model)
    # What follows the layers, such as ModernBERT's last norm, changes no state below itself.
    if any(parameter.requires_grad for parameter in model.get_input_embeddings().parameters()):
        return 0
    for index, layer in enumerate(layers):
        if any(parameter.requires_grad for parameter in layer.parameters()):
            return index
    return len(layers)


def adapter_config(encoder: PreTrainedModel | PeftModel) -> dict[str, Any] | None:
    """PEFT's configuration as plain JSON values in a fixed order, None without an adapter."""
    if not isinstance(encoder, PeftModel):
        return None
    config = encoder.peft_config["default"].to_dict()
    # PEFT records where the encoder lay on this machine; whoever writes this down knows its name.
    config["base_model_name_or_path"] = None
    plain: dict[str, Any] = json.loads(json.dumps(config, default=_plain, sort_keys=True))
    return plain


def check_weights(part: str, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Compare names and shapes; raises `InputError` where they differ."""
    wrong = sorted(
        set(expected) ^ set(found)
        | {k for k in set(expected) & set(found) if expected[k].shape != found[k].shape}
    )
    if wrong:
        raise InputError(
            f"the {part}'s weights do not fit the network ({len(wrong)} differ, first {wrong[0]}); "
            "train again or take the bundle that belongs to this configuration"
        )


def _all_weights(encoder: PreTrainedModel, layers: Sequence[int] | None) -> PreTrainedModel:
    blocks = layers_of(encoder)
    unknown = [index for index in layers or () if not 0 <= index < len(blocks)]
    if unknown or (layers is not None and not layers):
        raise InputError(
            f"adapter.layers={list(layers or ())}: the encoder has layers 0 to {len(blocks) - 1}; "
            "name some of them, or null for all"
        )
    if layers is None:
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_("pooler" not in name.split("."))
    for index in layers or ():
        blocks[index].requires_grad_(True)
    return encoder


def _linear_in(layer: nn.Module) -> list[str]:
    """Names of the linear layers in a layer, as they were before adapters came on them."""
    return [
        name.removesuffix(".base_layer")
        for name, module in layer.named_modules()
        if isinstance(module, nn.Linear) and ".lora_" not in name
    ]


def _plain(value: object) -> object:
    # Modules stand in a set, whose order differs from run to run.
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
