from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from surecode.coder.layers import lower_states
from surecode.coder.network import Network
from surecode.data.batches import Batch, collate
from surecode.data.windows import Windower, Windows
from surecode.encounter import Encounter
from surecode.errors import InputError

Build = Callable[..., Encounter]
Make = Callable[..., Network]

TEXTS = (
    "fever",
    "no fever of the chest with coughing and pain " * 3,
    "fracture",
    "xyz 12.5 pain\nno cough",
    "the chest " * 40,
)
BASE = "encoder.base_model.model.encoder.layer"


@pytest.fixture(scope="module")
def windows(tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Build) -> list[Windows]:
    windower = Windower(tiny_tokenizer, length=16, overlap=3)
    encounters = [encounter_of(text, encounter_id=str(n)) for n, text in enumerate(TEXTS)]
    return windower.all([*encounters, encounter_of(*TEXTS, encounter_id="all")])


@pytest.fixture(scope="module", params=["windows in a row", "windows in groups"])
def network(tiny_network: Make, request: pytest.FixtureRequest) -> Network:
    return tiny_network(packed=request.param == "windows in a row")


@pytest.fixture(scope="module")
@torch.no_grad()
def alone(network: Network, windows: list[Windows]) -> Tensor:
    """Logits of each encounter by itself."""
    return torch.cat([network(collate([one], 0)) for one in windows])


def trainable(network: Network) -> list[str]:
    return [name for name, p in network.named_parameters() if p.requires_grad]


# ---- an encounter's logits are its own -----------------------------------------------------------


@settings(max_examples=30)
@given(chosen=st.lists(st.integers(0, len(TEXTS)), min_size=1, max_size=8))
@torch.no_grad()
def test_logits_do_not_depend_on_the_batch(
    network: Network, windows: list[Windows], alone: Tensor, chosen: list[int]
) -> None:
    together = network(collate([windows[i] for i in chosen], 0))
    torch.testing.assert_close(together, alone[chosen], atol=1e-5, rtol=0)


def test_texts_differ_in_their_logits(alone: Tensor) -> None:
    # Otherwise the tests of equality would prove nothing.
    assert torch.pdist(alone).min() > 1e-2


