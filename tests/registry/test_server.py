"""The scoring server: the records of the library, and one line for everything else."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

import surecode
from surecode.config import compose_config, parse
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.registry import server
from surecode.registry.models import register_bundle
from surecode.verb_settings import ServeConfig

LIMIT = 2000
SECRET = "Zebediah Quillfeather of Larch Lane"
URI = "models:/surecode-served@challenger"


@pytest.fixture(scope="module")
def client(
    sealed_bundle: Path, tracking_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """MLflow's application around a registered bundle, as a worker of the server makes it."""
    kept = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("served"))
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_experiment("served")
        with mlflow.start_run():
            register_bundle("served", sealed_bundle, "challenger", {})
        patch.setenv(server.MODEL, URI)
        patch.setenv(server.LIMIT, str(LIMIT))
        yield TestClient(server.app(), raise_server_exceptions=False)
    # MLflow notes in the environment that it serves.
    for name in set(os.environ) - set(kept):
        del os.environ[name]


@pytest.fixture(scope="module")
def row() -> dict[str, Any]:
    return {
        "encounter_id": "e1",
        "patient_id": "p1",
        "specialty": "radiology",
        "setting": "professional",
        "payer": "medicare",
        "date_of_service": "2026-03-31",
        "documents": [
            {"document_id": "d1", "kind": "note", "text": f"Cough. {SECRET}."},
            {"document_id": "d2", "kind": "report", "text": "Consolidation: ½ lobe, «derecha»."},
        ],
    }


def post(client: TestClient, rows: object) -> tuple[int, Any]:
    answer = client.post("/invocations", json={"inputs": rows})
    return answer.status_code, answer.json()


def refused(answer: Any) -> str:
    """The one line of a refusal, which holds nothing of the note."""
    assert answer.status_code == 400
    content = answer.json()
    assert set(content) == {"error_code", "message"}
    line: str = content["message"]
    assert "\n" not in line
    assert not any(word in line for word in SECRET.split() if len(word) > 2)
    return line


# ---- records -------------------------------------------------------------------------------------


def test_the_answer_is_the_record_of_the_library(
    client: TestClient, sealed_bundle: Path, row: dict[str, Any]
) -> None:
    rows = [row, row | {"encounter_id": "e2", "documents": row["documents"][1:]}]
    status, answer = post(client, rows)
    assert status == 200
    coder = surecode.load(sealed_bundle)
    expected = [coder.code(Encounter.from_dict(r)).to_dict() for r in rows]
    assert answer["predictions"] == json.loads(json.dumps(expected))


def test_a_record_does_not_depend_on_the_request_it_came_in(
    client: TestClient, row: dict[str, Any]
) -> None:
    others = [row | {"encounter_id": f"o{n}"} for n in range(3)]
    _, alone = post(client, [row])
    _, among = post(client, [*others, row])
    assert among["predictions"][-1] == alone["predictions"][0]


def test_the_rest_of_the_server_is_left_alone(client: TestClient) -> None:
    assert client.get("/ping").status_code == 200
    assert client.get("/version").text == mlflow.__version__


