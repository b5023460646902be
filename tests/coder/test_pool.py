from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from surecode.coder.adapter import adapt, merged, trained_state
from surecode.coder.encoder import EncoderLock
from surecode.coder.pool import AdapterPool
from surecode.data.batches import Batch, collate
from surecode.data.windows import Windower, Windows
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.settings import AdapterSettings

LOCK = EncoderLock("an/encoder", "hub", "0123abc", "ab" * 32)
TEXTS = (
    "fever",
    "no fever of the chest with coughing and pain " * 3,
    "xyz 12.5 pain\nno cough",
    "the chest " * 40,
)
# Rank, layers and label counts differ; one specialty has a head alone.
ADAPTERS: dict[str, dict[str, Any]] = {
    "radiology": {"kind": "lora", "rank": 2},
    "pathology": {"kind": "rslora", "rank": 3, "layers": (1,)},
    "emergency": {"kind": "lora", "rank": 4, "target_modules": "attention"},
    "urology": {"kind": "frozen"},
}
CODES = {"radiology": 3, "pathology": 7, "emergency": 1, "urology": 5}


class Mean(nn.Module):
    """The simplest head: codes read the mean state of an encounter."""

    def __init__(self, codes: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(16, codes, generator=generator) / 16)

    def forward(self, states: Tensor, tokens: tuple[int, ...]) -> Tensor:
        return torch.stack([part.mean(0) @ self.weight for part in torch.split(states, tokens)])


def tiny(model_type: str, vocabulary: int) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = CONFIG_MAPPING[model_type](
            vocab_size=vocabulary,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            max_position_embeddings=64,
            initializer_range=0.3,
            pad_token_id=0,
            bos_token_id=2,
            eos_token_id=3,
            cls_token_id=2,
            sep_token_id=3,
        )
        return AutoModel.from_config(config).eval()


def settings_of(kind: str = "lora", **changes: Any) -> AdapterSettings:
    values = {"rank": 2, "alpha": 4.0, "dropout": 0.1, "target_modules": "all_linear"}
    rest = {"layers": None, "learning_rate": 1e-3, "kind": kind}
    return AdapterSettings.model_validate(values | rest | changes)


def trained(encoder: PreTrainedModel, options: AdapterSettings, seed: int) -> nn.Module:
    """The encoder with an adapter drawn as if it had been trained."""
    adapted = adapt(encoder, options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return adapted.eval()


@pytest.fixture(scope="module")
def windows(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]
) -> list[Windows]:
    windower = Windower(tiny_tokenizer, length=16, overlap=3)
    encounters = [encounter_of(text, encounter_id=str(n)) for n, text in enumerate(TEXTS)]
    return windower.all([*encounters, encounter_of(*TEXTS, encounter_id="all")])


Alone = Callable[[Batch, str], Tensor]


@pytest.fixture(scope="module", params=["bert", "roberta", "modernbert"])
def pool_and_alone(
    request: pytest.FixtureRequest, tiny_tokenizer: PreTrainedTokenizerBase
) -> tuple[AdapterPool, Alone]:
    """A pool of four specialties, and what each gives with a merged encoder of its own."""
    vocabulary = len(tiny_tokenizer)
    pool = AdapterPool(tiny(request.param, vocabulary), LOCK)
    single = {}
    for seed, (specialty, changes) in enumerate(ADAPTERS.items()):
        options = settings_of(**changes)
        encoder = trained(tiny(request.param, vocabulary), options, seed)
        head = Mean(CODES[specialty], seed)
        pool.add(specialty, options, trained_state(encoder), head, LOCK)
        single[specialty] = (merged(encoder), head)

    @torch.no_grad()
    def alone(batch: Batch, specialty: str) -> Tensor:
        encoder, head = single[specialty]
        states = encoder(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask
        ).last_hidden_state.flatten(0, 1)[batch.content]
        logits: Tensor = head(states, batch.tokens)
        return logits

    return pool, alone


# ---- mixed is the same as alone ------------------------------------------------------------------


