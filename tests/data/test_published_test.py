"""The official test documents, where somebody has them: read, alone in the split, and reported.

Their gold is not public, so documents of dev, under other names, stand in for them here.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import pytest

from surecode.cli import main
from surecode.config import compose_config, parse
from surecode.data.read import Dataset, read
from surecode.data.sources import cantemist, codiesp
from surecode.data.splits import check_splits
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.settings import Config
from surecode.stages.evaluate import _encounters
from surecode.stages.prepare import prepare
from surecode.stages.run_folder import RunFolder

# "Trained on train + dev": both give training documents, dev gives what tunes and certifies. Hydra
# replaces a whole split's shares in two words: away with the old ones, and the new ones added.
TRAIN_AND_DEV = {
    "codiesp": [
        "~data.shares.train",
        "+data.shares.train={train:1.0}",
        "~data.shares.dev",
        "+data.shares.dev={train:0.6,tune:0.2,calibrate:0.1,test:0.1}",
    ],
    "cantemist": [
        "~data.shares.dev-set1",
        "+data.shares.dev-set1={train:1.0}",
        "~data.shares.dev-set2",
        "+data.shares.dev-set2={train:0.4,tune:0.2,calibrate:0.2,test:0.2}",
    ],
}
SPECIALTY = {"codiesp": "mixed", "cantemist": "oncology"}


def config_of(corpus: str, root: Path, folder: Path, *overrides: str) -> Config:
    words = [
        f"data={corpus}",
        f"specialty={SPECIALTY[corpus]}",
        f"data.root='{root}'",
        f"runs='{folder / 'runs'}'",
        f"artifacts='{folder / 'artifacts'}'",
        *overrides,
    ]
    return parse(Config, compose_config("run", words))


def dataset_of(config: Config) -> Dataset:
    return read(config.data, config.specialty, config.seed)


# ---- as published, from real documents -----------------------------------------------------------


def renamed(name: str) -> str:
    """The id of another case of the same article, of which no article has so many."""
    article, _, number = name.rpartition("-")
    return f"{article}-9{number}"


def copy_codiesp(real: Path, root: Path, documents: int) -> list[str]:
    """Train and dev as they are, and a test folder of some dev documents under other names."""
    folder = root / "codiesp" / "test"
    names = sorted(path.stem for path in (real / "dev" / "text_files").glob("*.txt"))[:documents]
    for texts in ("text_files", "text_files_en"):
        (folder / texts).mkdir(parents=True)
        for name in names:
            shutil.copy(
                real / "dev" / texts / f"{name}.txt", folder / texts / f"{renamed(name)}.txt"
            )
    for letter in "DPX":
        lines = (real / "dev" / f"dev{letter}.tsv").read_text("utf-8").split("\n")
        rows = [line.partition("\t") for line in lines]
        kept = [f"{renamed(name)}\t{rest}" for name, _, rest in rows if name in names]
        (folder / f"test{letter}.tsv").write_text("\n".join(kept) + "\n", "utf-8")
    for split in ("train", "dev"):
        (root / "codiesp" / split).symlink_to(real / split)
    return [renamed(name) for name in names]


def copy_cantemist(real: Path, root: Path, documents: int) -> list[str]:
    """The same for CANTEMIST: some documents of dev-set2 as test-set."""
    norm = root / "cantemist" / "test-set" / "cantemist-norm"
    coding = root / "cantemist" / "test-set" / "cantemist-coding"
    norm.mkdir(parents=True)
    coding.mkdir()
    source = real / "dev-set2" / "cantemist-norm"
    names = sorted(path.stem for path in source.glob("*.txt"))[:documents]
    for name in names:
        for suffix in ("txt", "ann"):
            shutil.copy(source / f"{name}.{suffix}", norm / f"test_{name}.{suffix}")
    (rows,) = (real / "dev-set2" / "cantemist-coding").glob("*.tsv")
    header, *lines = rows.read_text("utf-8").splitlines()
    kept = [f"test_{line}" for line in lines if line.split("\t")[0] in names]
    (coding / "test-coding.tsv").write_text("\n".join([header, *kept]) + "\n", "utf-8")
    for split in ("train-set", "dev-set1", "dev-set2"):
        (root / "cantemist" / split).symlink_to(real / split)
    return [f"test_{name}" for name in names]


COPY = {"codiesp": copy_codiesp, "cantemist": copy_cantemist}


@pytest.mark.parametrize("corpus", ["codiesp", "cantemist"])
def test_official_test_documents_alone_are_test_and_dev_is_calibrate(
    corpus: str, real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    names = COPY[corpus](real_data(corpus), tmp_path, 6)
    dataset = dataset_of(config_of(corpus, tmp_path, tmp_path))
    check_splits(dataset.encounters)
    assert [e.encounter_id for e in dataset.of("test")] == sorted(names)
    assert all(e.codes and e.evidence for e in dataset.of("test"))
    counts = Counter(e.split for e in dataset.encounters)
    wanted = {
        "codiesp": {"train": 425, "tune": 75, "calibrate": 250, "test": 6},
        "cantemist": {"train": 501, "tune": 250, "calibrate": 250, "test": 6},
    }
    assert counts == wanted[corpus]
    # The stand-in has the codes of the document that it is a copy of.
    codes = Counter(e.code_set for e in dataset.of("calibrate"))
    assert all(codes[e.code_set] for e in dataset.of("test"))


@pytest.mark.parametrize("corpus", ["codiesp", "cantemist"])
def test_evaluate_finds_test_documents_that_came_after_training(
    corpus: str, real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    before = config_of(corpus, real_data(corpus).parent, tmp_path, *TRAIN_AND_DEV[corpus])
    figures = prepare(before)
    assert sum(figures["encounters"].values()) == {"codiesp": 750, "cantemist": 1001}[corpus]
    assert figures["encounters"]["train"] >= {"codiesp": 650, "cantemist": 851}[corpus]
    assert min(figures["encounters"].values()) >= 20

    names = COPY[corpus](real_data(corpus), tmp_path / "new", 6)
    after = config_of(corpus, tmp_path / "new", tmp_path, *TRAIN_AND_DEV[corpus])
    assert after.run_folder == before.run_folder  # where data lie changes no weight
    test = _encounters(after, RunFolder(after))
    assert [e.encounter_id for e in test] == sorted(names)
    assert not {e.encounter_id for e in RunFolder(after).encounters("train")} & set(names)


@pytest.mark.parametrize("corpus", ["codiesp", "cantemist"])
def test_test_documents_without_spans_are_read_and_train_ones_are_not(
    corpus: str, real_data: Callable[[str], Path], tmp_path: Path
) -> None:
    COPY[corpus](real_data(corpus), tmp_path, 3)
    if corpus == "codiesp":
        (tmp_path / "codiesp/test/testX.tsv").unlink()
    else:
        for path in (tmp_path / "cantemist/test-set/cantemist-norm").glob("*.ann"):
            path.unlink()
    test = dataset_of(config_of(corpus, tmp_path, tmp_path)).of("test")
    assert [bool(e.codes) for e in test] == [True] * 3
    assert [e.evidence for e in test] == [()] * 3


def test_dev_documents_without_spans_are_refused(tmp_path: Path) -> None:
    write_codiesp(tmp_path, {"train": 2, "dev": 2})
    (tmp_path / "codiesp/dev/devX.tsv").unlink()
    with pytest.raises(InputError, match=r"devX\.tsv: the file is missing"):
        list(codiesp.read(tmp_path))
    write_cantemist(tmp_path, {"train-set": 2, "dev-set1": 2, "dev-set2": 2})
    next((tmp_path / "cantemist/dev-set2").rglob("*.ann")).unlink()
    with pytest.raises(InputError, match=r"\.ann: the file is missing"):
        list(cantemist.read(tmp_path))


# ---- the whole line, on a corpus of a few sentences ----------------------------------------------


def sentence(number: int) -> tuple[str, list[tuple[str, str]]]:
    """A text, and its mentions with their codes of CodiEsp."""
    chosen = [("dolor", "r52"), ("fiebre", "r50.9")][: 1 + number % 2]
    return f"El paciente {number} tiene " + " y ".join(word for word, _ in chosen) + ".", chosen


def write_codiesp(root: Path, sizes: dict[str, int]) -> None:
    journals = dict(
        zip(("train", "dev", "test"), ("0004-0614", "0210-4806", "1130-0108"), strict=True)
    )
    for split, size in sizes.items():
        folder = root / "codiesp" / split
        (folder / "text_files").mkdir(parents=True)
        diagnoses, spans = [], []
        for number in range(size):
            name = f"S{journals[split]}20050007{number:05}-1"
            text, chosen = sentence(number)
            (folder / "text_files" / f"{name}.txt").write_text(text, "utf-8")
            for word, code in chosen:
                start = text.index(word)
                diagnoses.append(f"{name}\t{code}")
                spans.append(f"{name}\tDIAGNOSTICO\t{code}\t{word}\t{start} {start + len(word)}")
        for letter, rows in (("D", diagnoses), ("P", []), ("X", spans)):
            (folder / f"{split}{letter}.tsv").write_text("\n".join(rows) + "\n", "utf-8")


def write_cantemist(root: Path, sizes: dict[str, int]) -> None:
    for split, size in sizes.items():
        norm = root / "cantemist" / split / "cantemist-norm"
        coding = root / "cantemist" / split / "cantemist-coding"
        norm.mkdir(parents=True)
        coding.mkdir()
        rows = ["file\tcode"]
        for number in range(size):
            name = f"{split}-{number:03}"
            word, code = (("Carcinoma", "8010/3"), ("Melanoma", "8720/3"))[number % 2]
            (norm / f"{name}.txt").write_text(f"{word} en el paciente {number}.", "utf-8")
            (norm / f"{name}.ann").write_text(
                f"T1\tMORFOLOGIA_NEOPLASIA 0 {len(word)}\t{word}\n#1\tAnnotatorNotes T1\t{code}\n"
            )
            rows.append(f"{name}\t{code}")
        (coding / f"{split}-coding.tsv").write_text("\n".join(rows) + "\n", "utf-8")


SMALL: dict[str, tuple[Callable[[Path, dict[str, int]], None], Sequence[str]]] = {
    "codiesp": (write_codiesp, ("train", "dev", "test")),
    "cantemist": (write_cantemist, ("train-set", "dev-set1", "dev-set2", "test-set")),
}


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["codiesp", "cantemist"])
def test_evaluate_reports_the_official_test_of_a_coder_trained_on_train_and_dev(
    corpus: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write, splits = SMALL[corpus]
    monkeypatch.chdir(tmp_path)  # MLflow keeps artifacts in the current folder
    write(tmp_path / "before", dict.fromkeys(splits[:-1], 24))
    write(tmp_path / "after", dict.fromkeys(splits[:-1], 24) | {splits[-1]: 5})

    def run(verb: str, root: str) -> int:
        return main(
            [
                *(verb, f"data={corpus}", f"specialty={SPECIALTY[corpus]}", "runs=runs"),
                *("artifacts=artifacts", "cache=cache", f"data.root={root}", "trainer.epochs=1"),
                *("trainer.progress=false", "adapter.layers=[5]", "encoder.window_length=64"),
                *TRAIN_AND_DEV[corpus],
            ]
        )

    for verb in ("prepare", "train", "calibrate"):
        assert run(verb, "before") == 0
    assert run("evaluate", "after") == 0
    (report,) = Path("runs").glob("*/*/evaluate.json")
    folder, figures = report.parent, json.loads(report.read_text())
    assert (figures["split"], figures["encounters"]) == ("test", 5)
    records = [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]
    gold: dict[str, Encounter] = {
        s.encounter.encounter_id: s.encounter
        for s in (codiesp if corpus == "codiesp" else cantemist).read(tmp_path / "after")
        if s.official_split == splits[-1]
    }
    assert [r["encounter_id"] for r in records] == sorted(gold)
    # The dictionary knows every word of these texts, so its report is that of the right documents.
    assert figures["dictionary"]["micro_f1"] == 1.0

    # The comparison finds the gold of these documents where it is told that they lie.
    words = ["compare_coders.py", str(folder), "dictionary", "--draws", "100"]
    monkeypatch.setattr(sys, "argv", words)
    assert import_module("compare_coders").main() == 2
    assert "are not in it" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*words, "--root", "after"])
    assert import_module("compare_coders").main() == 0
    compared = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert compared["encounters"] == 5
    rows = {row["coder"]: row for row in compared["scores"] if row["codes"] == "all"}
    assert rows[folder.name]["f1"] == figures["coder"]["micro_f1"]
    assert rows["dictionary"]["f1"] == 1.0
