from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.codes.systems import SYSTEMS, check_syntax, normalise, parse
from surecode.encounter import Code
from surecode.errors import InputError


@pytest.mark.parametrize(
    ("system", "value", "expected"),
    [
        ("ICD-10-CM", "n44.8", "N44.8"),
        ("ICD-10-CM", "s0032x", "S00.32X"),
        ("ICD-10-CM", " i10 ", "I10"),
        ("ICD-10-CM", "c7a.090", "C7A.090"),
        ("ICD-10-CM", "QA00101", "QA0.0101"),
        ("ICD-10-PCS", "bw03zzz", "BW03ZZZ"),
        ("ICD-10-PCS", "ct13", "CT13"),
        ("ICD-O-3", "8000/6", "8000/6"),
        ("ICD-O-3", "8500/32", "8500/32"),
        ("ICD-O-3", "8500/3/h", "8500/3/H"),
        ("ICD-O-3", "8140/31/H", "8140/31/H"),
        ("ICD-O-3", "c50.9", "C50.9"),
        ("CPT", "99213", "99213"),
        ("CPT", "0001u", "0001U"),
        ("HCPCS", "j1100", "J1100"),
        ("ICD-9-CM", "486", "486"),
        ("ICD-9-CM", "0389", "038.9"),
        ("ICD-9-CM", "42731 ", "427.31"),
        ("ICD-9-CM", "v3001", "V30.01"),
        ("ICD-9-CM", "e8490", "E849.0"),
        ("ICD-9-CM", "E849", "E849"),
        ("ICD-9-PCS", "3893", "38.93"),
        ("ICD-9-PCS", "0066", "00.66"),
        ("ICD-9-PCS", "040", "04.0"),
    ],
)
def test_source_spelling_becomes_the_systems_own(system: str, value: str, expected: str) -> None:
    assert normalise(system, value) == Code(system, expected)


@pytest.mark.parametrize(
    ("system", "value"),
    [
        ("ICD-10-CM", ""),
        ("ICD-10-CM", "I1"),
        ("ICD-10-CM", "I1.0"),
        ("ICD-10-CM", "I10."),
        ("ICD-10-CM", "C00-C96"),
        ("ICD-10-CM", "THE"),
        ("ICD-10-CM", "S52.501AAA"),
        ("ICD-10-PCS", "0DTJ4"),
        ("ICD-10-PCS", "0DTJ4ZO"),
        ("ICD-O-3", "8000"),
        ("ICD-O-3", "8000/7"),
        ("ICD-O-3", "8000/3/X"),
        ("CPT", "9921"),
        ("HCPCS", "99213"),
        ("HCPCS", "J1100\nJ1101"),
        ("ICD-9-CM", "48"),
        ("ICD-9-CM", "I10"),
        ("ICD-9-CM", "E8490.1"),
        ("ICD-9-CM", "E849012"),
        ("ICD-9-CM", "42.731"),
        ("ICD-9-PCS", "389.3"),
        ("ICD-9-PCS", "0DTJ4ZZ"),
    ],
)
def test_what_is_no_code_of_the_system_is_refused(system: str, value: str) -> None:
    with pytest.raises(InputError, match=f"is no {system} code"):
        normalise(system, value)


_VALUES = st.sampled_from(list(SYSTEMS.values())).flatmap(
    lambda s: st.tuples(st.just(s.name), st.from_regex(s.pattern, fullmatch=True))
)


@given(_VALUES)
def test_normalising_twice_changes_nothing(case: tuple[str, str]) -> None:
    code = normalise(*case)
    assert normalise(code.system, code.value) == code
    assert parse(str(code)) == code
    dotted = code.system in ("ICD-10-CM", "ICD-9-CM", "ICD-9-PCS")
    spelled = code.value.replace(".", "") if dotted else code.value
    assert normalise(code.system, f" {spelled.lower()}\n") == code


def test_a_diagnosis_and_a_procedure_of_icd_9_are_not_the_same_code() -> None:
    diagnosis, procedure = normalise("ICD-9-CM", "3893"), normalise("ICD-9-PCS", "3893")
    assert (diagnosis.value, procedure.value) == ("389.3", "38.93")
    assert parse("ICD-9-CM:3893") == diagnosis != procedure


def test_an_unknown_system_names_the_nearest_one() -> None:
    with pytest.raises(InputError, match="did you mean ICD-10-CM"):
        parse("icd10cm:I10")
    with pytest.raises(InputError, match="known: ICD-10-CM, ICD-10-PCS, ICD-O-3, CPT, HCPCS"):
        check_syntax(Code("???", "1"))


def test_a_code_without_system_is_refused() -> None:
    with pytest.raises(InputError, match="SYSTEM:VALUE"):
        parse("I10")


def test_a_text_in_the_place_of_a_code_is_not_quoted() -> None:
    with pytest.raises(InputError) as refused:
        parse("ICD-10-CM:Mrs Example came with a cough")
    assert "EXAMPLE" not in str(refused.value).upper().replace("CODES LOOK LIKE", "")
