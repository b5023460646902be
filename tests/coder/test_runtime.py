from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from surecode.coder import runtime as rooms
from surecode.coder.adapter import adapt
from surecode.coder.heads.label_attention import LabelAttention
from surecode.coder.network import Network
from surecode.coder.runtime import (
    CLEARLY,
    Precision,
    Runtime,
    as_coding,
    candidates,
    choose,
    clearly_fastest,
    coding_runtime,
    encoder_seconds,
    least_seconds,
    training_context,
    training_runtime,
)
from surecode.config import compose_config, parse
from surecode.denormals import without_denormals
from surecode.settings import AdapterSettings, Config

ALL = candidates("auto", "auto", "cpu")
LORA = AdapterSettings(
    kind="lora",
    rank=2,
    alpha=4,
    dropout=0.0,
    target_modules="all_linear",
    layers=None,
    learning_rate=1e-3,
)
seconds = st.floats(1e-4, 10)


def config(tmp_path: Path, *overrides: str) -> Config:
    composed = compose_config("train", ["specialty=radiology", f"cache={tmp_path}", *overrides])
    return parse(Config, composed)


# ---- the rule ------------------------------------------------------------------------------------


def test_fp32_and_fused_attention_come_first() -> None:
    assert [(r.precision, r.attention) for r in ALL] == [
        ("fp32", "sdpa"),
        ("fp32", "eager"),
        ("bf16", "sdpa"),
        ("bf16", "eager"),
    ]


def test_what_is_set_is_not_open() -> None:
    assert candidates("bf16", "eager", "cpu") == (Runtime("bf16", "eager"),)
    assert candidates("auto", "sdpa", "cpu") == (Runtime("fp32", "sdpa"), Runtime("bf16", "sdpa"))


@pytest.mark.parametrize(("able", "precision"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_is_not_measured(
    able: bool, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: able)
    assert candidates("auto", "auto", "cuda") == (Runtime(precision, "sdpa", "cuda"),)


@given(slow=seconds, share=st.floats(1 / CLEARLY + 1e-6, 5))
def test_the_preferred_runtime_stays_where_none_is_clearly_faster(
    slow: float, share: float
) -> None:
    times = {ALL[0]: slow, **dict.fromkeys(ALL[1:], slow * share)}
    assert clearly_fastest(times) == ALL[0]


@given(st.tuples(seconds, seconds, seconds, seconds))
def test_no_choice_gives_away_more_than_the_margin_of_both_decisions(
    taken: tuple[float, float, float, float],
) -> None:
    times = dict(zip(ALL, taken, strict=True))
    assert times[clearly_fastest(times)] <= CLEARLY**2 * min(taken) * (1 + 1e-9)


@given(st.tuples(seconds, seconds, seconds, seconds), st.floats(0.1, 10))
def test_the_choice_does_not_depend_on_the_speed_of_the_machine(
    taken: tuple[float, float, float, float], speed: float
) -> None:
    times = dict(zip(ALL, taken, strict=True))
    ratios = [a / b for a in taken for b in taken]
    if min(abs(ratio - CLEARLY) for ratio in ratios) > 1e-6:
        assert clearly_fastest({r: t * speed for r, t in times.items()}) == clearly_fastest(times)


def test_precision_is_chosen_first_and_attention_within_it() -> None:
    # bf16 pays with the plain formula only.
    times = dict(zip(ALL, (1.0, 0.9, 1.1, 0.5), strict=True))
    assert clearly_fastest(times) == Runtime("bf16", "eager")
    # With bf16 chosen, the plain formula is not clearly the faster one.
    times = dict(zip(ALL, (1.0, 0.9, 0.55, 0.5), strict=True))
    assert clearly_fastest(times) == Runtime("bf16", "sdpa")


# ---- what is kept --------------------------------------------------------------------------------


def never(_: Sequence[Runtime]) -> Mapping[Runtime, float]:
    raise AssertionError("measured again")


def eager_wins(among: Sequence[Runtime]) -> dict[Runtime, float]:
    return {runtime: 1.0 if runtime.attention == "sdpa" else 0.5 for runtime in among}


def test_the_outcome_is_kept_for_the_same_circumstances(tmp_path: Path) -> None:
    first = choose(ALL, eager_wins, {"machine": "a", "purpose": "coding"}, tmp_path)
    assert first == Runtime("fp32", "eager")
    assert choose(ALL, never, {"purpose": "coding", "machine": "a"}, tmp_path) == first
    for other in ({"machine": "b", "purpose": "coding"}, {"machine": "a", "purpose": "training"}):
        with pytest.raises(AssertionError, match="measured again"):
            choose(ALL, never, other, tmp_path)
    with pytest.raises(AssertionError, match="measured again"):
        choose(ALL[:2], never, {"machine": "a", "purpose": "coding"}, tmp_path)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"chosen": {}}', '{"chosen": {"precision": "fp8"}}', "null"]
)
def test_a_damaged_outcome_is_measured_again(damage: str, tmp_path: Path) -> None:
    choose(ALL, eager_wins, {"machine": "a"}, tmp_path)
    (path,) = (tmp_path / "runtime").iterdir()
    path.write_text(damage)
    assert choose(ALL, eager_wins, {"machine": "a"}, tmp_path) == Runtime("fp32", "eager")
    assert json.loads(path.read_text())["chosen"]["attention"] == "eager"


