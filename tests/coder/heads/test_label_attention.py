from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from surecode.coder.heads.label_attention import LabelAttention

WIDTH, CODES, PROJECTION = 8, 5, 6


def head_of(seed: int) -> LabelAttention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = LabelAttention(WIDTH, CODES, PROJECTION, code_chunk=2)
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
def test_a_logit_is_that_of_the_paper(tokens: list[int], seed: int) -> None:
    head, states = head_of(seed), states_of(sum(tokens), seed)
    for own, logits in zip(states.split(tokens), head(states, tokens), strict=True):
        torch.testing.assert_close(logits, reference(head, own), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_an_encounter_of_one_token_attends_to_it_alone() -> None:
    head, states = head_of(0), states_of(1, 0)
    assert (head.attention(states, torch.arange(CODES)) == 1).all()
    torch.testing.assert_close(head(states, (1,)), states @ head.value.T + head.bias)


def test_the_names_of_the_weights_are_those_of_older_bundles() -> None:
    shapes = {name: tuple(t.shape) for name, t in head_of(0).state_dict().items()}
    assert shapes == {
        "project.weight": (PROJECTION, WIDTH),
        "query": (CODES, PROJECTION),
        "value": (CODES, WIDTH),
        "bias": (CODES,),
    }
