from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.coder.pretraining_corpus import Corpus, read_corpus, text_key
from surecode.coder.pretraining_settings import (
    CodiespBackgroundSettings,
    CorpusSettings,
    TextFolderSettings,
    TextTableSettings,
)
from surecode.data import table
from surecode.encounter import Document, Encounter, Split
from surecode.errors import InputError

TEXTS = ["Fever and cough.", "No pain,\nno fracture.", "Dolor de cabeza"]


def folder_of(path: Path, texts: list[str]) -> TextFolderSettings:
    for number, text in enumerate(texts):
        file = path / f"part{number % 2}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return TextFolderSettings(source="folder", root=path, maximum_characters=1000)


def table_of(path: Path, column: str = "text", limit: int = 1000) -> TextTableSettings:
    return TextTableSettings(source="table", root=path, column=column, maximum_characters=limit)


def refusal(settings: CorpusSettings, *exclude: Path) -> str:
    with pytest.raises(InputError) as error:
        read_corpus(settings, exclude)
    line = str(error.value)
    assert "\n" not in line
    assert not any(word in line for word in ("Fever", "cough", "fracture", "Dolor"))
    return line


# ---- wherever texts lie --------------------------------------------------------------------------


def test_a_folder_and_every_kind_of_table_give_the_same_texts(tmp_path: Path) -> None:
    rows = [{"number": n, "text": text} for n, text in enumerate([TEXTS[0], "", *TEXTS[1:]])]
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "t.jsonl").write_text(lines + "\n\n")
    cells = "".join(f'{row["number"]},"{row["text"]}"\n' for row in rows)
    (tmp_path / "t.csv").write_text(f"\ufeffnumber, text\n{cells}")
    pq.write_table(
        pa.table({"text": [row["text"] or None for row in rows]}), tmp_path / "t.parquet"
    )
    found = [read_corpus(table_of(tmp_path / f"t.{kind}")) for kind in ("jsonl", "csv", "parquet")]
    found.append(read_corpus(folder_of(tmp_path / "notes", [*TEXTS, " \n "])))
    assert [sorted(corpus.texts) for corpus in found] == [sorted(TEXTS)] * 4
    assert {corpus.empty for corpus in found} == {1}
    assert [corpus.name for corpus in found] == ["t.jsonl", "t.csv", "t.parquet", "notes"]
    assert len({corpus.sha256 for corpus in found[:3]}) == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", "number,note\n1,Fever\n", "no column 'text'"),
        ("t.csv", "text,text\nFever,cough\n", "no column 'text', or several"),
        ("t.jsonl", '{"note": "Fever"}\n', "no column 'text'"),
        ("t.jsonl", '["Fever"]\n', "line 1: no JSON object"),
        ("t.jsonl", '{"text": "a"}\n{"text": 7}\n', "line 2, column text: no text"),
        ("t.parquet", "Fever", "is no Parquet file with a column 'text'"),
        ("t.xlsx", "Fever", "the suffix is not one of .csv, .parquet, .jsonl, .ndjson"),
        ("t.csv", "text\n\n", "no text in"),
        ("t.csv", "text\n" + "Fever " * 999, "row 1: 5,994 characters, the limit is 1,000"),
        (None, "", "no such file; set corpus.root"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, name: str | None, content: str, reason: str
) -> None:
    path = tmp_path / (name or "nowhere.csv")
    if name:
        path.write_text(content)
    assert reason in refusal(table_of(path))


def test_a_folder_without_text_is_refused(tmp_path: Path) -> None:
    assert "no such folder; set corpus.root" in refusal(
        TextFolderSettings(source="folder", root=tmp_path / "no", maximum_characters=9)
    )
    (tmp_path / "empty").mkdir()
    assert refusal(folder_of(tmp_path / "empty", [])).endswith("give documents with text")
    assert "no text in" in refusal(folder_of(tmp_path / "blank", ["", " \n"]))
    (tmp_path / "bytes").mkdir()
    (tmp_path / "bytes" / "a.txt").write_bytes(b"Fever \xff")
    assert "byte 6 is not UTF-8" in refusal(folder_of(tmp_path / "bytes", []))


# ---- the same text twice -------------------------------------------------------------------------


@given(st.text(), st.sampled_from([" ", "\n", "\t \r\n", "\u2003"]))
def test_white_space_and_case_make_no_other_text(text: str, space: str) -> None:
    changed = space + text.upper().replace(" ", space + " ") + space
    # Upper case is no inverse: dotless i and sharp s are other letters then.
    if text.upper().casefold() == text.casefold():
        assert text_key(changed) == text_key(text)
    assert text_key(text + " x") != text_key(text)


def test_a_repeated_text_counts_once(tmp_path: Path) -> None:
    corpus = read_corpus(folder_of(tmp_path, [*TEXTS, "FEVER  and\ncough. ", TEXTS[1]]))
    assert (len(corpus.texts), corpus.repeated) == (3, 2)


def test_the_hash_changes_with_every_text_and_with_white_space() -> None:
    hashes = {
        Corpus("c", tuple(texts)).sha256
        for texts in (
            TEXTS,
            TEXTS[:2],
            TEXTS[::-1],
            [*TEXTS[:2], "Dolor  de cabeza"],
            ["".join(TEXTS)],
        )
    }
    assert len(hashes) == 5
    assert Corpus("other name", tuple(TEXTS), empty=3).sha256 == Corpus("c", tuple(TEXTS)).sha256


# ---- held out ------------------------------------------------------------------------------------


