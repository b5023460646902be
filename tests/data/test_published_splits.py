from __future__ import annotations

import hashlib
import re
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.data.sources import mdace, mimic3, mimic4
from surecode.data.sources.published_splits import (
    OFFICIAL,
    Published,
    check_listed,
    read_id_lists,
    read_split_table,
    sourced,
)
from surecode.data.splits import Shares, assign_official, check_splits
from surecode.encounter import Document, Encounter
from surecode.errors import InputError

ALL = {**mimic3.PUBLISHED, **mimic4.PUBLISHED, **mdace.PUBLISHED}
POLICY: dict[str, Shares] = {
    "train": {"train": 1.0},
    "dev": {"tune": 0.5, "calibrate": 0.5},
    "test": {"test": 1.0},
}


def write_feather(path: Path, ids: list[int], splits: list[str]) -> Path:
    table = pa.table({"_id": pa.array(ids, pa.int64()), "split": splits})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return path


def write_lists(folder: Path, lists: dict[str, str]) -> dict[str, Path]:
    for split, text in lists.items():
        (folder / f"{split}.csv").write_text(text)
    return {split: folder / f"{split}.csv" for split in lists}


def test_lists_and_table_say_the_same(tmp_path: Path) -> None:
    lists = {"train": "3\n1\n", "dev": "5\r\n", "test": "\n4\n\n2"}
    expected = {"3": "train", "1": "train", "5": "dev", "4": "test", "2": "test"}
    assert read_id_lists(write_lists(tmp_path, lists)) == expected
    names = ["test", "test", "val", "train", "train"]
    assert read_split_table(write_feather(tmp_path / "s", [2, 4, 5, 1, 3], names)) == expected


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train": "1\nid\n"}, "train.csv, line 2: no HADM_ID"),
        ({"train": "1.0\n"}, "line 1: no HADM_ID"),
        ({"train": "1\n1\n"}, "line 2: admission 1 stands there a second time (train, then train)"),
        ({"train": "1\n", "test": "2\n1"}, "test.csv, line 2: admission 1 stands there a second"),
    ],
)
def test_a_list_that_is_wrong_names_its_line(
    tmp_path: Path, lists: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        read_id_lists(write_lists(tmp_path, lists))


def test_a_split_table_that_is_wrong_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.feather"
    with pytest.raises(InputError, match="missing, damaged or no Feather"):
        read_split_table(path)
    path.write_text("_id,split\n")
    with pytest.raises(InputError, match="missing, damaged or no Feather"):
        read_split_table(path)
    with pytest.raises(InputError, match="row 2: split 'fold1' is not one of train, val, dev"):
        read_split_table(write_feather(path, [1, 2], ["train", "fold1"]))
    with pytest.raises(InputError, match="row 3: admission 1 stands there a second time"):
        read_split_table(write_feather(path, [1, 2, 1], ["train", "val", "test"]))
    table = pa.table({"hadm_id": [1]})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(InputError, match="column _id is missing"):
        read_split_table(path)


def published_as(split_of: dict[str, str]) -> Published:
    counts = {split: list(split_of.values()).count(split) for split in OFFICIAL}
    lines = "\n".join(sorted(f"{name} {split}" for name, split in split_of.items()))
    return Published(counts, counts, hashlib.sha256(lines.encode()).hexdigest())


@given(
    st.dictionaries(
        st.from_regex(r"[1-9][0-9]{0,6}", fullmatch=True), st.sampled_from(OFFICIAL), min_size=2
    )
)
def test_only_the_published_lists_pass_whatever_their_order(split_of: dict[str, str]) -> None:
    published = published_as(split_of)
    check_listed(dict(reversed(split_of.items())), published, "here")
    name = min(split_of)
    fewer = {other: split for other, split in split_of.items() if other != name}
    with pytest.raises(InputError, match=r"published are .* docs/benchmarks\.md"):
        check_listed(fewer, published, "here")
    with pytest.raises(InputError, match="other ones"):
        check_listed(fewer | {f"{name}0000000": split_of[name]}, published, "here")


def test_what_was_published() -> None:
    """Edin et al. 2023 (their files), Mullenbach et al. 2018 (theirs), MDACE's README."""
    assert {name: sum(published.coded.values()) for name, published in ALL.items()} == {
        "full": 47719 + 1631 + 3372,
        "top50": 8066 + 1573 + 1729,
        "clean": 52712,
        "icd9": 209326,
        "icd10": 122279,
        "inpatient": 302,
        "profee": 52,
    }
    without_codes = {
        name: sum(published.listed.values()) - sum(published.coded.values())
        for name, published in ALL.items()
    }
    assert without_codes.pop("full") == 4
    assert set(without_codes.values()) == {0}
    assert all(re.fullmatch("[0-9a-f]{64}", published.digest) for published in ALL.values())
    assert len({published.digest for published in ALL.values()}) == len(ALL)


def admission(number: int, patient: str) -> Encounter:
    return Encounter(
        encounter_id=str(number),
        patient_id=patient,
        specialty="inpatient",
        setting="facility",
        payer="unknown",
        date_of_service=date(2150, 1, 1),
        documents=(Document("1", "note", "Invented."),),
    )


@given(
    st.lists(st.tuples(st.sampled_from(OFFICIAL), st.integers(0, 6)), min_size=12, max_size=60),
    st.randoms(use_true_random=False),
)
def test_patients_stay_together_and_published_splits_stay_as_they_are(
    drawn: list[tuple[str, int]], random: object
) -> None:
    split_of = {str(100 + n): split for n, (split, _) in enumerate(drawn)}
    encounters = [admission(100 + n, f"p{patient}") for n, (_, patient) in enumerate(drawn)]
    items = sourced(reversed(encounters), split_of)
    assert [item.encounter.encounter_id for item in items] == sorted(split_of)
    assert {i.encounter.encounter_id: i.official_split for i in items} == split_of
    assignment = assign_official(items, POLICY, seed=0)
    of_patient: dict[str, set[str]] = {}
    for split, patient in drawn:
        of_patient.setdefault(f"p{patient}", set()).add(split)
    assert assignment.cut_groups == sum(len(splits) > 1 for splits in of_patient.values())
    # No patient id stands in two of our splits, nor a person in both halves of dev.
    ours: dict[str, set[str | None]] = {}
    halves: dict[str, set[str | None]] = {}
    for encounter in assignment.encounters:
        ours.setdefault(encounter.patient_id, set()).add(encounter.split)
        if encounter.split in ("tune", "calibrate"):
            person = encounter.patient_id.partition("@")[0]
            halves.setdefault(person, set()).add(encounter.split)
    assert all(len(splits) == 1 for splits in [*ours.values(), *halves.values()])
    if {e.split for e in assignment.encounters} == {"train", "tune", "calibrate", "test"}:
        check_splits(assignment.encounters)
