"""Documents for the benchmark: CodiEsp's train split, or synthetic notes of its lengths."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from coder_reference import CHUNK
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from surecode.codes.label_space import LabelSpace
from surecode.data.sources import codiesp
from surecode.data.sources.synthetic.generate import SPECIALTIES, generate
from surecode.data.windows import Windower, Windows
from surecode.encounter import Document, Encounter, GoldCode

# Tokens of CodiEsp's train documents (es, default encoder): 5th percentile 306, median 684, 95th
# percentile 1,492; a log-normal distribution has about these.
MEDIAN, SPREAD = 684, 0.48
LEAST_DOCUMENTS = 10  # of train in which a code must stand


@dataclass(frozen=True)
class Notes:
    source: str
    windows: list[Windows]
    gold: NDArray[np.bool_]  # [N, K]

    @property
    def tokens(self) -> int:
        """Real tokens, special ones included."""
        return sum(len(ids) for note in self.windows for ids in note.input_ids)


def read_notes(
    tokenizer: PreTrainedTokenizerBase, data: Path, language: str, documents: int
) -> Notes:
    """``documents`` notes drawn from all of train, with those codes that are frequent there."""
    if (data / "codiesp").exists():
        source = f"CodiEsp train, {language}"
        sourced = codiesp.read(data, language)  # type: ignore[arg-type]
        everything = [s.encounter for s in sourced if s.official_split == "train"]
        systems = ("ICD-10-CM", "ICD-10-PCS")
    else:
        source = "synthetic notes of CodiEsp's lengths (no CodiEsp in the data folder)"
        everything = _synthetic(tokenizer, max(documents, 100))
        systems = ("ICD-10-CM",)
    train = [replace(encounter, split="train") for encounter in everything]
    space = LabelSpace.from_encounters(train, systems, LEAST_DOCUMENTS)
    drawn = np.random.default_rng(0).choice(len(train), min(documents, len(train)), replace=False)
    chosen = [train[index] for index in drawn]
    windows = Windower(tokenizer, CHUNK).all(chosen)
    return Notes(source, windows, space.encode([encounter.code_set for encounter in chosen]))


def _synthetic(tokenizer: PreTrainedTokenizerBase, count: int) -> list[Encounter]:
    """Short synthetic notes, strung together until each encounter is as long as it should be."""
    day = date(2026, 1, 1)
    streams = [
        generate(
            specialty=name,
            encounters=100 * count,
            seed=0,
            difficulty=0.3,
            typo_rate=0.02,
            start=day,
            end=date(2026, 6, 30),
        )
        for name in SPECIALTIES
    ]
    short = itertools.chain.from_iterable(zip(*streams, strict=True))
    lengths = np.random.default_rng(0).lognormal(np.log(MEDIAN), SPREAD, count)
    encounters = []
    for number, length in enumerate(lengths):
        text, codes, tokens = "", set(), 0
        while tokens < length:
            part = next(short)
            added = "\n".join(document.text for document in part.documents) + "\n"
            text, codes = text + added, codes | set(part.code_set)
            tokens += len(tokenizer.tokenize(added))
        encounters.append(
            Encounter(
                f"note-{number:04d}",
                f"patient-{number:04d}",
                "radiology",
                "professional",
                "unknown",
                day,
                (Document("note", "note", text),),
                tuple(GoldCode(code, n) for n, code in enumerate(sorted(codes), start=1)),
            )
        )
    return encounters
