"""The settings of every verb as frozen typed models; what they mean stands in ``conf/``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from surecode.source_settings import DataSettings, Settings

# `surecode.evidence.policy` says what they mean.
Doubt = Literal["absent", "negated", "hypothetical", "family", "historical", "uncertain"]


class LabelSpaceSettings(Settings):
    """Which codes a coder can assign: systems, and at least so many training encounters."""

    systems: tuple[str, ...] = Field(min_length=1)
    minimum_count: int = Field(ge=1)


class ConditionSettings(Settings):
    """A metric of automated encounters that must reach a level; `surecode.calibration.Target`.

    ``weights`` is a CSV of the codes' weights (``system,value,weight``), for the metric ``cost``.
    """

    metric: Literal["exact", "precision", "recall", "f1", "cost"] = "exact"
    level: float = Field(gt=0, lt=1)
    average: Literal["encounters", "codes"] = "encounters"
    cap: float | None = Field(default=None, gt=0)
    over: float = Field(default=1.0, ge=0)
    under: float = Field(default=1.0, ge=0)
    weights: Path | None = None


class TargetSettings(ConditionSettings):
    """What must hold for automated encounters, with probability 1 - delta; ``also`` as well."""

    delta: float = Field(gt=0, lt=1)
    also: tuple[ConditionSettings, ...] = ()


class SpecialtySettings(Settings):
    """Which encounters, which label space, which target: one file in conf/specialty/."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    include: dict[str, tuple[str, ...]]
    label_space: LabelSpaceSettings
    target: TargetSettings


class CoderKindSettings(Settings):
    """What assigns codes: a network, terms, or both; `surecode.hybrid`.

    ``tables`` are code systems whose titles and inclusion terms are looked for, and whose codes a
    coder may assign that no training encounter has; ``wordings`` those whose lists that ship with
    surecode are looked for, with all of their codes; ``terms`` are a user's own lists of terms.
    Where network and terms disagree on a code that is assigned, the model of both has weighed them;
    ``review`` sends the encounter to a person all the same. ``similarity`` compares the sentences
    of English documents with the wordings of codes, by the encoder as it comes: with those of the
    label space, or of every code of the tables that may be billed and has no seventh character;
    these then belong to the label space. ``denied`` says of codes whose every place is denied,
    hypothetical or of the family: weighed as training weighs them, which is much where annotators
    mark what a note denies, as those of CodiEsp do; or withheld, so that none is assigned.
    ``senses`` says who decides what an ambiguous word means: training, with what the rules of
    senses see as one voice, or the rules, which then propose the sense that they support and
    withhold codes at whose every place they see another.
    ``tagger`` learns what words people mark at all, whatever the code, by a conditional random
    field (crf), or by one and a network over words together; where annotators mark every mention,
    as those of CANTEMIST do, it finds where each begins and ends.
    """

    kind: Literal["neural", "lexicon", "hybrid"]
    tables: tuple[Literal["ICD-10-CM"], ...]
    wordings: tuple[Literal["ICD-10-CM", "ICD-10-PCS", "ICD-O-3"], ...]
    terms: tuple[Path, ...]
    disagreement: Literal["weigh", "review"]
    similarity: Literal["none", "label_space", "tables"]
    denied: Literal["weigh", "withhold"]
    senses: Literal["weigh", "decide"]
    tagger: Literal["none", "crf", "network"]

    @model_validator(mode="after")
    def _compares(self) -> CoderKindSettings:
        if self.kind == "neural" and self.similarity != "none":
            raise ValueError("a neural coder compares nothing; set similarity=none, or kind=hybrid")
        if self.kind == "neural" and self.wordings:
            raise ValueError("a neural coder has no terms; set wordings=[], or kind=hybrid")
        if self.kind == "neural" and self.tagger != "none":
            raise ValueError("a neural coder has no tagger; set tagger=none, or kind=hybrid")
        if self.kind == "neural" and (self.denied != "weigh" or self.senses != "weigh"):
            raise ValueError(
                "a neural coder has no terms; set denied=weigh, senses=weigh, or kind=hybrid"
            )
        if self.senses == "decide" and not self.wordings:
            raise ValueError("senses=decide, but wordings names no list; set wordings=[ICD-10-CM]")
        if self.similarity == "tables" and not self.tables:
            raise ValueError("similarity=tables, but tables names none; set tables=[ICD-10-CM]")
        return self


class EncoderSettings(Settings):
    """Pre-trained encoder: a package that carries weights, a hub id with a revision, or a folder.

    A ``folder`` is one that `surecode pretrain` wrote; it is found by its name, or by ``sha256``
    where that is known. ``pretraining_data`` names restricted or public corpora that its publisher
    trained it on: an encoder that has read MIMIC must not be tested on MIMIC without saying so.
    """

    name: str
    source: Literal["package", "hub", "folder"]
    revision: str | None
    sha256: str | None
    window_length: int = Field(ge=8)
    window_overlap: int = Field(ge=0)
    pretraining_data: tuple[str, ...] = ()


class AdapterSettings(Settings):
    """What is trained in the encoder: low-rank updates, all of its weights, or nothing.

    ``target_modules`` is a preset that every known architecture has (``attention`` or
    ``all_linear``), or the suffixes of linear layers. ``layers`` are the trained ones, None: all.
    """

    kind: Literal["lora", "rslora", "dora", "full", "frozen"]
    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    target_modules: Literal["attention", "all_linear"] | tuple[str, ...]
    layers: tuple[int, ...] | None
    learning_rate: float = Field(gt=0)


