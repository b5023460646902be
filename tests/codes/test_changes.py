"""Codes that came and went: the shipped list against CMS's order file, and bad lists."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from icd_10_cm_changes import made

from surecode.codes.changes import Changes, changes, read_changes, shipped, write_changes
from surecode.codes.order_file import OrderRow, read_order_file
from surecode.codes.releases import check, valid_codes
from surecode.encounter import Code
from surecode.errors import InputError

HEAD = "# ICD-10-CM FY2021 to FY2026; made by hand\nchange,value,title\n"


def test_the_shipped_changes_are_those_of_the_order_file(
    real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    path = real_data("gems/icd10cm-order-Jan-2021.csv.gz")
    found = made(path, "FY2021")
    assert found == shipped()
    billable = frozenset(row.value for row in read_order_file(path) if row.billable)
    assert valid_codes("ICD-10-CM", "FY2021") == billable
    assert len(billable) == 72_621


def test_what_came_and_what_went() -> None:
    found = changes("ICD-10-CM", "FY2021", "FY2026")
    assert (len(found.added), len(found.deleted)) == (2_510, 412)
    assert {"I1A.0", "U09.9", "G35.A", "Z59.02"} <= found.added
    assert found.deleted["G35"] == "Multiple sclerosis"
    assert not {"I10", "E11.9"} & (found.added | found.deleted.keys())


def test_the_older_release_is_the_newer_less_what_came_and_what_went() -> None:
    old, new = (valid_codes("ICD-10-CM", release) for release in ("FY2021", "FY2026"))
    assert old is not None
    assert new is not None
    assert len(old) == len(new) - 2_510 + 412
    assert new - old == shipped().added
    assert old - new == shipped().deleted.keys()
    # Between the two the table of neither is right.
    assert valid_codes("ICD-10-CM", "FY2023") is None


def test_the_date_of_service_chooses_the_table() -> None:
    relapsing, plain = Code("ICD-10-CM", "G35.A"), Code("ICD-10-CM", "G35")
    check(plain, date(2021, 2, 1))
    check(relapsing, date(2026, 4, 15))
    with pytest.raises(InputError, match=r"G35\.A is not in ICD-10-CM FY2021"):
        check(relapsing, date(2021, 2, 1))
    with pytest.raises(InputError, match="G35 is not in ICD-10-CM FY2026"):
        check(plain, date(2026, 4, 15))


def test_changes_between_two_tables_by_hand(tmp_path: Path) -> None:
    rows = [
        OrderRow("G35", True, 'Multiple "sclerosis", so called'),
        OrderRow("I10", True, "Essential hypertension"),
        OrderRow("I1A", False, "Other hypertension"),
    ]
    found = Changes.between(rows, "FY2021", frozenset({"I10", "I1A.0", "G35.A"}), "FY2026")
    assert found.added == {"I1A.0", "G35.A"}
    assert found.deleted == {"G35": 'Multiple "sclerosis", so called'}
    assert found.older_codes(frozenset({"I10", "I1A.0", "G35.A"})) == {"G35", "I10"}
    write_changes(found, tmp_path / "c.csv", "a test")
    assert read_changes(tmp_path / "c.csv") == found


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("ICD-10-CM", "FY2026", "FY2021"), "FY2026 to FY2021: out of order"),
        (("ICD-10-CM", "FY2026", "FY2026"), "out of order"),
        (("ICD-10-CM", "FY2022", "FY2026"), "of an unknown release"),
        (("ICD-10-CM", "FY2021", "FY2027"), "of an unknown release"),
        (("ICD-10-PCS", "FY2021", "FY2026"), "of an unknown release"),
        (("ICD10", "FY2021", "FY2026"), "code system 'ICD10' is unknown"),
    ],
)
def test_releases_out_of_order_or_unknown_are_refused(
    arguments: tuple[str, str, str], what: str
) -> None:
    with pytest.raises(InputError, match=what) as error:
        changes(*arguments)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("change,value,title\nadded,I10,\n", "names no releases"),
        (HEAD.replace("change,", "kind,"), "names no releases or not its columns"),
        (HEAD.replace("FY2021 to FY2026", "FY2026 to FY2021"), "FY2026 to FY2021 is out of order"),
        (HEAD + "added,I10,\nadded,E11.9,\n", "row 2: E11.9 is out of order"),
        (HEAD + "added,I10,\nadded,I10,\n", "row 2: I10 is out of order or stands twice"),
        (HEAD + "deleted,I10,x\nadded,I1A.0,\n", "row 2: I1A.0 is out of order"),
        (HEAD + "added,I10,\ndeleted,I10,x\n", "I10 is added and deleted"),
        (HEAD + "moved,I10,\n", "row 1: change is neither added nor deleted"),
        (HEAD + "added,i10,\n", "row 1: code 'i10' is no ICD-10-CM code"),
        (HEAD + "added,I10\n", "row 1: 2 cells"),
    ],
)
def test_a_list_that_was_edited_wrongly_is_refused(content: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=what) as error:
        read_changes(path)
    assert len(str(error.value).splitlines()) == 1


def test_an_absent_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make it anew"):
        read_changes(tmp_path / "none.csv")


# ---- CMS's order file ----------------------------------------------------------------------------

ROWS = [
    "code,billable,short,long",
    "C4A,0,Merkel cell carcinoma,Merkel cell carcinoma",
    "C4A0,1,Merkel cell carcinoma of lip,Merkel cell carcinoma of lip",
    'C44,0,Oth skin,"Other malignant neoplasm of skin"',
    'C440,1,Skin of lip,"Other malignant neoplasm of skin of lip, so"',
]


def test_both_layouts_give_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("\n".join(ROWS) + "\n")
    (tmp_path / "o.csv.gz").write_bytes(gzip.compress((tmp_path / "o.csv").read_bytes()))
    lines = [
        "00001 C4A     0 Merkel cell carcinoma                                        "
        "Merkel cell carcinoma",
        "00002 C4A0    1 Merkel cell carcinoma of lip                                 "
        "Merkel cell carcinoma of lip",
        "00003 C44     0 Oth skin                                                     "
        "Other malignant neoplasm of skin",
        "00004 C440    1 Skin of lip                                                  "
        "Other malignant neoplasm of skin of lip, so",
    ]
    (tmp_path / "o.txt").write_text("\r\n".join(lines) + "\r\n")
    expected = (
        OrderRow("C4A", False, "Merkel cell carcinoma"),
        OrderRow("C4A.0", True, "Merkel cell carcinoma of lip"),
        OrderRow("C44", False, "Other malignant neoplasm of skin"),
        OrderRow("C44.0", True, "Other malignant neoplasm of skin of lip, so"),
    )
    for name in ("o.csv", "o.csv.gz", "o.txt"):
        assert read_order_file(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([ROWS[0], ROWS[1], ROWS[4], ROWS[3]], "row 2: C44.0 is out of order"),
        ([ROWS[0], ROWS[2], ROWS[1]], "row 1: C4A.0 is out of order"),
        ([*ROWS, ROWS[3]], "row 5: C44 stands twice"),
        ([ROWS[0], "C4A,2,x,x"], "row 1: billable is neither 0 nor 1"),
        ([ROWS[0], "I,1,x,x"], "row 1: code 'I' is no ICD-10-CM code"),
        (ROWS[1:], "the first line must name the columns"),
        (ROWS[:1], "holds no code"),
    ],
)
def test_a_table_out_of_order_is_refused(rows: list[str], what: str, tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(InputError, match=what) as error:
        read_order_file(path)
    assert len(str(error.value).splitlines()) == 1


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        read_order_file(tmp_path / "o.csv")
    for name, content in (("o.csv.gz", b"plain"), ("o.csv", b"\xff\xfe")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as text"):
            read_order_file(tmp_path / name)


def test_an_order_file_of_a_newer_release_is_refused() -> None:
    with pytest.raises(InputError, match="FY2026 to FY2026 is out of order"):
        made(Path("never-read"), "FY2026")


def test_a_package_of_an_unknown_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("icd_10_cm_changes.version", lambda name: "9.9")
    with pytest.raises(InputError, match=r"simple-icd-10-cm 9\.9 is of an unknown release"):
        made(Path("never-read"), "FY2021")
