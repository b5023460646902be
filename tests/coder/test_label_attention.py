from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from surecode.coder.label_attention import LabelAttention

WIDTH, CODES, PROJECTION = 8, 5, 6


def head_of(seed: int) -> LabelAttention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = LabelAttention(WIDTH, CODES, PROJECTION)
        torch.nn.init.normal_(head.bias)
    return head


def states_of(tokens: int, seed: int) -> Tensor:
    return torch.randn(tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


def reference(head: LabelAttention, states: Tensor) -> Tensor:
    """Logits `[K]` of one encounter, written as the paper writes them: code by code."""
    logits = []
    for code in range(CODES):
        scores = torch.stack([head.query[code] @ torch.tanh(head.project(h)) for h in states])
        weights = torch.exp(scores) / torch.exp(scores).sum()
        pooled = (weights[:, None] * states).sum(dim=0)
        logits.append(head.value[code] @ pooled + head.bias[code])
    return torch.stack(logits)


@given(tokens=st.lists(st.integers(1, 12), min_size=1, max_size=6), seed=st.integers(0, 99))
@torch.no_grad()
def test_a_logit_is_the_sum_of_its_tokens_contributions(tokens: list[int], seed: int) -> None:
    head, states = head_of(seed), states_of(sum(tokens), seed)
    output = head(states, tuple(tokens))
    parts = zip(
        states.split(tokens),
        output.contributions.split(tokens),
        output.attention.split(tokens),
        output.logits,
        strict=True,
    )
    for own, contributions, attention, logits in parts:
        torch.testing.assert_close(contributions.sum(0) + head.bias, logits, atol=1e-5, rtol=0)
        torch.testing.assert_close(attention.sum(0), torch.ones(CODES), atol=1e-5, rtol=0)
        assert (attention >= 0).all()
        torch.testing.assert_close(logits, reference(head, own), atol=1e-5, rtol=1e-5)


def test_shapes() -> None:
    output = head_of(0)(states_of(7, 0), (3, 4))
    assert output.logits.shape == (2, CODES)
    assert output.contributions.shape == output.attention.shape == (7, CODES)


def test_an_encounter_of_one_token_attends_to_it_alone() -> None:
    head, states = head_of(0), states_of(1, 0)
    output = head(states, (1,))
    assert (output.attention == 1).all()
    torch.testing.assert_close(output.logits, states @ head.value.T + head.bias)


def test_a_gradient_reaches_every_parameter_and_the_states() -> None:
    head, states = head_of(0), states_of(7, 0).requires_grad_()
    head(states, (3, 4)).logits.square().sum().backward()
    for tensor in (*head.parameters(), states):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0


def test_the_bias_starts_at_the_log_odds_of_each_code() -> None:
    head = head_of(0)
    frequency = torch.tensor([0.0, 0.01, 0.5, 0.9, 1.0])
    head.start_at(frequency)
    probability = head.bias.sigmoid()
    expected = torch.tensor([1e-4, 0.01, 0.5, 0.9, 1 - 1e-4])
    torch.testing.assert_close(probability, expected, atol=1e-6, rtol=1e-3)
    assert head.bias.isfinite().all()
    assert head.bias.requires_grad


@pytest.mark.parametrize("scale", [1e3, 1e5])
def test_large_states_stay_finite(scale: float) -> None:
    output = head_of(0)(states_of(6, 0) * scale, (2, 4))
    assert output.logits.isfinite().all()
    assert output.contributions.isfinite().all()
