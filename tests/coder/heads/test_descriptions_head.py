from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from surecode.coder.heads.descriptions import Descriptions
from surecode.coder.heads.label_attention import LabelAttention
from surecode.errors import InputError

WIDTH, CODES, PROJECTION = 8, 6, 5
DESCRIBED = torch.tensor([True, False, True, True, False, True])


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def head_of(seed: int = 0, described: Tensor = DESCRIBED) -> Descriptions:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = Descriptions(WIDTH, CODES, PROJECTION, code_chunk=4)
        # Far from 0 and of unequal lengths, as the states of an encoder are.
        head.describe(10 + 3 * draw(CODES, WIDTH, seed=seed), described)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return head


@torch.no_grad()
def test_it_is_label_attention_with_queries_and_values_made_from_descriptions() -> None:
    head = head_of()
    plain = LabelAttention(WIDTH, CODES, PROJECTION)
    plain.project.load_state_dict(head.project.state_dict())
    for k in range(CODES):
        e = head.embedding[k]
        made = DESCRIBED[k]
        plain.query[k] = head.to_query(e) if made else head.query[k]
        plain.value[k] = head.to_value(e) if made else head.value[k]
    plain.bias.copy_(head.bias)
    states = draw(7, WIDTH)
    torch.testing.assert_close(head(states, (3, 4)), plain(states, (3, 4)), atol=1e-5, rtol=1e-5)


def test_embeddings_are_standardised_over_the_described_codes() -> None:
    known = head_of().embedding[DESCRIBED]
    torch.testing.assert_close(known.mean(dim=0), torch.zeros(WIDTH), atol=1e-5, rtol=0)
    torch.testing.assert_close(known.square().mean(), torch.tensor(1.0))
    assert (head_of().embedding[~DESCRIBED] == 0).all()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_descriptions_leave_the_head_trainable(count: int) -> None:
    described = torch.arange(CODES) < count
    head = head_of(described=described)
    states = draw(5, WIDTH)
    head(states, (5,)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
    assert head.to_query.bias.grad is not None
    assert bool(head.to_query.bias.grad.abs().sum() > 0) == (count > 0)


def test_codes_with_one_description_get_one_logit_up_to_their_biases() -> None:
    head = head_of()
    embeddings = draw(CODES, WIDTH)
    embeddings[3] = embeddings[2]
    head.describe(embeddings, DESCRIBED)
    own = head(draw(4, WIDTH), (4,))[0] - head.bias
    torch.testing.assert_close(own[2], own[3])
    assert not torch.isclose(own[0], own[2])


@given(
    positions=st.lists(st.integers(0, CODES + 2), min_size=1, max_size=3, unique=True).filter(
        lambda chosen: max(chosen) < CODES + len(chosen)
    ),
    seed=st.integers(0, 20),
)
@torch.no_grad()
def test_a_grown_head_keeps_the_logits_of_the_old_codes(positions: list[int], seed: int) -> None:
    head, states = head_of(seed), draw(9, WIDTH, seed=seed)
    embeddings = 10 + 3 * draw(len(positions), WIDTH, seed=seed + 1)
    grown = head.grown(embeddings, positions)
    old = [k for k in range(CODES + len(positions)) if k not in positions]
    before, after = head(states, (5, 4)), grown(states, (5, 4))
    assert after.shape == (2, CODES + len(positions))
    torch.testing.assert_close(after[:, old], before, atol=1e-6, rtol=1e-6)
    assert torch.equal(grown.described[old], head.described)
    assert grown.described[positions].all()
    torch.testing.assert_close(
        grown.bias[positions], torch.quantile(head.bias, 0.1).expand(len(positions))
    )


@torch.no_grad()
def test_an_added_code_is_read_as_if_it_had_been_described_at_training() -> None:
    """Grown by the description of a code that it knows, the head gives that code's logit again."""
    head, states = head_of(), draw(5, WIDTH)
    raw = 10 + 3 * draw(CODES, WIDTH)  # what `head_of` described the codes by
    grown = head.grown(raw[[2, 5]], [7, 0])
    own = grown(states, (5,))[0] - grown.bias
    # 2 became 3 and 5 became 6; what was given first stands at 7.
    torch.testing.assert_close(own[[7, 0]], own[[3, 6]], atol=1e-5, rtol=1e-5)
    assert not torch.isclose(own[7], own[0])


def test_a_grown_head_is_a_head_of_its_own() -> None:
    head = head_of()
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    grown = head.eval().grown(draw(1, WIDTH), [0])
    assert not grown.training
    with torch.no_grad():
        for parameter in grown.parameters():
            parameter.zero_()
    torch.testing.assert_close(dict(head.state_dict()), before)


def test_a_head_without_descriptions_cannot_grow() -> None:
    head = head_of(described=torch.zeros(CODES, dtype=torch.bool))
    with pytest.raises(InputError, match=r"none of its codes has a description.*head.descriptions"):
        head.grown(draw(1, WIDTH), [0])
