"""Releases: which codes are valid on a date of service.

The table at hand is that of the package ``simple-icd-10-cm``: the ICD-10-CM of one release, with
its April update. It takes seconds to load, so it is imported on the first question. What changed
since FY2021 ships with this package (`surecode.codes.changes`), which gives the codes of that
release, with its January update. For every other system and release only the syntax is checked.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from importlib.metadata import version

from surecode.codes.changes import shipped
from surecode.codes.systems import check_syntax, system_of
from surecode.encounter import Code
from surecode.errors import InputError

# The release that each version of simple-icd-10-cm holds: 1.5.0 has the files of April 1, 2026.
RELEASE_OF_PACKAGE = {"1.5.0": "FY2026"}


def release_of(system: str, date_of_service: date) -> str:
    """The release of a code system that is in force on a date of service.

    ICD-10-CM and ICD-10-PCS: the US fiscal year, so ``FY2026`` for 2025-10-01 to 2026-09-30. CPT:
    the calendar year, ``CY2026``. HCPCS: the quarter, ``CY2026Q2``. ICD-9-CM
    ended with ``FY2015``. ICD-O-3 has no yearly release and is always ``third edition``.
    """
    name = system_of(system).name
    year, month = date_of_service.year, date_of_service.month
    if name in ("ICD-10-CM", "ICD-10-PCS"):
        return f"FY{year + (month >= 10)}"
    if name.startswith("ICD-9"):  # replaced by ICD-10 on October 1, 2015
        return "FY2015"
    if name == "CPT":
        return f"CY{year}"
    if name == "HCPCS":
        return f"CY{year}Q{(month + 2) // 3}"
    return "third edition"


def valid_codes(system: str, release: str) -> frozenset[str] | None:
    """The values that may be billed in a release, or None where no table of it is at hand."""
    if system_of(system).name != "ICD-10-CM":
        return None
    if release == _icd_10_cm_release():
        return _icd_10_cm_leaves()
    since = shipped()
    # Only the table that the changes lead to gives the one that they come from.
    if (since.older, since.newer) == (release, _icd_10_cm_release()):
        return _icd_10_cm_older()
    return None


def may_be_billed(code: Code, date_of_service: date) -> bool:
    """Whether a code may have been valid on a day, as far as the tables at hand tell.

    Between two releases whose tables are at hand a code of either may be. Before and after them,
    and where no table of the system is at hand, any may be: a heading of today was billed once.
    """
    release = release_of(code.system, date_of_service)
    valid = valid_codes(code.system, release)
    if valid is not None:
        return code.value in valid
    since = shipped()
    if not since.older < release < since.newer:
        return True
    tables = [valid_codes(code.system, each) for each in (since.older, since.newer)]
    known = [table for table in tables if table is not None]
    return not known or any(code.value in table for table in known)


def check(code: Code, date_of_service: date) -> None:
    """Raise `InputError` unless the code is valid on the date of service.

    Where no table of the release is at hand, only the syntax is checked.
    """
    check_syntax(code)
    release = release_of(code.system, date_of_service)
    valid = valid_codes(code.system, release)
    if valid is not None and code.value not in valid:
        raise InputError(
            f"code {code.value} is not in {code.system} {release}, the release in force on "
            f"{date_of_service.isoformat()}; give a billable code of that release"
        )


def title(code: Code) -> str | None:
    """The official title of an ICD-10-CM code, or None where no table has it.

    CPT descriptors belong to the AMA and are never returned.
    """
    if code.system != "ICD-10-CM":
        return None
    import simple_icd_10_cm

    if not simple_icd_10_cm.is_valid_item(code.value):
        return None
    return str(simple_icd_10_cm.get_description(code.value))


@lru_cache(maxsize=1)
def _icd_10_cm_release() -> str | None:
    return RELEASE_OF_PACKAGE.get(version("simple-icd-10-cm"))


@lru_cache(maxsize=1)
def _icd_10_cm_leaves() -> frozenset[str]:
    import simple_icd_10_cm

    pattern = system_of("ICD-10-CM").pattern
    return frozenset(
        value
        for value in simple_icd_10_cm.get_all_codes(with_dots=True)
        # Chapters and blocks such as C00-C96 are in the list as well, some without children.
        if pattern.fullmatch(value) and simple_icd_10_cm.is_leaf(value)
    )


@lru_cache(maxsize=1)
def _icd_10_cm_older() -> frozenset[str]:
    return shipped().older_codes(_icd_10_cm_leaves())
