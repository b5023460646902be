from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from surecode.data.read import Dataset, read
from surecode.data.splits import check_splits
from surecode.data.table import write
from surecode.encounter import (
    SPLITS,
    Code,
    Document,
    Encounter,
    Evidence,
    GoldCode,
    Span,
    Split,
)
from surecode.errors import InputError
from surecode.settings import LabelSpaceSettings, SpecialtySettings, TargetSettings
from surecode.source_settings import (
    CantemistSettings,
    CodiespSettings,
    SyntheticSettings,
    TableSettings,
)

SHARES: dict[Split, float] = {"train": 0.4, "tune": 0.2, "calibrate": 0.2, "test": 0.2}
PAIN, XRAY = Code("ICD-10-CM", "R52"), Code("CPT", "71046")


def specialty_of(name: str, *systems: str) -> SpecialtySettings:
    return SpecialtySettings(
        name=name,
        include={"specialty": (name,)},
        label_space=LabelSpaceSettings(systems=systems, minimum_count=1),
        target=TargetSettings(level=0.95, delta=0.1),
    )


def systems_of(dataset: Dataset) -> set[str]:
    codes = {code.system for encounter in dataset.encounters for code in encounter.code_set}
    marks = {mark.code.system for encounter in dataset.encounters for mark in encounter.evidence}
    assert marks <= codes
    return codes


def split_of(dataset: Dataset) -> dict[str, str | None]:
    return {encounter.encounter_id: encounter.split for encounter in dataset.encounters}


# ---- synthetic -----------------------------------------------------------------------------------


def synthetic_settings(encounters: int = 40) -> SyntheticSettings:
    return SyntheticSettings(
        source="synthetic",
        encounters=encounters,
        difficulty=0.2,
        typo_rate=0.01,
        start=date(2025, 10, 1),
        end=date(2026, 9, 30),
        seed=1,
        shares=SHARES,
        maximum_characters=10_000,
    )


def test_synthetic_encounters_are_split_and_kept_in_scope() -> None:
    both = read(synthetic_settings(), specialty_of("radiology", "ICD-10-CM", "CPT"), seed=0)
    assert both.name == "synthetic, difficulty 0.2"
    assert both.cut_groups == 0
    check_splits(both.encounters)
    ids = [encounter.encounter_id for encounter in both.encounters]
    assert ids == sorted(ids)
    assert sum(len(both.of(split)) for split in SPLITS) == len(ids) == 40
    assert systems_of(both) == {"ICD-10-CM", "CPT"}

    one = read(synthetic_settings(), specialty_of("radiology", "ICD-10-CM"), seed=0)
    assert systems_of(one) == {"ICD-10-CM"}
    assert split_of(one) == split_of(both)
    for narrow, wide in zip(one.encounters, both.encounters, strict=True):
        assert narrow.documents == wide.documents
        assert [g for g in wide.codes if g.code.system == "ICD-10-CM"] == list(narrow.codes)


def test_the_seed_fixes_the_splits_and_leaves_the_notes() -> None:
    specialty = specialty_of("radiology", "ICD-10-CM")
    first, again, other = (read(synthetic_settings(), specialty, seed) for seed in (0, 0, 1))
    assert first == again
    assert split_of(first) != split_of(other)
    assert [e.documents for e in first.encounters] == [e.documents for e in other.encounters]


def test_an_unknown_department_is_refused() -> None:
    with pytest.raises(InputError, match="specialty 'radiolgy' is not one of") as error:
        read(synthetic_settings(), specialty_of("radiolgy", "ICD-10-CM"), seed=0)
    assert "\n" not in str(error.value)


def test_a_document_above_the_limit_is_refused() -> None:
    short = synthetic_settings().model_copy(update={"maximum_characters": 20})
    with pytest.raises(InputError, match="more than the limit of 20"):
        read(short, specialty_of("radiology", "ICD-10-CM"), seed=0)


# ---- a table of one's own ------------------------------------------------------------------------


