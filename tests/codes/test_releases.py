from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from surecode.codes.releases import check, may_be_billed, release_of, title, valid_codes
from surecode.encounter import Code
from surecode.errors import InputError


@pytest.mark.parametrize(
    ("system", "day", "release"),
    [
        ("ICD-10-CM", date(2025, 9, 30), "FY2025"),
        ("ICD-10-CM", date(2025, 10, 1), "FY2026"),
        ("ICD-10-CM", date(2026, 9, 30), "FY2026"),
        ("ICD-10-PCS", date(2026, 10, 1), "FY2027"),
        ("CPT", date(2026, 12, 31), "CY2026"),
        ("HCPCS", date(2026, 3, 31), "CY2026Q1"),
        ("HCPCS", date(2026, 4, 1), "CY2026Q2"),
        ("ICD-O-3", date(2026, 4, 1), "third edition"),
    ],
)
def test_the_date_of_service_chooses_the_release(system: str, day: date, release: str) -> None:
    assert release_of(system, day) == release


def test_the_table_holds_billable_codes_alone() -> None:
    valid = valid_codes("ICD-10-CM", "FY2026")
    assert valid is not None
    assert len(valid) == 74_719
    assert {"I10", "S52.501A", "C7A.090", "E11.9"} <= valid
    assert not {"S52.501", "E11", "C00-C96", "I10-I1A"} & valid


def test_other_releases_and_systems_have_no_table() -> None:
    assert valid_codes("ICD-10-CM", "FY2005") is None
    assert valid_codes("ICD-10-PCS", "FY2026") is None


def test_a_category_is_not_valid_where_the_table_is_at_hand() -> None:
    day = date(2026, 3, 31)
    check(Code("ICD-10-CM", "E11.9"), day)
    with pytest.raises(InputError, match="E11 is not in ICD-10-CM FY2026"):
        check(Code("ICD-10-CM", "E11"), day)
    check(Code("ICD-10-CM", "E11"), date(2005, 1, 1))
    with pytest.raises(InputError, match="is no ICD-10-CM code"):
        check(Code("ICD-10-CM", "e11"), date(2005, 1, 1))


def test_titles_are_those_of_icd_10_cm_alone() -> None:
    assert title(Code("ICD-10-CM", "I10")) == "Essential (primary) hypertension"
    assert title(Code("ICD-10-CM", "I10.999")) is None
    assert title(Code("CPT", "99213")) is None


def test_the_table_is_loaded_on_the_first_question_only() -> None:
    program = "import sys, surecode.codes.releases; print('simple_icd_10_cm' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "False"


def test_between_two_tables_a_code_of_either_may_be_billed() -> None:
    new, old = Code("ICD-10-CM", "U09.9"), Code("ICD-10-CM", "R05")  # until and since October 2021
    heading = Code("ICD-10-CM", "I31")
    for day, billed in (
        (date(2021, 1, 1), {old}),
        (date(2023, 1, 1), {old, new}),
        (date(2026, 1, 1), {new}),
        (date(2017, 1, 1), {old, new, heading}),  # no table of that time is at hand
    ):
        assert {code for code in (new, old, heading) if may_be_billed(code, day)} == billed
    assert may_be_billed(Code("ICD-O-3", "8140/3"), date(2023, 1, 1))
