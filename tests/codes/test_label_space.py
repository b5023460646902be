from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from surecode.codes.label_space import LabelSpace
from surecode.encounter import Code, Document, Encounter, GoldCode, Split
from surecode.errors import InputError

HYPERTENSION = Code("ICD-10-CM", "I10")
DIABETES = Code("ICD-10-CM", "E11.9")
CHEST_FILM = Code("CPT", "71046")


def encounter(number: int, split: Split, *codes: Code) -> Encounter:
    return Encounter(
        f"e{number}",
        f"p{number}",
        "radiology",
        "professional",
        "unknown",
        date(2026, 3, 31),
        (Document(f"d{number}", "note", "a note"),),
        tuple(GoldCode(code, place) for place, code in enumerate(codes, start=1)),
        split=split,
    )


ENCOUNTERS = [
    encounter(1, "train", HYPERTENSION, CHEST_FILM),
    encounter(2, "train", HYPERTENSION, DIABETES),
    encounter(3, "train", CHEST_FILM),
    encounter(4, "test", DIABETES),
    encounter(5, "tune", DIABETES),
]


def test_codes_are_counted_in_train_alone_and_sorted() -> None:
    space = LabelSpace.from_encounters(ENCOUNTERS, ["ICD-10-CM", "CPT"], minimum_count=2)
    assert space.codes == (CHEST_FILM, HYPERTENSION)
    assert DIABETES not in space
    assert len(space) == 2


def test_only_the_systems_asked_for_are_in() -> None:
    space = LabelSpace.from_encounters(ENCOUNTERS, ["ICD-10-CM"], minimum_count=1)
    assert space.codes == (DIABETES, HYPERTENSION)


def test_the_order_of_encounters_changes_nothing() -> None:
    forward = LabelSpace.from_encounters(ENCOUNTERS, ["ICD-10-CM", "CPT"], 1)
    backward = LabelSpace.from_encounters(ENCOUNTERS[::-1], ["CPT", "ICD-10-CM"], 1)
    assert forward == backward
    assert forward.hash == backward.hash


def test_encoding_marks_the_columns_of_known_codes() -> None:
    space = LabelSpace((CHEST_FILM, HYPERTENSION))
    rows = space.encode([{HYPERTENSION, DIABETES}, set(), {CHEST_FILM, HYPERTENSION}])
    assert rows.dtype == np.bool_
    assert rows.tolist() == [[False, True], [False, False], [True, True]]
    assert space.index(HYPERTENSION) == 1
    with pytest.raises(InputError, match=r"ICD-10-CM:E11\.9 is not in the label space"):
        space.index(DIABETES)


def test_nothing_left_names_the_remedy() -> None:
    with pytest.raises(InputError, match=r"lower label_space\.minimum_count or give more data"):
        LabelSpace.from_encounters(ENCOUNTERS, ["ICD-10-CM"], minimum_count=9)
    with pytest.raises(InputError, match="label space is empty"):
        LabelSpace(())


def test_an_unsorted_label_space_is_refused() -> None:
    with pytest.raises(InputError, match="not sorted"):
        LabelSpace((HYPERTENSION, CHEST_FILM))


def test_json_keeps_the_label_space(tmp_path: Path) -> None:
    space = LabelSpace((CHEST_FILM, HYPERTENSION))
    path = tmp_path / "artifacts" / "label_space.json"
    space.write(path)
    assert LabelSpace.read(path) == space
    assert [p.name for p in path.parent.iterdir()] == ["label_space.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"codes": ["ICD-10-CM:I10"]}',
        '{"codes": [1], "hash": ""}',
        '{"codes": [], "hash": ""}',
        json.dumps({"codes": ["ICD-10-CM:I10"], "hash": "0" * 64}),
    ],
)
def test_a_damaged_file_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "label_space.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        LabelSpace.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not found; build it anew with `surecode prepare`"):
        LabelSpace.read(tmp_path / "label_space.json")
