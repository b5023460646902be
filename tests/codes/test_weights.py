from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from surecode.codes.label_space import LabelSpace
from surecode.codes.weights import code_weights
from surecode.encounter import Code
from surecode.errors import InputError

SPACE = LabelSpace((Code("CPT", "71046"), Code("ICD-10-CM", "I10")))


def file_of(folder: Path, *lines: str) -> Path:
    path = folder / "charges.csv"
    path.write_text("\n".join(["system,value,weight", *lines]) + "\n", encoding="utf-8")
    return path


def test_weights_stand_in_the_order_of_the_label_space(tmp_path: Path) -> None:
    path = file_of(tmp_path, "ICD-10-CM,i10,0.5", "CPT,99213,7", "CPT,71046,38")
    weights = code_weights(path, SPACE)
    np.testing.assert_array_equal(weights.own, [38.0, 0.5])
    assert weights.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_missed_code_outside_of_the_label_space_weighs_what_the_file_says(tmp_path: Path) -> None:
    weights = code_weights(
        file_of(tmp_path, "ICD-10-CM,I10,1", "CPT,99213,7", "CPT,71046,38"), SPACE
    )
    code_sets = [set(SPACE.codes), {Code("CPT", "99213"), SPACE.codes[0]}, set()]
    assert weights.outside(code_sets, SPACE) == [0.0, 7.0, 0.0]
    with pytest.raises(InputError, match=r"1 gold codes outside .* the first is CPT:99214"):
        weights.outside([{Code("CPT", "99214")}], SPACE)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["CPT,71046,1"], "1 codes of the label space have no weight, the first is ICD-10-CM:I10"),
        (["CPT,71046,-1", "ICD-10-CM,I10,1"], r"row 1: the weight is no number of at least 0"),
        (["CPT,71046,1", "ICD-10-CM,I10,much"], r"row 2: the weight is no number"),
        (["CPT,71046,inf", "ICD-10-CM,I10,1"], r"row 1: the weight is no number"),
        (["CPT,71046,1", "CPT,71046,2", "ICD-10-CM,I10,1"], "row 2: CPT:71046 stands twice"),
        (["CPT,abc,1", "ICD-10-CM,I10,1"], "row 1: .* CPT"),
    ],
)
def test_a_wrong_table_is_refused_in_one_line(lines: list[str], named: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=named) as raised:
        code_weights(file_of(tmp_path, *lines), SPACE)
    assert "\n" not in str(raised.value)


def test_another_header_and_an_absent_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "charges.csv"
    with pytest.raises(InputError, match="cannot be read"):
        code_weights(path, SPACE)
    path.write_text("system,value,text\n")
    with pytest.raises(InputError, match="columns system,value,weight"):
        code_weights(path, SPACE)
