"""The settings of the verbs that are no stage of a run; what they mean stands in ``conf/``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pydantic import Field

from surecode.encounter import Setting
from surecode.settings import Settings, SpecialtySettings, TrackingSettings


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
