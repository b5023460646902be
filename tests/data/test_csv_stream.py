from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.data.sources.csv_stream import find_file, find_table, rows
from surecode.errors import InputError

# Line ends of all kinds, quotes, commas, and characters of two to four bytes.
CELLS = st.text(st.sampled_from('ab ,"\n\r\téü€😀|;\x0c'), max_size=60)


def as_csv(header: list[str], body: list[list[str]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([header, *body])
    return file.getvalue().encode()


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=40), st.booleans())
def test_every_character_of_the_chosen_columns_comes_back(
    tmp_path_factory: pytest.TempPathFactory, body: list[tuple[str, str, str]], zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("csv") / ("t.csv.gz" if zipped else "t.csv")
    content = as_csv(["ROW_ID", "TEXT", "more"], [list(cells) for cells in body])
    path.write_bytes(gzip.compress(content) if zipped else content)
    expected = [(number, (text, row)) for number, (row, text, _) in enumerate(body, start=1)]
    assert list(rows(path, ["text", "row_id"])) == expected


def test_a_reader_holds_one_row_at_a_time(tmp_path: Path) -> None:
    """Rows come out before the rest is read: the damage at the end is met at the end."""
    path = tmp_path / "t.csv"
    body = [[str(n), f'line {n}\nwith "quotes", commas\r\nand more'] for n in range(5000)]
    path.write_bytes(as_csv(["id", "text"], body) + b"5000\n")
    reader = rows(path, ["id", "text"])
    assert [next(reader) for _ in body] == [(n + 1, tuple(cells)) for n, cells in enumerate(body)]
    with pytest.raises(InputError, match="row 5001: 1 cells where the header has 2"):
        next(reader)


def test_columns_are_found_in_any_case_and_come_back_as_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfrow_id,Hadm_Id,other\n1,007,x\n")
    assert list(rows(path, ["HADM_ID", "ROW_ID"])) == [(1, ("007", "1"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ROW_ID,NOTE\n1,secret\n", "column TEXT is missing"),
        (b"", "column ROW_ID is missing"),
        (b"ROW_ID,TEXT\n1,secret\n2,secret,more\n", "row 2: 3 cells where the header has 2"),
        (b'ROW_ID,TEXT\n1,"secret\n2,open\n', "after row 0, or a quote is left open"),
        (b"ROW_ID,TEXT\n1,secret \xf3\n", "not UTF-8 after row 0"),
        (b"\xff\xfeROW_ID,TEXT\n", "not UTF-8 after row 0"),
    ],
)
def test_what_is_damaged_is_told_without_a_cell(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        list(rows(path, ["ROW_ID", "TEXT"]))
    line = str(refused.value)
    assert str(path) in line
    assert "\n" not in line
    assert "secret" not in line


def test_a_gzip_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    whole = gzip.compress(as_csv(["id"], [[str(n * 7919 % 10007)] for n in range(5000)]))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut off"):
        list(rows(path, ["id"]))
    path.write_bytes(b"no gzip")
    with pytest.raises(InputError, match="missing, cut off or damaged after row 0"):
        list(rows(path, ["id"]))


def test_a_table_is_found_as_physionet_lays_it_out(tmp_path: Path) -> None:
    folder = tmp_path / "mimiciv" / "2.2" / "hosp"
    folder.mkdir(parents=True)
    (folder / "diagnoses_icd.csv.gz").touch()
    assert find_table(tmp_path, "diagnoses_icd") == folder / "diagnoses_icd.csv.gz"
    (folder / "diagnoses_icd.csv").touch()  # unpacked beside it
    assert find_table(folder, "diagnoses_icd") == folder / "diagnoses_icd.csv"


def test_a_missing_table_and_one_of_two_releases_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file NOTEEVENTS.csv or .* set data.root"):
        find_table(tmp_path, "NOTEEVENTS")
    for release in ("2.2", "3.1"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "a.csv").touch()
    with pytest.raises(InputError, match=r"a.csv lies there 2 times, in .*2.2 and .*3.1"):
        find_file(tmp_path, "a.csv")
