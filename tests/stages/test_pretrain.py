"""``surecode pretrain``, and a coder that is trained on what it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertModel, PreTrainedTokenizerBase

from surecode.bundle.card import _read_before
from surecode.bundle.load import load_trained
from surecode.cli import main
from surecode.coder.encoder import file_sha256, load_encoder, load_tokenizer
from surecode.coder.pretraining_result import settings_of
from surecode.config import compose_config, parse
from surecode.errors import InputError
from surecode.settings import Config
from surecode.stages.pretrain import pretrain_encoder
from surecode.verb_settings import PretrainConfig

TEXTS = [
    f"{word} of the chest with {other} no {word} dolor"
    for word in ("fever", "cough", "pain", "fracture")
    for other in ("fever", "cough", "pain", "fracture")
]
WORDS = (
    "name=own",
    "encoder=hub",
    "encoder.name=base",
    "encoder.revision=null",
    "encoder.window_length=24",
    "encoder.window_overlap=4",
    "corpus=folder",
    "corpus.root=notes",
    "training.epochs=2",
    "training.batch_tokens=96",
    "training.heldout_share=0.2",
    "training.accelerator=cpu",
    "training.progress=false",
)


@pytest.fixture(autouse=True)
def _place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_encoder: Callable[[], BertModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    """A working folder with the encoder ``base`` and sixteen texts in ``notes``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SURECODE_ENCODERS", raising=False)
    tiny_encoder().save_pretrained("base")
    tiny_tokenizer.save_pretrained("base")
    Path("notes").mkdir()
    for number, text in enumerate(TEXTS):
        Path("notes", f"{number}.txt").write_text(text)


def config_of(*words: str) -> PretrainConfig:
    return parse(PretrainConfig, compose_config("pretrain", [*WORDS, *words]))


def run(*words: str) -> dict[str, Any]:
    return pretrain_encoder(config_of(*words))


def test_the_folder_says_what_was_read_and_how_it_went() -> None:
    figures = run()
    folder = Path(figures["folder"])
    assert folder.parent == Path("encoders")
    assert folder.name.startswith("own-")
    said = json.loads((folder / "pretraining.json").read_text())
    assert {key: figures[key] for key in said} == said
    assert said["sha256"] == file_sha256(folder / "model.safetensors")
    assert said["encoder"]["sha256"] == file_sha256(Path("base/model.safetensors"))
    assert said["pretraining_data"] == ["notes"]
    assert said["corpus"]["documents"] == 13
    assert said["corpus"]["heldout_documents"] == 3
    assert said["tokens"]["seen"] == 2 * said["tokens"]["train"]
    assert said["steps"] == figures["steps"]
    assert said["heldout"]["after"]["loss"] < said["heldout"]["before"]["loss"]
    # Neither texts nor places of this machine.
    assert not any(word in json.dumps(said) for word in ("fever", str(Path.cwd())))
    assert not Path("cache/pretraining", folder.name).exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_same_command_finds_its_result() -> None:
    first = run()
    stamp = Path(first["folder"], "model.safetensors").stat().st_mtime_ns
    # Where texts lie and how progress is shown change nothing.
    Path("notes").rename("moved")
    again = run("corpus.root=moved", "training.checkpoint_minutes=1", "cache=other")
    assert (again["reused"], again["folder"]) == (True, first["folder"])
    assert Path(first["folder"], "model.safetensors").stat().st_mtime_ns == stamp
    anew = run("corpus.root=moved", "training.resume=false")
    assert not anew["reused"]
    assert anew["sha256"] == first["sha256"]


