from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedModel

from surecode.coder.architectures import (
    ARCHITECTURES,
    layers_of,
    layers_path,
    preset_linear,
    readable_positions,
)
from surecode.errors import InputError

POSITIONS = 24


def tiny(model_type: str, **changes: Any) -> PreTrainedModel:
    values = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": POSITIONS,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "cls_token_id": 0,
        "sep_token_id": 2,
    }
    return AutoModel.from_config(CONFIG_MAPPING[model_type](**values | changes)).eval()


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_a_preset_names_linear_layers_of_every_layer(model_type: str) -> None:
    encoder = tiny(model_type)
    layers = layers_of(encoder)
    assert len(layers) == 3
    for layer in layers:
        linear = {name for name, module in layer.named_modules() if isinstance(module, nn.Linear)}
        assert set(preset_linear(encoder.config, "all_linear")) == linear
        attention = set(preset_linear(encoder.config, "attention"))
        assert attention == {name for name in linear if name.startswith(("attention.", "attn."))}


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_where_the_layers_lie_is_also_what_a_search_finds(
    model_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = tiny(model_type)
    known = layers_path(encoder)
    monkeypatch.delitem(ARCHITECTURES, model_type)
    assert layers_path(encoder) == known


def test_an_unknown_architecture_needs_names() -> None:
    encoder = tiny("electra")
    assert layers_path(encoder) == "encoder.layer"
    with pytest.raises(InputError, match=r"^adapter\.target_modules=attention: .*electra") as error:
        preset_linear(encoder.config, "attention")
    assert str(error.value).endswith("set adapter.target_modules to the names of its linear layers")


def test_an_architecture_with_shared_layers_is_refused() -> None:
    encoder = tiny("albert", embedding_size=8)
    with pytest.raises(InputError, match="of type albert, and its layers are not found") as error:
        layers_path(encoder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("model_type", ["bert", "megatron-bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("padding", [1, 3])
def test_an_encoder_reads_as_many_tokens_as_it_says_and_no_more(
    model_type: str, padding: int
) -> None:
    encoder = tiny(model_type, pad_token_id=padding)
    most = readable_positions(encoder.config)
    assert most == (POSITIONS - padding - 1 if "roberta" in model_type else POSITIONS)
    encoder(input_ids=torch.full((1, most), 7))
    with pytest.raises((IndexError, RuntimeError)):
        encoder(input_ids=torch.full((1, most + 1), 7))


def test_an_encoder_without_a_table_of_positions_has_no_bound() -> None:
    assert readable_positions(CONFIG_MAPPING["t5"]()) is None
    assert readable_positions(CONFIG_MAPPING["modernbert"]()) == 8192
