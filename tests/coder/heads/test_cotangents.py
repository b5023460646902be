"""The closed-form gradients of the heads against autograd."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from surecode.coder.heads.build import KINDS, build_head
from surecode.coder.heads.cotangents import ClosedForm, Whole, cotangents
from surecode.coder.heads.descriptions import Descriptions
from surecode.coder.heads.head import Head, Tensors
from surecode.settings import HeadSettings

WIDTH, CODES, PROJECTION = 8, 7, 6

every_kind = pytest.mark.parametrize("kind", sorted(KINDS))


class Averaging(Head):
    """A head that nobody wrote a closed form for: uniform attention, one linear worth."""

    def __init__(self) -> None:
        super().__init__(2048)
        self.value = nn.Parameter(torch.randn(CODES, WIDTH))
        self.bias = nn.Parameter(torch.zeros(CODES))

    def prepare(self, states: Tensor) -> Tensors:
        return (states,)

    def rows(self) -> Tensors:
        return self.value, self.bias

    def score(self, shared: Tensors, rows: Tensors) -> Tensor:
        return torch.zeros(len(shared[0]), len(rows[0]), dtype=shared[0].dtype)

    def worth(self, shared: Tensors, rows: Tensors) -> Tensor:
        return shared[0] @ rows[0].T

    def constant(self, rows: Tensors) -> Tensor:
        return rows[1]


def head_of(kind: str, seed: int = 0, sharp: float = 0.5) -> Head:
    chosen = HeadSettings(kind=kind, projection=PROJECTION, code_chunk=2048)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = build_head(chosen, WIDTH, CODES)
        if isinstance(head, Descriptions):
            head.describe(torch.randn(CODES, WIDTH), torch.arange(CODES) % 3 > 0)
        for parameter in head.parameters():
            nn.init.normal_(parameter, std=sharp)
    return head


def states_of(tokens: int, seed: int = 0) -> Tensor:
    return torch.randn(tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


def by_autograd(head: Head, states: Tensor, codes: Tensor) -> Tensor:
    """``[n, T, D]`` through the head's own forward pass, which training uses."""
    leaf = states.clone().requires_grad_()
    logits = head(leaf, (len(leaf),))[0][codes]
    return torch.stack([torch.autograd.grad(z, leaf, retain_graph=True)[0] for z in logits])


def whole(found: ClosedForm | Whole, codes: Tensor, tokens: int) -> Tensor:
    return found.at(slice(0, tokens), torch.arange(len(codes)))


@every_kind
@settings(max_examples=30)
@given(tokens=st.integers(1, 40), seed=st.integers(0, 99), sharp=st.sampled_from([0.1, 0.5, 2.0]))
def test_the_closed_form_is_the_gradient(kind: str, tokens: int, seed: int, sharp: float) -> None:
    head = head_of(kind, seed, sharp)
    states = states_of(tokens, seed)
    codes = torch.randperm(CODES, generator=torch.Generator().manual_seed(seed))[:4]
    for part, bound in ((head, 1e-5), (head.double(), 1e-11)):
        given_states = states.to(part.bias.dtype)
        expected = by_autograd(part, given_states, codes)
        found = cotangents(part, given_states, codes)
        assert isinstance(found, ClosedForm)
        difference = (whole(found, codes, tokens) - expected).abs().max()
        assert difference <= bound * max(1.0, float(expected.abs().max()))


@every_kind
@settings(max_examples=30)
@given(tokens=st.integers(1, 40), seed=st.integers(0, 99))
def test_the_contributions_are_attention_times_worth_by_autograd(
    kind: str, tokens: int, seed: int
) -> None:
    """With the attention held still, a token's contribution is what the logit loses with it.

    The derivative of the logit with respect to a factor on the token's attention, the LayerNorm's
    deviation held still as well, at factor 1.
    """
    head, states, codes = head_of(kind, seed), states_of(tokens, seed), torch.tensor([2, 5, 0])
    with torch.no_grad():
        shared, rows = head.prepare(states), tuple(row[codes] for row in head.rows())
        attention = head.score(shared, rows).softmax(dim=0)
        worth, scale = head.worth(shared, rows), head.scale(attention, shared)
    factor = torch.ones(tokens, 1, requires_grad=True)
    columns = []
    for column in range(len(codes)):
        logit = (factor * attention * worth * scale).sum(dim=0)[column]
        columns.append(torch.autograd.grad(logit, factor)[0][:, 0])
    with torch.no_grad():
        found = head.contributions(states, codes)
    torch.testing.assert_close(found, torch.stack(columns, dim=1), atol=1e-5, rtol=1e-5)


@every_kind
def test_a_part_of_it_is_the_part_of_the_whole(kind: str) -> None:
    head, states, codes = head_of(kind), states_of(30), torch.tensor([6, 1, 3])
    found = cotangents(head, states, codes)
    everything = whole(found, codes, 30)
    part = found.at(slice(7, 19), torch.tensor([2, 0]))
    torch.testing.assert_close(part, everything[[2, 0], 7:19], atol=1e-7, rtol=1e-5)


@every_kind
def test_a_lone_token_is_attended_to_whatever_it_says(kind: str) -> None:
    """The attention of one token is 1 and has no gradient, so what is left is its worth."""
    head, states, codes = head_of(kind), states_of(1), torch.arange(CODES)
    found = cotangents(head, states, codes)
    assert isinstance(found, ClosedForm)
    assert float(found.pull.abs().max()) <= 1e-5


@every_kind
def test_no_codes_no_gradients(kind: str) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert whole(cotangents(head_of(kind), states_of(5), none), none, 5).shape == (0, 5, WIDTH)


@pytest.mark.parametrize("grad", [True, False])
def test_a_head_without_a_closed_form_is_differentiated(grad: bool) -> None:
    head, states, codes = Averaging(), states_of(9), torch.tensor([4, 4, 0])
    expected = (head.value[codes] / 9)[:, None].expand(-1, 9, -1).detach()
    with torch.set_grad_enabled(grad):
        found = cotangents(head, states, codes)
    assert isinstance(found, Whole)
    torch.testing.assert_close(whole(found, codes, 9), expected, atol=1e-6, rtol=0)


def test_a_head_without_a_closed_form_needs_no_codes() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert whole(cotangents(Averaging(), states_of(5), none), none, 5).shape == (0, 5, WIDTH)
