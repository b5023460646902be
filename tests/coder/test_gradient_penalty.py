from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedTokenizerBase

from surecode.coder.adapter import adapt
from surecode.coder.architectures import ARCHITECTURES
from surecode.coder.folded_lora import fold_lora
from surecode.coder.gradient_penalty import penalised, unfold_lora
from surecode.coder.heads.build import KINDS, build_head
from surecode.coder.heads.label_attention import LabelAttention
from surecode.coder.layers import lower_states
from surecode.coder.losses import binary_cross_entropy
from surecode.coder.module import CoderModule
from surecode.coder.network import Network
from surecode.coder.packed import allow_packing
from surecode.data.batches import Batch, collate
from surecode.data.windows import Windower, Windows
from surecode.encounter import Encounter
from surecode.settings import AdapterSettings, HeadSettings, LossSettings, OptimSettings

Make = Callable[..., Network]
TEXTS = ("fever and cough with pain of the chest " * 3, "no fracture", "chest pain, no cough")
GOLD = np.array([[1, 1, 0], [0, 0, 1], [0, 1, 0]], dtype=np.bool_)
LOSS = LossSettings(
    kind="binary_cross_entropy",
    label_smoothing=0.0,
    focus_positive=0.0,
    focus_negative=0.0,
    margin=0.0,
    evidence_weight=0.0,
    gradient_weight=1.0,
)
OPTIM = OptimSettings(
    head_learning_rate=2e-2, weight_decay=0.01, warmup_share=0.1, gradient_clip=1.0
)


@pytest.fixture(scope="module")
def windows(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]
) -> list[Windows]:
    """Three encounters; the first has several windows."""
    found = Windower(tiny_tokenizer, 12, 2).all([encounter_of(text) for text in TEXTS])
    assert len(found[0].input_ids) > 2
    return found


def batch_of(windows: Sequence[Windows], gold: Any = GOLD, **changes: Any) -> Batch:
    return collate(windows, 0, gold, **changes)


def with_hidden(network: Network, batch: Batch) -> Batch:
    """As from the cache: the states that enter the first trained layer."""
    assert network.depth > 0
    with torch.no_grad():
        hidden = lower_states(network.encoder, batch.input_ids, batch.attention_mask, network.depth)
    return replace(batch, hidden=hidden)


def in_double(network: Network, monkeypatch: pytest.MonkeyPatch) -> Network:
    """Finite differences need more digits than the head's fp32."""
    monkeypatch.setattr(network, "read", lambda states, tokens: network.head(states, tokens))
    return network.double()


def slope(
    of: Callable[[], Tensor], parameters: list[nn.Parameter], step: float = 1e-6
) -> tuple[float, float]:
    """Along a random direction: by the gradient, and by central differences."""
    generator = torch.Generator().manual_seed(7)
    way = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    gradients = torch.autograd.grad(of(), parameters, allow_unused=True)
    by_gradient = sum(
        float((g * w).sum()) for g, w in zip(gradients, way, strict=True) if g is not None
    )
    values = []
    for sign in (1, -2):
        with torch.no_grad():
            for p, w in zip(parameters, way, strict=True):
                p.add_(sign * step * w)
        values.append(float(of().detach()))
    with torch.no_grad():
        for p, w in zip(parameters, way, strict=True):
            p.add_(step * w)
    return by_gradient, (values[0] - values[1]) / (2 * step)


def trainable(network: nn.Module) -> list[nn.Parameter]:
    return [p for p in network.parameters() if p.requires_grad]


# ---- what it is ----------------------------------------------------------------------------------


class Toy(nn.Module):
    """Embeddings → their mean over an encounter → logits."""

    def __init__(self, words: int = 7, width: int = 4, codes: int = 3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.table = nn.Parameter(torch.randn(words, width, generator=generator))
        self.value = nn.Parameter(torch.randn(codes, width, generator=generator))

    def embed(self, input_ids: Tensor) -> Tensor:
        return self.table[input_ids]

    def encode(self, batch: Batch, embeddings: Tensor | None = None) -> Tensor:
        embeddings = self.embed(batch.input_ids) if embeddings is None else embeddings
        return embeddings.flatten(0, 1)[batch.content]

    def read(self, states: Tensor, tokens: tuple[int, ...]) -> Tensor:
        parts = torch.split(states, list(tokens))
        return torch.stack([part.mean(dim=0) for part in parts]) @ self.value.T


def notes_of(*notes: list[list[int]]) -> list[Windows]:
    """Encounters of windows of token ids, all of them content."""
    return [
        Windows(
            f"e{n}",
            tuple(np.array(window) for window in note),
            tuple(slice(0, len(window)) for window in note),
            np.zeros(sum(map(len, note)), dtype=np.int64),
            np.zeros((sum(map(len, note)), 2), dtype=np.int64),
        )
        for n, note in enumerate(notes)
    ]


NOTES = st.lists(
    st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=3),
    min_size=1,
    max_size=4,
)


