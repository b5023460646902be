"""The code systems: their names, their spelling, their syntax.

Syntax is what a code looks like; whether a code exists in a release is the business of
`surecode.codes.releases`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from surecode.encounter import Code
from surecode.errors import InputError


@dataclass(frozen=True)
class CodeSystem:
    """One code system: its name, the pattern of a whole code, examples for messages."""

    name: str
    pattern: re.Pattern[str]
    example: str


_ALL = (
    # The second or the third character may be a letter (C4A, Z3A, QA0), never both.
    CodeSystem(
        "ICD-10-CM",
        re.compile(r"[A-Z](?:[0-9][0-9A-Z]|[A-Z][0-9])(?:\.[0-9A-Z]{1,4})?"),
        "I10 or S52.501A",
    ),
    # Seven characters without I and O. CodiEsp also assigns the first four of them alone.
    CodeSystem(
        "ICD-10-PCS",
        re.compile(r"[0-9A-HJ-NP-Z]{4}(?:[0-9A-HJ-NP-Z]{3})?"),
        "0DTJ4ZZ, or the four-character prefix 0DTJ",
    ),
    # Morphology: histology / behaviour, grade; CANTEMIST adds /H. Or topography.
    CodeSystem(
        "ICD-O-3",
        re.compile(r"[89][0-9]{3}/[012369][1-9]?(?:/H)?|C[0-9]{2}(?:\.[0-9])?"),
        "8140/3, 8500/32, 8000/6/H or the topography C50.9",
    ),
    # Category I, or four digits and the letter of another category.
    CodeSystem("CPT", re.compile(r"[0-9]{4}[0-9AFMTU]"), "five digits such as 99213"),
    CodeSystem("HCPCS", re.compile(r"[A-V][0-9]{4}"), "a letter and four digits such as J1100"),
    # In force until September 30, 2015. Its procedures (volume 3) are a system of their own here,
    # as their values overlap with those of the diagnoses once the dot is gone: 38.93 and 389.3.
    CodeSystem(
        "ICD-9-CM",
        re.compile(r"(?:[0-9]{3}|V[0-9]{2})(?:\.[0-9]{1,2})?|E[0-9]{3}(?:\.[0-9])?"),
        "486, 038.9, V30.01 or E849.0",
    ),
    CodeSystem("ICD-9-PCS", re.compile(r"[0-9]{2}(?:\.[0-9]{1,2})?"), "38.93 or 04.0"),
)
SYSTEMS: dict[str, CodeSystem] = {system.name: system for system in _ALL}


def system_of(name: str) -> CodeSystem:
    """The code system of that name; an unknown name raises `InputError` with the nearest one."""
    if name in SYSTEMS:
        return SYSTEMS[name]
    near = difflib.get_close_matches(name.upper(), SYSTEMS, n=1, cutoff=0.4)
    remedy = f"did you mean {near[0]}?" if near else "give one of these"
    raise InputError(
        f"code system {_quoted(name)} is unknown; {remedy} (known: {', '.join(SYSTEMS)})"
    )


def normalise(system: str, value: str) -> Code:
    """The code in its system's own spelling: upper case, ICD-10-CM and ICD-9 with their dot.

    ``("ICD-10-CM", "s0032x")`` becomes ``ICD-10-CM:S00.32X``. Idempotent. Raises `InputError` for
    an unknown system and for a value that is no code of the system.
    """
    value = value.strip().upper()
    before = _before_the_dot(system, value)
    if before is not None and "." not in value and len(value) > before:
        value = f"{value[:before]}.{value[before:]}"
    code = Code(system, value)
    check_syntax(code)
    return code


def parse(text: str) -> Code:
    """The code of a text such as ``ICD-10-CM:I10``, normalised; `InputError` where it is none."""
    system, colon, value = text.partition(":")
    if not colon:
        raise InputError(
            f"code {_quoted(text)} names no code system; "
            "write it as SYSTEM:VALUE, such as ICD-10-CM:I10"
        )
    return normalise(system.strip(), value)


def check_syntax(code: Code) -> None:
    """Raise `InputError` unless the code is spelled as its system spells codes."""
    system = system_of(code.system)
    if not system.pattern.fullmatch(code.value):
        raise InputError(
            f"code {_quoted(code.value)} is no {system.name} code; {system.name} codes look like "
            f"{system.example}"
        )


def category(code: Code) -> str:
    """What related codes share: the first three characters, of ICD-O-3 morphology the histology."""
    return code.value[:4] if code.system == "ICD-O-3" else code.value[:3]


def _before_the_dot(system: str, value: str) -> int | None:
    """How many characters stand before a code's dot; None where codes have none to be put in."""
    match system:
        case "ICD-10-CM":
            return 3
        case "ICD-9-CM":
            return 4 if value.startswith("E") else 3
        case "ICD-9-PCS":
            return 2
        case _:
            return None


def _quoted(value: str) -> str:
    """The value for a message; a long one may be a text in the wrong column and is not shown."""
    return repr(value) if len(value) <= 16 else f"of {len(value)} characters"
