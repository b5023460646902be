"""What holds for every kind of head."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from surecode.coder.heads.build import KINDS, build_head
from surecode.coder.heads.descriptions import Descriptions
from surecode.coder.heads.head import Head
from surecode.settings import HeadSettings

WIDTH, CODES, PROJECTION = 8, 7, 6


def head_of(kind: str, seed: int = 0, chunk: int = 2048, codes: int = CODES) -> Head:
    """A head whose every weight is drawn; two of three descriptions are known."""
    settings = HeadSettings(kind=kind, projection=PROJECTION, code_chunk=chunk)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = build_head(settings, WIDTH, codes)
        if isinstance(head, Descriptions):
            head.describe(torch.randn(codes, WIDTH), torch.arange(codes) % 3 > 0)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return head


def states_of(tokens: int, seed: int = 0, width: int = WIDTH) -> Tensor:
    return torch.randn(tokens, width, generator=torch.Generator().manual_seed(seed))


every_kind = pytest.mark.parametrize("kind", sorted(KINDS))
TOKENS = st.lists(st.integers(1, 12), min_size=1, max_size=6)


@every_kind
@given(tokens=TOKENS, seed=st.integers(0, 99), chunk=st.integers(1, CODES + 1))
@torch.no_grad()
def test_a_logit_is_the_sum_of_its_tokens_contributions(
    kind: str, tokens: list[int], seed: int, chunk: int
) -> None:
    head, states = head_of(kind, seed, chunk), states_of(sum(tokens), seed)
    logits = head(states, tuple(tokens))
    assert logits.shape == (len(tokens), CODES)
    codes = torch.randperm(CODES, generator=torch.Generator().manual_seed(seed))[:4]
    for own, expected in zip(states.split(tokens), logits, strict=True):
        contributions = head.contributions(own, codes)
        assert contributions.shape == (len(own), 4)
        total = contributions.sum(dim=0) + head.offset(own, codes)
        torch.testing.assert_close(total, expected[codes], atol=1e-5, rtol=1e-5)


@every_kind
@given(tokens=st.integers(1, 12), seed=st.integers(0, 99))
@torch.no_grad()
def test_attention_is_a_distribution_over_the_tokens(kind: str, tokens: int, seed: int) -> None:
    attention = head_of(kind, seed).attention(states_of(tokens, seed), torch.tensor([4, 0]))
    assert attention.shape == (tokens, 2)
    assert (attention >= 0).all()
    torch.testing.assert_close(attention.sum(dim=0), torch.ones(2), atol=1e-5, rtol=0)


@every_kind
@given(tokens=TOKENS, seed=st.integers(0, 99))
@torch.no_grad()
def test_an_encounter_does_not_depend_on_its_neighbours(
    kind: str, tokens: list[int], seed: int
) -> None:
    head, states = head_of(kind, seed), states_of(sum(tokens), seed)
    together = head(states, tuple(tokens))
    alone = torch.cat([head(own, (len(own),)) for own in states.split(tokens)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@every_kind
@pytest.mark.parametrize("chunk", [1, 3, CODES])
def test_chunks_change_neither_logits_nor_gradients(kind: str, chunk: int) -> None:
    outcomes = []
    for size in (chunk, 2048):
        head = head_of(kind, chunk=size).double()  # so that rounding hides nothing
        states = states_of(11).double().requires_grad_()
        logits = head(states, (2, 8, 1))
        logits.square().sum().backward()
        assert states.grad is not None
        gradients = {name: p.grad for name, p in head.named_parameters()}
        outcomes.append((logits.detach(), states.grad, gradients))
    torch.testing.assert_close(*outcomes, atol=1e-10, rtol=1e-10)


@every_kind
def test_a_gradient_reaches_every_parameter_and_the_states(kind: str) -> None:
    head, states = head_of(kind), states_of(7).requires_grad_()
    head(states, (3, 4)).square().sum().backward()
    for tensor in (*head.parameters(), states):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0


@every_kind
def test_the_gradients_are_those_of_finite_differences(kind: str) -> None:
    head, states = head_of(kind), states_of(7).double().requires_grad_()
    head = head.double()
    codes = torch.tensor([5, 2])
    assert torch.autograd.gradcheck(lambda own: head.attention(own, codes), states)
    assert torch.autograd.gradcheck(lambda own: head(own, (3, 4)), states)


@every_kind
def test_the_bias_starts_at_the_log_odds_of_each_code(kind: str) -> None:
    head = head_of(kind)
    assert head.codes == CODES
    head.start_at(torch.tensor([0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0]))
    expected = torch.tensor([1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 1 - 1e-4])
    torch.testing.assert_close(head.bias.sigmoid(), expected, atol=1e-6, rtol=1e-3)
    assert head.bias.isfinite().all()
    assert head.bias.requires_grad


@every_kind
@pytest.mark.parametrize("scale", [0.0, 1e3, 1e5])
def test_extreme_states_stay_finite(kind: str, scale: float) -> None:
    head, states = head_of(kind, chunk=3), (states_of(6) * scale).requires_grad_()
    logits = head(states, (2, 4))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert head.contributions(states[:2], torch.tensor([0, 6])).isfinite().all()
    assert states.grad is not None
    assert states.grad.isfinite().all()


@every_kind
def test_trained_weights_load_into_a_fresh_head(kind: str) -> None:
    trained, states = head_of(kind, seed=3), states_of(5)
    saved = safetensors.torch.load(safetensors.torch.save(trained.state_dict()))
    settings = HeadSettings(kind=kind, projection=PROJECTION, code_chunk=2)  # type: ignore[arg-type]
    fresh = build_head(settings, WIDTH, CODES)
    fresh.load_state_dict(saved)
    torch.testing.assert_close(fresh(states, (2, 3)), trained(states, (2, 3)))


# ---- memory --------------------------------------------------------------------------------------


class Peak(TorchDispatchMode):
    """Counts the bytes of all storages that operations make and that are still alive."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = {
            tensor.untyped_storage()._cdata
            for tensor in tree_leaves((args, kwargs))
            if isinstance(tensor, Tensor)
        }
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in known:
                storage = tensor.untyped_storage()
                self.live += storage.nbytes()
                self.peak = max(self.peak, self.live)
                weakref.finalize(storage, self.free, storage.nbytes())
        return made

    def free(self, size: int) -> None:
        self.live -= size


@every_kind
def test_memory_does_not_grow_with_the_label_space(kind: str) -> None:
    tokens, chunk, peaks = (900, 700), 50, {}
    for codes in (100, 2000):
        head = head_of(kind, chunk=chunk, codes=codes)
        states = states_of(sum(tokens)).requires_grad_()
        with Peak() as counter:
            head(states, tokens).sum().backward()
        # What grows with the codes by right: gradients, logits and the parts of the rows.
        rows = sum(p.numel() for p in head.parameters()) * 4
        peaks[codes] = counter.peak - 3 * rows
    assert peaks[100] > sum(tokens) * chunk * 4
    assert peaks[2000] < 2 * peaks[100]
    # The measure would see it: all codes at once take much more.
    head.code_chunk = 2000
    with Peak() as counter:
        head(states_of(sum(tokens)).requires_grad_(), tokens).sum().backward()
    assert counter.peak > 10 * peaks[100]
