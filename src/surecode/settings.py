"""The settings of every verb as frozen typed models; what they mean stands in ``conf/``."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from surecode.encounter import Setting, Split

Share = Annotated[float, Field(gt=0, le=1)]
Shares = dict[Split, Share]


class Settings(BaseModel):
    """A frozen group of settings; a key that is not listed is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class LabelSpaceSettings(Settings):
    """Which codes a coder can assign: systems, and at least so many training encounters."""

    systems: tuple[str, ...] = Field(min_length=1)
    minimum_count: int = Field(ge=1)


class TargetSettings(Settings):
    """What must hold for automated encounters, with probability 1 - delta."""

    metric: Literal["exact"] = "exact"
    level: float = Field(gt=0, lt=1)
    delta: float = Field(gt=0, lt=1)


class SpecialtySettings(Settings):
    """Which encounters, which label space, which target: one file in conf/specialty/."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    include: dict[str, tuple[str, ...]]
    label_space: LabelSpaceSettings
    target: TargetSettings


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


class CodiespSettings(Settings):
    """CodiEsp: Spanish clinical cases with ICD-10-CM and ICD-10-PCS codes."""

    source: Literal["codiesp"]
    root: Path
    language: Literal["es", "en"]
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


DataSettings = Annotated[
    SyntheticSettings | CodiespSettings | CantemistSettings | TableSettings,
    Field(discriminator="source"),
]


class EncoderSettings(Settings):
    """Pre-trained encoder: a package that carries weights, or a hub id with a revision."""

    name: str
    source: Literal["package", "hub"]
    revision: str | None
    sha256: str | None
    attention: Literal["sdpa", "eager"]
    window_length: int = Field(ge=8)
    window_overlap: int = Field(ge=0)


class AdapterSettings(Settings):
    """LoRA on the encoder."""

    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    target_modules: tuple[str, ...] = Field(min_length=1)
    layers: tuple[int, ...] | None


class HeadSettings(Settings):
    """Label attention."""

    projection: int = Field(ge=1)


class OptimSettings(Settings):
    """AdamW with linear warm-up and decay; the head learns at a rate of its own."""

    adapter_learning_rate: float = Field(gt=0)
    head_learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_share: float = Field(ge=0, le=1)
    gradient_clip: float = Field(gt=0)


class TrainerSettings(Settings):
    """How long and on what to train."""

    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)
    batch_tokens: int = Field(ge=1)
    precision: Literal["fp32", "bf16"]
    accelerator: Literal["auto", "cpu", "gpu"]
    progress: bool
    resume: bool


class CalibrationSettings(Settings):
    """From logits to code set and confidence; all of it is chosen on tune."""

    objective: Literal["exact_match", "micro_f1"]
    confidence: Literal["product", "minimum"]
    grid_size: int = Field(ge=2)
    valid_days: int = Field(ge=1)


class AttributionSettings(Settings):
    """From token contributions to spans, and the share checked by integrated gradients."""

    positive_mass: float = Field(gt=0, le=1)
    maximum_gap: int = Field(ge=0)
    maximum_spans: int = Field(ge=1)
    integrated_gradients_share: float = Field(ge=0, le=1)
    integrated_gradients_steps: int = Field(ge=2)


class TrackingSettings(Settings):
    """Where MLflow keeps runs and models."""

    uri: str
    experiment: str


class Config(Settings):
    """Everything that a stage may need; the same for all stages of a run."""

    seed: int
    specialty: SpecialtySettings
    data: DataSettings
    encoder: EncoderSettings
    adapter: AdapterSettings
    head: HeadSettings
    optim: OptimSettings
    trainer: TrainerSettings
    calibration: CalibrationSettings
    attribution: AttributionSettings
    tracking: TrackingSettings
    runs: Path
    artifacts: Path

    @property
    def fit_hash(self) -> str:
        """Hash of all that determines the weights: the name of the run folder.

        Where data lie, who tracks and what is certified on top leave it as it is, so that a
        recalibration finds the trained coder.
        """
        fit = self.model_dump(
            mode="json",
            exclude={
                "specialty": {"target"},
                "data": {"split", "maximum_characters"}
                | (set() if self.data.source == "table" else {"root"}),
                "trainer": {"progress", "resume", "accelerator"},
                "calibration": True,
                "attribution": True,
                "tracking": True,
                "runs": True,
                "artifacts": True,
            },
        )
        canonical = json.dumps(fit, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def run_folder(self) -> Path:
        """``runs/<specialty>/<hash>``."""
        return self.runs / self.specialty.name / self.fit_hash

    @property
    def artifact_folder(self) -> Path:
        """``artifacts/<specialty>``: the stages' figures at a fixed place."""
        return self.artifacts / self.specialty.name


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
