from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from surecode.calibration.certificate import Certificate, Target
from surecode.decide import Decision, decide, eligible

HASHES = {"model": "m", "label_space": "l", "calibrator": "c"}
TODAY = date(2026, 3, 31)


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return Certificate(
        id="",
        specialty="radiology",
        target=Target(),
        method="test",
        certified=True,
        reason="certified",
        threshold=0.8,
        n_calibrate=500,
        n_eligible=480,
        start_n=50,
        n_selected=200,
        errors=3,
        p_value=0.01,
        accuracy_lower_bound=0.96,
        automation_rate=0.4,
        automation_rate_interval=(0.36, 0.44),
        grid_hash="g",
        split_fingerprint="s",
        hashes=HASHES,
        created=date(2026, 1, 1),
        expires=date(2026, 10, 1),
    ).with_id()


def choose(
    certificate: Certificate | None,
    confidence: float = 0.9,
    codes: int = 2,
    hashes: dict[str, str] = HASHES,
    today: date = TODAY,
) -> Decision:
    return decide(confidence, codes, certificate, hashes, today)


def test_without_a_certificate_all_goes_to_review() -> None:
    assert choose(None, 1.0) == Decision("assist", "review", ("there is no certificate",))


@pytest.mark.parametrize(
    ("hashes", "named"),
    [
        (HASHES | {"model": "other"}, "model"),
        (HASHES | {"rules": "r"}, "rules"),
        ({"model": "m", "label_space": "l"}, "calibrator"),
        ({}, "calibrator"),
    ],
)
def test_a_certificate_of_another_bundle_is_void(
    certificate: Certificate, hashes: dict[str, str], named: str
) -> None:
    decision = choose(certificate, 1.0, hashes=hashes)
    assert (decision.mode, decision.route) == ("assist", "review")
    assert decision.reasons == (
        f"the certificate does not hold: the hash of {named} differs from the certified one",
    )


def test_a_certificate_expires(certificate: Certificate) -> None:
    assert choose(certificate, today=date(2026, 9, 30)).route == "auto"
    assert choose(certificate, today=date(2026, 10, 1)) == Decision(
        "assist", "review", ("the certificate does not hold: expired on 2026-10-01",)
    )


@pytest.mark.parametrize("threshold", [None, 0.0])
def test_where_nothing_is_certified_all_goes_to_review(
    certificate: Certificate, threshold: float | None
) -> None:
    nothing = replace(certificate, certified=False, reason="too few", threshold=threshold)
    assert choose(nothing, 1.0) == Decision(
        "assist", "review", ("the certificate does not hold: nothing is certified: too few",)
    )


def test_a_certificate_without_threshold_releases_nothing(certificate: Certificate) -> None:
    assert choose(replace(certificate, threshold=None), 1.0).route == "review"


def test_an_encounter_without_codes_goes_to_review(certificate: Certificate) -> None:
    assert choose(certificate, 1.0, codes=0) == Decision(
        "autonomous", "review", ("no code reaches the cut",)
    )


@pytest.mark.parametrize("confidence", [0.0, 0.5, np.nextafter(0.8, 0.0), float("nan")])
def test_below_the_threshold_goes_to_review(certificate: Certificate, confidence: float) -> None:
    decision = choose(certificate, confidence)
    assert (decision.mode, decision.route) == ("autonomous", "review")
    (reason,) = decision.reasons
    assert reason == f"confidence {confidence:.6f} is below the certified 0.800000"


@pytest.mark.parametrize("confidence", [0.8, 0.85, 1.0])
def test_from_the_threshold_on_encounters_are_automated(
    certificate: Certificate, confidence: float
) -> None:
    assert choose(certificate, confidence) == Decision(
        "autonomous", "auto", (f"confidence {confidence:.6f} reaches the certified 0.800000",)
    )


def test_nothing_is_automated_without_a_code() -> None:
    assert [eligible(codes) for codes in (0, 1, 5)] == [False, True, True]


def test_an_encounter_of_another_specialty_goes_to_review(certificate: Certificate) -> None:
    decision = decide(0.99, 1, certificate, HASHES, TODAY, in_scope=False)

    assert decision.route == "review"
    assert decision.reasons == ("the encounter is none of this specialty",)