# ---- the name ------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", [*ALL, Runtime("bf16", "sdpa", "cuda")])
def test_a_runtime_comes_back_from_its_values(runtime: Runtime) -> None:
    assert Runtime.from_dict(json.loads(json.dumps(runtime.to_dict()))) == runtime


@pytest.mark.parametrize(
    "values", [{}, {"precision": "fp32"}, {**ALL[0].to_dict(), "attention": "x"}, [], None, "fp32"]
)
def test_anything_else_is_no_runtime(values: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Runtime.from_dict(values)


def test_the_name_says_version_device_precision_and_attention() -> None:
    version = torch.__version__.split("+")[0]
    assert Runtime("bf16", "eager").name == f"torch-{version}-cpu-bf16-eager"
    assert Runtime("fp32", "sdpa", "cuda").name == f"torch-{version}-cuda-fp32-sdpa"


# ---- measuring -----------------------------------------------------------------------------------


def test_runs_take_turns_and_the_least_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, order = [0.0], []
    costs = {"a": iter([5.0, 1.0, 3.0]), "b": iter([2.0, 9.0, 4.0])}

    def run(name: str) -> Callable[[], None]:
        def go() -> None:
            order.append(name)
            clock[0] += next(costs[name])

        return go

    monkeypatch.setattr(rooms.time, "perf_counter", lambda: clock[0])
    assert least_seconds({n: run(n) for n in "ab"}, repeats=3) == {"a": 1.0, "b": 2.0}
    assert order == list("ababab")


@pytest.mark.parametrize("purpose", get_args(rooms.Purpose))
def test_measuring_leaves_the_encoder_as_it_was(
    purpose: rooms.Purpose, tiny_encoder: Callable[[], nn.Module]
) -> None:
    encoder = tiny_encoder()
    if purpose == "training":
        encoder = adapt(encoder, LORA)  # type: ignore[arg-type]
    before = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    modes = [module.training for module in encoder.modules()]
    taken = encoder_seconds(encoder, purpose, ALL, tokens=16)  # type: ignore[arg-type]
    assert list(taken) == list(ALL)
    assert all(value > 0 for value in taken.values())
    after = encoder.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(after[name].dtype == before[name].dtype for name in before)
    assert encoder.config._attn_implementation == "sdpa"  # type: ignore[union-attr]
    assert [module.training for module in encoder.modules()] == modes
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_what_is_set_needs_no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "load_encoder", lambda *_: pytest.fail("loaded the encoder"))
    asked = config(
        tmp_path, "runtime.training=bf16", "runtime.coding=fp32", "runtime.attention=eager"
    )
    assert coding_runtime(asked) == Runtime("fp32", "eager")
    assert training_runtime(asked).precision == "bf16"
    assert not (tmp_path / "runtime").exists()