@settings(max_examples=20)
@given(extra=st.integers(1, 30), padding=st.integers(0, 40))
@torch.no_grad()
def test_padding_never_matters(
    network: Network, windows: list[Windows], alone: Tensor, extra: int, padding: int
) -> None:
    batch = collate(windows, padding_id=padding)
    count, longest = batch.input_ids.shape
    wider = Batch(
        torch.cat([batch.input_ids, torch.full((count, extra), padding)], dim=1),
        torch.cat([batch.attention_mask, torch.zeros(count, extra, dtype=torch.int64)], dim=1),
        batch.content + batch.content // longest * extra,
        batch.tokens,
        batch.lengths,
        batch.groups,
        batch.encounter_ids,
    )
    for padded in (batch, wider):
        torch.testing.assert_close(network(padded), alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_content_states_are_those_of_the_windows_one_by_one(
    network: Network, windows: list[Windows]
) -> None:
    states = network.encode(collate(windows, 0))
    one_by_one = []
    for encounter in windows:
        for ids, place in zip(encounter.input_ids, encounter.content, strict=True):
            output = network.encoder(input_ids=torch.from_numpy(ids)[None])
            one_by_one.append(output.last_hidden_state[0, place])
    torch.testing.assert_close(states, torch.cat(one_by_one), atol=1e-5, rtol=0)


@torch.no_grad()
def test_embeddings_in_place_of_ids_give_the_same(network: Network, windows: list[Windows]) -> None:
    batch = collate(windows, 0)
    by_ids, by_embeddings = network(batch), network(batch, network.embed(batch.input_ids))
    torch.testing.assert_close(by_ids, by_embeddings, atol=1e-6, rtol=0)


def test_the_head_runs_in_fp32_under_autocast(network: Network, windows: list[Windows]) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        batch = collate(windows, 0)
        states = network.encode(batch)[: batch.tokens[0]]
        assert network(batch).dtype == torch.float32
    assert network.contributions(states, torch.tensor([0, 2])).dtype == torch.float32


# ---- weights out and in --------------------------------------------------------------------------


@torch.no_grad()
def test_weights_come_back_as_they_were(
    network: Network, tiny_network: Make, windows: list[Windows]
) -> None:
    batch = collate(windows, 0)
    other = tiny_network(seed=2, packed=network.packs)
    expected = network(batch)
    assert not torch.allclose(other(batch), expected, atol=1e-2)
    other.load_state(network.adapter_state(), network.head_state())
    torch.testing.assert_close(other(batch), expected, atol=0, rtol=0)
    assert list(other.adapter_state()) == list(network.adapter_state())


def test_the_states_hold_the_trained_weights_and_nothing_else(network: Network) -> None:
    numbers = sum(p.numel() for p in network.parameters() if p.requires_grad)
    states = [*network.adapter_state().values(), *network.head_state().values()]
    assert sum(tensor.numel() for tensor in states) == numbers
    assert not any(tensor.requires_grad for tensor in states)


def without_first(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(list(state.items())[1:])


def with_unknown(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return state | {"unknown": torch.zeros(1)}


def reshaped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    name, tensor = next(iter(state.items()))
    return state | {name: torch.zeros(tensor.numel() + 1)}


@pytest.mark.parametrize("spoil", [without_first, with_unknown, reshaped])
@pytest.mark.parametrize("part", ["adapter", "head"])
def test_weights_that_do_not_fit_are_refused(
    tiny_network: Make, part: str, spoil: Callable[[dict[str, Tensor]], dict[str, Tensor]]
) -> None:
    network = tiny_network()
    before = copy.deepcopy(network.state_dict())
    states = {"adapter": network.adapter_state(), "head": network.head_state()}
    states = {name: {k: v + 1 for k, v in state.items()} for name, state in states.items()}
    states[part] = spoil(states[part])
    with pytest.raises(InputError, match=f"^the {part}'s weights do not fit") as caught:
        network.load_state(**states)
    assert "\n" not in str(caught.value)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])  # nothing was put in place


def test_another_label_space_is_refused(tiny_network: Make) -> None:
    states = tiny_network(codes=4)
    with pytest.raises(InputError, match="the head's weights do not fit"):
        tiny_network(codes=3).load_state(states.adapter_state(), states.head_state())


# ---- what is trained -----------------------------------------------------------------------------

LINEAR = (
    "attention.self.query",
    "attention.self.value",
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
)
HEAD = ["head.query", "head.value", "head.bias", "head.project.weight"]


@pytest.mark.parametrize(("layers", "adapted"), [(None, [0, 1]), ([1], [1])])
def test_adapter_and_head_are_trained_and_nothing_else(
    tiny_network: Make, layers: Sequence[int] | None, adapted: list[int]
) -> None:
    assert (
        trainable(tiny_network(layers=layers))
        == [
            f"{BASE}.{layer}.{linear}.lora_{matrix}.default.weight"
            for layer in adapted
            for linear in LINEAR
            for matrix in "AB"
        ]
        + HEAD
    )


def test_no_gradient_flows_below_the_first_adapted_layer(
    tiny_network: Make, windows: list[Windows]
) -> None:
    network = tiny_network(layers=[1])
    seen: list[bool] = []
    bert = network.encoder.base_model.model
    for layer in bert.encoder.layer:
        layer.register_forward_hook(lambda *call: seen.append(call[-1].requires_grad))
    network(collate(windows, 0)).sum().backward()
    assert seen == [False, True] * (len(seen) // 2)
    assert seen
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
    assert all(p.grad is None for p in network.parameters() if not p.requires_grad)


@torch.no_grad()
def test_merging_the_adapter_leaves_the_logits(
    tiny_network: Make, windows: list[Windows], alone: Tensor
) -> None:
    network = tiny_network()
    adapted = sum(p.numel() for p in network.parameters())
    network.merge_adapter()
    batch = collate(windows, 0)
    torch.testing.assert_close(network(batch), alone, atol=1e-4, rtol=0)
    assert sum(p.numel() for p in network.parameters()) < adapted
    embedded = network(batch, network.embed(batch.input_ids))
    torch.testing.assert_close(embedded, alone, atol=1e-4, rtol=0)


# ---- long encounters, and states computed beforehand ---------------------------------------------


def gradients(network: Network, batch: Batch) -> list[Tensor]:
    network.zero_grad()
    network(batch).square().sum().backward()
    return [p.grad.clone() for p in network.parameters() if p.grad is not None]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("call_tokens", [1, 40, 100])
def test_an_encounter_above_the_budget_is_encoded_in_parts_with_the_same_gradients(
    tiny_network: Make, windows: list[Windows], call_tokens: int, packed: bool
) -> None:
    network = tiny_network(packed=packed)
    whole, parts = collate(windows, 0), collate(windows, 0, call_tokens=call_tokens)
    assert not whole.recompute
    assert parts.recompute
    assert len(parts.groups) > len(whole.groups)
    torch.testing.assert_close(network(parts), network(whole), atol=1e-5, rtol=0)
    for mine, theirs in zip(gradients(network, parts), gradients(network, whole), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("packed", [True, False])
def test_parts_keep_no_activations_of_a_call(
    tiny_network: Make, windows: list[Windows], packed: bool
) -> None:
    def kept(batch: Batch) -> int:
        numbers: list[int] = []

        def pack(tensor: Tensor) -> Tensor:
            numbers.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            tiny_network(packed=packed).encode(batch)
        return sum(numbers)

    whole, parts = collate(windows, 0), collate(windows, 0, call_tokens=40)
    assert kept(parts) < 0.2 * kept(whole)


@torch.no_grad()
def test_states_from_below_take_the_place_of_the_ids(
    tiny_network: Make, windows: list[Windows]
) -> None:
    network = tiny_network(layers=[1])
    assert network.depth == 1
    batch = collate(windows, 0)
    hidden = lower_states(network.encoder, batch.input_ids, batch.attention_mask, network.depth)
    blind = replace(batch, input_ids=torch.zeros_like(batch.input_ids), hidden=hidden)
    torch.testing.assert_close(network(blind), network(batch), atol=1e-5, rtol=0)
