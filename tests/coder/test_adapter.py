from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedModel

from surecode.coder.adapter import (
    adapt,
    adapter_config,
    first_trained_layer,
    linear_names,
    load_trained_state,
    merged,
    trained_state,
)
from surecode.coder.architectures import ARCHITECTURES, layers_of
from surecode.errors import InputError
from surecode.settings import AdapterSettings

KINDS = ("lora", "rslora", "dora", "full", "frozen")
TYPES = sorted(ARCHITECTURES)
# Which weights each kind trains in each architecture, looked through by eye.
GOLDEN = {
    f"{model_type} {kind}": group["names"]
    for group in json.loads((Path(__file__).parent / "golden" / "trainable.json").read_text())
    for model_type in group["types"]
    for kind in group["kinds"]
}
IDS = torch.tensor([[2, 5, 6, 7, 8, 9, 3, 1], [2, 9, 9, 5, 3, 1, 1, 1]])


def tiny(model_type: str = "bert", layers: int = 2, **changes: Any) -> PreTrainedModel:
    """A random encoder, the same one at every call; large weights, so that nothing hides."""
    values = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 24,
        "initializer_range": 0.3,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "cls_token_id": 0,
        "sep_token_id": 2,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModel.from_config(CONFIG_MAPPING[model_type](**values | changes))


def settings_of(kind: str = "lora", **changes: Any) -> AdapterSettings:
    values = {
        "kind": kind,
        "rank": 2,
        "alpha": 4.0,
        "dropout": 0.0,
        "target_modules": "all_linear",
        "layers": None,
        "learning_rate": 1e-3,
    }
    return AdapterSettings.model_validate(values | changes)


def states(encoder: nn.Module) -> Tensor:
    output: Tensor = encoder(input_ids=IDS, attention_mask=(IDS != 1).long()).last_hidden_state
    return output


