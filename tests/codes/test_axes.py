"""Codes in parts and put together again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.codes.axes import AXES, composed, join, split
from surecode.codes.systems import category, check_syntax
from surecode.encounter import Code

MORPHOLOGIES = st.from_regex(r"[89][0-9]{3}/[012369][1-9]?(/H)?", fullmatch=True).map(
    lambda value: Code("ICD-O-3", value)
)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("8140/3", ("8140", ("3", "", ""))),
        ("8500/33", ("8500", ("3", "3", ""))),
        ("8000/6/H", ("8000", ("6", "", "H"))),
        ("8000/34/H", ("8000", ("3", "4", "H"))),
    ],
)
def test_the_parts_of_a_morphology(value: str, parts: tuple[str, tuple[str, ...]]) -> None:
    assert split(Code("ICD-O-3", value)) == parts


@given(MORPHOLOGIES)
def test_parts_join_to_the_same_code(code: Code) -> None:
    parts = split(code)
    assert parts is not None
    assert len(parts[1]) == len(AXES["ICD-O-3"])
    assert join(code.system, *parts) == code
    assert parts[0] == category(code)


@pytest.mark.parametrize(
    "code", [Code("ICD-10-CM", "I10"), Code("ICD-O-3", "C50.9"), Code("CPT", "99213")]
)
def test_codes_without_axes_have_no_parts(code: Code) -> None:
    assert split(code) is None
    assert composed([code] * 3) == set()


def test_values_that_three_stems_share_are_given_to_all() -> None:
    values = ("8140/3", "8140/6", "8500/3", "8500/6", "8070/6", "8070/31", "8720/3")
    codes = [Code("ICD-O-3", value) for value in values]
    found = composed(codes)
    assert {code.value for code in found} == {
        f"{stem}/{behaviour}" for stem in ("8140", "8500", "8070", "8720") for behaviour in "36"
    }


@given(st.sets(MORPHOLOGIES, max_size=12))
def test_composed_codes_are_codes_of_known_stems(codes: set[Code]) -> None:
    for code in composed(codes):
        check_syntax(code)
        assert category(code) in {category(known) for known in codes}
