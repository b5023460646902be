"""What is wrong from outside is told in one line: what, where, what to do; nothing else happens.

Every test goes through the command line (exit code 2, one line, no file left behind), and what an
encounter can get wrong also through HTTP (400 with the same line).
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from surecode.cli import main
from surecode.registry import server

SECRET = "Zebediah Quillfeather, Larch Lane 7"
TINY = (
    "specialty=pathology",
    "data.encounters=12",
    "data.difficulty=0",
    "trainer.epochs=1",
    "trainer.progress=false",
    "adapter.layers=[5]",
    "encoder.window_length=64",
)
MODEL = "models:/surecode-pathology@challenger"
Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tracking_uri: str) -> Path:
    """The folder of a finished, registered run."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        assert main(["run", *TINY]) == 0
    return folder


@pytest.fixture(scope="module")
def client(trained: Path, tracking_uri: str) -> Iterator[TestClient]:
    """The scoring server around the registered model."""
    kept = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        patch.setenv(server.MODEL, MODEL)
        patch.setenv(server.LIMIT, "200000")
        yield TestClient(server.app())
    for name in set(os.environ) - set(kept):  # MLflow notes there that it serves
        del os.environ[name]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Refusal:
    """``refused("verb", "key=value")``: the one line that a command ends with."""

    def run(*words: str) -> str:
        before = contents()
        assert main(words) == 2
        shown = capfd.readouterr()
        assert shown.err.count("\n") == 1
        assert shown.err.startswith("surecode: ")
        assert_no_patient_text(shown.out + shown.err)
        assert contents() == before
        return shown.err.removeprefix("surecode: ").rstrip("\n")

    return run


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def assert_no_patient_text(shown: str) -> None:
    assert not [word for word in SECRET.replace(",", "").split() if len(word) > 3 and word in shown]


def encounter(**changes: Any) -> dict[str, Any]:
    return {
        "encounter_id": "e1",
        "patient_id": "p1",
        "specialty": "pathology",
        "setting": "professional",
        "payer": "medicare",
        "date_of_service": "2026-03-31",
        "documents": [{"document_id": "note", "kind": "note", "text": f"Biopsy of {SECRET}."}],
    } | changes


@pytest.fixture(params=["predict a file", "predict standard input", "POST /invocations"])
def note_refused(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bytes], str]:
    """``note_refused(raw)``: the line that a note of these bytes is answered with."""

    def by_command(raw: bytes) -> str:
        refused: Refusal = request.getfixturevalue("refused")
        if request.param == "predict a file":
            Path("note.txt").write_bytes(raw)
            return refused("predict", "specialty=pathology", "note=note.txt")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        return refused("predict", "specialty=pathology")

    def by_http(raw: bytes) -> str:
        row = encounter(documents=[{"document_id": "note", "text": "RAW"}])
        escaped = raw.replace(b"\n", b"\\n")
        body = json.dumps({"inputs": [row]}).encode().replace(b"RAW", escaped)
        return posted(request.getfixturevalue("client"), body)

    return by_http if request.param.startswith("POST") else by_command


@pytest.fixture(params=["prepare a table", "POST /invocations"])
def encounters_refused(request: pytest.FixtureRequest) -> Refusal:
    """``encounters_refused(row, ...)``: the line that these encounters are answered with."""

    def by_command(*rows: dict[str, Any]) -> str:
        Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        refused: Refusal = request.getfixturevalue("refused")
        return refused("prepare", "specialty=pathology", "data=table", "data.root=own.jsonl")

    def by_http(*rows: dict[str, Any]) -> str:
        body = json.dumps({"inputs": rows}).encode()
        return posted(request.getfixturevalue("client"), body)

    return by_http if request.param.startswith("POST") else by_command


def posted(client: TestClient, body: bytes) -> str:
    answer = client.post("/invocations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    line: str = answer.json()["message"]
    assert "\n" not in line
    assert_no_patient_text(answer.text)
    return line


# ---- notes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b" \n\n ", b"--- . ---"])
def test_an_empty_note(note_refused: Callable[[bytes], str], raw: bytes) -> None:
    line = note_refused(raw)
    assert line == (
        "document note: the text is empty; give a note with words in it or leave the document out"
    )


def test_a_note_of_one_million_characters(note_refused: Callable[[bytes], str]) -> None:
    line = note_refused((SECRET * 40_000).encode()[:1_000_000])
    assert "1000000 characters" in line.replace(",", "")
    assert "limit" in line
    assert "split" in line


def test_text_that_is_not_utf_8(note_refused: Callable[[bytes], str]) -> None:
    line = note_refused(f"Biopsy of {SECRET}, neumonía".encode("latin-1"))
    assert "UTF-8" in line
    assert "; " in line


def test_a_note_that_is_not_there(refused: Refusal) -> None:
    line = refused("predict", "specialty=pathology", "note=absent.txt")
    assert line == (
        "absent.txt: cannot be read (No such file or directory); give the path of a text file"
    )


# ---- encounters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "value", "reason"),
    [
        ("ICD-10-CM", "J1", "code 'J1' is no ICD-10-CM code; ICD-10-CM codes look like I10"),
        ("ICD-11", "CA40.0", "code system 'ICD-11' is unknown; did you mean ICD-10-CM?"),
        ("CPT", SECRET, f"code of {len(SECRET)} characters is no CPT code"),
    ],
)
def test_a_code_outside_the_code_system(
    encounters_refused: Refusal, system: str, value: str, reason: str
) -> None:
    line = encounters_refused(encounter(codes=[{"system": system, "value": value}]))
    assert reason in line