def drawn(encoder: nn.Module, seed: int = 1) -> nn.Module:
    """The encoder with its trained weights drawn as if training had moved them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return encoder


def trained_names(encoder: nn.Module) -> list[str]:
    return sorted(name for name, p in encoder.named_parameters() if p.requires_grad)


# ---- what is trained -----------------------------------------------------------------------------


def test_the_golden_list_covers_every_architecture_and_kind() -> None:
    assert set(GOLDEN) == {f"{model_type} {kind}" for model_type in TYPES for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model_type", TYPES)
def test_exactly_the_golden_weights_are_trained(model_type: str, kind: str) -> None:
    assert (
        trained_names(adapt(tiny(model_type), settings_of(kind))) == GOLDEN[f"{model_type} {kind}"]
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model_type", TYPES)
def test_every_trained_weight_gets_a_gradient(model_type: str, kind: str) -> None:
    encoder = drawn(adapt(tiny(model_type), settings_of(kind)))
    if kind == "frozen":
        assert not states(encoder).requires_grad
        return
    (states(encoder) * torch.randn(16, generator=torch.Generator().manual_seed(0))).sum().backward()
    idle = [n for n, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    # Segments and unread positions have rows without gradient, never whole tables.
    assert idle == []


@pytest.mark.parametrize("model_type", TYPES)
def test_the_attention_preset_leaves_the_feed_forward_part_alone(model_type: str) -> None:
    names = trained_names(adapt(tiny(model_type), settings_of(target_modules="attention")))
    assert names
    assert all(".attention." in name or ".attn." in name for name in names)
    every = trained_names(adapt(tiny(model_type), settings_of()))
    assert set(names) == {n for n in every if ".attention." in n or ".attn." in n}


def test_a_suffix_of_ones_own_is_meant_as_peft_means_it() -> None:
    assert linear_names(tiny("modernbert"), ("Wo",), (1,)) == [
        "layers.1.attn.Wo",
        "layers.1.mlp.Wo",
    ]
    assert linear_names(tiny("modernbert"), ("mlp.Wo",), None) == [
        "layers.0.mlp.Wo",
        "layers.1.mlp.Wo",
    ]
    assert linear_names(tiny(), ("query",), None) == [
        f"encoder.layer.{n}.attention.self.query" for n in (0, 1)
    ]


def test_an_adapter_on_the_encoder_changes_no_name() -> None:
    encoder = tiny("modernbert")
    before = linear_names(encoder, "all_linear", None)
    adapt(encoder, settings_of())
    assert linear_names(encoder, "all_linear", None) == before


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_pooler_is_never_trained(kind: str) -> None:
    encoder = tiny()
    assert encoder.pooler is not None
    names = trained_names(adapt(encoder, settings_of(kind)))
    assert not [name for name in names if "pooler" in name]


@pytest.mark.parametrize("kind", ["lora", "rslora", "dora"])
@pytest.mark.parametrize("model_type", ["bert", "modernbert"])
def test_an_adapter_begins_as_nothing(model_type: str, kind: str) -> None:
    adapted = adapt(tiny(model_type), settings_of(kind))
    torch.testing.assert_close(states(adapted), states(tiny(model_type)), atol=1e-5, rtol=0)


def test_rslora_scales_by_the_root_of_the_rank() -> None:
    encoders = [adapt(tiny(), settings_of(kind, rank=4)) for kind in ("lora", "rslora")]
    scales = [
        encoder.get_base_model().encoder.layer[0].attention.self.query.scaling["default"]
        for encoder in encoders
    ]
    assert scales == [4.0 / 4, 4.0 / 2]


# ---- upper layers alone --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lora", "dora", "full"])
@pytest.mark.parametrize("model_type", TYPES)
def test_no_gradient_and_no_graph_below_the_first_trained_layer(model_type: str, kind: str) -> None:
    encoder = adapt(tiny(model_type, layers=4), settings_of(kind, layers=(2, 3)))
    base = encoder.get_base_model() if isinstance(encoder, PeftModel) else encoder
    entering: list[bool] = []
    for layer in layers_of(base):
        layer.register_forward_pre_hook(lambda _, inputs: entering.append(inputs[0].requires_grad))
    states(encoder).sum().backward()
    assert entering == [False, False, False, True]
    assert first_trained_layer(encoder) == 2
    for layer in layers_of(base)[:2]:
        assert all(p.grad is None for p in layer.parameters())


@pytest.mark.parametrize(
    ("kind", "layers", "first"),
    [
        ("lora", None, 0),
        ("lora", (3, 1), 1),
        ("dora", (3,), 3),
        ("full", None, 0),
        ("full", (0,), 0),
        ("full", (3,), 3),
        ("frozen", None, 4),
    ],
)
@pytest.mark.parametrize("model_type", ["bert", "modernbert"])
def test_the_first_trained_layer_is_the_lowest_that_a_gradient_reaches(
    model_type: str, kind: str, layers: tuple[int, ...] | None, first: int
) -> None:
    encoder = adapt(tiny(model_type, layers=4), settings_of(kind, layers=layers))
    assert first_trained_layer(encoder) == first


def test_trained_embeddings_leave_no_frozen_layer_below() -> None:
    encoder = adapt(tiny(layers=4), settings_of("full", layers=(3,)))
    encoder.get_input_embeddings().requires_grad_(True)
    assert first_trained_layer(encoder) == 0


# ---- there and back ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model_type", ["bert", "roberta", "modernbert"])
def test_trained_weights_come_back_and_merge(model_type: str, kind: str) -> None:
    source = drawn(adapt(tiny(model_type), settings_of(kind, layers=(1,)))).eval()
    state = trained_state(source)
    assert (state == {}) == (kind == "frozen")
    assert all(not w.requires_grad and w.is_contiguous() for w in state.values())
    target = adapt(tiny(model_type), settings_of(kind, layers=(1,))).eval()
    load_trained_state(target, state)
    with torch.no_grad():
        expected = states(source)
        assert torch.equal(states(target), expected)
        if kind != "frozen":
            assert not torch.allclose(states(tiny(model_type).eval()), expected, atol=1e-2)
        folded = merged(target)
        assert not isinstance(folded, PeftModel)
        assert not [name for name, _ in folded.named_modules() if "lora" in name]
        torch.testing.assert_close(states(folded), expected, atol=1e-5, rtol=1e-5)


def test_a_bf16_encoder_is_merged_in_fp32() -> None:
    encoder = drawn(adapt(tiny().to(torch.bfloat16), settings_of()))
    assert {p.dtype for p in merged(encoder).parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", ["lora", "dora", "full"])
def test_weights_that_do_not_fit_are_refused(kind: str) -> None:
    encoder = adapt(tiny(), settings_of(kind))
    state = trained_state(encoder)
    first = min(state)
    wrong = [
        {k: v for k, v in state.items() if k != first},
        {**state, first: torch.zeros(1, 1)},
        {**state, "another": torch.zeros(1)},
    ]
    for damaged in wrong:
        with pytest.raises(InputError, match=r"^the adapter's weights do not fit .*1 differ"):
            load_trained_state(encoder, damaged)
    assert all(torch.equal(state[k], v) for k, v in trained_state(encoder).items())


def test_a_frozen_encoder_takes_no_weights() -> None:
    encoder = adapt(tiny(), settings_of("frozen"))
    load_trained_state(encoder, {})
    with pytest.raises(InputError, match="do not fit"):
        load_trained_state(encoder, {"x": torch.zeros(1)})


def test_reading_an_adapter_never_asks_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", fail)
    encoder = tiny()
    encoder.name_or_path = "an/encoder"
    adapted = adapt(encoder, settings_of())
    assert adapted.peft_config["default"].base_model_name_or_path == "an/encoder"
    assert trained_state(adapted)


# ---- PEFT's configuration ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["full", "frozen"])
def test_only_an_adapter_has_a_configuration(kind: str) -> None:
    assert adapter_config(adapt(tiny(), settings_of(kind))) is None


@pytest.mark.parametrize("layers", [None, (1,)])
@pytest.mark.parametrize("kind", ["lora", "rslora", "dora"])
def test_peft_builds_the_same_adapter_from_its_configuration(
    kind: str, layers: tuple[int, ...] | None
) -> None:
    encoder = tiny(layers=6)
    encoder.name_or_path = "/where/it/lay"
    config = adapter_config(adapt(encoder, settings_of(kind, layers=layers)))
    assert config is not None
    assert config["target_modules"] == sorted(config["target_modules"])
    assert json.loads(json.dumps(config)) == config
    assert "/where/it/lay" not in json.dumps(config)
    again = get_peft_model(tiny(layers=6), LoraConfig.from_peft_type(**config))
    assert trained_names(again) == trained_names(
        adapt(tiny(layers=6), settings_of(kind, layers=layers))
    )


# ---- what cannot be trained ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "idle"),
    [
        ({"target_modules": ("query", "no_such")}, "no_such"),
        ({"layers": (1, 7)}, "layer 7"),
        ({"layers": (-1,), "target_modules": ("query",)}, "query, layer -1"),
        ({"layers": ()}, "attention.self.query"),
        ({"target_modules": ()}, "an empty list"),
        ({"target_modules": ("uery",)}, "uery"),
        ({"target_modules": ("pooler.dense",)}, "pooler.dense"),
        ({"target_modules": ("attention",)}, "attention"),
    ],
)
def test_names_and_layers_without_a_linear_layer_are_refused(
    changes: dict[str, Any], idle: str
) -> None:
    with pytest.raises(InputError, match=r"^adapter\.target_modules=.* adapter\.layers=") as error:
        adapt(tiny(), settings_of(**changes))
    assert f"no linear layer for {idle}" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("layers", [(2,), (0, -1), ()])
def test_layers_that_are_not_there_cannot_be_trained_in_full(layers: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"^adapter\.layers=\[.*has layers 0 to 1; name") as error:
        adapt(tiny(), settings_of("full", layers=layers))
    assert "\n" not in str(error.value)


def test_a_preset_is_refused_where_the_architecture_is_unknown() -> None:
    with pytest.raises(InputError, match=r"electra; set adapter\.target_modules"):
        adapt(tiny("electra"), settings_of())
    encoder = adapt(tiny("electra"), settings_of(target_modules=("query",), layers=(1,)))
    assert first_trained_layer(encoder) == 1
