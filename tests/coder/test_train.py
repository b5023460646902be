from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from surecode.coder.datamodule import CoderData, Examples
from surecode.coder.module import CoderModule
from surecode.coder.network import Network
from surecode.coder.train import Fit, fit, load_checkpoint, restore
from surecode.data.windows import Windows
from surecode.errors import InputError
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
    gradient_weight=0.0,
)
OPTIM = OptimSettings(
    head_learning_rate=2e-2,
    weight_decay=0.01,
    warmup_share=0.1,
    gradient_clip=1.0,
)
TRAINER = TrainerSettings(
    epochs=4,
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
def data_of(splits: tuple[Split, Split]) -> Callable[[], CoderData]:
    return lambda: CoderData(
        Examples.of(*splits[0]), Examples.of(*splits[1]), padding_id=0, batch_tokens=128, seed=3
    )


class Interrupted(Exception):
    """The machine went away."""


class InterruptAt(pl.Callback):
    """Stops the training when it begins an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.current_epoch == self.epoch:
            raise Interrupted


class Losses(pl.Callback):
    """The loss on tune after every epoch, and the weights that gave it."""

    def __init__(self) -> None:
        self.tune: list[float] = []
        self.weights: list[dict[str, Tensor]] = []

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.tune.append(float(trainer.callback_metrics["tune/loss"]))
        self.weights.append(trained(module))


def module_of(
    network: Network, optim: OptimSettings = OPTIM, adapter_learning_rate: float = 5e-3
) -> CoderModule:
    return CoderModule(network, LOSS, optim, adapter_learning_rate)


def trained(module: torch.nn.Module) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in module.named_parameters() if p.requires_grad}


def assert_equal_weights(
    left: dict[str, Tensor], right: dict[str, Tensor], tolerance: float
) -> None:
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name], right[name], atol=tolerance, rtol=0)


def run(
    module: CoderModule, data: CoderData, folder: Path, *callbacks: pl.Callback, **changes: Any
) -> Fit:
    trainer = TRAINER.model_copy(update=changes)
    return fit(module, data, trainer, OPTIM.gradient_clip, folder, None, list(callbacks))


@pytest.fixture
def whole_run(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> tuple[CoderModule, Losses, Path]:
    module, losses, folder = module_of(tiny_network()), Losses(), tmp_path / "whole"
    run(module, data_of(), folder, losses)
    return module, losses, folder


# ---- a fit ---------------------------------------------------------------------------------------


def test_a_fit_learns_and_leaves_the_best_weights(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    module, losses = module_of(tiny_network()), Losses()
    frozen = {n: p.clone() for n, p in module.named_parameters() if not p.requires_grad}
    before = trained(module)
    result = run(module, data_of(), tmp_path, losses, epochs=6, patience=6)
    assert result.epochs == len(losses.tune) == 6
    assert not result.stopped_early
    assert min(losses.tune) < 0.95 * losses.tune[0]
    assert result.best_tune_loss == pytest.approx(min(losses.tune))
    assert result.trained_parameters == sum(tensor.numel() for tensor in before.values())
    after = trained(module)
    assert_equal_weights(after, losses.weights[int(np.argmin(losses.tune))], 0.0)
    assert all(not torch.equal(after[name], before[name]) for name in before)
    own = dict(module.named_parameters())
    assert all(torch.equal(own[name], tensor) for name, tensor in frozen.items())


def test_the_loss_is_summed_over_codes_and_averaged_over_encounters(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    module, losses, data = module_of(tiny_network()), Losses(), data_of()
    run(module, data, tmp_path, losses, epochs=1)
    with torch.no_grad():
        pairs = [(module(batch), batch.gold) for batch in data.val_dataloader()]
    total = sum(binary_cross_entropy_with_logits(z, y, reduction="sum") for z, y in pairs)
    assert losses.tune == [pytest.approx(float(total) / sum(len(z) for z, _ in pairs), rel=1e-5)]


def test_a_checkpoint_holds_trained_weights_only_and_runs_no_code(
    whole_run: tuple[CoderModule, Losses, Path],
) -> None:
    module, losses, folder = whole_run
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]
    for path in folder.iterdir():
        checkpoint = torch.load(path, weights_only=True)
        assert checkpoint["state_dict"].keys() == trained(module).keys()
        assert "optimizer_states" in checkpoint
    last = torch.load(folder / "last.ckpt", weights_only=True)
    assert_equal_weights(last["state_dict"], losses.weights[-1], 0.0)


def test_early_stopping_ends_the_fit_and_keeps_the_best(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    # Steps this wide overshoot, so that the loss on tune rises again at some point.
    wild = OPTIM.model_copy(update={"head_learning_rate": 0.3})
    module, losses = module_of(tiny_network(), wild, 0.1), Losses()
    result = run(module, data_of(), tmp_path, losses, epochs=40, patience=2)
    best = int(np.argmin(losses.tune))
    assert best > 0
    assert result.stopped_early
    assert result.epochs == len(losses.tune) == best + 1 + 2
    assert_equal_weights(trained(module), losses.weights[best], 0.0)


def test_the_same_seed_gives_the_same_weights(
    whole_run: tuple[CoderModule, Losses, Path],
    tiny_network: Make,
    data_of: Callable[[], CoderData],
    tmp_path: Path,
) -> None:
    again = module_of(tiny_network())
    run(again, data_of(), tmp_path / "again")
    assert_equal_weights(trained(again), trained(whole_run[0]), 0.0)


def test_the_head_learns_at_its_own_rate_after_a_warm_up(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    rates: list[list[float]] = []

    class Rates(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, *rest: Any) -> None:
            rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])

    optim = OPTIM.model_copy(update={"warmup_share": 0.3})
    run(module_of(tiny_network(), optim), data_of(), tmp_path, Rates(), epochs=3)
    adapter, head = np.array(rates).T
    np.testing.assert_allclose(adapter / head, 5e-3 / 2e-2)
    peak = int(np.argmax(head))
    assert head[peak] == pytest.approx(2e-2)
    assert (np.diff(head[: peak + 1]) > 0).all()
    assert (np.diff(head[peak:]) <= 0).all()
    assert 0 < head[0] < head[peak]
    assert head[-1] < 0.3 * head[peak]


def test_a_training_that_diverges_is_no_coder(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    wild = OPTIM.model_copy(update={"head_learning_rate": 1e30})
    with pytest.raises(InputError, match=r"^training diverged: .*head_learning_rate") as error:
        run(module_of(tiny_network(), wild, 0.1), data_of(), tmp_path)
    assert "\n" not in str(error.value)


class Poisoned(pl.Callback):
    """A weight is no number any more."""

    def on_train_batch_start(self, trainer: pl.Trainer, module: CoderModule, *rest: Any) -> None:
        with torch.no_grad():
            module.network.head.bias.fill_(torch.nan)


def test_a_loss_that_is_no_number_names_the_encounters_and_not_their_text(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    with pytest.raises(
        InputError, match=r"^training diverged: .* not finite \(encounters e"
    ) as why:
        run(module_of(tiny_network()), data_of(), tmp_path, Poisoned())
    assert "\n" not in str(why.value)
    assert not any(word in str(why.value) for word in ("chest", *WORDS))


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        MemoryError(),
    ],
)
def test_a_full_memory_names_the_budget_to_lower(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path, failure: Exception
) -> None:
    class Full(pl.Callback):
        def on_train_batch_start(self, *rest: Any) -> None:
            raise failure

    with pytest.raises(InputError, match=r"at most 128 tokens; lower trainer\.batch_tokens"):
        run(module_of(tiny_network()), data_of(), tmp_path, Full())


def test_another_failure_is_not_taken_for_a_full_memory(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    class Broken(pl.Callback):
        def on_train_batch_start(self, *rest: Any) -> None:
            raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        run(module_of(tiny_network()), data_of(), tmp_path, Broken())


def test_ten_thousand_codes_train(
    tiny_network: Make, splits: tuple[Split, Split], tmp_path: Path
) -> None:
    codes = 10_000

    def wide(split: Split) -> Examples:
        windows, gold = split
        return Examples(windows, [np.flatnonzero(row) * 3333 for row in gold], codes)

    data = CoderData(wide(splits[0]), wide(splits[1]), padding_id=0, batch_tokens=128, seed=3)
    network = tiny_network(codes=codes)
    network.head.start_at(torch.from_numpy(data.train.frequency()).float())
    losses = Losses()
    run(module_of(network), data, tmp_path, losses, epochs=2)
    assert losses.tune[1] < losses.tune[0]


def test_gold_spans_draw_the_attention(
    tiny_network: Make, splits: tuple[Split, Split], tmp_path: Path
) -> None:
    """Half of the gold is on the first token, whatever the text says."""

    def marked(split: Split) -> Examples:
        windows, gold = split
        marks = [np.array([[k, 0] for k in np.flatnonzero(row)]).reshape(-1, 2) for row in gold]
        return Examples.of(windows, gold, marks)

    def mass(weight: float) -> float:
        network = tiny_network()
        loss = LOSS.model_copy(update={"evidence_weight": weight})
        data = CoderData(marked(splits[0]), marked(splits[1]), 0, 128, 3)
        run(CoderModule(network, loss, OPTIM, 5e-3), data, tmp_path / str(weight))
        found = []
        for batch in data.val_dataloader():
            states = network.encode(batch).split(list(batch.tokens))
            for own, gold in zip(states, batch.gold, strict=True):
                codes = gold.nonzero()[:, 0]
                found.append(network.head.attention(own, codes)[0])
        return float(torch.cat(found).detach().mean())

    assert mass(1.0) > 2 * mass(0.0)


# ---- interruption --------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_resumed_training_ends_where_the_whole_one_ends(
    whole_run: tuple[CoderModule, Losses, Path],
    tiny_network: Make,
    data_of: Callable[[], CoderData],
    tmp_path: Path,
    epoch: int,
) -> None:
    module, losses, whole_folder = whole_run
    folder = tmp_path / "cut"
    first, before = module_of(tiny_network()), Losses()
    with pytest.raises(Interrupted):
        run(first, data_of(), folder, InterruptAt(epoch), before)
    # Another seed: all that counts comes from the checkpoint.
    second, after = module_of(tiny_network(seed=9)), Losses()
    result = run(second, data_of(), folder, after)
    assert len(before.tune) == epoch
    np.testing.assert_allclose(before.tune + after.tune, losses.tune, atol=1e-6)
    assert result.epochs == TRAINER.epochs
    assert_equal_weights(trained(second), trained(module), 1e-6)
    last, whole_last = (load_checkpoint(f / "last.ckpt") for f in (folder, whole_folder))
    assert_equal_weights(last["state_dict"], whole_last["state_dict"], 1e-6)
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_run_folder_may_be_moved_before_the_training_goes_on(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    # So wide a step that the best epoch is an early one: it must not be forgotten.
    wild = OPTIM.model_copy(update={"head_learning_rate": 0.3})
    whole, seen = module_of(tiny_network(), wild, 0.1), Losses()
    longest = {"epochs": 40, "patience": 4}
    run(whole, data_of(), tmp_path / "whole", seen, **longest)
    best = int(np.argmin(seen.tune))
    assert best + 2 < len(seen.tune)
    with pytest.raises(Interrupted):
        run(
            module_of(tiny_network(), wild, 0.1),
            data_of(),
            tmp_path / "here",
            InterruptAt(best + 2),
            **longest,
        )
    (tmp_path / "here").rename(tmp_path / "there")
    again = module_of(tiny_network(seed=9), wild, 0.1)
    result = run(again, data_of(), tmp_path / "there", **longest)
    assert result.best_tune_loss == min(seen.tune)
    assert_equal_weights(trained(again), trained(whole), 0.0)


def test_a_finished_training_is_not_trained_further(
    whole_run: tuple[CoderModule, Losses, Path],
    tiny_network: Make,
    data_of: Callable[[], CoderData],
) -> None:
    module, losses, folder = whole_run
    again, after = module_of(tiny_network(seed=9)), Losses()
    result = run(again, data_of(), folder, after)
    assert after.tune == []
    assert result.epochs == len(losses.tune)
    assert result.best_tune_loss == pytest.approx(min(losses.tune))
    assert_equal_weights(trained(again), trained(module), 0.0)


def test_a_training_that_stopped_early_is_not_trained_further(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    wild = OPTIM.model_copy(update={"head_learning_rate": 0.3})
    module = module_of(tiny_network(), wild, 0.1)
    first = run(module, data_of(), tmp_path, epochs=40, patience=2)
    again, after = module_of(tiny_network(seed=9), wild, 0.1), Losses()
    second = run(again, data_of(), tmp_path, after, epochs=40, patience=2)
    assert after.tune == []
    assert second == first
    assert_equal_weights(trained(again), trained(module), 0.0)


def test_without_the_best_weights_training_begins_anew(
    whole_run: tuple[CoderModule, Losses, Path],
    tiny_network: Make,
    data_of: Callable[[], CoderData],
) -> None:
    module, losses, folder = whole_run
    (folder / "best.ckpt").unlink()
    again, after = module_of(tiny_network()), Losses()
    run(again, data_of(), folder, after)
    assert after.tune == losses.tune
    assert_equal_weights(trained(again), trained(module), 0.0)


def test_without_resume_training_begins_anew(
    whole_run: tuple[CoderModule, Losses, Path],
    tiny_network: Make,
    data_of: Callable[[], CoderData],
) -> None:
    _, losses, folder = whole_run
    again, after = module_of(tiny_network()), Losses()
    run(again, data_of(), folder, after, resume=False)
    assert after.tune == losses.tune
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]


class KilledAfter(pl.Callback):
    """The process ends after so many batches, wherever that is in an epoch."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        self.left -= 1
        if self.left == 0:
            raise Interrupted


@pytest.mark.parametrize("batches", range(1, 13))
def test_a_training_killed_after_any_batch_ends_as_the_whole_one(
    whole_run: tuple[CoderModule, Losses, Path],
    tiny_network: Make,
    data_of: Callable[[], CoderData],
    tmp_path: Path,
    batches: int,
) -> None:
    module, losses, _ = whole_run
    every_batch = {"checkpoint_minutes": 1e-9}
    folder, before, after = tmp_path / "cut", Losses(), Losses()
    with pytest.raises(Interrupted):
        run(
            module_of(tiny_network()),
            data_of(),
            folder,
            KilledAfter(batches),
            before,
            **every_batch,
        )
    second = module_of(tiny_network(seed=9))
    result = run(second, data_of(), folder, after, **every_batch)
    seen = [*before.tune, *after.tune]
    # An epoch that was measured, but not checkpointed any more, is measured again.
    assert seen[-len(after.tune) :] == losses.tune[-len(after.tune) :]
    assert result.epochs == TRAINER.epochs
    assert result.best_tune_loss == min(losses.tune)
    assert_equal_weights(trained(second), trained(module), 0.0)


def test_a_killed_training_with_dropout_draws_the_same_numbers_again(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path
) -> None:
    def with_dropout(seed: int) -> CoderModule:
        network = tiny_network(seed=seed)
        for layer in network.encoder.modules():
            if isinstance(layer, torch.nn.ModuleDict) and "default" in layer:
                dropout = layer["default"]
                if isinstance(dropout, torch.nn.Identity):
                    layer["default"] = torch.nn.Dropout(0.3)
        return module_of(network)

    torch.manual_seed(5)
    whole = with_dropout(1)
    run(whole, data_of(), tmp_path / "whole")
    torch.manual_seed(5)
    with pytest.raises(Interrupted):
        run(with_dropout(1), data_of(), tmp_path / "cut", KilledAfter(5), checkpoint_minutes=1e-9)
    torch.manual_seed(6)
    again = with_dropout(9)
    run(again, data_of(), tmp_path / "cut", checkpoint_minutes=1e-9)
    assert_equal_weights(trained(again), trained(whole), 0.0)


# ---- checkpoints from elsewhere ------------------------------------------------------------------


class Bomb:
    """Does something when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (exec, ("raise SystemExit('code of the checkpoint was run')",))


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


GOOD = saved({"state_dict": {"w": torch.arange(100.0)}, "epoch": 3})
DAMAGED = {
    "empty": b"",
    "garbage": b"no checkpoint at all\n" * 20,
    "truncated": GOOD[: len(GOOD) // 2],
    "pickle": pickle.dumps({"state_dict": {}, "epoch": 1}),
    "bomb": pickle.dumps(Bomb()),
    "saved bomb": saved({"state_dict": {"w": Bomb()}, "epoch": 1}),
    "list": saved([1, 2]),
    "tensor": saved(torch.zeros(3)),
    "no weights": saved({"epoch": 1}),
    "no tensors": saved({"state_dict": {"w": 1}, "epoch": 1}),
    "no names": saved({"state_dict": None, "epoch": 1}),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_checkpoint_is_refused(
    tiny_network: Make, data_of: Callable[[], CoderData], tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "last.ckpt"
    for name in ("last.ckpt", "best.ckpt"):
        (tmp_path / name).write_bytes(DAMAGED[damage])
    module = module_of(tiny_network())
    for read in (
        lambda: load_checkpoint(path),
        lambda: restore(module, path),
        lambda: run(module, data_of(), tmp_path),
    ):
        with pytest.raises(InputError, match=r"last\.ckpt: the checkpoint is damaged") as error:
            read()
        assert "\n" not in str(error.value)


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_befalls_a_checkpoint_is_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "spoiled.ckpt"
    cut = data.draw(st.integers(0, len(GOOD) - 1))
    noise = data.draw(st.binary(max_size=20))
    spoiled = data.draw(
        st.sampled_from([noise, GOOD[:cut], GOOD[:cut] + noise + GOOD[cut + len(noise) :]])
    )
    path.write_bytes(spoiled)
    # A changed byte may leave a checkpoint that can be read; nothing else may be raised.
    with suppress(InputError):
        load_checkpoint(path)


def test_a_missing_checkpoint_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint here; run `surecode train` first"):
        load_checkpoint(tmp_path / "best.ckpt")


def test_the_checkpoint_of_another_network_is_refused(
    whole_run: tuple[CoderModule, Losses, Path],
    tiny_network: Make,
    data_of: Callable[[], CoderData],
) -> None:
    _, _, folder = whole_run
    for other in (tiny_network(codes=4), tiny_network(layers=[1])):
        module = module_of(other)
        before = trained(module)
        with pytest.raises(InputError, match="belongs to another network"):
            restore(module, folder / "best.ckpt")
        assert_equal_weights(trained(module), before, 0.0)
        with pytest.raises(InputError, match="belongs to another network"):
            run(module, data_of(), folder)