@given(notes=NOTES, seed=st.integers(0, 99), recompute=st.booleans())
def test_the_penalty_is_the_norm_of_the_gradient_worked_out_by_hand(
    notes: list[list[list[int]]], seed: int, recompute: bool
) -> None:
    """``d loss / d E_t = sum_k (p_k - y_k) v_k / T`` for each of the T tokens."""
    toy = Toy()
    gold = np.random.default_rng(seed).random((len(notes), 3)) < 0.5
    batch = batch_of(notes_of(*notes), gold, call_tokens=1 if recompute else None)
    found = penalised(toy, batch, binary_cross_entropy)  # type: ignore[arg-type]
    logits = toy.read(toy.encode(batch), batch.tokens)
    assert batch.gold is not None
    missing = logits.sigmoid() - batch.gold
    expected = (missing @ toy.value).norm(dim=1) / torch.tensor(batch.tokens).sqrt()
    torch.testing.assert_close(found.penalties, expected, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(found.losses, binary_cross_entropy(logits, batch.gold))
    # And so are the gradients of it.
    own = torch.autograd.grad(found.penalties.sum(), [toy.table, toy.value], allow_unused=True)
    closed = torch.autograd.grad(expected.sum(), [toy.table, toy.value])
    for left, right in zip(own, closed, strict=True):
        assert left is not None
        torch.testing.assert_close(left, right, atol=1e-4, rtol=1e-4)


def test_tokens_that_repeat_a_word_are_not_added_up() -> None:
    """The gradient of the embedding matrix, the first parameter, would be twice as long."""
    toy = Toy()
    batch = batch_of(notes_of([[2, 2, 2, 2]]), GOLD[:1])
    found = penalised(toy, batch, binary_cross_entropy)  # type: ignore[arg-type]
    (pooled,) = torch.autograd.grad(found.losses.sum(), toy.table, retain_graph=True)
    assert float(pooled.norm()) == pytest.approx(2 * float(found.penalties.detach()), rel=1e-5)


def test_where_the_gradient_vanishes_the_penalty_has_a_finite_one() -> None:
    toy = Toy()
    with torch.no_grad():
        toy.value.zero_()
    batch = batch_of(notes_of([[1, 2]]), GOLD[:1])
    found = penalised(toy, batch, binary_cross_entropy)  # type: ignore[arg-type]
    assert float(found.penalties.detach()) == pytest.approx(1e-6)
    gradients = torch.autograd.grad(found.penalties.sum(), trainable(toy))
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("layers", [None, [1]])
def test_an_encounters_penalty_does_not_depend_on_its_batch(
    tiny_network: Make, windows: list[Windows], layers: list[int] | None
) -> None:
    network = tiny_network(layers=layers)

    def found(rows: list[int]) -> Tensor:
        batch = batch_of([windows[row] for row in rows], GOLD[rows])
        batch = batch if layers is None else with_hidden(network, batch)
        return penalised(network, batch, binary_cross_entropy).penalties.detach()

    together = found([0, 1, 2])
    assert together.min() > 1e-3
    for rows in ([0], [1], [2], [2, 1, 0], [1, 0]):
        torch.testing.assert_close(found(rows), together[rows], atol=1e-6, rtol=1e-5)


# ---- its gradient --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("code_chunk", [1, 8])
@pytest.mark.parametrize("way", ["embeddings", "hidden", "calls", "hidden calls"])
def test_its_gradient_is_the_limit_of_finite_differences(
    tiny_network: Make,
    windows: list[Windows],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    kind: str,
    code_chunk: int,
) -> None:
    network = tiny_network(layers=[1] if "hidden" in way else None)
    fold_lora(network.encoder)  # as the stage does
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        settings = HeadSettings(kind=kind, projection=8, code_chunk=code_chunk)  # type: ignore[arg-type]
        network.head = build_head(settings, 32, 3)
        for parameter in network.head.parameters():
            nn.init.normal_(parameter, std=0.3)
    CoderModule(network, LOSS, OPTIM, 5e-3)
    network = in_double(network, monkeypatch)
    batch = batch_of(windows, call_tokens=30 if "calls" in way else None)
    assert batch.recompute == ("calls" in way)
    batch = with_hidden(network, batch) if "hidden" in way else batch

    def penalty() -> Tensor:
        return penalised(network, batch, binary_cross_entropy).penalties.sum()

    by_gradient, by_difference = slope(penalty, trainable(network))
    assert abs(by_difference) > 1e-3
    assert by_gradient == pytest.approx(by_difference, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_every_architecture_is_differentiated_twice(
    model_type: str, attention: str, windows: list[Windows], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(4)
    config = CONFIG_MAPPING[model_type](
        vocab_size=120,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=24,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        cls_token_id=2,
        sep_token_id=3,
        initializer_range=0.3,
    )
    plain = AutoModel.from_config(config).eval()
    if model_type == "deberta-v2" and attention == "sdpa":
        pytest.skip("deberta-v2 knows the plain formula only")
    if not allow_packing(plain, attention):
        plain.set_attn_implementation(attention)
    settings = AdapterSettings(
        kind="full",
        rank=2,
        alpha=4.0,
        dropout=0.0,
        target_modules="all_linear",
        layers=None,  # the embeddings are trained, too
        learning_rate=1e-3,
    )
    encoder = adapt(plain, settings)
    network = in_double(Network(encoder, LabelAttention(16, 3, 8)).eval(), monkeypatch)
    batch = batch_of(windows)

    def penalty() -> Tensor:
        return penalised(network, batch, binary_cross_entropy).penalties.sum()

    # ModernBERT turns queries and keys in fp32, whatever the rest computes in.
    rough = model_type == "modernbert"
    by_gradient, by_difference = slope(penalty, trainable(network), 1e-4 if rough else 1e-6)
    assert abs(by_difference) > 1e-3
    assert by_gradient == pytest.approx(by_difference, rel=2e-3 if rough else 1e-5, abs=1e-6)


def test_a_folded_adapter_would_lose_a_term(tiny_network: Make, windows: list[Windows]) -> None:
    """Why the module unfolds: value and first derivative agree, the second does not."""
    network, batch = tiny_network(), batch_of(windows)

    def found() -> tuple[Tensor, list[Tensor]]:
        penalties = penalised(network, batch, binary_cross_entropy).penalties
        parameters = trainable(network.encoder)
        return penalties.detach(), list(torch.autograd.grad(penalties.sum(), parameters))

    expected, right = found()
    assert fold_lora(network.encoder)
    value, wrong = found()
    torch.testing.assert_close(value, expected, atol=1e-5, rtol=1e-4)
    far = max(float((a - b).norm() / b.norm()) for a, b in zip(wrong, right, strict=True))
    assert far > 0.1
    unfold_lora(network.encoder)
    for a, b in zip(found()[1], right, strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)


@pytest.mark.parametrize("layers", [None, [1]])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_call_by_call_gives_what_all_at_once_gives(
    tiny_network: Make, windows: list[Windows], layers: list[int] | None, dropout: float
) -> None:
    network = tiny_network(layers=layers, packed=False).train()
    for module in network.encoder.modules():
        if isinstance(module, nn.ModuleDict) and isinstance(
            module._modules.get("default"), nn.Identity
        ):
            module["default"] = nn.Dropout(dropout)
    by_calls = batch_of(windows, call_tokens=30)
    if layers is not None:
        by_calls = with_hidden(network, by_calls)
    assert by_calls.recompute
    assert len(by_calls.groups) > 1

    def found(batch: Batch) -> list[Tensor]:
        torch.manual_seed(11)
        result = penalised(network, batch, binary_cross_entropy)
        total = (result.losses + result.penalties).sum()
        gradients = torch.autograd.grad(total, trainable(network))
        return [result.states, result.losses, result.penalties, *gradients]

    for own, expected in zip(
        found(by_calls), found(replace(by_calls, call_tokens=None)), strict=True
    ):
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("way", ["embeddings", "hidden", "calls"])
def test_in_bf16_it_points_the_same_way(
    tiny_network: Make, windows: list[Windows], attention: str, way: str
) -> None:
    network = tiny_network(layers=[1] if way == "hidden" else None)
    allow_packing(network.encoder.get_base_model(), attention)
    batch = batch_of(windows, call_tokens=30 if way == "calls" else None)
    if way == "hidden":
        batch = with_hidden(network, batch)
        assert batch.hidden is not None
        batch = replace(batch, hidden=batch.hidden.bfloat16())

    def found(bf16: bool) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else nullcontext():
            penalties = penalised(network, batch, binary_cross_entropy).penalties
        gradients = torch.autograd.grad(penalties.sum(), trainable(network), allow_unused=True)
        return penalties.detach(), torch.cat([g.flatten() for g in gradients if g is not None])

    (exact, right), (rounded, own) = found(bf16=False), found(bf16=True)
    torch.testing.assert_close(rounded, exact, atol=0, rtol=0.1)
    assert own.isfinite().all()
    assert float(torch.cosine_similarity(own, right, dim=0)) > 0.97
