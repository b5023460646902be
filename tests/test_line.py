"""The whole line on real weights: generated notes to a served, registered, explained coder.

One run of ``surecode run`` is shared by all tests of this file. It is small (160 encounters, two
epochs of the top layer), so its figures say nothing; that they are the same everywhere does.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlflow
import pyarrow.parquet as pq
import pytest
import yaml
from starlette.testclient import TestClient

import surecode
from surecode.cli import main
from surecode.coder.train import load_checkpoint
from surecode.config import compose_config, parse
from surecode.data import table
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.registry import server
from surecode.settings import Config

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("prepare", "train", "calibrate", "evaluate", "explain", "register")
FIGURES = ("calibrate", "evaluate", "explain")
SETTINGS = (
    "specialty=pathology",
    "specialty.target.level=0.5",
    "data.encounters=160",
    "data.difficulty=0",
    "trainer.epochs=2",
    "trainer.batch_tokens=1024",
    "trainer.progress=false",
    "adapter.layers=[5]",
    "optim.head_learning_rate=1e-2",
    "encoder.window_length=128",
)
URI = "models:/surecode-pathology@challenger"
PICTURES = (
    *("automation_by_delta", "automation_by_level", "certificate_0_0"),
    *("reliability", "reliability_of_codes", "risk_coverage"),
)


@dataclass(frozen=True)
class Line:
    """Where the run lies and what it said."""

    folder: Path
    uri: str
    stdout: str
    stderr: str
    config: Config

    @property
    def run_folder(self) -> Path:
        return self.folder / self.config.run_folder

    @property
    def bundle(self) -> Path:
        return self.run_folder / "bundle"

    @property
    def encounters(self) -> list[Encounter]:
        return table.read(self.run_folder / "encounters.parquet")

    @property
    def decisions(self) -> dict[str, str]:
        """The records of evaluation as they were written, by encounter id."""
        lines = (self.run_folder / "decisions.jsonl").read_text(encoding="utf-8").splitlines()
        return {json.loads(line)["encounter_id"]: line for line in lines}

    def figures(self, stage: str) -> dict[str, Any]:
        return read(self.run_folder / f"{stage}.json")


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "surecode.cli", *words]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    """`surecode run` in a process and a folder of its own: about a minute on one thread."""
    folder = tmp_path_factory.mktemp("line")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    done = subprocess.run(
        command("run", *SETTINGS),
        cwd=folder,
        env=os.environ | {"MLFLOW_TRACKING_URI": uri},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    config = parse(Config, compose_config("run", [*SETTINGS, f"tracking.uri={uri}"]))
    return Line(folder, uri, done.stdout, done.stderr, config)


@pytest.fixture
def here(line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """The run, from the folder and with the store that it was made in; nothing may change it."""
    monkeypatch.chdir(line.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", line.uri)
    mlflow.set_tracking_uri(line.uri)
    return line


@pytest.fixture
def copy(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    """A copy of the run's files under another store, to be changed."""
    monkeypatch.chdir(tmp_path)
    for name in ("runs", "artifacts"):
        shutil.copytree(line.folder / name, tmp_path / name)
    return Line(tmp_path, os.environ["MLFLOW_TRACKING_URI"], "", "", line.config)


@pytest.fixture(scope="module")
def coder(line: Line) -> surecode.Coder:
    return surecode.load(line.bundle)


@pytest.fixture(scope="module")
def tested(line: Line) -> list[Encounter]:
    return [encounter for encounter in line.encounters if encounter.split == "test"]


# ---- what a run leaves behind --------------------------------------------------------------------


def test_a_run_says_what_it_does_and_nothing_else(line: Line) -> None:
    assert line.stderr == ""
    assert line.stdout.startswith(f"pathology → {line.config.run_folder}\n")
    for stage in STAGES:
        assert f"\n  {stage:10} " in line.stdout
    assert "Results on test (synthetic, difficulty 0)" in line.stdout
    assert f"run folder {line.config.run_folder}, figures artifacts/pathology" in line.stdout