# ---- refusals ------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({"documents": [{"document_id": "d", "text": " \n"}]}, "the text is empty"),
    "no document": ({"documents": []}, "encounter e1"),
    "document without text": ({"documents": [{"document_id": "d"}]}, "'text' is missing"),
    "text that is none": ({"documents": [{"document_id": "d", "text": 3}]}, "is no text"),
    "too long": (
        {"documents": [{"document_id": "d", "text": "x" * (LIMIT + 1)}]},
        "more than the limit of 2000",
    ),
    "surrogate": ({"documents": [{"document_id": "d", "text": "x\ud800"}]}, "surrogate"),
    "two documents of one id": (
        {"documents": [{"document_id": "d", "text": "x"}, {"document_id": "d", "text": "y"}]},
        "two documents share an id",
    ),
    "other sha256": (
        {"documents": [{"document_id": "d", "text": SECRET, "sha256": "0" * 64}]},
        "does not fit its sha256",
    ),
    "setting": ({"setting": "home"}, "setting"),
    "date": ({"date_of_service": "yesterday"}, "ISO 8601"),
    "code system": ({"codes": [{"system": "ICD-11", "value": "CA40"}]}, "ICD-11"),
    "code": ({"codes": [{"system": "ICD-10-CM", "value": "J1"}]}, "no ICD-10-CM code"),
    "code that is a note": (
        {"codes": [{"system": "ICD-10-CM", "value": SECRET}]},
        f"code of {len(SECRET)} characters",
    ),
    "span outside": (
        {
            "codes": [{"system": "ICD-10-CM", "value": "J18.9"}],
            "evidence": [
                {
                    "system": "ICD-10-CM",
                    "value": "J18.9",
                    "document_id": "d2",
                    "start": 0,
                    "end": 9999,
                }
            ],
        },
        "outside document d2 of",
    ),
    "list for a text": ({"patient_id": ["p"]}, "patient_id must be a non-empty"),
    "documents of another type": ({"documents": SECRET}, "a field has the wrong type"),
    "split": ({"split": "validation"}, "split"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_encounter_that_is_none_is_refused(
    client: TestClient, row: dict[str, Any], name: str
) -> None:
    change, reason = WRONG[name]
    body = json.dumps({"inputs": [row | change]}).encode()
    answer = client.post("/invocations", content=body, headers=JSON)
    assert reason in refused(answer)


@pytest.mark.parametrize("field", ["encounter_id", "patient_id", "payer", "documents", "setting"])
def test_a_missing_field_is_named(client: TestClient, row: dict[str, Any], field: str) -> None:
    partial = {name: value for name, value in row.items() if name != field}
    answer = client.post("/invocations", json={"inputs": [partial]})
    assert f"'{field}' is missing" in refused(answer)


def test_duplicate_encounter_ids_are_refused(client: TestClient, row: dict[str, Any]) -> None:
    answer = client.post("/invocations", json={"inputs": [row, row]})
    assert "encounter e1: the id occurs twice" in refused(answer)


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", JSON),
        (b"{", JSON),
        (SECRET.encode(), JSON),
        (b'{"inputs": ["\xff\xfe"]}', JSON),
        (b"[" * 100_000, JSON),
        (b"[]", JSON),
        (b"{}", JSON),
        (b'{"inputs": []}', JSON),
        (b'{"inputs": {}}', JSON),
        (b'{"inputs": ["note"]}', JSON),
        (b'{"instances": [{}]}', JSON),
        (b'{"dataframe_split": {"columns": ["text"], "data": [["x"]]}}', JSON),
        (b"text\nnote", {"content-type": "text/csv"}),
        (b'{"inputs": [{}]}', {}),
    ],
)
def test_a_body_that_is_no_list_of_encounters_is_refused(
    client: TestClient, body: bytes, headers: dict[str, str]
) -> None:
    line = refused(client.post("/invocations", content=body, headers=headers))
    assert "docs/data.md lists the fields" in line


@settings(max_examples=60)
@given(
    rows=st.recursive(
        st.none() | st.booleans() | st.integers() | st.just(SECRET) | st.just("e1"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["encounter_id", "documents", "codes", "text", "document_id", "evidence"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_sent_the_answer_is_one_line(client: TestClient, rows: Any) -> None:
    refused(client.post("/invocations", json={"inputs": rows}))


# ---- starting ------------------------------------------------------------------------------------


def serving(port: int, *overrides: str) -> ServeConfig:
    words = ["specialty=radiology", f"port={port}", *overrides]
    return parse(ServeConfig, compose_config("serve", words))


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_busy_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 is in use; choose another"):
            server.serve(serving(port), URI)


def test_a_host_that_is_not_ours_is_told(free_port: int) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        server.serve(serving(free_port, "host=192.0.2.1"), URI)


def test_a_missing_model_is_told_before_anything_starts(client: TestClient, free_port: int) -> None:
    with pytest.raises(InputError, match="no such model"):
        server.serve(serving(free_port), "models:/surecode-nobody@challenger")
