"""Which assertions can carry which codes."""

from __future__ import annotations

import re

from surecode.codes.systems import system_of
from surecode.evidence.assertion import Assertion


def applies_to(system: str) -> bool:
    """Whether negation matters for codes of this system: for diagnoses, not for procedures.

    "No pleural effusion" is good evidence that a chest film was read. Raises `InputError` for an
    unknown system.
    """
    return system_of(system).name in {"ICD-10-CM", "ICD-O-3"}


# ICD-10-CM chapter 21 has codes for what runs in the family, and for what is looked for, not done
# or not there any more: examinations, observation and screening, immunizations and procedures not
# carried out, absence of organs.
_FAMILY_CODES = re.compile(r"Z8[0-4]")
_ABSENT_CODES = re.compile(r"Z0[0-5]|Z1[0-3]|Z28|Z53|Z90")


def fits(assertion: Assertion, system: str, value: str) -> bool:
    """Whether evidence that is meant so can carry the code.

    A family history carries Z80-Z84. Codes of examinations, observation, screening, things not
    carried out and absence (Z00-Z05, Z10-Z13, Z28, Z53, Z90) are carried by what the patient has
    not, too. Other diagnoses need a mention that is not :attr:`Assertion.contrary`; procedures
    are carried by any. Raises `InputError` for an unknown system.
    """
    if not applies_to(system):
        return True
    if system == "ICD-10-CM" and _FAMILY_CODES.match(value):
        return assertion.polarity == "affirmed"
    if system == "ICD-10-CM" and _ABSENT_CODES.match(value):
        return assertion.experiencer == "patient"
    return not assertion.contrary
