from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, BertModel, PreTrainedTokenizerBase

from surecode.coder.encoder import EncoderLock, file_sha256, load_encoder, load_tokenizer
from surecode.coder.pretraining_result import finished, settings_of, write_encoder
from surecode.errors import InputError
from surecode.settings import EncoderSettings


@pytest.fixture
def written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_encoder: Callable[[], BertModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> Path:
    """``encoders/own-1`` in the working folder, of an encoder whose base has dropout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SURECODE_ENCODERS", raising=False)
    base = tiny_encoder()
    base.config.hidden_dropout_prob = 0.1
    base.save_pretrained("base")
    encoder = tiny_encoder()
    with torch.no_grad():
        encoder.encoder.layer[1].output.dense.weight.add_(0.25)
    target = Path("encoders/own-1")
    content = {"pretraining_data": ["own notes"], "corpus": {"name": "own notes"}}
    said = write_encoder(target, encoder, tiny_tokenizer, Path("base"), content)
    assert said == json.loads((target / "pretraining.json").read_text())
    return target


def of(name: Path | str, sha256: str | None = None) -> EncoderSettings:
    return settings_of(Path(name)).model_copy(update={"sha256": sha256})


def refusal(settings: EncoderSettings) -> str:
    with pytest.raises(InputError) as error:
        load_encoder(settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_folder_gives_the_encoder_back(
    written: Path, tiny_encoder: Callable[[], BertModel], tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    encoder, lock = load_encoder(of(written))
    sha256 = file_sha256(written / "model.safetensors")
    assert lock == EncoderLock(str(written), "folder", None, sha256)
    assert lock.pretraining_data == ("own notes",)
    before = tiny_encoder().state_dict()
    for name, weight in encoder.state_dict().items():
        moved = 0.25 if name == "encoder.layer.1.output.dense.weight" else 0.0
        assert torch.equal(weight, before[name] + moved)
    assert AutoConfig.from_pretrained(written).hidden_dropout_prob == 0.1
    tokenizer = load_tokenizer(of(written))
    assert tokenizer("fever cough")["input_ids"] == tiny_tokenizer("fever cough")["input_ids"]
    assert finished(written) == json.loads((written / "pretraining.json").read_text())


def test_the_lock_is_read_back_and_says_what_was_read_before(written: Path) -> None:
    lock = load_encoder(of(written))[1]
    back = EncoderLock(**json.loads(json.dumps(lock.to_dict())))
    assert (back, back.pretraining_data) == (lock, ("own notes",))
    declared = of(written).model_copy(update={"pretraining_data": ("PubMed", "own notes")})
    assert load_encoder(declared)[1].pretraining_data == ("PubMed", "own notes")
    # It is the same encoder, whatever is known about it.
    assert load_encoder(declared)[1] == lock


@pytest.mark.parametrize("place", ["encoders/renamed", "elsewhere/own-1", "mounted/own-1"])
def test_a_known_encoder_is_found_wherever_it_went(
    written: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = file_sha256(written / "model.safetensors")
    weights = load_encoder(of(written))[0].state_dict()
    Path(place).parent.mkdir(exist_ok=True)
    written.rename(place)
    Path("encoders/damaged").mkdir(parents=True, exist_ok=True)
    Path("encoders/damaged/pretraining.json").write_text("{")
    monkeypatch.setenv("SURECODE_ENCODERS", "mounted")
    named = "elsewhere/other" if place.startswith("elsewhere") else str(written)
    found, lock = load_encoder(of(named, sha256))
    assert (lock.name, lock.sha256) == (named, sha256)
    assert all(torch.equal(weight, weights[name]) for name, weight in found.state_dict().items())
    assert "no such folder; name one" in refusal(of("encoders/own-1"))


def test_an_encoder_that_is_nowhere_is_told_in_one_line(written: Path) -> None:
    line = refusal(of(written, "0123456789abcdef" * 4))
    assert line.startswith("encoder encoders/own-1: no folder here has the weights of sha256 0123")
    assert line.endswith("into encoders/, or set SURECODE_ENCODERS to the folder that holds it")


def test_changed_weights_are_refused(written: Path) -> None:
    said = json.loads((written / "pretraining.json").read_text())["sha256"]
    shutil.copy("base/model.safetensors", written)
    for sha256 in (None, said):
        assert "was changed after `surecode pretrain` wrote it" in refusal(of(written, sha256))
    assert finished(written) is None


@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", "{}", '{"sha256": 7, "pretraining_data": []}']
)
def test_another_folder_is_no_pretrained_encoder(written: Path, content: str | None) -> None:
    file = written / "pretraining.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    assert "pretraining.json" in refusal(of(written))
    assert finished(written) is None


def test_weights_that_are_gone_are_refused(written: Path) -> None:
    (written / "model.safetensors").unlink()
    assert "it has no model.safetensors; copy the folder anew" in refusal(of(written))
    assert finished(written) is None


def test_a_folder_is_replaced_as_a_whole(
    written: Path, tiny_encoder: Callable[[], BertModel], tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    (written / "left_over.txt").write_text("of before")
    content = {"pretraining_data": ["other notes"]}
    write_encoder(written, tiny_encoder(), tiny_tokenizer, Path("base"), content)
    assert not (written / "left_over.txt").exists()
    assert load_encoder(of(written))[1].pretraining_data == ("other notes",)
    assert [path.name for path in Path("encoders").iterdir()] == ["own-1"]


def test_a_folder_that_cannot_be_loaded_is_not_written(
    written: Path, tiny_encoder: Callable[[], BertModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoTokenizer:
        def save_pretrained(self, folder: Path) -> None: ...

    with pytest.raises(InputError, match="no tokenizer"):
        write_encoder(
            Path("encoders/own-2"),
            tiny_encoder(),
            NoTokenizer(),
            Path("base"),
            {"pretraining_data": []},
        )
    assert [path.name for path in Path("encoders").iterdir()] == ["own-1"]
