from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.errors import InputError
from surecode.files import (
    decode_note,
    read_json,
    read_json_lines,
    read_note,
    whole,
    write_json,
    write_text,
)

REMEDY = "write it again"


def one_line(error: pytest.ExceptionInfo[InputError]) -> bool:
    return "\n" not in str(error.value)


# ---- whole or not at all -------------------------------------------------------------------------


def test_the_file_appears_when_the_block_is_done(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.txt"
    with whole(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [RuntimeError, InputError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with whole(path) as temporary:
            temporary.write_text("half of the n")
            raise failure("in the middle")

    with pytest.raises(failure):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_nothing_where_nothing_was(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"not a number": float("nan")})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"no JSON": object()})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0o027])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "ours", "a")
        (tmp_path / "plain").write_text("a")
        assert os.umask(mask) == mask  # left as it was
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes == [0o666 & ~mask] * 2


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_written_as_it_is(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "note.txt"
    write_text(path, text)
    assert path.read_bytes() == text.encode("utf-8")  # no line end is translated
    assert read_note(path, maximum_characters=len(text)) == text


# ---- JSON ----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=10,
)


@given(content=JSON)
def test_json_comes_back_and_is_the_same_for_the_same(
    tmp_path_factory: pytest.TempPathFactory, content: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "content.json"
    write_json(path, content)
    first = path.read_bytes()
    assert read_json(path, REMEDY) == content
    write_json(path, content)
    assert path.read_bytes() == first
    path.write_text(json.dumps(content) + "\n" + json.dumps(content) + "\n\n")
    assert read_json_lines(path, REMEDY) == [content, content]


@pytest.mark.parametrize("read", [read_json, read_json_lines])
@pytest.mark.parametrize(
    "damage", [b"{", b"\xff\xfe", b'{"a": 1}}', b"[" * 100_000, b"  ", b"\x00\x00"]
)
def test_damaged_json_is_refused(tmp_path: Path, read: Any, damage: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(damage)
    with pytest.raises(InputError, match=f"is damaged, no JSON.*{REMEDY}") as error:
        read(path, REMEDY)
    assert one_line(error)


@pytest.mark.parametrize("read", [read_json, read_json_lines])
def test_what_is_no_file_is_refused(tmp_path: Path, read: Any) -> None:
    with pytest.raises(InputError, match=f"not found; {REMEDY}"):
        read(tmp_path / "absent.json", REMEDY)
    with pytest.raises(InputError, match=f"cannot be read .*{REMEDY}") as error:
        read(tmp_path, REMEDY)
    assert one_line(error)


# ---- notes ---------------------------------------------------------------------------------------


def test_a_note_that_is_not_utf_8_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_bytes("Neumon\xeda de Jane Marker".encode("latin-1"))
    with pytest.raises(InputError, match=r"note\.txt: not UTF-8 at byte 6; .*iconv") as error:
        read_note(path, 100)
    assert one_line(error)
    assert "Marker" not in str(error.value)
    assert error.value.__suppress_context__  # the cause holds the bytes


def test_a_note_that_is_too_long_names_the_limit() -> None:
    assert decode_note("é".encode() * 1000, "note", 1000) == "é" * 1000
    with pytest.raises(InputError, match=r"^note: 1,001 characters, the limit is 1,000; ") as error:
        decode_note("é".encode() * 1001, "note", 1000)
    assert one_line(error)


def test_a_note_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.txt", tmp_path):
        with pytest.raises(InputError, match="cannot be read") as error:
            read_note(path, 100)
        assert one_line(error)
