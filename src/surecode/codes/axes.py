"""Codes that are put together from parts, and the parts.

A morphology of ICD-O-3 is a histology of four digits, a behaviour, and for some a grade or
differentiation (ICD-O-3, WHO 2000, rules F and G); CANTEMIST adds /H where the histology is that of
a subtype. 8500/33 is invasive duct carcinoma, grade 3; 8500/6 its metastasis. So a text that says
"grado 3" of a histology that training has without a grade names a code that training does not have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from surecode.encounter import Code

# The axes of a system's codes after the stem, in the order of `split`.
AXES: Mapping[str, tuple[str, ...]] = {"ICD-O-3": ("behaviour", "grade", "subtype")}
# Stems that must share the values of all axes before other stems may have them.
_FEWEST_STEMS = 3


def split(code: Code) -> tuple[str, tuple[str, ...]] | None:
    """Stem and the values of `AXES`, "" where one is not said; None for a code without axes."""
    if code.system not in AXES or "/" not in code.value:
        return None
    stem, rest, *subtype = code.value.split("/")
    return stem, (rest[0], rest[1:], "".join(subtype))


def join(system: str, stem: str, values: tuple[str, ...]) -> Code:
    """The code of a stem and the values of its axes, the inverse of `split`."""
    behaviour, grade, subtype = values
    return Code(system, f"{stem}/{behaviour}{grade}{f'/{subtype}' if subtype else ''}")


def composed(codes: Collection[Code]) -> set[Code]:
    """Codes of the same stems with values that some other stems have.

    Values count that codes of three stems share, so that a strange code does not multiply.
    """
    stems: defaultdict[str, set[str]] = defaultdict(set)
    shared: defaultdict[tuple[str, tuple[str, ...]], set[str]] = defaultdict(set)
    for code in codes:
        parts = split(code)
        if parts is not None:
            stem, values = parts
            stems[code.system].add(stem)
            shared[code.system, values].add(stem)
    return {
        join(system, stem, values)
        for (system, values), having in shared.items()
        if len(having) >= _FEWEST_STEMS
        for stem in stems[system]
    }
