"""MIMIC-III and MIMIC-IV in their publisher's layout, with invented notes."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.config import compose_config, parse
from surecode.data.read import read as read_data
from surecode.data.sources import mimic3, mimic4
from surecode.data.sources.admission_codes import CodeTable, read_codes, without_rare
from surecode.data.sources.csv_stream import rows
from surecode.data.splits import check_splits
from surecode.encounter import Code, Encounter, GoldCode
from surecode.errors import InputError
from surecode.settings import Config
from surecode.source_settings import restriction

Table = list[dict[str, Any]]

NOTE = {
    "STORETIME": "",
    "CGID": "",
    "ISERROR": "",
    "CHARTTIME": "",
    "CATEGORY": "Discharge summary",
    "DESCRIPTION": "Report",
}
HEADERS = {
    "NOTEEVENTS": "ROW_ID SUBJECT_ID HADM_ID CHARTDATE CHARTTIME STORETIME CATEGORY DESCRIPTION "
    "CGID ISERROR TEXT",
    "DIAGNOSES_ICD": "ROW_ID SUBJECT_ID HADM_ID SEQ_NUM ICD9_CODE",
    "PROCEDURES_ICD": "ROW_ID SUBJECT_ID HADM_ID SEQ_NUM ICD9_CODE",
    "discharge": "note_id subject_id hadm_id note_type note_seq charttime storetime text",
    "diagnoses_icd": "subject_id hadm_id seq_num icd_code icd_version",
    "procedures_icd": "subject_id hadm_id seq_num chartdate icd_code icd_version",
}


def write_table(
    folder: Path, name: str, table: Sequence[Mapping[str, Any]], gz: bool = True
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv{'.gz' if gz else ''}"
    with gzip.open(path, "wt", newline="") if gz else path.open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADERS[name].split(), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def invented3() -> dict[str, Table]:
    """Ten admissions of nine patients; 100 and 109 are one patient's, 105 has no note in scope."""
    notes: Table = []
    diagnoses: Table = []
    procedures: Table = []
    for n in range(10):
        ids = {"SUBJECT_ID": 1 if n == 9 else n + 1, "HADM_ID": 100 + n}
        text = f'Invented stay {n}.\n\n"Pneumonia", treated,\r\nwith hypertension.'
        notes.append(
            NOTE | ids | {"ROW_ID": 10 * n, "CHARTDATE": f"2150-01-{n + 1:02}", "TEXT": text}
        )
        diagnoses += [
            ids | {"ROW_ID": 0, "SEQ_NUM": 2, "ICD9_CODE": "4019"},
            ids | {"ROW_ID": 0, "SEQ_NUM": 1, "ICD9_CODE": "486"},
            ids | {"ROW_ID": 0, "SEQ_NUM": "", "ICD9_CODE": ""},
        ]
        procedures.append(ids | {"ROW_ID": 0, "SEQ_NUM": 1, "ICD9_CODE": "3893"})
    rare = {"SUBJECT_ID": 1, "HADM_ID": 100, "ROW_ID": 0}
    diagnoses += [
        rare | {"SEQ_NUM": 3, "ICD9_CODE": "E8490"},
        rare | {"SEQ_NUM": 4, "ICD9_CODE": "486"},
    ]
    procedures.append(rare | {"SEQ_NUM": 2, "ICD9_CODE": "0066"})
    first = notes[0]
    notes += [
        first
        | {
            "ROW_ID": 5,
            "DESCRIPTION": "Addendum",
            "CHARTDATE": "2149-12-31",
            "TEXT": "An addendum.",
        },
        first | {"ROW_ID": 7, "CATEGORY": "Nursing", "TEXT": "Not a summary."},
        first | {"ROW_ID": 8, "TEXT": " \n"},
        NOTE | {"ROW_ID": 900, "SUBJECT_ID": 77, "HADM_ID": "", "TEXT": "Of no admission."},
        NOTE | {"ROW_ID": 901, "SUBJECT_ID": 77, "HADM_ID": 999, "TEXT": "Of none listed."},
    ]
    return {"NOTEEVENTS": notes, "DIAGNOSES_ICD": diagnoses, "PROCEDURES_ICD": procedures}


LISTS = {"train": range(100, 104), "dev": range(104, 108), "test": range(108, 110)}


def write3(
    root: Path,
    tables: Mapping[str, Table],
    suffix: str = "full",
    lists: Mapping[str, Sequence[int]] = LISTS,
) -> Path:
    for name, table in tables.items():
        write_table(root, name, table)
    (root / "splits").mkdir(exist_ok=True)
    for split, ids in lists.items():
        text = "".join(f"{name}\n" for name in ids)
        (root / "splits" / f"{split}_{suffix}_hadm_ids.csv").write_text(text)
    return root