def table_settings(path: Path) -> TableSettings:
    return TableSettings(
        source="table", root=path, code_check="syntax", shares=SHARES, maximum_characters=1000
    )


def own_encounter(number: int, specialty: str = "radiology") -> Encounter:
    text = "Pain. Radiograph of the chest."
    return Encounter(
        encounter_id=f"e{number:02}",
        patient_id=f"p{number // 2}",
        specialty=specialty,
        setting="professional",
        payer="x",
        date_of_service=date(2026, 3, 31),
        documents=(Document("d", "note", text),),
        codes=(GoldCode(PAIN, 1), GoldCode(XRAY, 2)),
        evidence=(Evidence(PAIN, Span("d", 0, 4)), Evidence(XRAY, Span("d", 6, 16), 1)),
    )


def test_a_table_is_split_by_patient_and_kept_in_scope(tmp_path: Path) -> None:
    path = tmp_path / "ours.parquet"
    write([own_encounter(n) for n in range(40)] + [own_encounter(99, "pathology")], path)
    dataset = read(table_settings(path), specialty_of("radiology", "ICD-10-CM"), seed=0)
    assert dataset.name == "ours.parquet"
    assert len(dataset.encounters) == 40  # the other specialty's is left out
    check_splits(dataset.encounters)  # no patient in two splits
    for encounter in dataset.encounters:
        assert encounter.codes == (GoldCode(PAIN, 1),)
        assert encounter.evidence == (Evidence(PAIN, Span("d", 0, 4)),)


