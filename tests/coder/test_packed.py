from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    BertConfig,
    BertModel,
    CamembertConfig,
    CamembertModel,
    ModernBertConfig,
    ModernBertModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from surecode.coder.adapter import adapt
from surecode.coder.layers import lower_states
from surecode.coder.packed import allow_packing, packed_states, runs_of
from surecode.settings import AdapterSettings

LENGTHS = [9, 9, 9, 7, 4, 4, 1]
KINDS = {
    "bert": (BertConfig, BertModel),
    "roberta": (RobertaConfig, RobertaModel),
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel),
    "camembert": (CamembertConfig, CamembertModel),
}


def encoder_of(kind: str) -> PreTrainedModel:
    configuration, model = KINDS[kind]
    config = configuration(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        initializer_range=0.4,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    return model(config, add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def windows() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(5, 50, (length,), generator=generator) for length in LENGTHS]


def row(windows: list[Tensor]) -> tuple[Tensor, Tensor]:
    return torch.cat(windows), torch.cat([torch.arange(len(window)) for window in windows])


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_row_gives_each_window_what_it_gets_alone(
    windows: list[Tensor], kind: str, attention: str, bf16: bool
) -> None:
    encoder = encoder_of(kind)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        alone = [encoder(input_ids=window[None]).last_hidden_state[0] for window in windows]
        assert allow_packing(encoder, attention)
        together = packed_states(encoder, *row(windows), runs_of(LENGTHS))
    tolerance = 0.1 if bf16 else 1e-5
    torch.testing.assert_close(together, torch.cat(alone), atol=tolerance, rtol=0)
    # The tolerance tells windows apart: another order of the same windows is another matter.
    assert (together - torch.cat(alone[::-1])).abs().max() > 0.5


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_padded_windows_are_still_taken(windows: list[Tensor], kind: str, attention: str) -> None:
    encoder = encoder_of(kind)
    padded = torch.nn.utils.rnn.pad_sequence(windows, batch_first=True, padding_value=1)
    mask = (padded != 1).long()
    before = encoder(input_ids=padded, attention_mask=mask).last_hidden_state[mask.bool()]
    allow_packing(encoder, attention)
    after = encoder(input_ids=padded, attention_mask=mask).last_hidden_state[mask.bool()]
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_a_row_are_those_of_the_windows(windows: list[Tensor], kind: str) -> None:
    settings = AdapterSettings(
        kind="lora",
        rank=2,
        alpha=4,
        dropout=0,
        target_modules="all_linear",
        layers=None,
        learning_rate=1e-3,
    )
    encoder = adapt(encoder_of(kind), settings)
    for name, parameter in encoder.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)

    def gradients(states: Tensor) -> list[Tensor]:
        encoder.zero_grad()
        states.square().mean().backward()
        return [p.grad.clone() for p in encoder.parameters() if p.grad is not None]

    expected = gradients(
        torch.cat([encoder(input_ids=window[None]).last_hidden_state[0] for window in windows])
    )
    allow_packing(encoder.get_base_model(), "eager")
    found = gradients(packed_states(encoder, *row(windows), runs_of(LENGTHS)))
    assert len(found) == len(expected) > 0
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_states_enter_at_their_layer(windows: list[Tensor], kind: str) -> None:
    encoder = encoder_of(kind)
    allow_packing(encoder, "sdpa")
    ids, positions = row(windows)
    below = [lower_states(encoder, window[None], None, 1)[0] for window in windows]
    states = packed_states(encoder, torch.cat(below), positions, runs_of(LENGTHS), depth=1)
    whole = packed_states(encoder, ids, positions, runs_of(LENGTHS))
    torch.testing.assert_close(states, whole, atol=1e-5, rtol=0)


@torch.no_grad()
def test_above_the_last_layer_states_stay_as_they_are(windows: list[Tensor]) -> None:
    encoder = encoder_of("bert")
    allow_packing(encoder, "sdpa")
    ids, positions = row(windows)
    last = packed_states(encoder, ids, positions, runs_of(LENGTHS))
    assert torch.equal(packed_states(encoder, last, positions, runs_of(LENGTHS), depth=2), last)


def test_a_row_may_be_longer_than_a_window_can_be(windows: list[Tensor]) -> None:
    encoder = encoder_of("bert")
    allow_packing(encoder, "sdpa")
    many = windows * 20
    many = sorted(many, key=len, reverse=True)
    assert sum(map(len, many)) > encoder.config.max_position_embeddings * 10
    with torch.no_grad():
        states = packed_states(encoder, *row(many), runs_of([len(window) for window in many]))
    assert states.isfinite().all()


def test_local_attention_is_left_to_groups_of_windows() -> None:
    config = ModernBertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        pad_token_id=0,
    )
    encoder = ModernBertModel(config)
    before = encoder.config._attn_implementation
    assert not allow_packing(encoder, "sdpa")
    assert encoder.config._attn_implementation == before


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=20).map(sorted))
def test_runs_cover_the_row_window_by_window(lengths: list[int]) -> None:
    runs = runs_of(lengths)
    assert [length for _, count, length in runs for _ in range(count)] == lengths
    ends = [start + count * length for start, count, length in runs]
    assert [runs[0][0], *ends[:-1]] == [start for start, _, _ in runs]
    assert all(left[2] != right[2] for left, right in pairwise(runs))
