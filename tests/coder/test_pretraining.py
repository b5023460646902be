"""Training by masked words: it learns, it keeps what it must, and it goes on where it stopped."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from transformers import BertModel, PreTrainedTokenizerBase

from surecode.coder.preemption import Preempted
from surecode.coder.pretraining import MaskedModule
from surecode.coder.pretraining_data import MaskedData
from surecode.coder.pretraining_fit import Pretrained, pretrain, pretraining_steps
from surecode.coder.pretraining_head import build_masked_head
from surecode.coder.pretraining_settings import MaskingSettings, PretrainingSettings
from surecode.coder.pretraining_vocabulary import NewWords, add_embeddings
from surecode.coder.pretraining_windows import Frame, pack, tokenize
from surecode.errors import InputError

WORDS = ("fever", "cough", "pain", "chest", "fracture", "with")
SETTINGS = PretrainingSettings(
    layers=None,
    epochs=3,
    steps=None,
    batch_tokens=96,
    heldout_share=0.1,
    learning_rate=1e-3,
    head_learning_rate=1e-2,
    weight_decay=0.01,
    warmup_share=0.1,
    gradient_clip=1.0,
    precision="fp32",
    accelerator="cpu",
    checkpoint_minutes=60,
    progress=False,
    resume=True,
)
MASKING = MaskingSettings(share=0.15, masked=0.8, random=0.1)


class Interrupted(Exception):
    """The machine went away."""


class After(pl.Callback):
    """Does something when so many batches are done."""

    def __init__(self, batches: int, what: Callable[[], None]) -> None:
        self.left, self.what = batches, what

    def on_train_batch_end(self, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self.what()


def killed() -> None:
    raise Interrupted


Build = Callable[..., tuple[MaskedModule, MaskedData]]


@pytest.fixture(scope="module")
def build(
    tiny_encoder: Callable[[], BertModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
    tmp_path_factory: pytest.TempPathFactory,
) -> Build:
    """``build(settings, shift=0, new=None)``: a task, and a module whose weights are shifted.

    A text says one word over and over, so that a masked token is what stands beside it. Four
    batches an epoch.
    """
    base = tmp_path_factory.mktemp("base")
    tiny_encoder().save_pretrained(base)
    frame = Frame.of(tiny_tokenizer)
    generator = np.random.default_rng(0)
    texts = [
        " ".join([WORDS[generator.integers(len(WORDS))]] * int(generator.integers(6, 18)))
        for _ in range(30)
    ]
    train, heldout = (
        pack(list(tokenize(tiny_tokenizer, part)), frame, 16) for part in (texts[:24], texts[24:])
    )

    def make(
        settings: PretrainingSettings = SETTINGS, shift: float = 0.0, new: NewWords | None = None
    ) -> tuple[MaskedModule, MaskedData]:
        encoder = tiny_encoder()
        added = len(tiny_tokenizer) if new else None
        if new:
            add_embeddings(encoder, new, len(tiny_tokenizer))
        rows = encoder.get_input_embeddings().weight.shape[0]
        counts = np.bincount(train.ids[train.content], minlength=rows)
        head, _ = build_masked_head(
            encoder,
            base / "model.safetensors",
            torch.from_numpy(counts / counts.sum()).float(),
            0,
        )
        data = MaskedData(train, heldout, frame, MASKING, settings.batch_tokens, 3)
        module = MaskedModule(encoder, head, settings, pretraining_steps(data, settings), added)
        with torch.no_grad():
            for parameter in module.trained().values():
                parameter.add_(shift)
        return module, data

    return make


def weights(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def settings_of(**changes: Any) -> PretrainingSettings:
    return SETTINGS.model_copy(update=changes)


# ---- learning ------------------------------------------------------------------------------------


def test_masked_words_are_learned(build: Build, tmp_path: Path) -> None:
    settings = settings_of(epochs=15)
    module, data = build(settings)
    before = weights(module)
    result = pretrain(module, data, settings, tmp_path / "c")
    # Before, the head knows how frequent words are: about log 6. Afterwards it reads its context.
    assert result.after.loss < 0.7 * result.before.loss
    assert result.after.perplexity == pytest.approx(math.exp(result.after.loss))
    assert result.steps == 15 * data.batches
    assert result.tokens_seen == 15 * data.train.tokens
    assert result.trained_parameters == sum(tensor.numel() for tensor in before.values())
    after = weights(module)
    assert all(not torch.equal(after[name], before[name]) for name in before)
    assert result.tokens_per_second > 0


def test_the_held_out_loss_is_the_mean_over_masked_tokens(build: Build, tmp_path: Path) -> None:
    settings = settings_of(steps=1)
    module, data = build(settings)
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in data.val_dataloader():
            logs = module.eval().scores(batch).log_softmax(dim=1)
            total -= float(logs[torch.arange(len(batch.hidden)), batch.hidden].sum())
            count += len(batch.hidden)
    result = pretrain(module, data, settings, tmp_path / "c")
    assert result.before.loss == pytest.approx(total / count, rel=1e-5)
    assert result.before.masked == count
    assert result.steps == 1
    assert result.after.masked == count
    assert result.after.loss != result.before.loss


def test_steps_end_a_training_in_the_middle_of_an_epoch(build: Build, tmp_path: Path) -> None:
    settings = settings_of(steps=6)
    module, data = build(settings)
    result = pretrain(module, data, settings, tmp_path / "c")
    assert data.batches == 4
    assert (pretraining_steps(data, settings), result.steps) == (6, 6)


def test_only_the_layers_that_are_named_learn(build: Build, tmp_path: Path) -> None:
    settings = settings_of(layers=(1,))
    module, data = build(settings)
    before = weights(module)
    pretrain(module, data, settings, tmp_path / "c")
    moved = {name for name, w in weights(module).items() if not torch.equal(w, before[name])}
    assert moved == {n for n in before if ".layer.1." in n or n.startswith("head.")}


def test_words_that_were_added_learn_while_the_old_ones_stay(build: Build, tmp_path: Path) -> None:
    settings = settings_of(layers=(1,), weight_decay=0.5)
    new = NewWords(("ab", "cd"), ((5, 6), (7, 8)), (1, 1))
    module, data = build(settings, new=new)
    table = module.encoder.get_input_embeddings().weight
    before = table.detach().clone()
    pretrain(module, data, settings, tmp_path / "c")
    # Nobody says the new words here, but as wrong guesses they are pushed away.
    changed = (table != before).any(dim=1).nonzero().flatten().tolist()
    assert changed == [len(before) - 2, len(before) - 1]


@pytest.mark.parametrize("layers", [(), (2,), (0, -1)])
def test_a_layer_that_is_not_there_is_refused(build: Build, layers: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"^training\.layers=.*layers 0 to 1; name") as error:
        build(settings_of(layers=layers))
    assert "\n" not in str(error.value)


def test_a_training_that_diverges_says_so(build: Build, tmp_path: Path) -> None:
    settings = settings_of(head_learning_rate=1e30, learning_rate=1e30)
    module, data = build(settings)
    with pytest.raises(InputError, match=r"^pre-training diverged: .*lower training"):
        pretrain(module, data, settings, tmp_path / "c")


# ---- interruption --------------------------------------------------------------------------------


Unbroken = tuple[Pretrained, dict[str, Tensor], bytes]


@pytest.fixture(scope="module")
def unbroken(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    """How it went, the weights, and the last checkpoint."""
    folder = tmp_path_factory.mktemp("unbroken")
    module, data = build()
    result = pretrain(module, data, SETTINGS, folder)
    return result, weights(module), (folder / "last.ckpt").read_bytes()


@pytest.fixture
def ended(unbroken: Unbroken, tmp_path: Path) -> Path:
    """The folder of checkpoints of a training that came to its end."""
    (tmp_path / "ended").mkdir()
    (tmp_path / "ended" / "last.ckpt").write_bytes(unbroken[2])
    return tmp_path / "ended"


@pytest.mark.parametrize("batches", [1, 4, 6, 12])
def test_a_training_killed_after_any_batch_ends_as_the_unbroken_one(
    build: Build,
    unbroken: Unbroken,
    tmp_path: Path,
    batches: int,
) -> None:
    every_batch = settings_of(checkpoint_minutes=1e-9)
    with pytest.raises(Interrupted):
        pretrain(*build(every_batch), every_batch, tmp_path / "c", [After(batches, killed)])
    module, data = build(every_batch)
    result = pretrain(module, data, every_batch, tmp_path / "c")
    assert result == unbroken[0]
    assert same(weights(module), unbroken[1])
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["last.ckpt"]


def test_what_counts_comes_from_the_checkpoint(build: Build, tmp_path: Path) -> None:
    """Weights that the resumed process begins with are gone but for the figure before."""
    with pytest.raises(Interrupted):
        pretrain(*build(), SETTINGS, tmp_path / "c", [After(9, killed)])
    first, second = (build(shift=shift) for shift in (0.0, 0.05))
    checkpoint = (tmp_path / "c" / "last.ckpt").read_bytes()
    results = []
    for number, (module, data) in enumerate((first, second)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "last.ckpt").write_bytes(checkpoint)
        results.append(pretrain(module, data, SETTINGS, folder))
    assert results[0].before != results[1].before
    assert results[0].after == results[1].after
    assert same(weights(first[0]), weights(second[0]))


def test_a_finished_training_is_not_trained_further(
    build: Build, unbroken: Unbroken, ended: Path
) -> None:
    """As when the process ended after its last step and before its result was written."""
    module, data = build()
    assert pretrain(module, data, SETTINGS, ended) == unbroken[0]
    assert same(weights(module), unbroken[1])


def test_without_resume_training_begins_anew(build: Build, unbroken: Unbroken, ended: Path) -> None:
    (ended / "last.ckpt").write_bytes(b"damaged")
    anew = settings_of(resume=False)
    module, data = build(anew)
    assert pretrain(module, data, anew, ended) == unbroken[0]
    assert same(weights(module), unbroken[1])


@pytest.mark.parametrize(("batches", "kept"), [(3, 4), (4, 4), (6, 7)])
def test_ctrl_c_writes_the_checkpoint_of_the_batch_and_goes_on(
    build: Build,
    unbroken: Unbroken,
    tmp_path: Path,
    batches: int,
    kept: int,
) -> None:
    before = signal.getsignal(signal.SIGINT)
    press = After(batches, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        pretrain(*build(), SETTINGS, tmp_path / "c", [press])
    assert signal.getsignal(signal.SIGINT) is before
    checkpoint = torch.load(tmp_path / "c" / "last.ckpt", weights_only=True)
    # The key is pressed behind the place to stop at, so that the next batch is still done; the end
    # of an epoch, after four batches, is a place of its own.
    assert checkpoint["global_step"] == kept
    module, data = build()
    assert pretrain(module, data, SETTINGS, tmp_path / "c") == unbroken[0]
    assert same(weights(module), unbroken[1])


def test_a_cluster_that_wants_its_machine_back_gets_it(
    build: Build, unbroken: Unbroken, tmp_path: Path
) -> None:
    warn = After(2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Preempted) as stop:
        pretrain(*build(), SETTINGS, tmp_path / "c", [warn])
    assert stop.value.code == 143
    module, data = build()
    assert pretrain(module, data, SETTINGS, tmp_path / "c") == unbroken[0]
    assert same(weights(module), unbroken[1])


@pytest.mark.parametrize("damage", [lambda content: content[:-100], lambda content: b"nothing"])
def test_a_damaged_checkpoint_is_refused(
    build: Build,
    ended: Path,
    damage: Callable[[bytes], bytes],
) -> None:
    last = ended / "last.ckpt"
    last.write_bytes(damage(last.read_bytes()))
    with pytest.raises(InputError, match=r"damaged; delete it and run `surecode pre") as error:
        pretrain(*build(), SETTINGS, ended)
    assert "\n" not in str(error.value)


def test_the_checkpoint_of_another_network_is_refused(build: Build, ended: Path) -> None:
    upper = settings_of(layers=(1,))
    with pytest.raises(InputError, match="belongs to another network"):
        pretrain(*build(upper), upper, ended)