class HeadSettings(Settings):
    """From token states to logits; ``code_chunk`` codes are attended at a time."""

    kind: Literal["label_attention", "cross_attention", "descriptions"]
    projection: int = Field(ge=1)
    code_chunk: int = Field(ge=1)
    descriptions: Path | None = None


class LossSettings(Settings):
    """What training minimises; ``evidence_weight`` adds attention towards gold spans.

    ``gradient_weight`` adds the norm of each encounter's gradient with respect to its embeddings.
    """

    kind: Literal["binary_cross_entropy", "asymmetric", "focal"]
    label_smoothing: float = Field(ge=0, lt=1)
    focus_positive: float = Field(ge=0)
    focus_negative: float = Field(ge=0)
    margin: float = Field(ge=0, lt=1)
    evidence_weight: float = Field(ge=0)
    gradient_weight: float = Field(ge=0)


class OptimSettings(Settings):
    """AdamW with linear warm-up and decay; the head learns at a rate of its own."""

    head_learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_share: float = Field(ge=0, le=1)
    gradient_clip: float = Field(gt=0)


class RuntimeSettings(Settings):
    """Arithmetic of training and of coding; ``auto`` is measured on the machine at hand.

    ``folder`` keeps what was measured, so that all runs on one machine compute alike.
    """

    training: Literal["auto", "fp32", "bf16"]
    coding: Literal["auto", "fp32", "bf16"]
    attention: Literal["auto", "sdpa", "eager"]
    folder: Path


class TrainerSettings(Settings):
    """How long and on what to train; ``batch_tokens`` is the budget of all devices together."""

    epochs: int = Field(ge=1)
    patience: int = Field(ge=1)
    batch_tokens: int = Field(ge=1)
    accelerator: Literal["auto", "cpu", "gpu"]
    devices: int = Field(ge=1)
    nodes: int = Field(ge=1)
    checkpoint_minutes: float = Field(gt=0)
    cache_activations: bool
    progress: bool
    resume: bool


class LauncherSettings(Settings):
    """Where the training runs: in this process's machine, or as a SLURM job."""

    kind: Literal["local", "slurm"]
    partition: str | None = None
    account: str | None = None
    minutes: int = Field(default=60, ge=1)
    gpus_per_node: int = Field(default=0, ge=0)
    cpus_per_task: int = Field(default=1, ge=1)
    memory_gb: int = Field(default=16, ge=1)
    preemptions: int = Field(default=10, ge=0)
    wait: bool = True


class CalibrationSettings(Settings):
    """From logits to code set, confidence and certificate; nothing here looks at calibrate.

    ``pool`` and ``specialties`` name other specialties that were calibrated before: those whose
    tune encounters the confidence learns from as well, and those of the same family-wise promise.
    """

    objective: Literal["exact_match", "micro_f1"]
    probabilities: Literal["auto", "temperature", "platt", "beta", "isotonic"]
    confidence: Literal["auto", "product", "minimum", "margin", "expected_f1", "learned"]
    pool: tuple[str, ...]
    grid_size: int = Field(ge=2)
    bound: Literal["auto", "hoeffding_bentkus"]
    clusters: Literal["one", "sum", "ignore"]
    group_by: tuple[Literal["payer", "setting"], ...]
    family: Literal["each", "bonferroni", "holm"]
    specialties: tuple[str, ...]
    valid_days: int = Field(ge=1)


class AttributionSettings(Settings):
    """From attribution to spans, their verification, and the share checked by integrated gradients.

    What is not named here is said in `surecode.evidence.policy` and
    `surecode.evidence.span_policy`. ``tuned`` chooses the thresholds of spans on tune, where it
    marks evidence; ``pages`` is how many encounters `surecode explain` writes an audit page of.
    """

    method: Literal["head", "attention", "input_x_gradient", "attingrad", "integrated_gradients"]
    mass_left_out: float = Field(ge=0, lt=1)
    deletion: Literal["none", "without", "both"]
    doubts: tuple[Doubt, ...]
    tuned: bool
    positive_mass: float = Field(gt=0, le=1)
    maximum_gap: int = Field(ge=0)
    maximum_spans: int = Field(ge=1)
    maximum_words: int = Field(ge=1)
    seed: float = Field(ge=0, lt=1)
    grow: float = Field(gt=0, le=1)
    stop_words: Literal["english", "spanish", "both", "none"]
    pages: int = Field(ge=0)
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
    coder: CoderKindSettings
    encoder: EncoderSettings
    adapter: AdapterSettings
    head: HeadSettings
    loss: LossSettings
    optim: OptimSettings
    runtime: RuntimeSettings
    trainer: TrainerSettings
    launcher: LauncherSettings
    calibration: CalibrationSettings
    attribution: AttributionSettings
    tracking: TrackingSettings
    runs: Path
    artifacts: Path
    cache: Path

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
                # How many machines share the work, and what they remember, changes no result.
                "trainer": {
                    "progress",
                    "resume",
                    "accelerator",
                    "devices",
                    "nodes",
                    "checkpoint_minutes",
                    "cache_activations",
                },
                "head": {"code_chunk"},
                "launcher": True,
                "cache": True,
                "runtime": {"coding", "folder"},
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
