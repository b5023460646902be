from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.calibration.certificate import Certificate
from surecode.calibration.confidence_model import ConfidenceModel
from surecode.calibration.decoding import Decoding
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.calibrator import Calibrator
from surecode.coding import Coder
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.record import DecisionRecord

Build = Callable[..., Encounter]

TODAY = date(2026, 3, 31)
TEXTS = (
    "Fever and coughing. Pain of the chest\r\nno fracture with fever",
    "cafe\u0301 😀 K↑ 12.5 mg, coughing",
    "the chest " * 60,
    "x",
)


@pytest.fixture(scope="module")
def encounters(encounter_of: Build) -> list[Encounter]:
    singles = [encounter_of(text, encounter_id=str(n)) for n, text in enumerate(TEXTS)]
    return [*singles, encounter_of(*TEXTS, encounter_id="all")]


@pytest.fixture(scope="module")
def alone(tiny_coder: Coder, encounters: list[Encounter]) -> list[str]:
    """The records, each of an encounter that is coded first of all."""
    return [tiny_coder.code(encounter, TODAY).to_json() for encounter in encounters]


# ---- the same encounter, the same record ---------------------------------------------------------


@settings(max_examples=25)
@given(order=st.lists(st.integers(0, len(TEXTS)), min_size=1, max_size=6))
def test_a_record_does_not_depend_on_what_else_was_coded(
    tiny_coder: Coder, encounters: list[Encounter], alone: list[str], order: list[int]
) -> None:
    records = [tiny_coder.code(encounters[i], TODAY).to_json() for i in order]
    assert [r.encode() for r in records] == [alone[i].encode() for i in order]


def test_a_record_says_who_made_it(tiny_coder: Coder, encounters: list[Encounter]) -> None:
    record = tiny_coder.code(encounters[0], TODAY)
    assert record.encounter_id == "0"
    assert record.specialty == "radiology"
    assert record.versions == {"surecode": version("surecode"), "runtime": "torch-cpu"}
    assert record.hashes == tiny_coder.hashes
    assert (record.mode, record.route, record.threshold) == ("assist", "review", None)
    assert json.loads(record.to_json()) == json.loads(json.dumps(record.to_dict()))
    assert next(iter(record.to_dict().items())) == ("schema", "surecode.decision/3")


# ---- codes and their evidence --------------------------------------------------------------------


@settings(max_examples=40)
@given(
    texts=st.lists(
        st.lists(st.sampled_from([*TEXTS, "\n", " ", "neumonía", "½"]), max_size=4).map("".join),
        min_size=1,
        max_size=3,
    )
)
def test_every_quote_is_what_the_text_says(
    tiny_coder: Coder, encounter_of: Build, texts: list[str]
) -> None:
    encounter = encounter_of(*[f"{text} fever" for text in texts])
    record = tiny_coder.code(encounter, TODAY)
    for code in record.codes:
        assert len(code.evidence) <= 3
        for quote in code.evidence:
            text = encounter.text(quote.document_id)
            assert text[quote.start : quote.end] == quote.quote
            assert quote.quote.strip() == quote.quote != ""
            assert 0 < quote.score <= 1 + 1e-9


def test_the_codes_are_those_of_the_calibrator_best_first(
    tiny_coder: Coder, encounters: list[Encounter]
) -> None:
    assert tiny_coder.calibrator is not None
    for encounter in encounters:
        logits = tiny_coder.run(encounter).logits
        p, assigned, confidence = tiny_coder.calibrator(logits[None])
        record = tiny_coder.code(encounter, TODAY)
        expected = sorted(np.flatnonzero(assigned[0]), key=lambda k: -p[0, k])
        assert [(c.system, c.value) for c in record.codes] == [
            (tiny_coder.label_space.codes[k].system, tiny_coder.label_space.codes[k].value)
            for k in expected
        ]
        assert [c.probability for c in record.codes] == [p[0, k] for k in expected]
        assert record.confidence == confidence[0]


def test_the_release_is_that_of_the_date_of_service(
    tiny_coder: Coder, encounters: list[Encounter]
) -> None:
    coder = replace(tiny_coder, calibrator=calibrator(0.0))
    later = replace(encounters[0], date_of_service=date(2026, 10, 1))
    for encounter, releases in (
        (encounters[0], {"ICD-10-CM": "FY2026", "CPT": "CY2026"}),
        (later, {"ICD-10-CM": "FY2027", "CPT": "CY2026"}),
    ):
        record = coder.code(encounter, TODAY)
        assert {(c.system, c.release) for c in record.codes} == set(releases.items())
        # CPT descriptors appear nowhere.
        assert {c.title for c in record.codes if c.system == "CPT"} == {None}


