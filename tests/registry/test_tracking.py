"""One MLflow run per fit, told truthfully; a store that cannot be used is told at once."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Run as MlflowRun

from surecode.config import compose_config, parse
from surecode.errors import InputError
from surecode.registry.tracking import connect, flatten, log_parameters, open_run, point_to
from surecode.settings import Config, TrackingSettings


@pytest.fixture
def config(tmp_path: Path, tracking_uri: str) -> Config:
    """A fit of its own: each test has another run folder."""
    return configured(tmp_path, tracking_uri)


def configured(folder: Path, uri: str, *overrides: str) -> Config:
    words = ["specialty=radiology", f"runs={folder / 'runs'}", f"tracking.uri={uri}"]
    return parse(Config, compose_config("run", [*words, *overrides]))


def stored(run_id: str) -> MlflowRun:
    return mlflow.MlflowClient().get_run(run_id)


# ---- stores that cannot be used ------------------------------------------------------------------


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """A port that is bound and listens to nobody."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_runs_that_begin_a_database_at_once_all_open_it(tmp_path: Path) -> None:
    """MLflow itself fails in all but one: "table experiments already exists"."""
    uri = f"sqlite:///{tmp_path / 'new.db'}"
    words = (
        "import sys, time; from surecode.registry.tracking import connect; "
        "from surecode.settings import TrackingSettings; sys.stdin.read(); "
        f"connect(TrackingSettings(**{TrackingSettings(uri=uri, experiment='e').model_dump()!r}))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", words], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    time.sleep(8)  # all have imported MLflow and wait for their input to end
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    for process in started:
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait() == 0, said


@pytest.mark.parametrize("act", [point_to, connect])
@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://127.0.0.1:{port}", "the server does not answer (.*refused"),
        ("https://127.0.0.1:{port}", "the server does not answer (.*refused"),
        ("http://", "the server does not answer"),
        ("{folder}/mlruns", "a folder cannot keep models; use sqlite"),
        ("file://{folder}/mlruns", "a folder cannot keep models; use sqlite"),
        ("", "a folder cannot keep models; use sqlite"),
        ("sqlite:///{folder}/missing/mlflow.db", "there is no folder .*missing; make it"),
        ("sqlite:///{folder}/text.db", "cannot be opened .*not a database"),
        ("sqlite:///{folder}", "cannot be opened .*unable to open"),
    ],
)
def test_an_unusable_store_is_told_at_once_and_left_alone(
    tmp_path: Path, closed_port: int, act: object, uri: str, reason: str
) -> None:
    (tmp_path / "text.db").write_text("no database\n" * 100)
    before = sorted(tmp_path.rglob("*"))
    address = uri.format(port=closed_port, folder=tmp_path)
    began = time.monotonic()
    with pytest.raises(InputError, match=reason.replace("(", r"\(")) as refused:
        act(TrackingSettings(uri=address, experiment="x"))  # type: ignore[operator]
    assert time.monotonic() - began < 3
    assert f"tracking.uri={address}: " in str(refused.value)
    assert "\n" not in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_scheme_that_mlflow_does_not_know_is_told() -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        connect(TrackingSettings(uri="nonsense://here", experiment="x"))


def test_pointing_to_a_store_creates_nothing(tmp_path: Path) -> None:
    point_to(TrackingSettings(uri=f"sqlite:///{tmp_path / 'new.db'}", experiment="x"))
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_experiment_is_told(tmp_path: Path, tracking_uri: str) -> None:
    config = configured(tmp_path, tracking_uri, "tracking.experiment=deleted")
    connect(config.tracking)
    mlflow.delete_experiment(mlflow.create_experiment("deleted"))
    with (
        pytest.raises(InputError, match=r"tracking.experiment=deleted: .*choose another name"),
        open_run(config, {}),
    ):
        pass


# ---- one run per fit -----------------------------------------------------------------------------


def test_a_run_that_ends_well_is_finished(config: Config) -> None:
    with open_run(config, {"data": "synthetic"}) as run:
        run.log({"figure": 1})
        assert stored(run.run_id).info.status == "RUNNING"
    found = stored(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == f"radiology-{config.fit_hash}"
    assert found.data.metrics == {"figure": 1.0}
    tags = {"specialty": "radiology", "config_hash": config.fit_hash, "data": "synthetic"}
    assert found.data.tags.items() >= tags.items()


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError, "FAILED"), (InputError, "FAILED"), (KeyboardInterrupt, "KILLED")],
)
def test_a_run_that_ends_badly_says_so(
    config: Config, error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), open_run(config, {}) as run:
        raise error
    assert stored(run.run_id).info.status == status
    assert mlflow.active_run() is None


def test_later_stages_find_the_run_again(config: Config) -> None:
    with pytest.raises(ValueError, match="broken"), open_run(config, {}) as first:
        raise ValueError("broken")
    with open_run(config, {}) as second:
        assert stored(second.run_id).info.status == "RUNNING"
    assert second.run_id == first.run_id
    assert stored(first.run_id).info.status == "FINISHED"


def test_an_emptied_store_gets_a_new_run(config: Config, tmp_path: Path) -> None:
    reference = config.run_folder / "mlflow_run.json"
    reference.parent.mkdir(parents=True)
    reference.write_text(f'{{"run_id": "{"0" * 32}", "uri": "{config.tracking.uri}"}}')
    with open_run(config, {}) as run:
        assert run.run_id != "0" * 32


def test_a_damaged_reference_is_told(config: Config) -> None:
    reference = config.run_folder / "mlflow_run.json"
    reference.parent.mkdir(parents=True)
    reference.write_text("{")
    with (
        pytest.raises(InputError, match="is damaged, no JSON; delete it to start a new MLflow run"),
        open_run(config, {}),
    ):
        pass


# ---- what is logged ------------------------------------------------------------------------------


def test_parameters_are_what_the_weights_depend_on(config: Config) -> None:
    with open_run(config, {}) as run:
        log_parameters(config)
        log_parameters(config)  # a resumed training logs them again
    parameters = stored(run.run_id).data.params
    assert parameters["adapter.rank"] == "8"
    assert parameters["specialty.label_space.minimum_count"] == "2"
    # MLflow never changes a parameter, and these may be chosen anew on the same weights.
    assert not [name for name in parameters if ".target." in name or name.startswith("calibration")]


def test_flatten_keeps_every_leaf_under_its_dotted_name() -> None:
    nested = {"a": 1, "b": {"c": [2, 3], "d": {"e": None}}, "f": {}}
    assert flatten(nested) == {"a": 1, "b.c": [2, 3], "b.d.e": None}
