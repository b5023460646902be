from __future__ import annotations

import copy
import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoConfig, AutoModel, BertConfig, BertModel, PreTrainedModel

from surecode.coder.architectures import ARCHITECTURES, layers_of, layers_path
from surecode.coder.layers import can_be_cut, lower_states, upper_states, window_states
from surecode.errors import InputError

LAYERS = 4
PADDING = 1
KINDS = sorted(ARCHITECTURES)
NUMBERS = np.random.default_rng(0)
WINDOWS = [NUMBERS.integers(5, 90, size) for size in (11, 3, 24, 17)]
INPUT_IDS = torch.full((4, 24), PADDING)
MASK = torch.zeros_like(INPUT_IDS)
for row, window in enumerate(WINDOWS):
    INPUT_IDS[row, : len(window)] = torch.tensor(window)
    MASK[row, : len(window)] = 1
CONTENT = MASK.bool()


def encoder_of(kind: str, attention: str = "sdpa", pooler: bool = False) -> PreTrainedModel:
    """A random encoder of four layers; its norms are drawn too, so that one left out is seen."""
    options: dict[str, Any] = {
        "vocab_size": 90,
        "hidden_size": 16,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
        "pad_token_id": PADDING,
        "initializer_range": 0.3,
    }
    if kind == "modernbert":
        options |= {"local_attention": 6, "global_attn_every_n_layers": 3, "cls_token_id": 2}
        options |= {"sep_token_id": 3, "bos_token_id": None, "eos_token_id": None}
    elif kind == "deberta-v2":
        options |= {"relative_attention": True, "position_buckets": 4, "conv_kernel_size": 3}
        options |= {"pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm"}
    if kind in ("deberta-v2", "megatron-bert"):
        attention = "eager"  # the library has no other for them
    config = AutoConfig.for_model(kind, **options)
    for name, value in config.to_dict().items():
        if "dropout" in name and value:
            setattr(config, name, 0.0)
    config._attn_implementation = attention
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        arguments = (
            {"add_pooling_layer": pooler} if kind not in ("modernbert", "deberta-v2") else {}
        )
        model = AutoModel.from_config(config, **arguments).eval()
        for name, parameter in model.named_parameters():
            if "norm" in name.lower() or ".ln" in name:
                torch.nn.init.normal_(parameter, mean=1.0, std=0.2)
    return model


def with_adapter(model: PreTrainedModel, layers: list[int]) -> PeftModel:
    # Whole names: in ModernBERT the library finds no layer by its number.
    names = [
        f"{layers_path(model)}.{layer}.{name}"
        for layer in layers
        for name, module in layers_of(model)[layer].named_modules()
        if isinstance(module, torch.nn.Linear)
    ]
    config = LoraConfig(r=2, lora_alpha=4, target_modules=names, lora_dropout=0.0)
    model.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        adapted = get_peft_model(model, config)
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
    return adapted


def whole(encoder: PreTrainedModel | PeftModel, mask: Tensor | None = MASK) -> Tensor:
    states: Tensor = encoder(input_ids=INPUT_IDS, attention_mask=mask).last_hidden_state
    return states


def halves(encoder: PreTrainedModel | PeftModel, depth: int, mask: Tensor | None = MASK) -> Tensor:
    return upper_states(encoder, lower_states(encoder, INPUT_IDS, mask, depth), mask, depth)


# ---- the two parts are the encoder ---------------------------------------------------------------


@pytest.mark.parametrize("depth", range(1, LAYERS + 1))
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_lower_and_upper_part_are_the_encoder(kind: str, attention: str, depth: int) -> None:
    encoder = encoder_of(kind, attention)
    assert torch.equal(halves(encoder, depth)[CONTENT], whole(encoder)[CONTENT])
    assert torch.equal(halves(encoder, depth, mask=None), whole(encoder, mask=None))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_are_the_encoder_in_mixed_precision(kind: str, attention: str) -> None:
    encoder = with_adapter(encoder_of(kind, attention), [2, 3])
    with torch.autocast("cpu", torch.bfloat16):
        lower = lower_states(encoder, INPUT_IDS, MASK, 2)
        upper = upper_states(encoder, lower, MASK, 2)
        expected = whole(encoder)
    assert torch.equal(upper[CONTENT], expected[CONTENT])
    assert not torch.allclose(expected, whole(encoder), atol=1e-5)  # it was another precision