def test_the_output_adds_up(tiny_coder: Coder, encounters: list[Encounter]) -> None:
    bias = tiny_coder.network.head.bias.numpy()
    for encounter in encounters:
        output = tiny_coder.run(encounter)
        contributions = tiny_coder.explainer().scores(output, [2, 0], "head")
        assert contributions.shape == (output.windows.tokens, 2)
        np.testing.assert_allclose(
            contributions.sum(0) + bias[[2, 0]], output.logits[[2, 0]], atol=1e-5
        )


def test_logits_and_ranking(tiny_coder: Coder, encounters: list[Encounter]) -> None:
    rows = list(tiny_coder.logits(encounters))
    for row, encounter in zip(rows, encounters, strict=True):
        np.testing.assert_array_equal(row, tiny_coder.run(encounter).logits)
    codes = tiny_coder.label_space.codes
    assert tiny_coder.ranked(np.array([0.0, 2.0, 1.0])) == [codes[1], codes[2], codes[0]]
    assert tiny_coder.ranked(np.array([1.0, 2.0, 1.0])) == [codes[1], codes[0], codes[2]]


# ---- the route -----------------------------------------------------------------------------------


def calibrator(cut: float) -> Calibrator:
    return Calibrator(ProbabilityCalibrator(), Decoding(cut), ConfidenceModel.product())


def test_the_certificate_decides_the_route(
    tiny_coder: Coder, encounters: list[Encounter], certificate_at: Callable[..., Certificate]
) -> None:
    confidence = tiny_coder.code(encounters[0], TODAY).confidence
    for threshold, route in ((confidence, "auto"), (np.nextafter(confidence, 1), "review")):
        certificate = certificate_at(float(threshold), tiny_coder.hashes)
        record = replace(tiny_coder, certificate=certificate).code(encounters[0], TODAY)
        assert (record.mode, record.route) == ("autonomous", route)
        assert (record.threshold, record.certificate_id) == (threshold, certificate.id)


def test_a_certificate_of_other_weights_or_another_day_releases_nothing(
    tiny_coder: Coder, encounters: list[Encounter], certificate_at: Callable[..., Certificate]
) -> None:
    certified = replace(tiny_coder, certificate=certificate_at(0.0, tiny_coder.hashes))
    assert certified.code(encounters[0], TODAY).route == "auto"
    changed = replace(certified, hashes=certified.hashes | {"model": "other"})
    for record in (changed.code(encounters[0], TODAY), certified.code(encounters[0], date.max)):
        assert (record.mode, record.route) == ("assist", "review")
        assert record.reasons[0].startswith("the certificate does not hold: ")


def test_without_a_code_there_is_nothing_to_release(
    tiny_coder: Coder, encounters: list[Encounter], certificate_at: Callable[..., Certificate]
) -> None:
    none = replace(tiny_coder, calibrator=calibrator(1.1))
    record = replace(none, certificate=certificate_at(0.0, none.hashes)).code(encounters[0], TODAY)
    assert record.codes == ()
    assert (record.route, record.reasons) == ("review", ("no code reaches the cut",))


# ---- plain notes, and what is refused ------------------------------------------------------------


def test_a_plain_note_is_an_encounter_of_its_own(tiny_coder: Coder, encounter_of: Build) -> None:
    record = tiny_coder.code(TEXTS[0], TODAY)
    assert record.encounter_id == "note"
    whole = tiny_coder.code(encounter_of(TEXTS[0]), TODAY)
    assert record.confidence == whole.confidence
    assert [c.value for c in record.codes] == [c.value for c in whole.codes]
    assert {q.document_id for c in record.codes for q in c.evidence} == {"note"}


def test_without_a_day_it_is_today(tiny_coder: Coder) -> None:
    record: DecisionRecord = tiny_coder.code(TEXTS[0])
    assert record == tiny_coder.code(TEXTS[0], date.today())


@pytest.mark.parametrize("note", ["", " \r\n\t", "...", "\u200b", "\ud800 fever"])
def test_an_empty_note_is_refused(tiny_coder: Coder, note: str) -> None:
    with pytest.raises(InputError, match=r"^document note: the text ") as error:
        tiny_coder.code(note)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("missing", ["calibrator", "evidence"])
def test_a_coder_that_was_never_calibrated_gives_logits_and_no_records(
    tiny_coder: Coder, encounters: list[Encounter], missing: str
) -> None:
    coder = replace(tiny_coder, **{missing: None})
    np.testing.assert_array_equal(
        coder.run(encounters[0]).logits, tiny_coder.run(encounters[0]).logits
    )
    with pytest.raises(
        InputError, match=r"^the coder of radiology is not calibrated; run `surecode"
    ):
        coder.code(encounters[0])
