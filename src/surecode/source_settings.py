"""Where encounters come from: settings of the sources, and what all settings have in common."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from surecode.encounter import Split

Share = Annotated[float, Field(gt=0, le=1)]
Shares = dict[Split, Share]


class Settings(BaseModel):
    """A frozen group of settings; a key that is not listed is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class SyntheticSettings(Settings):
    """Encounters that the project generates."""

    source: Literal["synthetic"]
    encounters: int = Field(ge=1)
    difficulty: float = Field(ge=0, le=1)
    typo_rate: float = Field(ge=0, le=0.5)
    start: date
    end: date
    seed: int
    shares: Shares
    maximum_characters: int = Field(ge=1)
    split: Split = "test"


class ShortNotesSettings(Settings):
    """Lines with ICD-10-CM codes that were written for the project."""

    source: Literal["short_notes"]
    shares: Shares
    maximum_characters: int = Field(ge=1)
    split: Split = "test"


class CodiespSettings(Settings):
    """CodiEsp: Spanish clinical cases with ICD-10-CM and ICD-10-PCS codes."""

    source: Literal["codiesp"]
    root: Path
    language: Literal["es", "en", "both"]
    kinds: tuple[Literal["diagnosis", "procedure"], ...] = Field(min_length=1)
    shares: dict[str, Shares]
    maximum_characters: int = Field(ge=1)
    split: Split = "test"


class CantemistSettings(Settings):
    """CANTEMIST: Spanish oncology cases with ICD-O-3 morphology codes."""

    source: Literal["cantemist"]
    root: Path
    shares: dict[str, Shares]
    maximum_characters: int = Field(ge=1)
    split: Split = "test"


class TableSettings(Settings):
    """A user's own CSV, Parquet or JSON Lines file."""

    source: Literal["table"]
    root: Path
    code_check: Literal["release", "syntax"]
    shares: Shares
    maximum_characters: int = Field(ge=1)
    split: Split = "test"


class RestrictedSettings(Settings):
    """A source whose texts may not be published, nor what is learned from them.

    ``restricted`` names the licence; it goes into the bundle and onto its card.
    ``check_published`` refuses splits and counts that are not those of the publications.
    """

    restricted: ClassVar[str] = "PhysioNet Credentialed Health Data License 1.5.0"

    root: Path
    check_published: bool
    shares: dict[str, Shares]
    maximum_characters: int = Field(ge=1)
    split: Split = "test"


class Mimic3Settings(RestrictedSettings):
    """MIMIC-III: discharge summaries with ICD-9 codes, in published splits.

    ``minimum_code_count``: codes of fewer admissions are left out; None: as published.
    """

    source: Literal["mimic3"]
    benchmark: Literal["full", "top50", "clean"]
    minimum_code_count: int | None = Field(ge=1)


class Mimic4Settings(RestrictedSettings):
    """MIMIC-IV: discharge summaries with ICD-9 or ICD-10 codes, in published splits."""

    source: Literal["mimic4"]
    benchmark: Literal["icd9", "icd10"]
    minimum_code_count: int | None = Field(ge=1)


class MdaceSettings(RestrictedSettings):
    """MDACE: evidence spans in notes of MIMIC-III; ``categories`` of notes, none for all."""

    source: Literal["mdace"]
    charts: Literal["inpatient", "profee"]
    coding: Literal["ICD-10", "ICD-9"]
    categories: tuple[str, ...]


DataSettings = Annotated[
    SyntheticSettings
    | ShortNotesSettings
    | CodiespSettings
    | CantemistSettings
    | TableSettings
    | Mimic3Settings
    | Mimic4Settings
    | MdaceSettings,
    Field(discriminator="source"),
]


def is_synthetic(data: DataSettings) -> bool:
    """Whether no patient stands behind a source's encounters."""
    return isinstance(data, SyntheticSettings | ShortNotesSettings)


def restriction(data: DataSettings) -> str | None:
    """The licence that forbids publishing what is learned from a source, or None."""
    return data.restricted if isinstance(data, RestrictedSettings) else None