def write_split_table(path: Path, lists: Mapping[str, Sequence[int]]) -> None:
    pairs = [(n, "val" if split == "dev" else split) for split, ids in lists.items() for n in ids]
    table = pa.table({"_id": [n for n, _ in pairs], "split": [split for _, split in pairs]})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read3(
    root: Path, benchmark: mimic3.Benchmark = "full", count: int | None = None
) -> list[Encounter]:
    items = mimic3.read(root, benchmark, count, check_published=False)
    return [item.encounter for item in items]


def diagnosis(value: str) -> Code:
    return Code("ICD-9-CM", value)


# ---- MIMIC-III -----------------------------------------------------------------------------------


def test_summaries_addenda_and_codes_are_joined_by_admission(tmp_path: Path) -> None:
    items = mimic3.read(write3(tmp_path, invented3()), "full", check_published=False)
    assert [(i.encounter.encounter_id, i.official_split) for i in items] == [
        (str(n), split) for split, ids in LISTS.items() for n in ids
    ]
    first = items[0].encounter
    assert [(d.document_id, d.kind) for d in first.documents] == [
        ("0", "discharge_report"),
        ("5", "discharge_addendum"),  # after the report, though it has an earlier day
    ]
    assert first.documents[0].text == (
        'Invented stay 0.\n\n"Pneumonia", treated,\r\nwith hypertension.'
    )
    assert first.codes == (
        GoldCode(diagnosis("486"), 1),
        GoldCode(diagnosis("401.9"), 2),
        GoldCode(diagnosis("E849.0"), 3),
        GoldCode(Code("ICD-9-PCS", "38.93"), 4),
        GoldCode(Code("ICD-9-PCS", "00.66"), 5),
    )
    assert (first.setting, first.specialty) == ("facility", "inpatient")
    assert first.date_of_service == date(2150, 1, 1)
    # One patient in train and in test stays in both and is two people to what comes after.
    assert (items[0].group, items[0].encounter.patient_id) == ("1", "1@train")
    assert (items[9].group, items[9].encounter.patient_id) == ("1", "1@test")
    assert items[1].encounter.patient_id == "2"


@settings(deadline=None, max_examples=15)
@given(st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_rows_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, random: Random, upside_down: bool
) -> None:
    tables, root = invented3(), tmp_path_factory.mktemp("mimic")
    expected = read3(write3(root / "a", tables))
    for table in tables.values():
        random.shuffle(table)
    lists = {split: sorted(ids, reverse=upside_down) for split, ids in LISTS.items()}
    found = read3(write3(root / "b", tables, lists=lists))
    assert found == expected
    assert len({encounter.encounter_id for encounter in found}) == len(found) == 10


def test_the_fifty_codes_are_those_published(tmp_path: Path) -> None:
    assert len(mimic3.TOP_50) == 50
    assert sum(code.system == "ICD-9-PCS" for code in mimic3.TOP_50) == 17
    items = read3(write3(tmp_path, invented3(), "50"), "top50")
    assert items[0].code_set == {
        diagnosis("486"),
        diagnosis("401.9"),
        Code("ICD-9-PCS", "38.93"),
    }


def test_clean_leaves_out_codes_of_fewer_than_ten_admissions(tmp_path: Path) -> None:
    write_split_table(write3(tmp_path, invented3()) / "mimiciii_clean_splits.feather", LISTS)
    common = {diagnosis("486"), diagnosis("401.9"), Code("ICD-9-PCS", "38.93")}
    assert {e.code_set for e in read3(tmp_path, "clean")} == {frozenset(common)}
    assert len(read3(tmp_path, "clean", 1)[0].code_set) == 5


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3),
        st.lists(st.sampled_from("ABCD"), unique=True, max_size=4).map(
            lambda letters: tuple(Code("X", letter) for letter in letters)
        ),
    ),
    st.integers(1, 5),
)
def test_rare_codes_go_and_the_rest_keeps_its_order(
    codes: dict[str, tuple[Code, ...]], minimum: int
) -> None:
    kept = without_rare(codes, minimum)
    assert kept.keys() == codes.keys()
    for name, own in codes.items():
        count = {code: sum(code in others for others in codes.values()) for code in own}
        assert kept[name] == tuple(code for code in own if count[code] >= minimum)


def test_an_admission_without_codes_is_left_out(tmp_path: Path) -> None:
    tables = invented3()
    for name in ("DIAGNOSES_ICD", "PROCEDURES_ICD"):
        tables[name] = [row for row in tables[name] if row["HADM_ID"] != 103]
    assert "103" not in {e.encounter_id for e in read3(write3(tmp_path, tables))}


