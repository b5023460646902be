"""Training with ``loss.gradient_weight``, step by step and as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from surecode.coder.datamodule import CoderData, Examples
from surecode.coder.folded_lora import fold_lora
from surecode.coder.gradient_penalty import penalised
from surecode.coder.losses import binary_cross_entropy
from surecode.coder.module import CoderModule
from surecode.coder.network import Network
from surecode.coder.train import fit
from surecode.data.batches import Batch, collate
from surecode.data.windows import Windows
from surecode.settings import LossSettings, OptimSettings, TrainerSettings

Make = Callable[..., Network]
Split = tuple[list[Windows], NDArray[np.bool_]]

WORDS = ("fever", "cough", "fracture")
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
TRAINER = TrainerSettings(
    epochs=2,
    patience=4,
    batch_tokens=128,
    accelerator="cpu",
    devices=1,
    nodes=1,
    checkpoint_minutes=60,
    cache_activations=False,
    progress=False,
    resume=True,
)


@pytest.fixture
def batch(splits: tuple[Split, Split]) -> Batch:
    """A few encounters with their gold."""
    (windows, gold), _ = splits
    return collate(windows[:5], 0, gold[:5])


class Interrupted(Exception):
    """The machine went away."""


class KilledAfter(pl.Callback):
    """The process ends after so many batches, wherever that is in an epoch."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise Interrupted


def run(
    module: CoderModule, data: CoderData, folder: Path, *callbacks: pl.Callback, **changes: Any
) -> None:
    trainer = TRAINER.model_copy(update=changes)
    fit(module, data, trainer, OPTIM.gradient_clip, folder, None, list(callbacks))


def trainable(network: nn.Module) -> list[nn.Parameter]:
    return [p for p in network.parameters() if p.requires_grad]


def trained(module: nn.Module) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in module.named_parameters() if p.requires_grad}


def module_of(network: Network, weight: float) -> CoderModule:
    return CoderModule(network, LOSS.model_copy(update={"gradient_weight": weight}), OPTIM, 5e-3)


def data_of(splits: Any, batch_tokens: int = 128) -> CoderData:
    return CoderData(
        Examples.of(*splits[0]), Examples.of(*splits[1]), 0, batch_tokens=batch_tokens, seed=3
    )


def step(module: CoderModule, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    return module.training_step(batch, 0)


def test_a_step_adds_the_weighted_penalties(
    tiny_network: Make, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = penalised(tiny_network(), batch, binary_cross_entropy)
    for weight in (0.0, 0.5):
        loss = step(module_of(tiny_network(), weight), batch, monkeypatch)
        expected = (found.losses + weight * found.penalties).mean()
        torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    # A stand-in for an empty share adds nothing.
    loss = step(module_of(tiny_network(), 0.5), replace(batch, scale=0.0), monkeypatch)
    assert loss.item() == 0


def test_without_weight_a_step_is_the_plain_one_bit_by_bit(
    tiny_network: Make, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert batch.gold is not None
    plain, network = tiny_network(), tiny_network()
    for own in (plain, network):
        fold_lora(own.encoder)
    expected = binary_cross_entropy(plain(batch), batch.gold).sum() * batch.scale
    loss = step(module_of(network, 0.0), batch, monkeypatch)
    assert torch.equal(loss, expected)
    for left, right in zip(
        torch.autograd.grad(loss, trainable(network)),
        torch.autograd.grad(expected, trainable(plain)),
        strict=True,
    ):
        assert torch.equal(left, right)


@pytest.mark.parametrize("batch_tokens", [128, 10])
def test_training_with_it_lowers_the_penalty(
    tiny_network: Make, splits: Any, tmp_path: Path, batch_tokens: int
) -> None:
    """At 10 tokens most encounters are more than one encoder call may be."""

    def mean_penalty(weight: float) -> float:
        network, data = tiny_network(), data_of(splits, batch_tokens)
        run(module_of(network, weight), data, tmp_path / str(weight))
        found = [
            penalised(network, batch, binary_cross_entropy).penalties.detach()
            for batch in data.val_dataloader()
        ]
        return float(torch.cat(found).mean())

    assert mean_penalty(1.0) < 0.8 * mean_penalty(0.0)


def test_a_training_killed_in_an_epoch_ends_as_the_whole_one(
    tiny_network: Make, splits: Any, tmp_path: Path
) -> None:
    whole, again = module_of(tiny_network(), 0.1), module_of(tiny_network(seed=9), 0.1)
    run(whole, data_of(splits), tmp_path / "whole")
    every_batch, folder = {"checkpoint_minutes": 1e-9}, tmp_path / "cut"
    first = module_of(tiny_network(), 0.1)
    with pytest.raises(Interrupted):
        run(first, data_of(splits), folder, KilledAfter(5), **every_batch)
    run(again, data_of(splits), folder, **every_batch)
    for name, weight in trained(whole).items():
        assert torch.equal(trained(again)[name], weight)


class Logged(pl.Callback):
    """What the steps log."""

    def __init__(self) -> None:
        self.penalties: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        self.penalties.append(float(trainer.callback_metrics["train/gradient_penalty"]))


def test_the_steps_log_the_penalty(tiny_network: Make, splits: Any, tmp_path: Path) -> None:
    logged = Logged()
    run(module_of(tiny_network(), 0.1), data_of(splits), tmp_path, logged, epochs=1)
    assert logged.penalties
    assert all(0 < penalty < 100 for penalty in logged.penalties)
