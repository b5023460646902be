"""The notebooks run on a small finished run and are shipped without outputs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from surecode.config import compose_config, parse
from surecode.data import table
from surecode.files import read_json_lines
from surecode.settings import Config
from surecode.stages.run import STAGES

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
READ_A_RUN = NOTEBOOKS / "read_a_run.ipynb"
READ_A_CERTIFICATE = NOTEBOOKS / "read_a_certificate.ipynb"


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One epoch on a few synthetic notes, through all the stages that the notebook reads."""
    folder = tmp_path_factory.mktemp("finished")
    overrides = [
        "specialty=pathology",
        "data.encounters=80",
        "data.difficulty=0",
        "trainer.epochs=1",
        "trainer.progress=false",
        "adapter.layers=[5]",
        f"runs='{folder / 'runs'}'",
        f"artifacts='{folder / 'artifacts'}'",
        f"tracking.uri='sqlite:///{folder / 'mlflow.db'}'",
    ]
    config = parse(Config, compose_config("run", overrides))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # MLflow keeps artifacts in the current folder
        for stage in ("prepare", "train", "calibrate", "evaluate"):
            STAGES[stage](config)
        yield config.run_folder


@pytest.fixture(scope="module")
def executed(finished_run: Path) -> NotebookNode:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SURECODE_RUN", str(finished_run))
        return execute(nbformat.read(READ_A_RUN, as_version=4), NOTEBOOKS)


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Execute in a kernel of this interpreter, started in ``folder``."""
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(
        notebook, timeout=180, kernel_name="python3", resources=resources
    ).execute()


def first_cells(last: str) -> NotebookNode:
    """The notebook up to the cell with the id ``last``."""
    notebook = nbformat.read(READ_A_RUN, as_version=4)
    end = next(n for n, cell in enumerate(notebook.cells) if cell.id == last)
    notebook.cells = notebook.cells[: end + 1]
    return notebook


def printed(notebook: NotebookNode, cell: str) -> str:
    outputs = next(c for c in notebook.cells if c.id == cell).outputs
    return "".join(output.get("text", "") for output in outputs)


def shown(notebook: NotebookNode, cell: str, kind: str) -> list[str]:
    outputs = next(c for c in notebook.cells if c.id == cell).outputs
    return [output.data[kind] for output in outputs if kind in output.get("data", {})]


# ---- as shipped ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_is_shipped_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[]] * len(code)
    assert {cell.execution_count for cell in code} == {None}


def test_the_first_cell_warns_of_outputs_of_real_notes() -> None:
    first = nbformat.read(READ_A_RUN, as_version=4).cells[0]
    assert "must not be committed" in first.source


# ---- on a finished run ---------------------------------------------------------------------------


def test_every_cell_runs_without_a_warning(executed: NotebookNode) -> None:
    streams = [o for cell in executed.cells for o in cell.get("outputs", []) if "name" in o]
    assert {stream.name for stream in streams} == {"stdout"}


def test_figures_stand_beside_the_name_of_their_data(executed: NotebookNode) -> None:
    assert "synthetic, difficulty 0" in printed(executed, "run")
    (results,) = shown(executed, "results", "text/plain")
    assert re.search(r"micro f1 +\d\.\d+ +\d\.\d+", results)
    assert "automation rate" in printed(executed, "rates")


def test_certificate_and_pictures_are_shown(executed: NotebookNode) -> None:
    certificate = printed(executed, "certificate")
    promise = "at least 95% of automatically coded encounters are entirely right"
    assert f"target: {promise}, with probability 90%" in certificate
    assert re.search(r"calibrate: \d+ of \d+ encounters selected, \d+ of \d+ wrong", certificate)
    for cell in ("reliability", "risk-coverage"):
        assert len(shown(executed, cell, "image/png")) == 1


def test_the_note_is_shown_whole_with_its_evidence_marked(
    executed: NotebookNode, finished_run: Path
) -> None:
    encounter_id = printed(executed, "decision").split(":")[0]
    encounters = table.read(finished_run / "encounters.parquet")
    encounter = next(e for e in encounters if e.encounter_id == encounter_id)
    records = read_json_lines(finished_run / "decisions.jsonl", "")
    record = next(r for r in records if r["encounter_id"] == encounter_id)
    pages = shown(executed, "highlight", "text/html")
    assert len(pages) == len(encounter.documents)
    for page, document in zip(pages, encounter.documents, strict=True):
        body = re.sub(r"<h4>.*?</h4>|<sup>.*?</sup>|</?(?:div|mark)\b[^>]*>", "", page)
        assert unescape(body) == document.text
    marked = "".join(re.findall(r"<mark [^>]*>.*?</mark>", "".join(pages)))
    for code in record["codes"]:
        assert not code["evidence"] or code["value"] in marked


# ---- which run -----------------------------------------------------------------------------------


def test_without_a_name_the_newest_finished_run_is_read(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SURECODE_RUN", raising=False)
    for name, age in (("older", 200), ("newest", 100), ("unfinished", 0)):
        folder = tmp_path / "runs" / "pathology" / name
        folder.mkdir(parents=True)
        for file in ("calibrate.json", "evaluate.json"):
            if name != "unfinished" or file == "calibrate.json":
                shutil.copy(finished_run / file, folder)
                modified = (finished_run / file).stat().st_mtime - age
                os.utime(folder / file, (modified, modified))
    assert "pathology, run newest" in printed(execute(first_cells("run"), tmp_path), "run")


def test_without_any_run_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SURECODE_RUN", raising=False)
    with pytest.raises(CellExecutionError, match=r"no finished run; run `make demo`"):
        execute(first_cells("run"), tmp_path)


# ---- a certificate of synthetic encounters -------------------------------------------------------


@pytest.fixture(scope="module")
def certificate_read() -> NotebookNode:
    return execute(nbformat.read(READ_A_CERTIFICATE, as_version=4), NOTEBOOKS)


def test_the_notebook_says_that_its_encounters_are_synthetic() -> None:
    first = nbformat.read(READ_A_CERTIFICATE, as_version=4).cells[0]
    assert "All encounters here are synthetic" in first.source


def test_a_certificate_is_read_without_a_warning(certificate_read: NotebookNode) -> None:
    streams = [o for c in certificate_read.cells for o in c.get("outputs", []) if "name" in o]
    assert {stream.name for stream in streams} == {"stdout"}


def test_looking_breaks_the_promise_and_the_certificate_keeps_it(
    certificate_read: NotebookNode,
) -> None:
    shares = re.findall(
        r"promise broken in ([\d.]+)% of cases", printed(certificate_read, "practice")
    )
    looking, certified = map(float, shares)
    assert looking > 40.0
    # 400 repetitions: more than 15% have a probability below .001 where the promise is kept.
    assert certified <= 15.0


def test_the_certificate_is_shown_as_promise_file_and_page(certificate_read: NotebookNode) -> None:
    certificate = printed(certificate_read, "certificate")
    assert "promised with 90% certainty: at least 95% of automatically coded" in certificate
    (certificate_id,) = re.findall(r"certificate ([0-9a-f]{16}): certified", certificate)
    file = printed(certificate_read, "file")
    assert f"id: {certificate_id}" in file
    assert "after a change: the content does not fit the id" in file
    (page,) = shown(certificate_read, "page", "text/html")
    assert f"Certificate {certificate_id}." in unescape(page)
    for cell in ("picture", "levels", "deltas"):
        assert len(shown(certificate_read, cell, "image/png")) == 1


def test_the_notebook_shows_what_it_takes_and_what_ends_it(certificate_read: NotebookNode) -> None:
    assert "fewer than 45 automated encounters never prove it" in printed(
        certificate_read, "required"
    )
    assert "too few encounters: 40 given, at least 45 needed" in printed(certificate_read, "small")
    void = printed(certificate_read, "void")
    assert "today, nothing changed: in force" in void
    assert "new rules: the hash of rules differs" in void
    assert "expired on 2027-05-24" in void
    monitoring = printed(certificate_read, "monitoring")
    alarm, breach = (
        int(re.search(rf"week (\d+): {name}", monitoring)[1]) for name in ("alarm", "breach proven")
    )
    assert 26 < alarm < breach
