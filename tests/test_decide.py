from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from surecode.calibration.certificate import Certificate
from surecode.decide import Decision, decide, eligible

HASHES = {"model": "m", "label_space": "l", "calibrator": "c"}
TODAY = date(2026, 3, 31)


@pytest.fixture(scope="module")
def certificate(certificate_at: Callable[..., Certificate]) -> Certificate:
    return certificate_at(0.8, HASHES)


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


def test_where_nothing_is_certified_all_goes_to_review(
    certificate_at: Callable[..., Certificate],
) -> None:
    assert choose(certificate_at(None, HASHES), 1.0) == Decision(
        "assist",
        "review",
        ("the certificate does not hold: nothing is certified: too few encounters",),
    )


def test_an_alarm_sends_all_to_review(certificate: Certificate) -> None:
    decision = decide(0.99, 1, certificate, HASHES, TODAY, demotion="demoted by an alarm")
    assert decision == Decision("assist", "review", ("demoted by an alarm",))


def test_every_group_has_its_own_threshold(certificate_at: Callable[..., Certificate]) -> None:
    names = ("payer=a", "payer=b")
    grouped = certificate_at(0.8, HASHES, group_by=("payer",), names=names)
    first, second = grouped.groups
    later = replace(second, certified=False, threshold=None, reason="too few encounters")
    grouped = replace(grouped, groups=(first, later))
    routes = {
        name: decide(0.9, 1, grouped, HASHES, TODAY, group=name) for name in (*names, "payer=c", "")
    }
    assert routes["payer=a"].route == "auto"
    assert [routes[name].reasons for name in ("payer=b", "payer=c", "")] == [
        ("nothing is certified for the group payer=b: too few encounters",),
        ("the certificate knows no group payer=c",),
        ("the certificate knows no group without a name",),
    ]
    assert {routes[name].route for name in ("payer=b", "payer=c", "")} == {"review"}


def test_an_encounter_without_codes_goes_to_review(certificate: Certificate) -> None:
    assert choose(certificate, 1.0, codes=0) == Decision(
        "autonomous", "review", ("no code reaches the cut",)
    )


@pytest.mark.parametrize("confidence", [0.0, 0.5, np.nextafter(0.8, 0.0)])
def test_below_the_threshold_goes_to_review(certificate: Certificate, confidence: float) -> None:
    decision = choose(certificate, confidence)
    assert (decision.mode, decision.route) == ("autonomous", "review")
    (reason,) = decision.reasons
    assert reason == f"confidence {confidence:.6f} is below the certified 0.800000"


@pytest.mark.parametrize("confidence", [float("nan"), -0.1, 1.1, float("inf"), -float("inf")])
def test_what_is_no_probability_goes_to_review(certificate: Certificate, confidence: float) -> None:
    assert choose(certificate, confidence) == Decision(
        "autonomous", "review", ("the confidence is not a number from 0 to 1",)
    )


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
