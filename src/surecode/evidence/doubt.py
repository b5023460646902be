"""Which evidence is no ground to code on without a person."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from surecode.encounter import Code
from surecode.evidence.assertion import Assertion
from surecode.evidence.assertion_codes import applies_to, fits
from surecode.evidence.policy import Doubt


def doubts_of(assertion: Assertion, code: Code) -> set[Doubt]:
    """How a span is meant that speaks against its code: nothing for a plain statement.

    Procedures are carried by any statement, and some diagnoses by absence or by the family
    (`surecode.evidence.assertion_codes`).
    """
    if not applies_to(code.system):
        return set()
    found: set[Doubt] = set()
    if not fits(assertion, code.system, code.value):
        if assertion.polarity == "negated":
            found.add("negated")
        if assertion.certainty == "hypothetical":
            found.add("hypothetical")
        if assertion.experiencer == "family":
            found.add("family")
    if assertion.time == "historical" and not _of_the_past(code):
        found.add("historical")
    if assertion.certainty == "uncertain":
        found.add("uncertain")
    return found


def doubt_reason(
    code: Code, assertions: Sequence[Assertion], doubts: Collection[Doubt]
) -> str | None:
    """Why a code with spans that are meant so needs a person, or None.

    One plain mention is enough for the code to stand.
    """
    if not assertions:
        return f"{code} has no local evidence" if "absent" in doubts else None
    found = [doubts_of(assertion, code) & set(doubts) for assertion in assertions]
    if not all(found):
        return None
    words = ", ".join(sorted({doubt for some in found for doubt in some}))
    return f"all evidence of {code} is {words}"


def _of_the_past(code: Code) -> bool:
    """Codes of a personal history (Z85 to Z87, Z91, Z92) and of what is absent (Z90)."""
    return code.system == "ICD-10-CM" and code.value[:3] in {
        "Z85",
        "Z86",
        "Z87",
        "Z90",
        "Z91",
        "Z92",
    }
