"""Registered models: versions, aliases, and the same bundle on the way out as on the way in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

import surecode
from surecode.coder.encoder import file_sha256
from surecode.errors import InputError
from surecode.registry.models import fetch_bundle, model_name, model_uri, register_bundle


@pytest.fixture
def store(tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This worker's store; MLflow puts artifacts beside the folder that one works in."""
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_experiment(f"models-{tmp_path.name}")
    yield tracking_uri
    assert mlflow.active_run() is None


def registered(bundle: Path, specialty: str, tags: dict[str, str]) -> int:
    with mlflow.start_run():
        name, version = register_bundle(specialty, bundle, "challenger", tags)
    assert name == model_name(specialty)
    return version


def test_names_and_addresses() -> None:
    assert model_name("oncology") == "surecode-oncology"
    assert model_uri("oncology", "champion") == "models:/surecode-oncology@champion"


def test_the_alias_moves_to_the_newest_version(
    sealed_bundle: Path, store: str, capfd: pytest.CaptureFixture[str]
) -> None:
    first = registered(sealed_bundle, "moving", {"manifest": "a"})
    second = registered(sealed_bundle, "moving", {"manifest": "b"})
    assert second == first + 1
    client = mlflow.MlflowClient()
    found = client.get_model_version_by_alias("surecode-moving", "challenger")
    assert (int(found.version), found.tags["manifest"]) == (second, "b")
    assert client.get_model_version("surecode-moving", str(first)).tags["manifest"] == "a"
    assert capfd.readouterr().err == ""


def test_what_comes_back_is_the_sealed_bundle(sealed_bundle: Path, store: str) -> None:
    version = registered(sealed_bundle, "returning", {})
    for address in (
        "models:/surecode-returning@challenger",
        f"models:/surecode-returning/{version}",
    ):
        fetched = fetch_bundle(address)
        assert file_sha256(fetched / "manifest.json") == file_sha256(
            sealed_bundle / "manifest.json"
        )
        assert surecode.load(address).hashes == surecode.load(sealed_bundle).hashes


def test_the_model_is_code_and_holds_no_pickle(sealed_bundle: Path, store: str) -> None:
    registered(sealed_bundle, "plain", {})
    model = fetch_bundle("models:/surecode-plain@challenger").parents[1]
    names = {path.suffix for path in model.rglob("*") if path.is_file()}
    assert names <= {".safetensors", ".json", ".md", ".txt", ".yaml", ".py", ""}
    assert [path.name for path in model.rglob("*.py")] == ["pyfunc.py"]


@pytest.mark.parametrize(
    "address",
    [
        "models:/surecode-nobody@challenger",
        "models:/surecode-nobody/1",
        "models:/",
        "models:/a/b/c",
    ],
)
def test_an_unknown_model_is_told(store: str, address: str) -> None:
    with pytest.raises(InputError, match=r"no such model in .*run `surecode register` first"):
        surecode.load(address)


def test_an_unknown_alias_is_told(sealed_bundle: Path, store: str) -> None:
    registered(sealed_bundle, "known", {})
    with pytest.raises(InputError, match="known@champion: no such model"):
        fetch_bundle(model_uri("known", "champion"))


def test_looking_for_a_model_makes_no_store(tmp_path: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'absent.db'}")
    with pytest.raises(InputError, match="no such model"):
        surecode.load("models:/surecode-radiology@challenger")
    assert list(tmp_path.iterdir()) == []
