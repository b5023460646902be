from __future__ import annotations

from pathlib import Path

import pytest

from surecode.codes.code_list import read_code_list
from surecode.encounter import Code
from surecode.errors import InputError


def test_codes_are_read_in_their_order_whatever_else_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("﻿value, system ,title\ni1a0,ICD-10-CM,\n\n71045,CPT,x\n", encoding="utf-8")
    assert read_code_list(path) == [Code("ICD-10-CM", "I1A.0"), Code("CPT", "71045")]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"system,value\n", "lists no code"),
        (b"system,code\nCPT,71045\n", "does not name system and value"),
        (b"system,value\nICD-10-CM,XYZZY\n", "row 1: code 'XYZ.ZY' is no ICD-10-CM code"),
        (b"system,value\nICD10,I10\n", "row 1: code system 'ICD10' is unknown"),
        (b"system,value\nCPT\n", "row 1: 1 cells"),
        (b"system,value\nCPT,\xff\n", "not UTF-8 at byte 17"),
    ],
)
def test_what_is_no_list_of_codes_is_refused(content: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=what) as error:
        read_code_list(path)
    assert len(str(error.value).splitlines()) == 1
    with pytest.raises(InputError, match="cannot be read"):
        read_code_list(tmp_path / "absent.csv")