def test_a_damaged_result_is_made_again() -> None:
    first = run()
    weights = Path(first["folder"], "model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    again = run()
    assert (again["reused"], again["sha256"]) == (False, first["sha256"])
    assert file_sha256(weights) == first["sha256"]


def test_another_text_another_setting_or_another_start_is_another_encoder() -> None:
    quick = "training.steps=1"
    folders = {run(quick)["folder"]}
    for change in ("seed=1", "training.learning_rate=1e-3", "masking.share=0.3"):
        folders.add(run(quick, change)["folder"])
    Path("notes/0.txt").write_text(TEXTS[0] + " pain")
    folders.add(run(quick)["folder"])
    encoder, _ = load_encoder(config_of().encoder)
    with torch.no_grad():
        encoder.embeddings.word_embeddings.weight[9, 0] += 0.5
    encoder.save_pretrained("base")
    folders.add(run(quick)["folder"])
    assert len(folders) == 6


def test_new_words_shorten_texts(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    figures = run("vocabulary.extend=3", "vocabulary.minimum_documents=2")
    assert figures["vocabulary"]["added"] == 1
    assert figures["vocabulary"]["tokens"] == len(tiny_tokenizer) + 1
    per_word = figures["vocabulary"]["heldout_tokens_per_word"]
    # One of nine words falls from five tokens to one.
    assert per_word["before"] - per_word["after"] == pytest.approx(4 / 9)
    found = settings_of(Path(figures["folder"]))
    assert load_tokenizer(found).tokenize("Dolor fever") == ["dolor", "fever"]
    assert load_encoder(found)[0].config.vocab_size == len(tiny_tokenizer) + 1


def test_a_pretrained_encoder_reads_more() -> None:
    first = run()
    Path("more").mkdir()
    for number, text in enumerate(TEXTS):
        Path("more", f"{number}.txt").write_text(f"{text} with pain")
    again = ["encoder=pretrained", f"encoder.name={first['folder']}", "encoder.window_length=24"]
    words = [word for word in WORDS if not word.startswith("encoder")]
    second = pretrain_encoder(
        parse(PretrainConfig, compose_config("pretrain", [*words, *again, "corpus.root=more"]))
    )
    assert second["pretraining_data"] == ["notes", "more"]
    assert second["encoder"]["sha256"] == first["sha256"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["encoder.window_length=65"], "reads at most 64 tokens; lower it"),
        (["encoder.window_length=200"], "reads at most 64 tokens; lower it"),
        (["vocabulary.extend=5", "vocabulary.minimum_documents=99"], "nothing to learn; set vocab"),
        (["training.layers=[2]"], "the encoder has layers 0 to 1"),
        (["corpus.root=base"], "no text in base; give documents with text"),
        (["exclude=[notes/0.txt]"], "notes/0.txt: the suffix is not one of"),
        (["exclude=[kept_back]"], "1 of its texts are documents of an evaluation; leave them out"),
        (["training.heldout_share=0.99"], "16 documents, of which 16 would be held out"),
        (["tracking.uri=folder"], "a folder cannot keep models"),
        (["encoder=pretrained", "encoder.name=base"], "pretraining.json: not found"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("kept_back").mkdir()
    Path("kept_back/a.txt").write_text(TEXTS[3].upper() + "\n")
    given = [w for w in WORDS if words[0] != "encoder=pretrained" or not w.startswith("encoder")]
    assert main(["pretrain", *given, *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("surecode: ")
    assert error.count("\n") == 1
    assert reason in error
    assert "chest" not in error
    assert not Path("encoders").exists()


def test_a_damaged_checkpoint_is_told_before_the_work() -> None:
    name = Path(run()["folder"]).name
    (Path("encoders") / name).rename("away")
    last = Path("cache/pretraining", name, "last.ckpt")
    last.parent.mkdir(parents=True)
    last.write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="is damaged; delete it and run `surecode pretrain`"):
        run()


def test_documents_of_an_evaluation_are_left_out_and_counted() -> None:
    Path("kept_back").mkdir()
    Path("kept_back/a.txt").write_text(TEXTS[3].upper() + "\n")
    figures = run("exclude=[kept_back]", "overlap=drop", "training.steps=1")
    assert figures["corpus"]["of_an_evaluation"] == 1
    assert figures["corpus"]["documents"] + figures["corpus"]["heldout_documents"] == 15


def test_a_coder_trains_on_it_and_its_bundle_names_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["pretrain", *WORDS, "vocabulary.extend=1"]) == 0
    figures = json.loads(capsys.readouterr().out)
    words = [
        "specialty=radiology",
        "encoder=pretrained",
        f"encoder.name={figures['folder']}",
        "encoder.window_length=48",
        "encoder.window_overlap=4",
        "data.encounters=40",
        "data.difficulty=0",
        "specialty.label_space.minimum_count=1",
        "trainer.epochs=1",
        "trainer.progress=false",
        "trainer.accelerator=cpu",
        "runtime.training=fp32",
        "runtime.attention=sdpa",
    ]
    for verb in ("prepare", "train"):
        assert main([verb, *words]) == 0, capsys.readouterr().err
    config = parse(Config, compose_config("train", words))
    lock = json.loads((config.run_folder / "train.json").read_text())["encoder"]
    assert (lock["source"], lock["sha256"]) == ("folder", figures["sha256"])
    assert lock["pretraining_data"] == ["notes"]
    assert _read_before(config, lock["pretraining_data"]) == (
        " (pre-trained on notes: figures on those flatter it)"
    )
    bundle = config.run_folder / "bundle"
    model = load_trained(bundle).hashes["model"]
    # The bundle knows the weights, not the place.
    Path(figures["folder"]).rename("encoders/under-another-name")
    assert load_trained(bundle).hashes["model"] == model
    Path("encoders").rename("gone")
    with pytest.raises(InputError, match="no folder here has the weights of sha256") as error:
        load_trained(bundle)
    assert "\n" not in str(error.value)