def test_a_code_outside_the_release_of_the_date_of_service(refused: Refusal) -> None:
    row = encounter(codes=[{"system": "ICD-10-CM", "value": "C43.99"}])
    Path("own.jsonl").write_text(json.dumps(row))
    line = refused("prepare", "specialty=pathology", "data=table", "data.root=own.jsonl")
    assert line == (
        "own.jsonl, line 1: code C43.99 is not in ICD-10-CM FY2026, the release in force on "
        "2026-03-31; give a billable code of that release"
    )


def test_a_code_outside_the_label_space(trained: Path, refused: Refusal) -> None:
    shutil.copytree(trained / "runs", "runs")
    decisions = next(Path("runs").rglob("decisions.jsonl"))
    records = [json.loads(row) for row in decisions.read_text(encoding="utf-8").splitlines()]
    unknown = {"system": "ICD-10-CM", "value": "Z99.9", "release": "FY2026", "title": None}
    unknown |= {"probability": 0.5, "source": "neural", "parts": {}, "evidence": []}
    records[0]["codes"] = [unknown | {"doubt": None, "verification": None}]
    decisions.write_text("".join(json.dumps(record) + "\n" for record in records))
    line = refused("explain", *TINY, "attribution.integrated_gradients_share=1")
    assert line.startswith("code ICD-10-CM:Z99.9 is not in the label space of ")
    assert "; lower label_space.minimum_count and train again" in line


def test_duplicate_encounter_ids(encounters_refused: Refusal) -> None:
    other = encounter(patient_id="p2")
    line = encounters_refused(encounter(), other)
    assert line == "encounter e1: the id occurs twice; make encounter ids unique"


@pytest.mark.parametrize(
    ("document_id", "start", "end", "reason"),
    [
        ("note", 5, 9999, "evidence of CPT:88305 ends at 9999, outside document note of "),
        ("note", 7, 7, "span 7-7 of document note: a span needs 0 <= start < end"),
        ("note", -3, 4, "span -3-4 of document note: a span needs 0 <= start < end"),
        ("other", 0, 4, "evidence of CPT:88305 names document other, which the encounter does not"),
    ],
)
def test_spans_outside_the_text(
    encounters_refused: Refusal, document_id: str, start: int, end: int, reason: str
) -> None:
    code = {"system": "CPT", "value": "88305"}
    span = {"document_id": document_id, "start": start, "end": end}
    line = encounters_refused(encounter(codes=[code], evidence=[code | span]))
    assert reason in line
    assert "; correct the " in line


# ---- data ----------------------------------------------------------------------------------------


def test_a_split_without_encounters(refused: Refusal) -> None:
    line = refused("run", "specialty=pathology", "data.encounters=3")
    assert line == (
        "split tune: no encounters among 3; give more encounters or change the split shares"
    )


