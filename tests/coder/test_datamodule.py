from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import PreTrainedTokenizerBase

from surecode.coder.activation_cache import ActivationCache
from surecode.coder.datamodule import Examples, Loader
from surecode.coder.layers import window_states
from surecode.coder.network import Network
from surecode.data.windows import Windower
from surecode.encounter import Encounter

WORDS = ("fever", "cough", "fracture")


@pytest.fixture(scope="module")
def examples(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]
) -> Examples:
    generator = np.random.default_rng(0)
    gold = generator.random((23, len(WORDS))) < 0.4
    texts = [
        "the chest " * int(generator.integers(1, 30))
        + " ".join(word for word, there in zip(WORDS, row, strict=True) if there)
        for row in gold
    ]
    encounters = [encounter_of(text, encounter_id=f"e{n}") for n, text in enumerate(texts)]
    windows = Windower(tiny_tokenizer, 12).all(encounters)
    marks = [np.array([[0, n % 3]]) for n in range(len(texts))]
    return Examples.of(windows, gold, marks)


def gradient(network: Network, loaders: list[Loader], position: int) -> list[Tensor]:
    """What DDP does: every device's loss alone, the gradients averaged."""
    network.zero_grad()
    for loader in loaders:
        batch = loader.batch(position)
        assert batch.gold is not None
        loss = binary_cross_entropy_with_logits(network(batch), batch.gold, reduction="none")
        (loss.sum() * batch.scale / len(loaders)).backward()
    return [p.grad.clone() for p in network.parameters() if p.grad is not None]


@pytest.mark.parametrize("world", [2, 3, 7])
def test_several_devices_average_to_the_gradient_of_one(
    examples: Examples, tiny_network: Callable[..., Network], world: int
) -> None:
    network = tiny_network()
    alone = Loader(examples, 0, 200, seed=1)
    together = [Loader(examples, 0, 200, 1, rank, world) for rank in range(world)]
    assert {len(loader) for loader in together} == {len(alone)}
    for position in range(len(alone)):
        shares = [loader.indices(position) for loader in together]
        assert sorted(i for part in shares for i in part) == alone.indices(position)
        for mine, theirs in zip(
            gradient(network, together, position), gradient(network, [alone], position), strict=True
        ):
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_a_device_without_a_share_takes_part_for_nothing(examples: Examples) -> None:
    loader = Loader(examples, 0, 1, seed=None, rank=1, world=2)  # one encounter a batch
    assert loader.indices(0) == []
    batch = loader.batch(0)
    assert batch.scale == 0.0
    assert batch.encounter_ids == ("e0",)


def test_gold_and_evidence_are_those_of_the_encounters(examples: Examples) -> None:
    for batch in Loader(examples, 0, 300, seed=4):
        numbers = [int(name[1:]) for name in batch.encounter_ids]
        assert batch.gold is not None
        assert batch.evidence is not None
        np.testing.assert_array_equal(batch.gold.numpy(), examples.rows(numbers))
        assert batch.evidence.tolist() == [[row, 0, n % 3] for row, n in enumerate(numbers)]
        assert batch.scale == pytest.approx(1 / len(numbers))


def test_the_frequency_is_the_share_of_encounters(examples: Examples) -> None:
    rows = examples.rows(range(len(examples)))
    np.testing.assert_allclose(examples.frequency(), rows.mean(axis=0))


def test_the_order_is_that_of_the_seed_and_a_started_loader_gives_the_rest(
    examples: Examples,
) -> None:
    def order(seed: int, start: int = 0) -> list[tuple[str, ...]]:
        return [batch.encounter_ids for batch in Loader(examples, 0, 200, seed, start=start)]

    assert order(1) == order(1) != order(2)
    assert order(1, start=3) == order(1)[3:]
    loader = Loader(examples, 0, 200, 1)
    iterator = iter(loader)
    for given in range(1, 4):
        next(iterator)
        assert loader.position == given


def test_cached_states_give_the_logits_of_the_whole_encoder(
    examples: Examples,
    tiny_network: Callable[..., Network],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    network = tiny_network(layers=[1])
    cache = ActivationCache(tmp_path_factory.mktemp("cache"), "0" * 64, network.depth, "fp32")
    cache.fill(
        [ids for cut in examples.windows for ids in cut.input_ids],
        lambda windows: window_states(network.encoder, windows, 0, network.depth, "fp32"),
        batch_tokens=100,
    )
    plain, cached = (Loader(examples, 0, 200, 1, cache=c) for c in (None, cache))
    for left, right in zip(plain, cached, strict=True):
        assert right.hidden is not None
        torch.testing.assert_close(network(right), network(left), atol=1e-5, rtol=0)