@pytest.mark.parametrize("kind", KINDS)
def test_the_states_at_the_cut_are_those_that_enter_the_layer(kind: str) -> None:
    encoder = encoder_of(kind)
    seen: list[Tensor] = []
    layer = layers_of(encoder)[2]
    hook = layer.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    whole(encoder)
    hook.remove()
    assert torch.equal(lower_states(encoder, INPUT_IDS, MASK, 2)[CONTENT], seen[0][CONTENT])


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_on_padding_at_the_cut_changes_no_token(kind: str) -> None:
    encoder = encoder_of(kind)
    hidden = lower_states(encoder, INPUT_IDS, MASK, 2)
    zeros = torch.where(CONTENT[..., None], hidden, 0.0)
    expected = upper_states(encoder, hidden, MASK, 2)[CONTENT]
    found = upper_states(encoder, zeros, MASK, 2)[CONTENT]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_the_lower_part_computes_nothing_above_the_cut_and_the_upper_nothing_below() -> None:
    encoder = encoder_of("bert", pooler=True)
    ran: list[str] = []
    for name, module in encoder.named_modules():
        if name in {"embeddings", "pooler"} or (
            name.startswith("encoder.layer.") and name[-1:].isdigit()
        ):
            module.register_forward_hook(lambda *_, name=name: ran.append(name))
    hidden = lower_states(encoder, INPUT_IDS, MASK, 2)
    assert ran == ["embeddings", "encoder.layer.0", "encoder.layer.1"]
    ran.clear()
    upper_states(encoder, hidden, MASK, 2)
    assert ran == ["encoder.layer.2", "encoder.layer.3"]


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradients_are_those_of_the_whole_encoder(kind: str) -> None:
    encoder = with_adapter(encoder_of(kind), [2, 3])
    aim = torch.randn(int(CONTENT.sum()), 16, generator=torch.Generator().manual_seed(2))

    def gradients(states: Tensor) -> dict[str, Tensor]:
        encoder.zero_grad()
        (states[CONTENT] * aim).sum().backward()
        return {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}

    expected = gradients(whole(encoder))
    with torch.no_grad():
        hidden = lower_states(encoder, INPUT_IDS, MASK, 2)
    found = gradients(upper_states(encoder, hidden, MASK, 2))
    assert found.keys() == expected.keys() != set()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


