"""What every test stands on: a quiet, offline, single-threaded process with its own MLflow store.

The variables are set before a test imports torch, transformers or mlflow, which read them once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["MPLBACKEND"] = "agg"
# Two xdist workers share the machine; torch, numpy and scikit-learn take one thread each.
for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

ROOT = Path(__file__).resolve().parents[1]

# The same examples on every machine, and a failing one printed so that it can be pasted back.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The SQLite store of this worker: no test writes `mlflow.db` into the checkout."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def _own_tracking_store(tracking_uri: str) -> Iterator[None]:
    # Not the `monkeypatch` fixture: Hypothesis refuses function-scoped fixtures that it can see.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        yield
        # mlflow.set_tracking_uri keeps a global of its own, which would leak into the next test.
        if mlflow := sys.modules.get("mlflow"):
            mlflow.set_tracking_uri(tracking_uri)


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Paths in the folder of public data, `SURECODE_DATA` or `../shared/data`; skips without it."""
    folder = ROOT / os.environ.get("SURECODE_DATA", "../shared/data")

    def path_of(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(f"{name} is not in the data folder; set SURECODE_DATA")
        return path

    return path_of
