"""Which codes ``surecode codes add`` is asked for: named ones, files of them, or both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from surecode.config import compose_config, parse
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.stages.codes_add import codes_add
from surecode.verb_settings import CodesAddConfig


def asked(codes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Code]:
    seen: list[Code] = []

    def add(source: Path, added: list[Code], *rest: Any) -> dict[str, Any]:
        seen.extend(added)
        return {}

    monkeypatch.setattr("surecode.stages.codes_add.add_codes", add)
    words = ["specialty=mixed", f"codes=[{codes}]", f"model={tmp_path}", f"output={tmp_path}/new"]
    codes_add(parse(CodesAddConfig, compose_config("codes_add", words)))
    return seen


def test_a_release_comes_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "new.csv"
    listed.write_text("system,value\nICD-10-CM,i1a0\nICD-10-CM,U09.9\n")
    expected = [Code("ICD-10-CM", "I1A.0"), Code("ICD-10-CM", "U09.9")]
    assert asked(str(listed), tmp_path, monkeypatch) == expected
    both = asked(f"ICD-10-CM:R05.1,{listed}", tmp_path, monkeypatch)
    assert both == [Code("ICD-10-CM", "R05.1"), *expected]


def test_an_absent_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"none.csv: cannot be read"):
        asked(f"{tmp_path}/none.csv", tmp_path, monkeypatch)
