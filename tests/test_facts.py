"""What is known of an encounter beside its probabilities, and the calibrator that reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from surecode.calibration.confidence_features import FACTS, NAMES
from surecode.calibration.confidence_model import ConfidenceModel
from surecode.calibration.decoding import Decoding
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.calibrator import Calibrator
from surecode.coding import Coder
from surecode.encounter import Encounter, Evidence, Span
from surecode.errors import InputError
from surecode.facts import FactFinder, content_ids

Build = Callable[..., Encounter]
TEXT = "fever and coughing with pain of the chest"


def learned() -> ConfidenceModel:
    return ConfidenceModel(
        ("logit_product", *FACTS), (0.0,) * 6, (1.0,) * 6, (1.0, -0.1, -1.0, 0.5, -0.2, -1.0)
    )


@pytest.fixture
def train(encounter_of: Build, tiny_coder: Coder) -> list[Encounter]:
    code = tiny_coder.label_space.codes[1]
    whole = encounter_of(TEXT, encounter_id="t1")
    document = whole.documents[0].document_id
    return [replace(whole, evidence=(Evidence(code, Span(document, 0, 5), 0),))]


@pytest.fixture
def finder(train: list[Encounter], tiny_coder: Coder) -> FactFinder:
    return FactFinder.fit(train, tiny_coder.windower, tiny_coder.windower.vocabulary_size)


def test_facts_of_seen_and_of_new_text(
    finder: FactFinder, tiny_coder: Coder, encounter_of: Build
) -> None:
    encounters = [
        encounter_of(TEXT, encounter_id="a"),
        encounter_of("no fracture", encounter_id="b"),
    ]
    windows = [tiny_coder.windower(encounter) for encounter in encounters]
    facts = finder(encounters, windows, tiny_coder.label_space)
    assert facts.tokens.tolist() == [len(content_ids(cut)) for cut in windows]
    assert facts.unseen_share[0] == 0.0 < facts.unseen_share[1] <= 1.0
    assert facts.lexicon.tolist() == [[False, True, False], [False, False, False]]
    assert facts.findings.tolist() == [0, 0]


def test_what_ships_holds_no_word_and_reads_back(finder: FactFinder) -> None:
    text = json.dumps(finder.to_dict())
    assert "fever" not in text
    assert FactFinder.from_dict(json.loads(text)) == finder
    with pytest.raises(InputError, match="expected seen_tokens and dictionary"):
        FactFinder.from_dict({"seen_tokens": {}})


def test_a_confidence_that_reads_facts_needs_a_finder() -> None:
    with pytest.raises(InputError, match="nothing to find them with"):
        Calibrator(ProbabilityCalibrator(), Decoding(0.5), learned())
    assert not Calibrator.reads_facts(ConfidenceModel.product())
    assert set(FACTS) <= set(NAMES)


def test_a_record_has_the_confidence_of_the_batch(
    finder: FactFinder, tiny_coder: Coder, encounter_of: Build
) -> None:
    """Coding one encounter gives the digits that calibrate saw among many."""
    calibrator = Calibrator(ProbabilityCalibrator(), Decoding(0.05), learned(), finder)
    assert Calibrator.from_dict(json.loads(json.dumps(calibrator.to_dict()))) == calibrator
    coder = replace(tiny_coder, calibrator=calibrator)
    encounters = [
        encounter_of(TEXT, encounter_id="a"),
        encounter_of("no fracture", encounter_id="b"),
    ]
    logits = np.stack(list(coder.logits(encounters)))
    facts = finder(encounters, map(coder.windower, encounters), coder.label_space)
    _, _, together = calibrator(logits, facts)
    alone = [coder.code(encounter).confidence for encounter in encounters]
    assert alone == together.tolist()
    plain = replace(calibrator, confidence=ConfidenceModel.product(), facts=None)
    assert alone != plain(logits)[2].tolist()
