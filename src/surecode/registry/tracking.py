"""One MLflow run per fit, found again by every later stage; autolog stays off.

The run's id lies in the run folder, so that a resumed training and the stages after it write to
the same run. Parameters, figures and pictures go to MLflow; patient text never does.
"""

from __future__ import annotations

import hashlib
import math
import os
import sqlite3
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surecode.errors import InputError
from surecode.files import read_json, write_json
from surecode.settings import Config, TrackingSettings

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# A server that does not answer is found in seconds, not in minutes of silent retries.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import logging

import mlflow
from filelock import FileLock
from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from pytorch_lightning.loggers import MLFlowLogger

# Announcements of tables created and experiments begun say nothing to a user of surecode.
logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.ERROR)

REFERENCE = "mlflow_run.json"


@dataclass(frozen=True)
class Run:
    """An open MLflow run."""

    run_id: str
    experiment: str
    uri: str

    def log(self, metrics: Mapping[str, float]) -> None:
        """Log figures under their names."""
        mlflow.log_metrics({name: float(value) for name, value in metrics.items()})

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Log a file that holds no patient text."""
        mlflow.log_artifact(str(path), folder)

    def lightning_logger(self) -> MLFlowLogger:
        """A logger for Lightning's Trainer that writes to this very run."""
        return MLFlowLogger(
            experiment_name=self.experiment, tracking_uri=self.uri, run_id=self.run_id
        )


def point_to(settings: TrackingSettings) -> None:
    """Point MLflow to the tracking store; nothing is created there.

    Raises:
        InputError: the server does not answer, the file is no database, or the store is a plain
            folder (which MLflow 3 no longer keeps models in).
    """
    uri = settings.uri
    scheme = uri.split(":", 1)[0]
    database = database_file(uri)
    if scheme in ("http", "https"):
        _probe(uri)
    elif "://" not in uri or scheme == "file":
        raise InputError(
            f"tracking.uri={uri}: a folder cannot keep models; "
            "use sqlite:///mlflow.db or a server's http address"
        )
    elif database is not None:
        _probe_database(uri, database)
    mlflow.set_tracking_uri(uri)


def connect(settings: TrackingSettings) -> None:
    """Point MLflow to the tracking store and open it; a new SQLite database is made.

    Raises:
        InputError: what `point_to` refuses, or a store that cannot be opened.
    """
    point_to(settings)
    try:
        with _one_at_a_time(database_file(settings.uri)):
            mlflow.search_experiments(max_results=1)
    except Exception as error:  # every store and every database driver has errors of its own
        reason = str(error).splitlines()[0][:120]
        raise InputError(
            f"tracking.uri={settings.uri}: cannot be opened ({reason}); "
            "correct it or start the server"
        ) from None


def _one_at_a_time(database: Path | None) -> AbstractContextManager[object]:
    """A lock while MLflow makes a new database, which fails where two runs begin it at once."""
    if database is None or not database.parent.is_dir():
        return nullcontext()
    name = hashlib.sha256(str(database.resolve()).encode()).hexdigest()[:16]
    # Not beside the database: the folder is the user's, and some systems leave the lock's file.
    return FileLock(Path(tempfile.gettempdir()) / f"surecode-{os.getuid()}-{name}.lock", timeout=60)


def database_file(uri: str) -> Path | None:
    """The file of a SQLite store, None for another store."""
    path = uri.removeprefix("sqlite:///")
    return Path(path) if path != uri else None


def _probe(uri: str) -> None:
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=5):
            pass
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"tracking.uri={uri}: the server does not answer ({reason}); "
            "start it or set tracking.uri=sqlite:///mlflow.db"
        ) from None


def _probe_database(uri: str, file: Path) -> None:
    """MLflow would make missing folders, and try for minutes to open what is no database."""
    if not file.parent.is_dir():
        raise InputError(
            f"tracking.uri={uri}: there is no folder {file.parent}; make it or correct the uri"
        )
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True)) as database:
            database.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise InputError(
            f"tracking.uri={uri}: cannot be opened ({error}); correct it or remove the file"
        ) from None


@contextmanager
def open_run(config: Config, tags: Mapping[str, str]) -> Iterator[Run]:
    """Open this fit's run, a new one the first time; its end is told truthfully.

    A failure sets the run FAILED, an interrupt KILLED; a later stage sets it RUNNING again.
    """
    connect(config.tracking)
    _open_experiment(config.tracking)
    reference = config.run_folder / REFERENCE
    known = _known_run(reference, config.tracking.uri)
    run = mlflow.start_run(run_id=known, run_name=f"{config.specialty.name}-{config.fit_hash}")
    status = RunStatus.FINISHED
    try:
        run_id = run.info.run_id
        write_json(reference, {"run_id": run_id, "uri": config.tracking.uri})
        mlflow.set_tags(
            {"specialty": config.specialty.name, "config_hash": config.fit_hash} | dict(tags)
        )
        yield Run(run_id, config.tracking.experiment, config.tracking.uri)
    except (KeyboardInterrupt, SystemExit):  # Ctrl-C, or a cluster that wants its machine back
        status = RunStatus.KILLED
        raise
    except BaseException:
        status = RunStatus.FAILED
        raise
    finally:
        mlflow.end_run(RunStatus.to_string(status))


@contextmanager
def named_run(settings: TrackingSettings, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
    """Open a run of its own, for what is no fit; a failure sets it FAILED."""
    connect(settings)
    _open_experiment(settings)
    with mlflow.start_run(run_name=name, tags=dict(tags)) as run:
        yield Run(run.info.run_id, settings.experiment, settings.uri)


def _open_experiment(settings: TrackingSettings) -> None:
    try:
        mlflow.set_experiment(settings.experiment)
    except MlflowException:  # it was deleted, and MLflow keeps its name
        raise InputError(
            f"tracking.experiment={settings.experiment}: cannot be written in {settings.uri}; "
            "restore it or choose another name"
        ) from None


def _known_run(reference: Path, uri: str) -> str | None:
    if not reference.exists():
        return None
    values = read_json(reference, "delete it to start a new MLflow run")
    if values.get("uri") != uri:
        return None
    try:
        mlflow.get_run(values["run_id"])
    except MlflowException:
        return None  # the store was emptied: a new run takes its place
    return str(values["run_id"])


def log_parameters(config: Config) -> None:
    """Log the settings that determine the fit; on a resumed run they are there already."""
    flat = flatten(
        config.model_dump(
            mode="json",
            exclude={
                "runs": True,
                "artifacts": True,
                "tracking": True,
                "data": {"root"},
                "runtime": {"folder"},
                "cache": True,
                "launcher": True,
                "specialty": {"target"},
                "calibration": True,
                "attribution": True,
            },
        )
    )
    active = mlflow.active_run()
    known = mlflow.get_run(active.info.run_id).data.params if active else {}
    mlflow.log_params({k: v for k, v in flat.items() if k not in known})


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def numbers(figures: Mapping[str, Any], prefix: str) -> dict[str, float]:
    """The finite figures of nested ones under slashed names, as MLflow wants them."""
    flat: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            flat |= numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and math.isfinite(value):
            flat[f"{prefix}{name}"] = float(value)
    return flat
