"""Registered models: ``surecode-<specialty>`` with aliases, a thin pyfunc around the bundle."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from importlib.metadata import version
from io import StringIO
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from surecode.errors import InputError
from surecode.registry.tracking import database_file

BUNDLE = "bundle"


def model_name(specialty: str) -> str:
    """Name of a specialty's registered model."""
    return f"surecode-{specialty}"


def model_uri(specialty: str, alias: str) -> str:
    """Address of the version that an alias points to."""
    return f"models:/{model_name(specialty)}@{alias}"


def register_bundle(
    specialty: str, bundle: Path, alias: str, tags: Mapping[str, str]
) -> tuple[str, int]:
    """Log a sealed bundle to the open run, register it and move the alias to it.

    Returns:
        The model's name and the new version.
    """
    name = model_name(specialty)
    with quiet():
        info = mlflow.pyfunc.log_model(
            name=specialty,
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={BUNDLE: str(bundle)},
            registered_model_name=name,
            pip_requirements=[f"surecode=={version('surecode')}"],
        )
    client = mlflow.MlflowClient()
    number = str(info.registered_model_version)
    for key, value in tags.items():
        client.set_model_version_tag(name, number, key, value)
    client.set_registered_model_alias(name, alias, number)
    return name, int(number)


def fetch_bundle(uri: str) -> Path:
    """Bring a registered model's bundle to this machine.

    Raises:
        InputError: there is no such model, version or alias.
    """
    store = mlflow.get_tracking_uri()
    absent = InputError(
        f"{uri}: no such model in {store}; "
        "run `surecode register` first or correct tracking.uri, specialty or alias"
    )
    database = database_file(store)
    if database is not None and not database.is_file():
        raise absent  # MLflow would make an empty database
    try:
        with quiet():
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except (MlflowException, OSError):
        raise absent from None
    return folder / "artifacts" / BUNDLE


@contextmanager
def quiet() -> Iterator[None]:
    """Drop MLflow's remarks on type hints and its bars; what goes wrong comes as an exception."""
    with redirect_stderr(StringIO()), warnings.catch_warnings(record=True):
        yield