@settings(max_examples=25)
@given(
    chosen=st.lists(
        st.tuples(st.integers(0, len(TEXTS)), st.sampled_from(sorted(CODES))),
        min_size=1,
        max_size=7,
    )
)
def test_a_mixed_batch_gives_what_each_specialty_gives_alone(
    pool_and_alone: tuple[AdapterPool, Alone],
    windows: list[Windows],
    chosen: Sequence[tuple[int, str]],
) -> None:
    pool, alone = pool_and_alone
    batch = collate([windows[place] for place, _ in chosen], 0)
    mixed = pool(batch, [specialty for _, specialty in chosen])
    assert [logits.shape for logits in mixed] == [(CODES[s],) for _, s in chosen]
    for logits, (place, specialty) in zip(mixed, chosen, strict=True):
        one = collate([windows[place]], 0)
        torch.testing.assert_close(logits, pool(one, [specialty])[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(logits, alone(one, specialty)[0], atol=1e-6, rtol=0)


# ---- the pool ------------------------------------------------------------------------------------


@pytest.fixture
def pool() -> AdapterPool:
    return AdapterPool(tiny("bert", 120), LOCK)


def state_of(options: AdapterSettings, seed: int = 1) -> dict[str, Tensor]:
    return trained_state(trained(tiny("bert", 120), options, seed))


def test_the_pool_codes_and_never_trains(pool: AdapterPool) -> None:
    pool.add("radiology", settings_of(), state_of(settings_of()), Mean(2, 0), LOCK)
    pool.train()
    assert not any(module.training for module in pool.modules())
    assert not any(parameter.requires_grad for parameter in pool.parameters())


def test_one_encoder_serves_all(pool: AdapterPool) -> None:
    before = sum(p.numel() for p in pool.parameters())
    state = state_of(settings_of())
    for name in ("radiology", "pathology"):
        pool.add(name, settings_of(), state, Mean(2, 0), LOCK)
    assert pool.specialties == ("radiology", "pathology")
    added = sum(p.numel() for p in pool.parameters()) - before
    assert added == 2 * (sum(w.numel() for w in state.values()) + 32)


@pytest.fixture(scope="module")
def batch(windows: list[Windows]) -> Batch:
    """Two encounters of several windows each."""
    return collate([windows[1], windows[3]], 0)


def test_specialties_read_the_same_encounter_differently(
    pool: AdapterPool, windows: list[Windows]
) -> None:
    for seed, name in enumerate(["radiology", "pathology"]):
        pool.add(name, settings_of(), state_of(settings_of(), seed), Mean(2, 0), LOCK)
    first, second = pool(collate([windows[1]] * 2, 0), ["radiology", "pathology"])
    assert (first - second).abs().max() > 1e-3


def test_groups_of_windows_change_nothing(pool: AdapterPool, windows: list[Windows]) -> None:
    for seed, name in enumerate(["radiology", "pathology"]):
        pool.add(name, settings_of(), state_of(settings_of(), seed), Mean(2, 0), LOCK)
    names = ["radiology", "pathology", "radiology"]
    together = collate([windows[place] for place in (4, 1, 0)], 0)
    rows = range(len(together.lengths))
    apart = replace(together, groups=tuple((row,) for row in rows))
    whole = replace(together, groups=(tuple(rows),))
    for one, other in zip(pool(apart, names), pool(whole, names), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["keys", "default", "lora_A", "forward"])
def test_a_specialty_may_have_any_plain_name(pool: AdapterPool, batch: Batch, name: str) -> None:
    pool.add(name, settings_of(), state_of(settings_of()), Mean(2, 0), LOCK)
    assert [logits.shape for logits in pool(batch, [name, name])] == [(2,), (2,)]


def test_heads_alone_need_no_adapter(pool: AdapterPool, batch: Batch) -> None:
    pool.add("urology", settings_of("frozen"), {}, Mean(2, 0), LOCK)
    before = pool(batch, ["urology"] * 2)
    pool.add("radiology", settings_of(), state_of(settings_of()), Mean(2, 0), LOCK)
    for one, other in zip(before, pool(batch, ["urology"] * 2), strict=True):
        assert torch.equal(one, other)


# ---- what cannot join ----------------------------------------------------------------------------


def refusal(pool: AdapterPool, *arguments: Any) -> str:
    """The line of a refused `add`, after which the pool is as it was."""
    before = pool.specialties, {name: p.clone() for name, p in pool.named_parameters()}
    with pytest.raises(InputError) as error:
        pool.add(*arguments)
    assert "\n" not in str(error.value)
    assert pool.specialties == before[0]
    after = dict(pool.named_parameters())
    assert before[1].keys() == after.keys()
    assert all(torch.equal(before[1][name], after[name]) for name in after)
    return str(error.value)


@pytest.mark.parametrize("kind", ["dora", "full"])
def test_an_adapter_that_cannot_be_mixed_is_refused(pool: AdapterPool, kind: str) -> None:
    options = settings_of(kind)
    line = refusal(pool, "radiology", options, state_of(options), Mean(2, 0), LOCK)
    assert f"of kind {kind} cannot share an encoder; train with adapter=lora" in line


def test_an_adapter_for_other_weights_is_refused(pool: AdapterPool) -> None:
    other = EncoderLock("another/encoder", "hub", None, "cd" * 32)
    options = settings_of()
    line = refusal(pool, "radiology", options, state_of(options), Mean(2, 0), other)
    assert "trained on encoder another/encoder (cdcdcdcdcdcd…), the pool holds an/encoder" in line


@pytest.mark.parametrize("filled", [False, True])
def test_an_adapter_that_does_not_fit_is_refused(pool: AdapterPool, filled: bool) -> None:
    if filled:
        pool.add("emergency", settings_of(), state_of(settings_of()), Mean(2, 0), LOCK)
    state = state_of(settings_of())
    for options, weights in [
        (settings_of(rank=3), state),
        (settings_of(layers=(1,)), state),
        (settings_of("frozen"), state),
        (settings_of(), {}),
    ]:
        line = refusal(pool, "radiology", options, weights, Mean(2, 0), LOCK)
        assert line.startswith("the adapter's weights do not fit")
    line = refusal(pool, "radiology", settings_of(layers=(9,)), state, Mean(2, 0), LOCK)
    assert "layer 9" in line


@pytest.mark.parametrize("name", ["emergency", "a.b", "", "no such"])
def test_a_specialty_joins_once_and_under_a_plain_name(pool: AdapterPool, name: str) -> None:
    state = state_of(settings_of())
    pool.add("emergency", settings_of(), state, Mean(2, 0), LOCK)
    assert "use another name" in refusal(pool, name, settings_of(), state, Mean(2, 0), LOCK)


def test_a_specialty_that_is_not_there_is_refused(pool: AdapterPool, batch: Batch) -> None:
    pool.add("radiology", settings_of(), state_of(settings_of()), Mean(2, 0), LOCK)
    with pytest.raises(InputError, match=r"^specialty urology: not in the pool; add it first$"):
        pool(batch, ["radiology", "urology"])
