"""What the project knows about each encoder architecture: layers, linear layers, positions.

PEFT's suffixes are blind to where a name stands: ``Wo`` is ModernBERT's attention and its
feed-forward part alike, ``output.dense`` is both in BERT. Here a linear layer is named by its whole
path inside its layer, so that a preset means the same thing in every architecture.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from surecode.errors import InputError


@dataclass(frozen=True)
class Architecture:
    """Where the layers of an encoder lie, and the linear layers inside each of them."""

    layers: str
    attention: tuple[str, ...]
    feed_forward: tuple[str, ...]

    def linear(self, preset: str) -> tuple[str, ...]:
        """Paths inside a layer that ``attention`` or ``all_linear`` means."""
        return self.attention if preset == "attention" else self.attention + self.feed_forward


_BERT = Architecture(
    layers="encoder.layer",
    attention=(
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
    ),
    feed_forward=("intermediate.dense", "output.dense"),
)

# By the model_type of an encoder's config.json.
ARCHITECTURES = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "megatron-bert": _BERT,
    "deberta-v2": Architecture(
        layers="encoder.layer",
        attention=(
            "attention.self.query_proj",
            "attention.self.key_proj",
            "attention.self.value_proj",
            "attention.output.dense",
        ),
        feed_forward=("intermediate.dense", "output.dense"),
    ),
    # Query, key and value are one matrix; the feed-forward part is gated, its gate half of Wi.
    "modernbert": Architecture(
        layers="layers",
        attention=("attn.Wqkv", "attn.Wo"),
        feed_forward=("mlp.Wi", "mlp.Wo"),
    ),
}

# They count positions from the padding token's id + 1 on, and so read fewer than their table holds.
_OFFSET_POSITIONS = {
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "longformer",
    "mpnet",
}


def preset_linear(config: PreTrainedConfig, preset: str) -> tuple[str, ...]:
    """Paths inside a layer of the linear layers that a preset means in this architecture.

    Raises:
        InputError: the architecture is unknown.
    """
    architecture = ARCHITECTURES.get(config.model_type)
    if architecture is None:
        raise InputError(
            f"adapter.target_modules={preset}: unknown for an encoder of type {config.model_type}; "
            "set adapter.target_modules to the names of its linear layers"
        )
    return architecture.linear(preset)


def layers_path(encoder: PreTrainedModel) -> str:
    """Dotted name of an encoder's list of layers.

    In an unknown architecture it is the one list that is as long as the configuration says.

    Raises:
        InputError: the architecture is unknown and has no such list, or several.
    """
    architecture = ARCHITECTURES.get(encoder.config.model_type)
    if architecture is not None:
        return architecture.layers
    expected = getattr(encoder.config, "num_hidden_layers", None)
    found = [
        name
        for name, module in encoder.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == expected
    ]
    if len(found) != 1:
        raise InputError(
            f"the encoder is of type {encoder.config.model_type}, and its layers are not found; "
            f"choose one of type {', '.join(sorted(ARCHITECTURES))}"
        )
    return str(found[0])


def layers_of(encoder: PreTrainedModel) -> nn.ModuleList:
    """An encoder's layers, the lowest first; raises `InputError` as `layers_path`."""
    layers: nn.ModuleList = encoder.get_submodule(layers_path(encoder))
    return layers


def first_position(config: PreTrainedConfig) -> int:
    """The position of a window's first token.

    0, but for RoBERTa and its kin, which begin to count at the padding token's id + 1.
    """
    return int(config.pad_token_id) + 1 if config.model_type in _OFFSET_POSITIONS else 0


def readable_positions(config: PreTrainedConfig) -> int | None:
    """Most tokens of a window, special tokens included; None where there is no bound.

    Of RoBERTa's 514 positions 512 are left.
    """
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or positions < 1:
        return None
    return int(positions) - first_position(config)
