from __future__ import annotations

import math
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Code
from surecode.errors import InputError
from surecode.evaluation.ranked import RankedCodes, rank, read_ranked, write_ranked

I10, R52, C61 = (Code("ICD-10-CM", value) for value in ("I10", "R52", "C61"))
XRAY = Code("ICD-10-PCS", "BW03ZZZ")

rankings = st.lists(
    st.builds(
        lambda codes, values: list(zip(codes, values, strict=False)),
        st.lists(st.sampled_from([I10, R52, C61, XRAY]), unique=True),
        st.lists(st.floats(0, 1), min_size=4, max_size=4),
    ),
    max_size=6,
)


@given(scored=rankings)
def test_what_is_written_reads_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, scored: list[list[tuple[Code, float]]]
) -> None:
    path = tmp_path_factory.mktemp("ranked") / "ranked.parquet"
    written = [rank(f"e{n}", one, floor=-1.0) for n, one in enumerate(scored)]
    write_ranked(written, path)
    assert read_ranked(path) == written
    first = path.read_bytes()
    write_ranked(written, path)
    assert path.read_bytes() == first


def test_ranking_sorts_and_drops_what_is_improbable_or_far_behind() -> None:
    scored = [(I10, 0.2), (R52, 0.001), (C61, 0.9), (XRAY, 0.2)]
    ranking = rank("e", scored)
    assert ranking.codes == (C61, I10, XRAY)  # equal ones stay in the order given
    assert ranking.probabilities == (0.9, 0.2, 0.2)
    assert rank("e", scored, depth=2).codes == (C61, I10)
    assert rank("e", scored, depth=1, keep=[R52]).codes == (C61, R52)
    many = [(Code("ICD-10-CM", f"I{n:02}.{m}"), 0.5) for n in range(30) for m in range(10)]
    assert len(rank("e", many).codes) == 200
    assert rank("e", []) == RankedCodes("e", (), ())


@pytest.mark.parametrize(
    ("codes", "probabilities", "message"),
    [
        ((I10,), (), "1 codes and 0 probabilities"),
        ((I10, I10), (0.5, 0.5), "a code stands twice"),
        ((I10,), (1.5,), "outside of 0 to 1"),
        ((I10,), (math.nan,), "outside of 0 to 1"),
        ((I10, R52), (0.1, 0.2), "probabilities rise"),
    ],
)
def test_a_wrong_ranking_is_refused(
    codes: tuple[Code, ...], probabilities: tuple[float, ...], message: str
) -> None:
    with pytest.raises(InputError, match=f"encounter e: .*{message}"):
        RankedCodes("e", codes, probabilities)


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_ranked(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ranked.parquet"
    assert "no such file; write it anew with `surecode evaluate`" in refused(path)
    path.write_bytes(b"PAR1 damaged")
    assert "is no Parquet or is damaged" in refused(path)
    pq.write_table(pa.table({"encounter_id": ["e"], "codes": [[1]]}), path)
    assert "the columns are not encounter_id, codes, probabilities" in refused(path)
    write_ranked([rank("e", [(I10, 0.5)]), rank("e", [])], path)
    assert "row 2: the encounter stands there twice" in refused(path)
    write_ranked([rank("e", [(Code("ICD-10-CM", "ZZZ"), 0.5)])], path)
    assert re.search(r"row 1: code 'ZZZ' is no ICD-10-CM code", refused(path))
