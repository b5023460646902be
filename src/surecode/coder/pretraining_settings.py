"""The settings of pre-training an encoder; what they mean stands in ``conf/pretrain.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from surecode.source_settings import Settings


class CodiespBackgroundSettings(Settings):
    """CodiEsp's background documents, which have no codes, in one language or both."""

    source: Literal["codiesp_background"]
    root: Path
    languages: tuple[Literal["es", "en"], ...] = Field(min_length=1)
    maximum_characters: int = Field(ge=1)


class TextFolderSettings(Settings):
    """A folder of .txt files and its subfolders, one document each."""

    source: Literal["folder"]
    root: Path
    maximum_characters: int = Field(ge=1)


class TextTableSettings(Settings):
    """A CSV, Parquet or JSON Lines file with one document in each row."""

    source: Literal["table"]
    root: Path
    column: str
    maximum_characters: int = Field(ge=1)


CorpusSettings = Annotated[
    CodiespBackgroundSettings | TextFolderSettings | TextTableSettings,
    Field(discriminator="source"),
]


class VocabularySettings(Settings):
    """How many words of the corpus the tokenizer learns, and in how many documents each stands."""

    extend: int = Field(ge=0, le=100_000)
    minimum_documents: int = Field(ge=1)


class MaskingSettings(Settings):
    """Share of the tokens to guess; of those, shares shown as [MASK] and as another token."""

    share: float = Field(gt=0, lt=1)
    masked: float = Field(ge=0, le=1)
    random: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _shares(self) -> MaskingSettings:
        if self.masked + self.random > 1:
            raise ValueError("masked and random add up to more than 1")
        return self


class PretrainingSettings(Settings):
    """How long, at which rates and on what to train."""

    layers: tuple[int, ...] | None
    epochs: int = Field(ge=1)
    steps: int | None = Field(ge=1)
    batch_tokens: int = Field(ge=1)
    heldout_share: float = Field(gt=0, lt=1)
    learning_rate: float = Field(gt=0)
    head_learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_share: float = Field(ge=0, le=1)
    gradient_clip: float = Field(gt=0)
    precision: Literal["fp32", "bf16"]
    accelerator: Literal["auto", "cpu", "gpu"]
    checkpoint_minutes: float = Field(gt=0)
    progress: bool
    resume: bool
