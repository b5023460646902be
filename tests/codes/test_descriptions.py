from __future__ import annotations

from pathlib import Path

import pytest

from surecode.codes.descriptions import describe, description_texts, read_descriptions
from surecode.encounter import Code
from surecode.errors import InputError

ASTHMA, HYPERTENSION = Code("ICD-10-CM", "J45.909"), Code("ICD-10-CM", "I10")
CPT = Code("CPT", "71046")


def file_of(folder: Path, *lines: str) -> Path:
    path = folder / "descriptions.csv"
    path.write_text("\n".join(["system,value,text", *lines]) + "\n", encoding="utf-8")
    return path


def test_a_description_is_title_and_inclusion_terms() -> None:
    assert describe(HYPERTENSION) == "Essential (primary) hypertension"
    asthma = describe(ASTHMA)
    assert asthma is not None
    title, *terms = asthma.split("; ")
    assert title == "Unspecified asthma, uncomplicated"
    assert "Asthma NOS" in terms


@pytest.mark.parametrize(
    "code", [CPT, Code("HCPCS", "J1100"), Code("ICD-O-3", "8140/3"), Code("ICD-10-CM", "I99.999")]
)
def test_other_systems_and_unknown_codes_have_none(code: Code) -> None:
    assert describe(code) is None


def test_a_file_comes_before_the_table(tmp_path: Path) -> None:
    path = file_of(tmp_path, "ICD-10-CM,i10,High blood pressure", 'CPT,71046," a licensed, text "')
    codes = [ASTHMA, HYPERTENSION, CPT, Code("CPT", "99213")]
    assert description_texts(codes, path) == [
        describe(ASTHMA),
        "High blood pressure",
        "a licensed, text",
        None,
    ]
    assert description_texts(codes, None) == [
        describe(ASTHMA),
        describe(HYPERTENSION),
        None,
        None,
    ]


def test_a_file_with_a_byte_order_mark_and_blank_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("\ufeffsystem, value ,text\r\n\r\nICD-10-CM,I10,Hypertonie\r\n", "utf-8")
    assert read_descriptions(path) == {HYPERTENSION: "Hypertonie"}


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["ICD-10-CM,I10"], "row 1: 2 cells where the header has 3"),
        (["ICD-10-CM,I10,a,b"], "row 1: 4 cells"),
        (["ICD-10-CM,I10,one", "ICD-10-CM,i10,two"], "row 2: ICD-10-CM:I10 stands twice"),
        (["ICD-10-CM,I10, . "], "row 1: the text is empty"),
        (["ICD-10-CM,XYZZY,one"], "row 1: code 'XYZ.ZY' is no ICD-10-CM code"),
        (["ICD10,I10,one"], "row 1: code system 'ICD10' is unknown"),
        (['ICD-10-CM,I10,"one'], "no CSV"),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(
    tmp_path: Path, lines: list[str], what: str
) -> None:
    with pytest.raises(InputError) as error:
        read_descriptions(file_of(tmp_path, *lines))
    assert what in str(error.value)
    assert "descriptions.csv" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the first line must name the columns"),
        (b"code,text\nI10,one\n", "the first line must name the columns system,value,text"),
        (b"system,value,text\nICD-10-CM,I10,\xff\n", "not UTF-8 at byte 32"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "d.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=what):
        read_descriptions(path)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.csv: cannot be read \(No such file"):
        read_descriptions(tmp_path / "absent.csv")
