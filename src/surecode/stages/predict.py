"""``surecode predict``: the decision record of one note, by the registered model."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from surecode.encounter import Document, Encounter
from surecode.files import decode_note, read_note
from surecode.load import load
from surecode.record import DecisionRecord
from surecode.registry.models import model_uri
from surecode.registry.tracking import connect
from surecode.settings import PredictConfig


def predict(config: PredictConfig) -> DecisionRecord:
    """Read the note (``-`` is standard input), load the model, code."""
    encounter = Encounter(
        encounter_id=config.encounter_id,
        patient_id="unknown",
        specialty=config.specialty.name,
        setting=config.setting,
        payer=config.payer,
        date_of_service=config.date_of_service or date.today(),
        documents=(Document(config.encounter_id, "note", _note(config)),),
    )
    connect(config.tracking)
    return load(config.model or model_uri(config.specialty.name, config.alias)).code(encounter)


def _note(config: PredictConfig) -> str:
    if config.note == "-":
        raw = sys.stdin.buffer.read()
        return decode_note(raw, "standard input", config.maximum_characters)
    return read_note(Path(config.note), config.maximum_characters)
