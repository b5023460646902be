"""A pre-trained encoder → the folder of it, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase

from surecode.coder.encoder import file_sha256, load_encoder, load_tokenizer
from surecode.coder.pretraining_folder import PRETRAINING, WEIGHTS, pretraining_of
from surecode.errors import InputError
from surecode.files import write_json
from surecode.settings import EncoderSettings


def write_encoder(
    target: Path,
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    base: Path,
    content: Mapping[str, Any],
) -> dict[str, Any]:
    """Write weights, configuration, tokenizer and ``pretraining.json``; what that file says.

    A folder that is there already is replaced.

    Args:
        target: the folder.
        encoder: on the CPU; without the head that guessed masked tokens.
        tokenizer: the encoder's own, its vocabulary extended or not.
        base: folder of the encoder that it started from, whose configuration it keeps.
        content: what ``pretraining.json`` says, but for the weights' sha256.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as name:
        draft = Path(name) / "encoder"
        encoder.save_pretrained(draft)
        # It was loaded without dropout; who fine-tunes it by other means finds what it had.
        config = AutoConfig.from_pretrained(base, trust_remote_code=False)
        config.vocab_size = encoder.config.vocab_size
        config.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        written = {**content, "sha256": file_sha256(draft / WEIGHTS)}
        write_json(draft / PRETRAINING, written)
        found = settings_of(draft)
        load_encoder(found)  # what is handed over can be loaded
        load_tokenizer(found)
        if target.exists():
            target.rename(Path(name) / "before")
        draft.rename(target)
    return written


def finished(target: Path) -> dict[str, Any] | None:
    """What ``pretraining.json`` says of a folder that is whole; None where there is none."""
    try:
        written = pretraining_of(target)
        intact = file_sha256(target / WEIGHTS) == written["sha256"]
    except (InputError, OSError):
        return None
    return written if intact else None


def remove_checkpoints(folder: Path) -> None:
    """A finished pre-training needs its checkpoints no more; they are three times its weights."""
    shutil.rmtree(folder, ignore_errors=True)


def settings_of(folder: Path) -> EncoderSettings:
    """The settings that load a folder."""
    return EncoderSettings(
        name=str(folder),
        source="folder",
        revision=None,
        sha256=None,
        window_length=8,
        window_overlap=0,
    )