def test_all_contract_files_are_there(line: Line) -> None:
    bundle = (
        *("adapter/adapter_config.json", "adapter/adapter_model.safetensors", "head.safetensors"),
        *("calibrator.json", "card.md", "certificate.json", "coder.json", "encoder.lock.json"),
        *("label_space.json", "manifest.json", "runtime.json", "evidence.json"),
        *("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
    )
    expected = {f"bundle/{name}" for name in bundle} | {f"{stage}.json" for stage in STAGES}
    expected |= {"resolved.yaml", "encounters.parquet", "label_space.json", "mlflow_run.json"}
    expected |= {"runtime.training.json", "runtime.coding.json"}
    expected |= {"predictions.parquet", "tune_features.parquet", "certificate.html"}
    expected |= {"decisions.jsonl", "ranked.parquet", "evidence.jsonl"}
    expected |= {f"pictures/{name}.png" for name in PICTURES}
    files = {p.relative_to(line.run_folder).as_posix() for p in line.run_folder.rglob("*.*")}
    checkpoints = {name for name in files if name.endswith(".ckpt")}
    pages = {name for name in files if re.fullmatch(r"pages/[0-9a-f]{16}\.html", name)}
    assert pages
    assert files - checkpoints - pages == expected
    assert {Path(name).name for name in checkpoints} == {"best.ckpt", "last.ckpt"}
    artifacts = {path.name for path in (line.folder / "artifacts" / "pathology").iterdir()}
    assert artifacts == {f"{stage}.json" for stage in STAGES} | {"run_ref.json"}
    assert {path.name for path in line.folder.iterdir()} == {
        "runs",
        "artifacts",
        "cache",
        "mlruns",
        "mlflow.db",
    }


def test_figures_are_the_same_in_both_places(line: Line) -> None:
    for stage in STAGES:
        assert read(line.folder / "artifacts" / "pathology" / f"{stage}.json") == line.figures(
            stage
        )


def test_the_resolved_configuration_gives_the_run_again(line: Line) -> None:
    resolved = yaml.safe_load((line.run_folder / "resolved.yaml").read_text())
    assert Config.model_validate(resolved) == line.config


def test_checkpoints_hold_what_was_trained_and_no_encoder(line: Line) -> None:
    for path in line.run_folder.rglob("*.ckpt"):
        names = load_checkpoint(path)["state_dict"]
        assert names
        assert all("lora_" in name or ".head." in f".{name}" for name in names)


def test_predictions_are_logits_of_tune_and_calibrate(line: Line) -> None:
    predictions = pq.read_table(line.run_folder / "predictions.parquet")
    splits = {e.encounter_id: e.split for e in line.encounters}
    rows = predictions.to_pylist()
    assert {row["encounter_id"]: row["split"] for row in rows} == {
        name: split for name, split in splits.items() if split in ("tune", "calibrate")
    }
    assert {len(row["logits"]) for row in rows} == {line.figures("prepare")["codes"]}
    assert (
        predictions.schema.metadata[b"label_space"].decode()
        == line.figures("prepare")["label_space"]
    )


def test_evidence_quotes_the_notes(line: Line) -> None:
    texts = {d.document_id: d.text for e in line.encounters for d in e.documents}
    rows = (line.run_folder / "evidence.jsonl").read_text(encoding="utf-8").splitlines()
    quotes = [quote for row in rows for quote in json.loads(row)["evidence"]]
    assert quotes
    for quote in quotes:
        assert texts[quote["document_id"]][quote["start"] : quote["end"]] == quote["quote"]


def test_the_card_has_the_figures_and_the_name_of_the_data(line: Line) -> None:
    card = (line.bundle / "card.md").read_text(encoding="utf-8")
    evaluate = line.figures("evaluate")
    assert "# surecode-pathology" in card
    assert "48 encounters (synthetic, difficulty 0)" in card
    for name in ("micro_f1", "exact_match"):
        coder, dictionary = evaluate["coder"][name], evaluate["dictionary"][name]
        assert f"| {name.replace('_', ' ')} | {coder:.3f} | {dictionary:.3f} |" in card
    assert "Synthetic data say nothing about real notes." in card


# ---- MLflow --------------------------------------------------------------------------------------


def test_one_run_for_one_fit(here: Line) -> None:
    client = mlflow.MlflowClient()
    experiments = {e.name: e.experiment_id for e in client.search_experiments()}
    runs = client.search_runs([experiments["surecode"]])
    assert len(runs) == 1
    assert client.search_runs([experiments["Default"]]) == []
    run = runs[0]
    assert run.info.status == "FINISHED"
    assert run.data.tags["config_hash"] == here.config.fit_hash
    assert run.data.params["adapter.layers"] == "[5]"
    assert run.data.metrics["tune/best_loss"] == here.figures("train")["best_tune_loss"]
    exact = here.figures("evaluate")["coder"]["exact_match"]
    assert run.data.metrics["test/coder/exact_match"] == exact
    assert {"train/loss", "tune/loss", "calibrate/certified", "explain/codes"} <= set(
        run.data.metrics
    )
    watched = ("tokens_per_second", "encounters_per_second", "padding_share", "peak_memory_mb")
    assert {f"train/{name}" for name in (*watched, "learning_rate", "gradient_norm")} <= set(
        run.data.metrics
    )
    low, value, high = (run.data.metrics[f"tune/micro_f1{end}"] for end in ("_low", "", "_high"))
    assert low <= value <= high
    pictures = {item.path for item in client.list_artifacts(run.info.run_id, "pictures")}
    assert pictures == {f"pictures/{name}.png" for name in PICTURES}


def test_the_model_is_registered_as_challenger(here: Line) -> None:
    client = mlflow.MlflowClient()
    model = client.get_model_version_by_alias("surecode-pathology", "challenger")
    reference = read(here.folder / "artifacts" / "pathology" / "run_ref.json")
    assert int(model.version) == reference["version"] == 1
    assert model.run_id == reference["mlflow_run"] == here.figures("train")["mlflow_run"]
    assert model.tags["manifest"] == reference["manifest"]
    assert model.tags["certificate"] == reference["certificate"]
    assert model.tags["data"] == "synthetic, difficulty 0"
    assert Path(reference["run_folder"]) == here.config.run_folder


def test_no_patient_text_leaves_the_run_folder(line: Line) -> None:
    sentences = {
        sentence.strip().encode()
        for encounter in line.encounters
        for document in encounter.documents
        for sentence in document.text.replace("\n", ". ").split(". ")
        if len(sentence.strip()) >= 25
    }
    assert len(sentences) > 400
    quoted = (line.run_folder / "evidence.jsonl").read_bytes()
    assert any(sentence[:12] in quoted for sentence in sentences)  # the search can find something
    outside = [path for path in (line.folder / "mlruns").rglob("*") if path.is_file()]
    outside += [path for path in (line.folder / "artifacts").rglob("*") if path.is_file()]
    texts = [p.read_bytes() for p in outside if p.suffix not in (".safetensors", ".png")]
    texts += [(line.folder / "mlflow.db").read_bytes(), line.stdout.encode(), line.stderr.encode()]
    found = [sentence for sentence in sentences for text in texts if sentence in text]
    assert found == []


# ---- the same record everywhere ------------------------------------------------------------------


def test_evaluation_folder_and_registry_give_byte_equal_records(
    here: Line, coder: surecode.Coder, tested: list[Encounter]
) -> None:
    decisions = here.decisions
    registered = surecode.load(URI)
    assert set(decisions) == {encounter.encounter_id for encounter in tested}
    for encounter in tested[:6]:
        record = coder.code(encounter).to_json()
        assert record == registered.code(encounter).to_json()
        assert record == decisions[encounter.encounter_id]


@pytest.fixture
def _serving(here: Line, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept = dict(os.environ)
    monkeypatch.setenv(server.MODEL, URI)
    monkeypatch.setenv(server.LIMIT, "200000")
    yield
    for name in set(os.environ) - set(kept):  # MLflow notes there that it serves
        del os.environ[name]


@pytest.mark.usefixtures("_serving")
def test_the_server_gives_the_records_of_the_evaluation(
    here: Line, tested: list[Encounter]
) -> None:
    rows = [encounter.to_dict() for encounter in tested[:4]]
    answer = TestClient(server.app()).post("/invocations", json={"inputs": rows})
    assert answer.status_code == 200
    expected = [json.loads(here.decisions[row["encounter_id"]]) for row in rows]
    assert answer.json()["predictions"] == expected


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(address: str, body: bytes | None = None) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    try:
        request = urllib.request.Request(address, body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_real_server_answers_on_a_real_port(here: Line, tested: list[Encounter]) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        command("serve", "specialty=pathology", f"port={port}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            try:
                if ask(f"{address}/ping")[0] == 200:
                    break
            except urllib.error.URLError:
                time.sleep(0.3)
        row = tested[0].to_dict()
        status, body = ask(f"{address}/invocations", json.dumps({"inputs": [row]}).encode())
        assert status == 200
        assert json.loads(body)["predictions"] == [json.loads(here.decisions[row["encounter_id"]])]
        empty = row | {"documents": []}
        status, body = ask(f"{address}/invocations", json.dumps({"inputs": [empty]}).encode())
        assert status == 400
        assert json.loads(body)["message"].startswith(f"encounter {row['encounter_id']}: ")
    finally:
        process.terminate()
        stdout, stderr = process.communicate(timeout=30)
    assert stdout == ""
    assert f"Uvicorn running on {address}" in stderr
    assert all(line.startswith("INFO:") for line in stderr.splitlines())


# ---- predict -------------------------------------------------------------------------------------

NOTE = "SPECIMEN: Skin, left forearm, shave biopsy.\nDIAGNOSIS: Basal cell carcinoma, nodular.\n"


def test_predict_codes_a_file_and_standard_input_alike(
    here: Line,
    coder: surecode.Coder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    note = tmp_path / "note.txt"
    note.write_text(NOTE, encoding="utf-8")
    assert main(["predict", "specialty=pathology", f"note={note}"]) == 0
    from_file = capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(NOTE.encode())))
    assert main(["predict", "specialty=pathology"]) == 0
    from_input = capsys.readouterr()
    assert from_file == from_input
    assert from_file.err == ""
    record = coder.code(NOTE).to_dict()
    for code in record["codes"]:
        for quote in code["evidence"]:
            assert NOTE[quote["start"] : quote["end"]] == quote["quote"]
    printed = json.loads(from_file.out)
    assert printed["confidence"] == record["confidence"]
    assert [c["value"] for c in printed["codes"]] == [c["value"] for c in record["codes"]]


def test_predict_from_a_folder_needs_no_store(
    line: Line,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    Path("note.txt").write_text(NOTE, encoding="utf-8")
    words = ["specialty=pathology", "note=note.txt", f"model={line.bundle}", "encounter_id=e7"]
    assert main(["predict", *words, "date_of_service=2026-05-04"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["encounter_id"], record["specialty"]) == ("e7", "pathology")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


# ---- again ---------------------------------------------------------------------------------------


def same_figures(one: Path, other: Path) -> None:
    """Equal figures; a certificate's id also depends on the day."""
    for stage in FIGURES:
        first, second = read(one / f"{stage}.json"), read(other / f"{stage}.json")
        assert first | {"certificate": None} == second | {"certificate": None}


def test_stage_by_stage_gives_the_figures_of_the_run(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for stage in STAGES:
        assert main([stage, *SETTINGS]) == 0
    same_figures(line.folder / "artifacts" / "pathology", tmp_path / "artifacts" / "pathology")
    again = tmp_path / line.config.run_folder
    assert read(again / "train.json")["model"] == line.figures("train")["model"]
    assert (again / "decisions.jsonl").read_bytes() == (
        line.run_folder / "decisions.jsonl"
    ).read_bytes()


def test_training_again_reuses(copy: Line, capsys: pytest.CaptureFixture[str]) -> None:
    before = (copy.bundle / "head.safetensors").stat().st_mtime_ns
    assert main(["train", *SETTINGS]) == 0
    assert "reused: these settings are trained already" in capsys.readouterr().out
    assert copy.figures("train")["reused"] is True
    assert (copy.bundle / "head.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["head.safetensors", "tokenizer/tokenizer.json", "coder.json"])
def test_a_damaged_training_is_made_whole_from_its_checkpoint(copy: Line, name: str) -> None:
    content = (copy.bundle / name).read_bytes()
    (copy.bundle / name).write_bytes(content[: len(content) // 2])
    assert main(["calibrate", *SETTINGS]) == 2
    assert main(["train", *SETTINGS]) == 0
    assert copy.figures("train")["reused"] is False
    assert (copy.bundle / name).read_bytes() == content
    assert main(["calibrate", *SETTINGS]) == 0


def test_another_target_is_certified_on_the_same_weights(
    copy: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SETTINGS, "specialty.target.level=0.9", "specialty.target.delta=0.2"]
    assert main(["calibrate", *words]) == 0
    certificate = read(copy.bundle / "certificate.json")
    (target,) = certificate["targets"]
    assert (target["level"], target["delta"]) == (0.9, 0.2)
    assert certificate["hashes"]["model"] == copy.figures("train")["model"]
    with pytest.raises(InputError, match="run `surecode register`"):
        surecode.load(copy.bundle)  # the seal was that of the former certificate
    capsys.readouterr()
    assert main(["register", *words]) == 2
    assert "measured under another certificate; run `surecode evaluate` again" in (
        capsys.readouterr().err
    )
    assert main(["evaluate", *words]) == 0
    assert main(["register", *words]) == 0
    assert surecode.load(copy.bundle).certificate is not None


def test_an_interrupt_is_told_and_leaves_the_run_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        sys.exit(1)  # what Lightning makes of Ctrl-C

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("surecode.stages.train.fit", interrupted)
    words = ["specialty=pathology", "data.encounters=12", "tracking.experiment=interrupted"]
    assert main(["run", *words]) == 130
    assert capsys.readouterr().err == (
        "surecode: interrupted; the same command goes on from here\n"
    )
    runs = mlflow.search_runs(experiment_names=["interrupted"], output_format="list")
    assert [run.info.status for run in runs] == ["KILLED"]


# ---- the certificate at work ---------------------------------------------------------------------


def test_the_certificate_holds_until_it_expires(
    coder: surecode.Coder, tested: list[Encounter]
) -> None:
    certificate = coder.certificate
    assert certificate is not None
    assert certificate.hashes == coder.hashes
    for encounter in tested[:3]:
        record = coder.code(encounter, today=date(2100, 1, 1))
        assert (record.mode, record.route) == ("assist", "review")
        assert record.reasons[0].startswith("the certificate does not hold: ")


# ---- DVC -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(find_spec("dvc") is None, reason="dvc is not installed: pip install .[dvc]")
def test_dvc_repro_gives_the_figures_of_the_run(line: Line, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    for name in ("conf", "src", ".dvc"):
        ignore = shutil.ignore_patterns("__pycache__", "tmp", "cache")
        shutil.copytree(ROOT / name, repository / name, ignore=ignore)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, repository)
    overrides = " ".join(SETTINGS[1:])
    parameters = {"specialties": ["pathology"], "overrides": overrides}
    (repository / "params.yaml").write_text(yaml.safe_dump(parameters))
    subprocess.run(["git", "init", "--quiet"], cwd=repository, check=True)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "MLFLOW_TRACKING_URI": f"sqlite:///{repository / 'mlflow.db'}",
    }

    def repro() -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "repro"],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    repro()
    same_figures(line.folder / "artifacts" / "pathology", repository / "artifacts" / "pathology")
    second = repro()
    assert all(f"Stage '{stage}@pathology' didn't change, skipping" in second for stage in STAGES)
