from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import BertModel, PreTrainedTokenizerBase

from surecode.coder.build import build_network
from surecode.coder.encoder import file_sha256
from surecode.errors import InputError
from surecode.settings import AdapterSettings, EncoderSettings, HeadSettings

ADAPTER = AdapterSettings(
    kind="lora",
    rank=2,
    alpha=4,
    dropout=0,
    target_modules=("query", "dense"),
    layers=(1,),
    learning_rate=1e-3,
)


@pytest.fixture(scope="module")
def encoder_of(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_encoder: Callable[[], BertModel],
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> Callable[[int], EncoderSettings]:
    """Settings of the tiny encoder as the hub would give it, with windows of a length."""
    folder = tmp_path_factory.mktemp("encoder")
    tiny_encoder().save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return lambda length: EncoderSettings(
        name=str(folder),
        source="hub",
        revision=None,
        sha256=None,
        window_length=length,
        window_overlap=0,
    )


@pytest.mark.parametrize("kind", ["label_attention", "cross_attention", "descriptions"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_settings_build_a_network(
    encoder_of: Callable[[int], EncoderSettings], kind: str, attention: str
) -> None:
    settings = encoder_of(16)
    head = HeadSettings(kind=kind, projection=7, code_chunk=3)
    network, lock = build_network(settings, ADAPTER, head, 5, attention)
    assert network.head.codes == 5
    assert network.depth == 1
    assert network.packs
    assert network.encoder.config._attn_implementation == f"windows_{attention}"
    assert lock.sha256 == file_sha256(Path(settings.name) / "model.safetensors")


def test_windows_that_the_encoder_cannot_read_are_refused(
    encoder_of: Callable[[int], EncoderSettings],
) -> None:
    head = HeadSettings(kind="label_attention", projection=7, code_chunk=3)
    with pytest.raises(InputError, match=r"^encoder\.window_length=65: .* at most 64 tokens"):
        build_network(encoder_of(65), ADAPTER, head, codes=5)
