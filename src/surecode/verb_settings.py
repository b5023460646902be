"""The settings of the verbs that are no stage of a run; what they mean stands in ``conf/``."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field

from surecode.coder.pretraining_settings import (
    CorpusSettings,
    MaskingSettings,
    PretrainingSettings,
    VocabularySettings,
)
from surecode.encounter import Setting
from surecode.settings import EncoderSettings, SpecialtySettings, TrackingSettings
from surecode.source_settings import Settings


class PredictConfig(Settings):
    """``surecode predict``: one note, one registered model."""

    specialty: SpecialtySettings
    tracking: TrackingSettings
    note: str
    model: str | None
    alias: str
    encounter_id: str
    setting: Setting
    payer: str
    date_of_service: date | None
    maximum_characters: int = Field(ge=1)


class ServeConfig(Settings):
    """``surecode serve``: MLflow's scoring server around one registered model."""

    specialty: SpecialtySettings
    tracking: TrackingSettings
    model: str | None
    alias: str
    host: str
    port: int = Field(ge=1, le=65535)
    workers: int = Field(ge=1)
    maximum_characters: int = Field(ge=1)


class CodesAddConfig(Settings):
    """``surecode codes add``: new codes for a registered model, without training."""

    specialty: SpecialtySettings
    tracking: TrackingSettings
    codes: tuple[str, ...] = Field(min_length=1)
    descriptions: Path | None
    date_of_service: date | None
    model: str | None
    alias: str
    output: Path | None
    runs: Path


class PretrainConfig(Settings):
    """``surecode pretrain``: an encoder that reads texts without codes; for all specialties."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    seed: int = Field(ge=0)
    encoder: EncoderSettings
    corpus: CorpusSettings
    exclude: tuple[Path, ...]
    overlap: Literal["refuse", "drop"]
    vocabulary: VocabularySettings
    masking: MaskingSettings
    training: PretrainingSettings
    tracking: TrackingSettings
    encoders: Path
    cache: Path