def test_the_encoder_is_measured_once_per_purpose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_encoder: Callable[[], nn.Module]
) -> None:
    class Lock:
        sha256 = "0" * 64

    calls: list[tuple[str, int]] = []

    def measured(
        encoder: nn.Module, purpose: str, among: Sequence[Runtime], tokens: int
    ) -> dict[Runtime, float]:
        trainable = sum(p.requires_grad for p in encoder.parameters())
        calls.append((purpose, trainable))
        return eager_wins(among)

    monkeypatch.setattr(rooms, "load_encoder", lambda *_: (tiny_encoder(), Lock()))
    monkeypatch.setattr(rooms, "encoder_seconds", measured)
    asked = config(tmp_path, "trainer.accelerator=cpu")
    for _ in range(2):
        assert training_runtime(asked) == Runtime("fp32", "eager")
        assert coding_runtime(asked) == Runtime("fp32", "eager")
    assert [purpose for purpose, _ in calls] == ["training", "coding"]
    # Training is measured with the adapter on: two matrices for each of the 12 linear layers.
    assert calls[0][1] == 24
    # Another adapter is another backward pass; coding knows no adapter.
    training_runtime(config(tmp_path, "trainer.accelerator=cpu", "adapter.layers=[1]"))
    coding_runtime(config(tmp_path, "trainer.accelerator=cpu", "adapter.layers=[1]"))
    assert [purpose for purpose, _ in calls] == ["training", "coding", "training"]


# ---- coding and training in it -------------------------------------------------------------------


class Frequencies(nn.Module):
    """A layer with a buffer that must stay exact, as rotary embeddings have."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("frequencies", torch.tensor([1.0, 1 / 3]))


def test_coding_in_bf16_narrows_weights_alone() -> None:
    network = Network.__new__(Network)
    nn.Module.__init__(network)
    network.encoder = Frequencies()  # type: ignore[assignment]
    network.head = LabelAttention(4, codes=3, projection=2, code_chunk=8)
    exact = network.encoder.linear.weight.detach().clone()
    as_coding(network, Runtime("fp32", "sdpa"))
    assert network.encoder.linear.weight.dtype == torch.float32
    as_coding(network, Runtime("bf16", "sdpa"))
    assert torch.equal(network.encoder.linear.weight, exact.to(torch.bfloat16))
    assert network.encoder.frequencies.dtype == torch.float32
    assert {p.dtype for p in network.head.parameters()} == {torch.float32}


def test_an_unmerged_adapter_is_not_coded_with(tiny_encoder: Callable[[], nn.Module]) -> None:
    encoder = adapt(tiny_encoder(), LORA)  # type: ignore[arg-type]
    network = Network(encoder, LabelAttention(32, codes=3, projection=2, code_chunk=8))
    with pytest.raises(AssertionError, match="merge the adapter first"):
        as_coding(network, Runtime("bf16", "sdpa"))


@pytest.mark.parametrize(
    ("runtime", "kind"),
    [(Runtime("fp32", "sdpa"), torch.float32), (Runtime("bf16", "sdpa"), torch.bfloat16)],
)
def test_training_computes_in_its_precision(runtime: Runtime, kind: torch.dtype) -> None:
    with training_context(runtime):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == kind


def test_numbers_below_the_normal_ones_are_flushed_within_the_block_alone() -> None:
    tiny = torch.tensor([1e-30])
    with without_denormals():
        assert float(tiny * 1e-10) == 0.0
    assert float(tiny * 1e-10) > 0.0
    with pytest.raises(KeyError), without_denormals():
        raise KeyError
    assert float(tiny * 1e-10) > 0.0


def test_what_is_preferred_needs_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_: object) -> None:
        raise AssertionError("two ranks may measure differently")

    monkeypatch.setattr("surecode.coder.runtime.encoder_seconds", measured)
    words = ["specialty=radiology", "trainer.accelerator=cpu"]
    chosen = training_runtime(parse(Config, compose_config("train", words)), measure=False)
    assert (chosen.precision, chosen.attention) == ("fp32", "sdpa")
    own = parse(Config, compose_config("train", [*words, "runtime.training=bf16"]))
    assert training_runtime(own, measure=False).precision == "bf16"