def test_gradient_checkpointing_reaches_the_upper_part() -> None:
    encoder = with_adapter(encoder_of("bert"), [2, 3]).train()
    hidden = lower_states(encoder, INPUT_IDS, MASK, 2).detach()
    upper_states(encoder, hidden, MASK, 2).sum().backward()
    expected = {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    encoder.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
    runs: list[int] = []
    layers_of(encoder.get_base_model())[3].attention.register_forward_hook(
        lambda *_: runs.append(1)
    )
    upper_states(encoder, hidden, MASK, 2).sum().backward()
    assert len(runs) == 2  # once forward, once more in the backward pass
    for name, gradient in expected.items():
        torch.testing.assert_close(encoder.get_parameter(name).grad, gradient)


# ---- the encoder stays as it was -----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_encoder_stays_as_it_was(kind: str) -> None:
    encoder = with_adapter(encoder_of(kind), [2, 3])
    names = [name for name, _ in encoder.named_parameters()]
    modules = list(encoder.named_modules())
    attributes = {name: set(vars(module)) for name, module in modules}
    before = copy.deepcopy(encoder.state_dict())
    halves(encoder, 2).sum().backward()
    assert [name for name, _ in encoder.named_parameters()] == names
    for (name, module), (known, same) in zip(encoder.named_modules(), modules, strict=True):
        assert (name, id(module)) == (known, id(same))
        assert set(vars(module)) == attributes[name]
    torch.testing.assert_close(encoder.state_dict(), before, atol=0, rtol=0)


def test_the_encoder_stays_as_it_was_where_a_layer_fails() -> None:
    encoder = encoder_of("modernbert")
    expected = whole(encoder)
    modules = dict(encoder.named_modules())

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    for layer, part in ((0, lower_states), (3, upper_states)):
        hook = layers_of(encoder)[layer].register_forward_pre_hook(fail)
        source = INPUT_IDS if part is lower_states else expected
        with pytest.raises(RuntimeError, match="out of memory"):
            part(encoder, source, MASK, 2)
        hook.remove()
    assert dict(encoder.named_modules()) == modules
    assert torch.equal(whole(encoder), expected)


def test_threads_may_run_both_parts_and_the_whole_at_once() -> None:
    encoder = encoder_of("bert")
    expected = whole(encoder)[CONTENT]
    wrong: list[int] = []

    def work(depth: int) -> None:
        for _ in range(20):
            found = halves(encoder, depth) if depth else whole(encoder)
            if not torch.equal(found[CONTENT], expected):
                wrong.append(depth)

    threads = [threading.Thread(target=work, args=(depth,)) for depth in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_merged_adapter_is_seen() -> None:
    encoder = with_adapter(encoder_of("bert"), [2, 3])
    expected = whole(encoder)[CONTENT]
    halves(encoder, 2)
    merged = encoder.merge_and_unload()
    torch.testing.assert_close(halves(merged, 2)[CONTENT], expected, atol=1e-5, rtol=0)


def test_the_parts_keep_no_encoder_alive() -> None:
    encoder = encoder_of("bert")
    halves(encoder, 2)
    watch = weakref.ref(encoder)
    del encoder
    gc.collect()
    assert watch() is None


# ---- states of windows ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_states_of_a_window_do_not_depend_on_its_padding(kind: str) -> None:
    encoder = encoder_of(kind)
    together = window_states(encoder, WINDOWS, PADDING, 2, "fp32")
    assert [len(states) for states in together] == [len(window) for window in WINDOWS]
    for window, states in zip(WINDOWS, together, strict=True):
        (alone,) = window_states(encoder, [window], PADDING, 2, "fp32")
        assert alone.device.type == "cpu"
        torch.testing.assert_close(states, alone, atol=1e-5, rtol=0)
    assert torch.equal(torch.cat(together), lower_states(encoder, INPUT_IDS, MASK, 2)[CONTENT])


def test_the_states_of_a_window_are_those_of_the_asked_precision() -> None:
    encoder = with_adapter(encoder_of("bert"), [2, 3])
    with torch.autocast("cpu", torch.bfloat16):
        expected = lower_states(encoder, INPUT_IDS, MASK, 2)[CONTENT]
    half = torch.cat(window_states(encoder, WINDOWS, PADDING, 2, "bf16"))
    full = torch.cat(window_states(encoder, WINDOWS, PADDING, 2, "fp32"))
    assert not half.requires_grad
    torch.testing.assert_close(half, expected.float(), atol=0, rtol=0)
    assert not torch.allclose(half, full, atol=1e-4)


def test_stored_states_enter_in_the_type_of_the_encoder() -> None:
    encoder = encoder_of("bert")
    hidden = lower_states(encoder, INPUT_IDS, MASK, 2).bfloat16()
    found = upper_states(encoder, hidden, MASK, 2)
    assert found.dtype == torch.float32
    assert torch.equal(found, upper_states(encoder, hidden.float(), MASK, 2))


# ---- what cannot be cut --------------------------------------------------------------------------


def test_an_unknown_architecture_is_refused_with_the_remedy() -> None:
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=2, num_attention_heads=1, intermediate_size=8
    )
    encoder = BertModel(config)
    assert can_be_cut(encoder)
    encoder.config.model_type = "rembert"
    assert not can_be_cut(encoder)
    refused = pytest.raises(InputError, match=r"^encoder of type rembert: .*activations=false$")
    with refused:
        lower_states(encoder, INPUT_IDS, MASK, 1)
    with refused:
        upper_states(encoder, torch.zeros(4, 24, 8), MASK, 1)


@pytest.mark.parametrize("depth", [-1, 0, LAYERS + 1])
def test_a_depth_without_a_layer_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=f"depth {depth} of an encoder with 4 layers"):
        lower_states(encoder_of("bert"), INPUT_IDS, MASK, depth)
