from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import layer_norm

from surecode.coder.heads.cross_attention import CrossAttention

WIDTH, CODES, PROJECTION = 8, 5, 6


def head_of(seed: int) -> CrossAttention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = CrossAttention(WIDTH, CODES, PROJECTION, code_chunk=2)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter)
    return head


def reference(head: CrossAttention, states: Tensor) -> Tensor:
    """Logits `[K]` of one encounter, pooled first and normalised after, as the paper says."""
    attention = (head.query @ head.key(states).T).softmax(dim=1)
    pooled = attention @ head.value(states)
    normal = layer_norm(pooled, (WIDTH,), head.norm.weight, head.norm.bias, head.norm.eps)
    return normal @ head.output + head.bias


@given(tokens=st.lists(st.integers(1, 12), min_size=1, max_size=6), seed=st.integers(0, 99))
@torch.no_grad()
def test_a_logit_is_that_of_the_paper(tokens: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    head, states = head_of(seed), torch.randn(sum(tokens), WIDTH, generator=generator)
    for own, logits in zip(states.split(tokens), head(states, tokens), strict=True):
        torch.testing.assert_close(logits, reference(head, own), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_shift_of_all_values_moves_no_logit() -> None:
    """The LayerNorm takes out what is common to the features: contributions must not hold it."""
    head, states = head_of(0), torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(0))
    codes = torch.arange(CODES)
    logits, contributions = head(states, (6,)), head.contributions(states, codes)
    head.value.bias += 3.0
    torch.testing.assert_close(head(states, (6,)), logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        head.contributions(states, codes), contributions, atol=1e-4, rtol=1e-4
    )
