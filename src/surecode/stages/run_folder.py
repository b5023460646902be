"""Where a run's files lie, and how a stage writes its figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from surecode.coder.runtime import Purpose, Runtime
from surecode.codes.label_space import LabelSpace
from surecode.data import table
from surecode.data.read import Dataset
from surecode.encounter import Encounter, Split
from surecode.errors import InputError
from surecode.files import read_json, write_json
from surecode.launch.resolved import write_resolved
from surecode.settings import Config

Figures = dict[str, Any]
CERTIFICATE_PAGE = "certificate.html"


def learning_fingerprint(
    encounters: Iterable[Encounter], label_space: LabelSpace, files: Iterable[Path] = ()
) -> str:
    """SHA-256 of all that training sees: encounters of train and tune, the label space, and
    ``files`` of the user's own, such as descriptions and terms of codes.
    """
    digest = hashlib.sha256(label_space.hash.encode())
    for file in files:
        if file.is_file():
            digest.update(file.read_bytes())
    for encounter in encounters:
        if encounter.split in ("train", "tune"):
            digest.update(json.dumps(encounter.to_dict(), sort_keys=True).encode())
    return digest.hexdigest()


class RunFolder:
    """``runs/<specialty>/<hash>/`` of one configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.path = config.run_folder
        self.bundle = self.path / "bundle"
        self.checkpoints = self.path / "checkpoints"
        self.pictures = self.path / "pictures"
        self.predictions = self.path / "predictions.parquet"
        self.tune_features = self.path / "tune_features.parquet"
        self.tune_logits = self.path / "tune_logits.parquet"
        self.certificate_page = self.path / CERTIFICATE_PAGE
        self.decisions = self.path / "decisions.jsonl"
        self.ranked = self.path / "ranked.parquet"
        self.evidence = self.path / "evidence.jsonl"
        self.pages = self.path / "pages"
        self._encounters = self.path / "encounters.parquet"
        self._label_space = self.path / "label_space.json"

    def begin(self) -> None:
        """Make the folder and write the resolved configuration into it."""
        write_resolved(self.config, self.path / "resolved.yaml")

    def write_data(self, dataset: Dataset, label_space: LabelSpace) -> None:
        """Keep the run's encounters and its label space."""
        table.write(dataset.encounters, self._encounters)
        label_space.write(self._label_space)

    def encounters(self, split: Split) -> list[Encounter]:
        """The encounters of one split, as `surecode prepare` wrote them."""
        self._need(self._encounters, "prepare")
        return [e for e in table.read(self._encounters) if e.split == split]

    def label_space(self) -> LabelSpace:
        """The run's label space."""
        self._need(self._label_space, "prepare")
        return LabelSpace.read(self._label_space)

    def learned(self) -> None:
        """Raise `InputError` unless the coder was trained on the encounters that lie here.

        A table that changed under the same name gives other splits: what was trained on before
        may now be in calibrate or test.
        """
        if self.figures("train").get("learning") != self.figures("prepare")["learning"]:
            raise InputError(
                f"{self.path}: the encounters changed after training; run `surecode train` again"
            )

    def runtime(self, purpose: Purpose) -> Runtime | None:
        """The arithmetic that this run trains or codes in; None before it was chosen.

        A run keeps to its choice: a training that goes on elsewhere, or a second calibration,
        computes as the first did.
        """
        path = self.path / f"runtime.{purpose}.json"
        if not path.exists():
            return None
        remedy = "delete it; then run `surecode train` with trainer.resume=false"
        try:
            return Runtime.from_dict(read_json(path, remedy))
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: is damaged; {remedy}") from None

    def keep_runtime(self, purpose: Purpose, runtime: Runtime) -> None:
        """Remember what was chosen."""
        write_json(self.path / f"runtime.{purpose}.json", runtime.to_dict())

    def has(self, stage: str) -> bool:
        """Whether a stage has finished in this folder."""
        return (self.path / f"{stage}.json").exists()

    def figures(self, stage: str) -> Figures:
        """The figures of a finished stage; raises `InputError` where it has not run."""
        self._need(self.path / f"{stage}.json", stage)
        figures: Figures = read_json(self.path / f"{stage}.json", f"run `surecode {stage}` again")
        return figures

    def finish(self, stage: str, figures: Mapping[str, Any]) -> Figures:
        """Write a stage's figures into the run folder and to their fixed place."""
        written = dict(figures)
        write_json(self.path / f"{stage}.json", written)
        write_json(self.config.artifact_folder / f"{stage}.json", written)
        return written

    def _need(self, path: Path, stage: str) -> None:
        if not path.exists():
            raise InputError(
                f"{path}: not found; run `surecode {stage}` with the same settings first"
            )