def test_a_named_split_without_encounters(refused: Refusal) -> None:
    code = [{"system": "CPT", "value": "88305"}]
    rows = [
        encounter(encounter_id=f"e{n}", patient_id=f"p{n}", codes=code, split=split)
        for n, split in enumerate(["train", "train", "tune", "test"])
    ]
    Path("own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    line = refused("run", "specialty=pathology", "data=table", "data.root=own.jsonl")
    assert line.startswith("split calibrate: no encounters among 4; ")


def test_a_specialty_without_enough_data(refused: Refusal) -> None:
    line = refused("run", *TINY, "specialty.label_space.minimum_count=100")
    assert line.startswith("label space: none of ")
    assert "stands in 100 of the 4 encounters of train or more" in line
    assert line.endswith("; lower label_space.minimum_count or give more data")


def test_a_specialty_without_any_data(refused: Refusal) -> None:
    row = encounter(specialty="radiology")
    Path("own.jsonl").write_text(json.dumps(row))
    line = refused("run", "specialty=pathology", "data=table", "data.root=own.jsonl")
    assert line == (
        "include: no encounter has specialty pathology; the data have the specialties "
        "radiology (1); choose among them or give other data"
    )


@pytest.mark.parametrize(
    ("source", "root", "reason"),
    [
        ("codiesp", "absent", "absent: no codiesp data here"),
        ("cantemist", "absent", "absent: no cantemist data here"),
        ("table", "absent.csv", "absent.csv: no such file; set data.root to"),
    ],
)
def test_a_missing_data_folder(refused: Refusal, source: str, root: str, reason: str) -> None:
    line = refused("run", "specialty=oncology", f"data={source}", f"data.root={root}")
    assert line.startswith(reason)
    assert "set data.root" in line


# ---- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["run", "train", "predict", "serve"])
def test_an_unknown_configuration_key(refused: Refusal, verb: str) -> None:
    line = refused(verb, "specialty=pathology", "tracking.ury=x")
    assert line == "configuration: unknown key tracking.ury; did you mean tracking.uri?"


def test_a_wrong_value(refused: Refusal) -> None:
    line = refused("train", "specialty=pathology", "adapter.rank=0")
    assert line == (
        "configuration: adapter.rank: input should be greater than or equal to 1 (it is 0); "
        "correct it"
    )


# ---- damaged files -------------------------------------------------------------------------------


@pytest.fixture
def copy(trained: Path) -> Path:
    """The run folder of the trained coder, copied here."""
    shutil.copytree(trained / "runs", "runs")
    return next(Path("runs").glob("*/*/"))


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
@pytest.mark.parametrize("keep", [0, 100, 100_000])
def test_a_damaged_checkpoint(copy: Path, refused: Refusal, name: str, keep: int) -> None:
    (copy / "train.json").unlink()  # as if the training had been interrupted
    checkpoint = next(copy.rglob(name))
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    line = refused("train", *TINY)
    assert line == (
        f"{checkpoint}: the checkpoint is damaged; delete it and run `surecode train` again"
    )


@pytest.mark.parametrize(
    "name", ["head.safetensors", "label_space.json", "coder.json", "tokenizer/tokenizer.json"]
)
def test_a_damaged_bundle_of_a_run(copy: Path, refused: Refusal, name: str) -> None:
    damaged = copy / "bundle" / name
    damaged.write_bytes(damaged.read_bytes()[:-20])
    line = refused("evaluate", *TINY)
    assert str(copy / "bundle" / Path(name).parts[0]) in line
    assert "damaged" in line
    assert "; " in line


@pytest.mark.parametrize("name", ["head.safetensors", "certificate.json", "card.md"])
def test_a_damaged_bundle_of_a_model(copy: Path, refused: Refusal, name: str) -> None:
    content = bytearray((copy / "bundle" / name).read_bytes())
    content[-3] ^= 1
    (copy / "bundle" / name).write_bytes(content)
    Path("note.txt").write_text(f"Biopsy of {SECRET}.")
    line = refused("predict", "specialty=pathology", "note=note.txt", f"model={copy / 'bundle'}")
    assert line == f"bundle {copy / 'bundle'}: {name} is damaged; fetch the bundle anew"


def test_a_bundle_that_is_not_there(refused: Refusal) -> None:
    Path("note.txt").write_text(f"Biopsy of {SECRET}.")
    line = refused("predict", "specialty=pathology", "note=note.txt", "model=absent")
    assert line == "absent: no bundle here; run `surecode train` first"


@pytest.mark.parametrize("verb", ["train", "calibrate", "evaluate", "explain", "register"])
def test_a_stage_before_its_time(refused: Refusal, verb: str) -> None:
    line = refused(verb, *TINY)
    assert "run `surecode " in line
    assert " first" in line


# ---- network -------------------------------------------------------------------------------------


def test_a_busy_port(trained: Path, refused: Refusal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused("serve", "specialty=pathology", f"port={port}")
    assert line == f"port {port} of 127.0.0.1 is in use; choose another with port=N"


@pytest.mark.parametrize("verb", ["run", "predict", "serve"])
def test_an_unreachable_tracking_server(refused: Refusal, verb: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        Path("note.txt").write_text(f"Biopsy of {SECRET}.")
        note = ["note=note.txt"] if verb == "predict" else []
        line = refused(verb, "specialty=pathology", f"tracking.uri={uri}", *note)
    assert line == (
        f"tracking.uri={uri}: the server does not answer ([Errno 111] Connection refused); "
        "start it or set tracking.uri=sqlite:///mlflow.db"
    )


@pytest.mark.parametrize("verb", ["train", "calibrate", "evaluate", "explain", "register"])
def test_a_stage_learns_at_once_that_the_server_is_away(
    copy: Path, refused: Refusal, verb: str
) -> None:
    words = ["tracking.uri=http://127.0.0.1:9", "trainer.resume=false"]
    line = refused(verb, *TINY, *words)
    assert line.startswith("tracking.uri=http://127.0.0.1:9: the server does not answer")


def test_a_model_that_is_not_registered(trained: Path, refused: Refusal) -> None:
    Path("note.txt").write_text(f"Biopsy of {SECRET}.")
    line = refused("predict", "specialty=urology", "note=note.txt")
    assert line.startswith("models:/surecode-urology@challenger: no such model in sqlite:///")
    assert "run `surecode register` first" in line


def test_a_coder_of_another_specialty(trained: Path, refused: Refusal) -> None:
    Path("note.txt").write_text(f"Biopsy of {SECRET}.")
    line = refused("predict", "specialty=urology", "note=note.txt", f"model={MODEL}")
    assert line == (
        f"{MODEL}: codes pathology, not urology; set specialty=pathology or give another model"
    )
