"""Which evidence sends a code to a person, and that the negation suite's mentions do."""

from __future__ import annotations

import pytest

from surecode.encounter import Code
from surecode.evaluation.negation_suite import LANGUAGES, assertion_in, load_pairs
from surecode.evidence.assertion import Assertion
from surecode.evidence.doubt import doubt_reason, doubts_of
from surecode.evidence.policy import EvidencePolicy
from surecode.evidence.span_policy import SpanPolicy

PNEUMONIA = Code("ICD-10-CM", "J18.9")
PLAIN, NEGATED = Assertion(), Assertion(polarity="negated")
DOUBTS = EvidencePolicy(SpanPolicy(0.6, 1, 3)).doubts


@pytest.mark.parametrize(
    ("said", "code", "doubts"),
    [
        (PLAIN, PNEUMONIA, set()),
        (NEGATED, PNEUMONIA, {"negated"}),
        (Assertion(experiencer="family"), PNEUMONIA, {"family"}),
        (Assertion(certainty="hypothetical"), PNEUMONIA, {"hypothetical"}),
        (Assertion(certainty="uncertain"), PNEUMONIA, {"uncertain"}),
        (Assertion(time="historical"), PNEUMONIA, {"historical"}),
        (Assertion("negated", "certain", "historical", "family"), PNEUMONIA,
         {"negated", "historical", "family"}),
        # What is carried by absence, by the family or by the past, and procedures.
        (NEGATED, Code("ICD-10-CM", "Z90.49"), set()),
        (Assertion(experiencer="family"), Code("ICD-10-CM", "Z80.3"), set()),
        (Assertion(time="historical"), Code("ICD-10-CM", "Z87.891"), set()),
        (NEGATED, Code("CPT", "71046"), set()),
    ],
)  # fmt: skip
def test_what_speaks_against_a_code(said: Assertion, code: Code, doubts: set[str]) -> None:
    assert doubts_of(said, code) == doubts


def test_one_plain_mention_is_enough() -> None:
    assert doubt_reason(PNEUMONIA, [NEGATED, PLAIN], DOUBTS) is None
    assert doubt_reason(PNEUMONIA, [NEGATED, Assertion(time="historical")], DOUBTS) == (
        "all evidence of ICD-10-CM:J18.9 is historical, negated"
    )
    assert doubt_reason(PNEUMONIA, [NEGATED], ("historical",)) is None


def test_a_code_without_evidence_needs_a_person() -> None:
    assert doubt_reason(PNEUMONIA, [], DOUBTS) == "ICD-10-CM:J18.9 has no local evidence"
    assert doubt_reason(PNEUMONIA, [], ("negated",)) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_on_a_mention_that_is_not_meant_goes_to_a_person(language: str) -> None:
    """At most 2% of the suite's negated, family, historical and hypothetical mentions pass."""
    pairs = [pair for pair in load_pairs(language) if pair.kind != "uncertain"]
    passed = sent = 0
    for pair in pairs:
        for text, counts in ((pair.other, True), (pair.affirmed, False)):
            said = assertion_in(text, pair.mention)
            reason = doubt_reason(PNEUMONIA, [said], DOUBTS)
            passed += counts and reason is None
            sent += not counts and reason is not None
    assert len(pairs) >= 150
    assert passed <= 0.02 * len(pairs)
    assert sent <= 0.02 * len(pairs)  # and plain mentions are let through
