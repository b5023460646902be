"""``surecode pretrain``: an encoder reads texts without codes before a coder is trained on it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from surecode.coder.architectures import readable_positions
from surecode.coder.encoder import EncoderLock, find_weights, load_encoder, load_tokenizer
from surecode.coder.pretraining import MaskedModule
from surecode.coder.pretraining_corpus import Corpus, read_corpus
from surecode.coder.pretraining_data import MaskedData
from surecode.coder.pretraining_fit import LAST, pretrain, pretraining_steps, read_checkpoint
from surecode.coder.pretraining_head import build_masked_head
from surecode.coder.pretraining_result import finished, remove_checkpoints, write_encoder
from surecode.coder.pretraining_vocabulary import (
    add_embeddings,
    find_words,
    tokens_per_word,
    with_words,
)
from surecode.coder.pretraining_windows import Frame, pack, tokenize
from surecode.data.windows import Windower
from surecode.errors import InputError
from surecode.registry.tracking import connect, named_run
from surecode.verb_settings import PretrainConfig

SCHEMA = "surecode.pretraining/1"
# How training goes about it, and where; none of it changes the weights.
_WITHOUT_EFFECT = {"accelerator", "checkpoint_minutes", "progress", "resume"}


@dataclass(frozen=True)
class _Start:
    """What a pre-training begins with, and the place of its result."""

    corpus: Corpus
    tokenizer: PreTrainedTokenizerBase
    target: Path
    checkpoints: Path


def pretrain_encoder(config: PretrainConfig) -> dict[str, Any]:
    """Pre-train, go on where it was interrupted, or reuse the result of exactly this.

    Returns:
        What ``pretraining.json`` says, the folder, whether it was there before, and tokens per
        second where it was not.

    Raises:
        InputError: anything wrong with settings or files; a document of an evaluation is among the
            texts.
        KeyboardInterrupt: Ctrl-C; the same command goes on.
    """
    connect(config.tracking)  # a store that does not answer is told before hours of work
    begun = _begin(config)
    written = finished(begun.target) if config.training.resume else None
    if written is not None:
        return written | {"folder": str(begun.target), "reused": True}
    written, speed = _fit(config, begun)
    with named_run(
        config.tracking,
        f"pretrain-{begun.target.name}",
        {"encoder_sha256": written["sha256"], "corpus_sha256": written["corpus"]["sha256"]},
    ) as run:
        heldout = written["heldout"]
        run.log({f"heldout/{when}": heldout[when]["loss"] for when in ("before", "after")})
        run.log({"train/tokens_seen": written["tokens"]["seen"], "train/tokens_per_second": speed})
    return written | {"folder": str(begun.target), "reused": False, "tokens_per_second": speed}


def _begin(config: PretrainConfig) -> _Start:
    corpus = read_corpus(config.corpus, config.exclude, config.overlap == "drop")
    _, lock = load_encoder(config.encoder)
    tokenizer = load_tokenizer(config.encoder)
    name = f"{config.name}-{_identity(config, corpus, lock, tokenizer)}"
    return _Start(corpus, tokenizer, config.encoders / name, config.cache / "pretraining" / name)


def _identity(
    config: PretrainConfig, corpus: Corpus, lock: EncoderLock, tokenizer: PreTrainedTokenizerBase
) -> str:
    """Hash of all that determines the result: texts, starting point, settings."""
    fixed = {
        "schema": SCHEMA,
        "corpus": corpus.sha256,
        "encoder": lock.sha256,
        "tokenizer": Windower(tokenizer, config.encoder.window_length).tokenizer_hash,
        **_settings(config),
    }
    canonical = json.dumps(fixed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _settings(config: PretrainConfig) -> dict[str, Any]:
    return {
        "seed": config.seed,
        "window_length": config.encoder.window_length,
        "vocabulary": config.vocabulary.model_dump(mode="json"),
        "masking": config.masking.model_dump(mode="json"),
        "training": config.training.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
    }


def _fit(config: PretrainConfig, begun: _Start) -> tuple[dict[str, Any], float]:
    """Train and write the folder; what its ``pretraining.json`` says, and tokens per second."""
    last = begun.checkpoints / LAST
    if config.training.resume and last.exists():
        read_checkpoint(last)  # before the texts are cut into tokens, which takes a while
    encoder, lock = load_encoder(config.encoder)
    length, positions = config.encoder.window_length, readable_positions(encoder.config)
    if positions is not None and length > positions:
        raise InputError(
            f"encoder.window_length={length}: encoder {lock.name} reads at most {positions} "
            "tokens; lower it"
        )
    texts, heldout_texts = begun.corpus.split(config.training.heldout_share, config.seed)
    tokenizer, added, words = begun.tokenizer, None, 0
    per_word = {"before": tokens_per_word(tokenizer, heldout_texts)}
    if config.vocabulary.extend:
        new = find_words(tokenizer, texts, config.vocabulary)
        added, words = len(tokenizer), len(new.words)
        tokenizer = with_words(tokenizer, new.words)
        add_embeddings(encoder, new, added)
    per_word["after"] = tokens_per_word(tokenizer, heldout_texts)

    frame = Frame.of(tokenizer)
    train = pack(list(tokenize(tokenizer, texts)), frame, length)
    heldout = pack(list(tokenize(tokenizer, heldout_texts)), frame, length)
    data = MaskedData(
        train, heldout, frame, config.masking, config.training.batch_tokens, config.seed
    )
    rows = encoder.get_input_embeddings().weight.shape[0]
    counts = np.bincount(train.ids[train.content], minlength=rows)
    base = find_weights(config.encoder)
    head, published = build_masked_head(
        encoder, base, torch.from_numpy(counts / counts.sum()).float(), config.seed
    )
    steps = pretraining_steps(data, config.training)
    module = MaskedModule(encoder, head, config.training, steps, added)
    result = pretrain(module, data, config.training, begun.checkpoints)
    if not math.isfinite(result.after.loss):
        raise InputError(
            "pre-training diverged: the held-out loss is not finite; lower training.learning_rate "
            f"and delete {begun.checkpoints}"
        )
    corpus = begun.corpus
    written = write_encoder(
        begun.target,
        encoder.cpu(),
        tokenizer,
        base.parent,
        {
            "schema": SCHEMA,
            "encoder": lock.to_dict(),
            "pretraining_data": [*dict.fromkeys([*lock.pretraining_data, corpus.name])],
            "corpus": {
                "name": corpus.name,
                "sha256": corpus.sha256,
                "documents": len(texts),
                "heldout_documents": len(heldout_texts),
                "empty": corpus.empty,
                "repeated": corpus.repeated,
                "of_an_evaluation": corpus.overlapping,
                "compared_with": corpus.compared,
            },
            "vocabulary": {
                "tokens": len(tokenizer),
                "added": words,
                "heldout_tokens_per_word": per_word,
            },
            "tokens": {
                "train": train.tokens,
                "heldout": heldout.tokens,
                "seen": result.tokens_seen,
            },
            "steps": result.steps,
            "trained_parameters": result.trained_parameters,
            "published_head": published,
            "heldout": {"before": result.before.to_dict(), "after": result.after.to_dict()},
            "settings": _settings(config),
        },
    )
    remove_checkpoints(begun.checkpoints)
    return written, result.tokens_per_second
