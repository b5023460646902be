from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from transformers import BertModel

from surecode.coder.adapter import adapt, merged
from surecode.coder.folded_lora import fold_lora
from surecode.settings import AdapterSettings

IDS = torch.arange(5, 45).reshape(2, 20)


def settings_of(kind: str, dropout: float = 0.0) -> AdapterSettings:
    return AdapterSettings(
        kind=kind,
        rank=3,
        alpha=6,
        dropout=dropout,
        target_modules="all_linear",
        layers=None,
        learning_rate=1e-3,
    )


def adapted(
    tiny_encoder: Callable[[], BertModel], kind: str, dropout: float = 0.0
) -> torch.nn.Module:
    """An encoder whose adapter is not fresh."""
    torch.manual_seed(3)
    encoder = adapt(tiny_encoder(), settings_of(kind, dropout))
    for name, parameter in encoder.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return encoder


def states_and_gradients(encoder: torch.nn.Module, bf16: bool) -> tuple[Tensor, dict[str, Tensor]]:
    encoder.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else nullcontext():
        states = encoder(input_ids=IDS).last_hidden_state
    states.float().square().mean().backward()
    found = {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}
    return states.detach(), found


@pytest.mark.parametrize("kind", ["lora", "rslora"])
def test_states_and_gradients_are_those_of_peft(
    tiny_encoder: Callable[[], BertModel], kind: str
) -> None:
    encoder = adapted(tiny_encoder, kind)
    expected, gradients = states_and_gradients(encoder, bf16=False)
    assert fold_lora(encoder) == 12
    states, found = states_and_gradients(encoder, bf16=False)
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=0)
    assert found.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)


def test_in_bf16_both_are_as_far_from_fp32(tiny_encoder: Callable[[], BertModel]) -> None:
    encoder = adapted(tiny_encoder, "lora")
    exact, _ = states_and_gradients(encoder, bf16=False)
    theirs, _ = states_and_gradients(encoder, bf16=True)
    fold_lora(encoder)
    ours, gradients = states_and_gradients(encoder, bf16=True)
    assert (ours - exact).norm() < 1.2 * (theirs - exact).norm()
    assert all(gradient.dtype == torch.float32 for gradient in gradients.values())


def test_an_optimizer_step_is_seen_at_once(tiny_encoder: Callable[[], BertModel]) -> None:
    left, right = adapted(tiny_encoder, "lora"), adapted(tiny_encoder, "lora")
    fold_lora(right)
    for _ in range(3):
        for encoder in (left, right):
            states_and_gradients(encoder, bf16=False)
            parameters = [p for p in encoder.parameters() if p.requires_grad]
            torch.optim.SGD(parameters, lr=0.5).step()
    expected, _ = states_and_gradients(left, bf16=False)
    states, _ = states_and_gradients(right, bf16=False)
    torch.testing.assert_close(states, expected, atol=1e-4, rtol=0)
    assert not torch.allclose(states, states_and_gradients(adapted(tiny_encoder, "lora"), False)[0])


def test_weights_that_are_loaded_are_seen_at_once(tiny_encoder: Callable[[], BertModel]) -> None:
    encoder, other = adapted(tiny_encoder, "lora"), adapted(tiny_encoder, "lora")
    for parameter in other.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    expected, _ = states_and_gradients(other, bf16=False)
    fold_lora(encoder)
    states_and_gradients(encoder, bf16=False)
    encoder.load_state_dict(other.state_dict())
    torch.testing.assert_close(
        states_and_gradients(encoder, bf16=False)[0], expected, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(("kind", "dropout"), [("dora", 0.0), ("lora", 0.1), ("full", 0.0)])
def test_what_cannot_be_folded_is_left_to_peft(
    tiny_encoder: Callable[[], BertModel], kind: str, dropout: float
) -> None:
    assert fold_lora(adapted(tiny_encoder, kind, dropout)) == 0


def test_a_folded_encoder_merges_as_any_other(tiny_encoder: Callable[[], BertModel]) -> None:
    encoder = adapted(tiny_encoder, "lora")
    fold_lora(encoder)
    expected, _ = states_and_gradients(encoder, bf16=False)
    with torch.no_grad():
        states = merged(encoder)(input_ids=IDS).last_hidden_state
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=0)


def test_a_weight_folded_in_inference_mode_serves_the_next_training_step(
    tiny_encoder: Callable[[], BertModel],
) -> None:
    encoder = adapted(tiny_encoder, "lora")
    expected, gradients = states_and_gradients(encoder, bf16=False)
    fold_lora(encoder)
    with torch.inference_mode():
        encoder(input_ids=IDS)
    states, found = states_and_gradients(encoder, bf16=False)
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=0)
    assert found.keys() == gradients.keys()
