"""The published coders themselves, from local clones that never become part of the project.

``--peer FOLDER`` holds clones named explainable-medical-coding (needs polars) and PLM-ICD.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from coder_reference import CHUNK
from torch import Tensor, nn
from transformers import AutoConfig

from surecode.coder.adapter import adapt
from surecode.data.windows import Windows
from surecode.settings import AdapterSettings


@dataclass
class Peer:
    """A published coder with the same encoder weights, in the batches of its own code."""

    model: nn.Module
    size: int  # notes of a batch
    logits: Callable[[nn.Module, list[Tensor]], Tensor]  # token ids of N notes → [N, K]
    encoder: str  # attribute that holds the encoder

    def batches(self, notes: Sequence[Windows], seed: int | None) -> Iterator[list[int]]:
        order = np.arange(len(notes))
        if seed is not None:
            np.random.default_rng(seed).shuffle(order)
        for start in range(0, len(order), self.size):
            yield [int(index) for index in order[start : start + self.size]]

    def adapt(self, settings: AdapterSettings) -> None:
        """Train what the coder trains, instead of all weights."""
        setattr(self.model, self.encoder, adapt(getattr(self.model, self.encoder), settings))


def note_ids(note: Windows) -> Tensor:
    """The note as these coders read it: one row of tokens, special ones at both ends alone."""
    first, last = note.input_ids[0], note.input_ids[-1]
    begin, end = note.content[0].start, note.content[-1].stop
    content = [ids[place] for ids, place in zip(note.input_ids, note.content, strict=True)]
    return torch.from_numpy(np.concatenate([first[:begin], *content, last[end:]]))


def load_peers(folder: Path, weights: Path, codes: int) -> dict[str, Callable[[], Peer]]:
    """What is there, by name; each is built when asked for."""
    found: dict[str, Callable[[], Peer]] = {}
    emc, miulab = folder / "explainable-medical-coding", folder / "PLM-ICD" / "src"
    if emc.is_dir():
        sys.path.insert(0, str(emc))
        found["emc_plm_icd"] = lambda: _emc(weights, codes, cross_attention=False)
        found["emc_plm_ca"] = lambda: _emc(weights, codes, cross_attention=True)
    if miulab.is_dir():
        sys.path.insert(0, str(miulab))
        found["miulab_plm_icd"] = lambda: _miulab(weights, codes)
    if not found:
        raise SystemExit(f"{folder}: holds neither explainable-medical-coding nor PLM-ICD")
    return found


def _emc(weights: Path, codes: int, cross_attention: bool) -> Peer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = importlib.import_module("explainable_medical_coding.models.models")
    model = models.PLMICD(
        num_classes=codes,
        model_path=str(weights),
        chunk_size=CHUNK,
        pad_token_id=0,
        cross_attention=cross_attention,
    )

    def logits(model: nn.Module, notes: list[Tensor]) -> Tensor:
        ids = nn.utils.rnn.pad_sequence(notes, batch_first=True)
        mask = nn.utils.rnn.pad_sequence([torch.ones_like(n) for n in notes], batch_first=True)
        return model(ids, mask)

    return Peer(model, 8, logits, "roberta_encoder")


def _miulab(weights: Path, codes: int) -> Peer:
    kind = importlib.import_module("modeling_bert").BertForMultilabelClassification
    kind.all_tied_weights_keys = {}  # transformers 5 asks for it
    config = AutoConfig.from_pretrained(str(weights), num_labels=codes)
    config.model_mode = "laat"
    model = kind.from_pretrained(str(weights), config=config)

    def logits(model: nn.Module, notes: list[Tensor]) -> Tensor:
        chunks = -(-max(map(len, notes)) // CHUNK)
        ids = torch.zeros(len(notes), chunks * CHUNK, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, note in enumerate(notes):
            ids[row, : len(note)] = note
            mask[row, : len(note)] = 1
        shape = len(notes), chunks, CHUNK
        return model(ids.view(shape), mask.view(shape), torch.zeros_like(ids).view(shape)).logits

    return Peer(model, 1, logits, "bert")
