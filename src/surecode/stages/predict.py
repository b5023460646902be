"""``surecode predict``: the decision record of one note, by the registered model."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from surecode.encounter import Document, Encounter
from surecode.errors import InputError
from surecode.files import decode_note, read_note
from surecode.loading import REGISTERED, load
from surecode.record import DecisionRecord
from surecode.registry.models import model_uri
from surecode.registry.tracking import point_to
from surecode.verb_settings import PredictConfig


def predict(config: PredictConfig) -> DecisionRecord:
    """Read the note (``-`` is standard input), load the model, code."""
    encounter = Encounter(
        encounter_id=config.encounter_id,
        patient_id="unknown",
        specialty=next(iter(config.specialty.include.get("specialty", ())), config.specialty.name),
        setting=config.setting,
        payer=config.payer,
        date_of_service=config.date_of_service or date.today(),
        documents=(Document(config.encounter_id, "note", _note(config)),),
    )
    coder = load(_model(config))
    if coder.specialty != config.specialty.name:
        raise InputError(
            f"{config.model}: codes {coder.specialty}, not {config.specialty.name}; "
            f"set specialty={coder.specialty} or give another model"
        )
    return coder.code(encounter)


def _model(config: PredictConfig) -> str:
    """A bundle's folder needs no tracking store."""
    model = config.model or model_uri(config.specialty.name, config.alias)
    if model.startswith(REGISTERED):
        point_to(config.tracking)
    return model


def _note(config: PredictConfig) -> str:
    if config.note == "-":
        raw = sys.stdin.buffer.read()
        return decode_note(raw, "standard input", config.maximum_characters)
    return read_note(Path(config.note), config.maximum_characters)