def test_published_counts_are_checked(tmp_path: Path) -> None:
    write3(tmp_path, invented3())
    with pytest.raises(
        InputError,
        match=r"lists 4 admissions of train, published are 47,723.*check_published=false",
    ) as refused:
        mimic3.read(tmp_path, "full")
    assert "\n" not in str(refused.value)


def change(table: str, at: int, **cells: Any) -> Callable[[dict[str, Table]], object]:
    return lambda tables: tables[table][at].update(cells)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change("DIAGNOSES_ICD", 1, ICD9_CODE="J189"), "row 2: code 'J18.9' is no ICD-9-CM code"),
        (change("PROCEDURES_ICD", 0, ICD9_CODE="389.3"), "row 1: code '389.3' is no ICD-9-PCS"),
        (change("NOTEEVENTS", 4, HADM_ID=""), "1 of 10 admissions of the splits have no note "
         "there, the first is 104 (dev)"),
        (change("NOTEEVENTS", 2, TEXT=" "), "the first is 102 (train)"),
        (change("NOTEEVENTS", 2, CHARTDATE="soon"), "row 3, column CHARTDATE: no date"),
        (change("NOTEEVENTS", 10, SUBJECT_ID=5), "admission 100: its notes name two patients"),
        (change("NOTEEVENTS", 10, ROW_ID=0), "admission 100: two notes share an id"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line_without_a_note(
    tmp_path: Path, damage: Callable[[dict[str, Table]], object], message: str
) -> None:
    tables = invented3()
    damage(tables)
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        read3(write3(tmp_path, tables))
    line = str(refused.value)
    assert "\n" not in line
    assert "Invented" not in line


def test_missing_files_and_columns_are_named(tmp_path: Path) -> None:
    tables = invented3()
    with pytest.raises(InputError, match=r"no file train_full_hadm_ids\.csv in it"):
        read3(tmp_path)
    write3(tmp_path, tables)
    (tmp_path / "NOTEEVENTS.csv.gz").unlink()
    with pytest.raises(InputError, match=r"no file NOTEEVENTS\.csv or NOTEEVENTS\.csv\.gz"):
        read3(tmp_path)
    (tmp_path / "NOTEEVENTS.csv").write_text("ROW_ID,SUBJECT_ID\n1,1\n")
    with pytest.raises(InputError, match="column HADM_ID is missing"):
        read3(tmp_path)


def test_the_demo_tables_are_read(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Real codes of the open demo, whose columns are in lower case, with invented notes."""
    demo = real_data("mimic3_demo") / "mimic3demo"
    admissions = {
        admission: patient
        for _, (admission, patient) in rows(
            demo / "DIAGNOSES_ICD.csv.gz", ["HADM_ID", "SUBJECT_ID"]
        )
    }
    for name in ("DIAGNOSES_ICD.csv.gz", "PROCEDURES_ICD.csv.gz"):
        (tmp_path / name).symlink_to(demo / name)
    notes = [
        NOTE
        | {"ROW_ID": n, "SUBJECT_ID": patient, "HADM_ID": admission}
        | {"CHARTDATE": "2150-01-01", "TEXT": "Invented."}
        for n, (admission, patient) in enumerate(admissions.items())
    ]
    names = sorted(map(int, admissions))
    lists = {"train": names[:80], "dev": names[80:110], "test": names[110:]}
    encounters = read3(write3(tmp_path, {"NOTEEVENTS": notes}, lists=lists))
    assert len(encounters) == 129
    codes = [code for encounter in encounters for code in encounter.code_set]
    diagnoses = sum(code.system == "ICD-9-CM" for code in codes)
    # All rows of diagnoses; procedures that repeat within an admission count once.
    assert diagnoses == 1761
    distinct = {
        (admission, value)
        for _, (admission, value) in rows(demo / "PROCEDURES_ICD.csv.gz", ["HADM_ID", "ICD9_CODE"])
    }
    assert len(codes) - diagnoses == len(distinct)
    assert {code.value.replace(".", "") for code in codes if code.system == "ICD-9-PCS"} == {
        value for _, value in distinct
    }


# ---- MIMIC-IV ------------------------------------------------------------------------------------


def write4(
    root: Path, benchmark: str, damage: Callable[[dict[str, Table]], object] | None = None
) -> Path:
    """Twelve admissions as wget lays PhysioNet out; those with even numbers are in ICD-9."""
    notes: Table = []
    diagnoses: Table = []
    procedures: Table = []
    for n in range(24):
        ids = {"subject_id": 50 + n // 2, "hadm_id": 20000000 + n}
        notes.append(
            ids
            | {"note_id": f"{ids['subject_id']}-DS-{n}", "note_type": "DS", "note_seq": n}
            | {"charttime": f"2180-05-{n + 1:02} 00:00:00", "text": f"Invented stay {n}."}
        )
        version = 9 if n % 2 == 0 else 10
        values = ("4280   ", "3893") if version == 9 else ("I5020", "02HV33Z")
        diagnoses.append(ids | {"seq_num": 1, "icd_code": values[0], "icd_version": version})
        procedures.append(ids | {"seq_num": 1, "icd_code": values[1], "icd_version": version})
    rare = {"subject_id": 50, "hadm_id": 20000001, "seq_num": 2, "icd_version": 10}
    diagnoses.append(rare | {"icd_code": "Z66"})
    tables = {"discharge": notes, "diagnoses_icd": diagnoses, "procedures_icd": procedures}
    if damage is not None:
        damage(tables)
    write_table(root / "mimic-iv-note" / "2.2" / "note", "discharge", notes)
    for name in ("diagnoses_icd", "procedures_icd"):
        write_table(root / "mimiciv" / "2.2" / "hosp", name, tables[name], gz=False)
    names = [20000000 + n for n in range(24) if n % 2 == (benchmark == "icd10")]
    lists = {"train": names[:4], "dev": names[4:10], "test": names[10:]}
    write_split_table(root / f"mimiciv_{benchmark}_split.feather", lists)
    return root


@pytest.mark.parametrize(
    ("benchmark", "codes"),
    [
        ("icd9", ("ICD-9-CM:428.0", "ICD-9-PCS:38.93")),
        ("icd10", ("ICD-10-CM:I50.20", "ICD-10-PCS:02HV33Z")),
    ],
)
def test_codes_of_one_version_are_joined_with_summaries(
    tmp_path: Path, benchmark: mimic4.Benchmark, codes: tuple[str, ...]
) -> None:
    items = mimic4.read(write4(tmp_path, benchmark), benchmark, check_published=False)
    assert [item.official_split for item in items] == ["train"] * 4 + ["dev"] * 6 + ["test"] * 2
    # Z66 stands in one admission, and codes of fewer than ten are left out.
    assert {tuple(str(g.code) for g in i.encounter.codes) for i in items} == {codes}
    assert items[0].encounter.date_of_service == date(2180, 5, 1 if benchmark == "icd9" else 2)
    everything = mimic4.read(tmp_path, benchmark, 1, check_published=False)
    assert sum(len(i.encounter.codes) for i in everything) == 24 + (benchmark == "icd10")


@settings(deadline=None, max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_of_mimic_4_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    root = tmp_path_factory.mktemp("mimic4")
    expected = mimic4.read(write4(root / "a", "icd10"), "icd10", 1, check_published=False)

    def shuffle(tables: dict[str, Table]) -> None:
        for table in tables.values():
            random.shuffle(table)

    write4(root / "b", "icd10", shuffle)
    assert mimic4.read(root / "b", "icd10", 1, check_published=False) == expected


def test_mimic_4_refuses_other_counts_and_codes_of_the_wrong_version(tmp_path: Path) -> None:
    write4(tmp_path, "icd10")
    with pytest.raises(InputError, match=r"lists 4 admissions of train, published are 89,099"):
        mimic4.read(tmp_path, "icd10")
    write4(tmp_path, "icd10", change("diagnoses_icd", 3, icd_code="4280"))
    with pytest.raises(
        InputError, match=r"diagnoses_icd\.csv, row 4: code '428\.0' is no ICD-10-CM"
    ):
        mimic4.read(tmp_path, "icd10", check_published=False)


def test_an_unknown_version_of_icd_is_left_out(tmp_path: Path) -> None:
    write_table(
        tmp_path,
        "diagnoses_icd",
        [{"hadm_id": 1, "seq_num": 1, "icd_code": "4280", "icd_version": 11}],
    )
    table = CodeTable(
        tmp_path / "diagnoses_icd.csv.gz",
        "hadm_id",
        "seq_num",
        "icd_code",
        {"9": "ICD-9-CM"},
        "icd_version",
    )
    assert read_codes([table], {"1"}) == {}


# ---- as a source of the whole line ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["mimic3_full", "mimic3_50"])
def test_an_experiment_reads_its_data(tmp_path: Path, name: str) -> None:
    write3(tmp_path, invented3(), "50" if name == "mimic3_50" else "full")
    words = [f"experiment={name}", f"data.root={tmp_path}", "data.check_published=false"]
    config = parse(Config, compose_config("run", words))
    dataset = read_data(config.data, config.specialty, config.seed)
    check_splits(dataset.encounters)
    assert {split: len(dataset.of(split)) for split in ("train", "tune", "calibrate", "test")} == {
        "train": 4,
        "tune": 2,
        "calibrate": 2,
        "test": 2,
    }
    assert dataset.cut_groups == 1
    assert dataset.name.startswith("MIMIC-III, ")
    assert dataset.name.endswith("(splits not checked)")
    assert "PhysioNet" in str(restriction(config.data))