def test_a_tables_own_splits_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ours.parquet"
    given = [replace(own_encounter(n), split=SPLITS[n // 2 % 4]) for n in range(16)]
    write(given, path)
    dataset = read(table_settings(path), specialty_of("radiology", "CPT"), seed=0)
    assert split_of(dataset) == {e.encounter_id: e.split for e in given}
    assert systems_of(dataset) == {"CPT"}


def test_an_encounter_whose_codes_are_all_of_other_systems_stays_without_codes(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ours.csv"
    path.write_text(
        "encounter_id,specialty,date_of_service,text,codes\n"
        + "".join(f"e{n},radiology,2026-03-31,Pain,CPT:71046\n" for n in range(8)),
        encoding="utf-8",
    )
    dataset = read(table_settings(path), specialty_of("radiology", "ICD-10-CM"), seed=0)
    assert [encounter.codes for encounter in dataset.encounters] == [()] * 8


def test_a_specialty_that_the_table_does_not_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ours.parquet"
    write([own_encounter(0)], path)
    with pytest.raises(InputError, match=r"no encounter has specialty oncology.*radiology \(1\)"):
        read(table_settings(path), specialty_of("oncology", "ICD-O-3"), seed=0)


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; set data\.root"):
        read(table_settings(tmp_path / "no.csv"), specialty_of("oncology", "ICD-O-3"), seed=0)


# ---- public corpora ------------------------------------------------------------------------------


def codiesp_settings(root: Path) -> CodiespSettings:
    return CodiespSettings(
        source="codiesp",
        root=root,
        language="es",
        kinds=("diagnosis", "procedure"),
        shares={
            "train": {"train": 0.85, "tune": 0.15},
            "dev": {"calibrate": 0.5, "test": 0.5},
            "test": {"test": 1.0},
        },
        maximum_characters=200_000,
    )


def cantemist_settings(root: Path) -> CantemistSettings:
    return CantemistSettings(
        source="cantemist",
        root=root,
        shares={
            "train-set": {"train": 1.0},
            "dev-set1": {"tune": 1.0},
            "dev-set2": {"calibrate": 0.5, "test": 0.5},
            "test-set": {"test": 1.0},
        },
        maximum_characters=200_000,
    )


def write_codiesp(root: Path, cases: int) -> None:
    """CodiEsp's layout: so many articles of a urology journal in train and in dev."""
    for split, journal in (("train", "0004-0614"), ("dev", "0210-4806")):
        folder = root / "codiesp" / split
        (folder / "text_files").mkdir(parents=True)
        names = [f"S{journal}20050007000{n:02}-1" for n in range(cases)]
        for name in names:
            (folder / "text_files" / f"{name}.txt").write_text("Dolor. Rx tórax.", "utf-8")
        rows = {
            "D": [f"{name}\tr52\n" for name in names],
            "P": [f"{name}\tbw03zzz\n" for name in names],
            "X": [
                f"{name}\tDIAGNOSTICO\tr52\tDolor\t0 5\n"
                f"{name}\tPROCEDIMIENTO\tbw03zzz\tRx tórax\t7 15\n"
                for name in names
            ],
        }
        for letter, lines in rows.items():
            (folder / f"{split}{letter}.tsv").write_text("".join(lines), "utf-8")


def test_codiesp_keeps_the_publishers_splits(tmp_path: Path) -> None:
    write_codiesp(tmp_path, cases=10)
    settings = codiesp_settings(tmp_path)
    dataset = read(settings, specialty_of("urology", "ICD-10-CM"), seed=0)
    assert dataset.name == "CodiEsp v4, es"
    assert systems_of(dataset) == {"ICD-10-CM"}
    counts = Counter(
        (encounter.encounter_id[1:10], encounter.split) for encounter in dataset.encounters
    )
    of_train = {split for journal, split in counts if journal == "0004-0614"}
    of_dev = {split for journal, split in counts if journal == "0210-4806"}
    assert (of_train, of_dev) == ({"train", "tune"}, {"calibrate", "test"})
    assert len(dataset.encounters) == 20
    check_splits(dataset.encounters)
    assert systems_of(read(settings, specialty_of("urology", "ICD-10-PCS"), 0)) == {"ICD-10-PCS"}


def write_cantemist(root: Path) -> None:
    """CANTEMIST's layout: four cases in each set."""
    for number, split in enumerate(("train-set", "dev-set1", "dev-set2")):
        texts = root / "cantemist" / split / "cantemist-norm"
        coding = root / "cantemist" / split / "cantemist-coding"
        texts.mkdir(parents=True)
        coding.mkdir()
        names = [f"case{number}{letter}" for letter in "abcd"]
        for name in names:
            (texts / f"{name}.txt").write_text("Carcinoma ductal.", "utf-8")
            (texts / f"{name}.ann").write_text(
                "T1\tMORFOLOGIA_NEOPLASIA 0 16\tCarcinoma ductal\n#1\tAnnotatorNotes T1\t8500/3\n"
            )
        rows = "".join(f"{name}\t8500/3\n" for name in names)
        (coding / f"{split}-coding.tsv").write_text(f"file\tcode\n{rows}")


def test_cantemist_keeps_the_publishers_splits(tmp_path: Path) -> None:
    write_cantemist(tmp_path)
    dataset = read(cantemist_settings(tmp_path), specialty_of("oncology", "ICD-O-3"), seed=0)
    assert dataset.name == "CANTEMIST"
    assert dataset.cut_groups == 0
    counts = {split: len(dataset.of(split)) for split in SPLITS}
    assert counts == {"train": 4, "tune": 4, "calibrate": 2, "test": 2}
    assert systems_of(dataset) == {"ICD-O-3"}


def test_codiesp_as_published(real_data: Callable[[str], Path]) -> None:
    settings = codiesp_settings(real_data("codiesp").parent)
    dataset = read(settings, specialty_of("urology", "ICD-10-CM"), seed=0)
    check_splits(dataset.encounters)
    assert {encounter.specialty for encounter in dataset.encounters} == {"urology"}
    assert systems_of(dataset) == {"ICD-10-CM"}
    assert dataset == read(settings, specialty_of("urology", "ICD-10-CM"), seed=0)


def test_cantemist_as_published(real_data: Callable[[str], Path]) -> None:
    settings = cantemist_settings(real_data("cantemist").parent)
    dataset = read(settings, specialty_of("oncology", "ICD-O-3"), seed=0)
    check_splits(dataset.encounters)
    assert len(dataset.encounters) > 1000
    assert systems_of(dataset) == {"ICD-O-3"}