@given(st.integers(2, 60), st.floats(0.01, 0.5), st.integers(0, 5))
def test_held_out_texts_are_no_part_of_what_is_learned(count: int, share: float, seed: int) -> None:
    texts = [f"text {number}" for number in range(count)]
    train, heldout = Corpus("c", tuple(texts)).split(share, seed)
    assert sorted(train + heldout) == sorted(texts)
    assert len(heldout) == max(round(share * count), 1)
    # Which they are does not hang on the order of the files.
    assert set(Corpus("c", tuple(texts[::-1])).split(share, seed)[1]) == set(heldout)


def test_one_document_cannot_be_learned_and_held_out() -> None:
    with pytest.raises(InputError, match="1 documents, of which 1 would be held out; give more"):
        Corpus("c", ("one",)).split(0.02, 0)


# ---- documents of an evaluation ------------------------------------------------------------------


def encounters(texts: list[str], splits: list[Split | None]) -> list[Encounter]:
    return [
        Encounter(
            encounter_id=f"e{n}",
            patient_id=f"p{n}",
            specialty="radiology",
            setting="professional",
            payer="x",
            date_of_service=date(2026, 3, 31),
            documents=(Document(f"d{n}", "note", text),),
            split=split,
        )
        for n, (text, split) in enumerate(zip(texts, splits, strict=True))
    ]


@pytest.mark.parametrize("split", ["tune", "calibrate", "test"])
def test_a_document_of_an_evaluation_is_refused_or_left_out(tmp_path: Path, split: Any) -> None:
    run = tmp_path / "run"
    others = ["an own text", "another"]
    spelled = "FEVER   and cough.\n"
    table.write(encounters([spelled, *others], [split] * 3), run / "encounters.parquet")
    settings = folder_of(tmp_path / "notes", TEXTS)
    for place in (run, run / "encounters.parquet"):
        line = refusal(settings, place)
        assert line.startswith("corpus notes: 1 of its texts are documents of an evaluation")
        assert line.endswith("leave them out by overlap=drop, or give other texts")
    corpus = read_corpus(settings, [run], drop=True)
    assert sorted(corpus.texts) == sorted(TEXTS[1:])
    assert (corpus.overlapping, corpus.compared) == (1, 3)


def test_what_a_coder_trains_on_anyway_may_be_read(tmp_path: Path) -> None:
    run = tmp_path / "run"
    split: list[Split | None] = ["train", "test"]
    table.write(encounters([TEXTS[0], "else"], split), run / "encounters.parquet")
    corpus = read_corpus(folder_of(tmp_path / "notes", TEXTS), [run])
    assert (len(corpus.texts), corpus.compared) == (3, 1)


def test_a_table_without_splits_and_a_folder_are_wholly_an_evaluation(tmp_path: Path) -> None:
    table.write(encounters([TEXTS[0], "else"], [None, None]), tmp_path / "t.parquet")
    settings = folder_of(tmp_path / "notes", TEXTS)
    folder_of(tmp_path / "kept_back", [TEXTS[1], "other"])
    for place in (tmp_path / "t.parquet", tmp_path / "kept_back"):
        assert "1 of its texts are documents of an evaluation" in refusal(settings, place)
    # A folder around the corpus says nothing about the corpus's own files.
    assert "1 of its texts" in refusal(settings, tmp_path)


def test_what_names_no_evaluation_is_refused(tmp_path: Path) -> None:
    settings = folder_of(tmp_path / "notes", TEXTS)
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.parquet").write_text("no table")
    assert "is neither a run folder, a table" in refusal(settings, tmp_path / "nowhere")
    assert "has no document with text" in refusal(settings, tmp_path / "empty")
    assert "damaged.parquet" in refusal(settings, tmp_path / "damaged.parquet")


def codiesp(root: Path, **folders: list[str]) -> CodiespBackgroundSettings:
    for name, texts in folders.items():
        for language in ("text_files", "text_files_en"):
            place = root / "codiesp" / name / language
            place.mkdir(parents=True)
            for number, text in enumerate(texts):
                (place / f"{number}.txt").write_text(f"{language} {text}")
    return CodiespBackgroundSettings(
        source="codiesp_background", root=root, languages=("es",), maximum_characters=1000
    )


def test_codiesp_is_compared_with_what_lies_beside_it_unasked(tmp_path: Path) -> None:
    settings = codiesp(tmp_path, background=TEXTS, train=["a"], dev=["b", TEXTS[2]])
    assert "1 of its texts are documents of an evaluation" in refusal(settings)
    corpus = read_corpus(settings, drop=True)
    assert corpus.name == "CodiEsp background es"
    assert (len(corpus.texts), corpus.overlapping, corpus.compared) == (2, 1, 3)
    both = settings.model_copy(update={"languages": ("es", "en")})
    assert len(read_corpus(both, drop=True).texts) == 4


def test_codiesp_alone_is_read(tmp_path: Path) -> None:
    corpus = read_corpus(codiesp(tmp_path, background=TEXTS))
    assert (len(corpus.texts), corpus.compared) == (3, 0)


def test_a_folder_without_codiesp_is_refused(tmp_path: Path) -> None:
    assert "no codiesp data here" in refusal(codiesp(tmp_path))


@pytest.mark.parametrize(("language", "overlapping"), [("es", 0), ("en", 1)])
def test_the_published_background(
    real_data: Callable[[str], Path], language: Any, overlapping: int
) -> None:
    """One English document of train is a background document under another name."""
    settings = CodiespBackgroundSettings(
        source="codiesp_background",
        root=real_data("codiesp"),
        languages=(language,),
        maximum_characters=1_000_000,
    )
    corpus = read_corpus(settings, drop=True)
    assert (len(corpus.texts), corpus.overlapping) == (2751 - overlapping, overlapping)
    assert corpus.compared == 750 or corpus.compared == 1000  # with the published test set
