"""The public way to a coder: from a bundle's folder or from the model registry."""

from __future__ import annotations

from pathlib import Path

from surecode.bundle.load import load_bundle
from surecode.coding import Coder

REGISTERED = "models:/"


def load(source: str | Path) -> Coder:
    """Load a coder, its bundle verified.

    Args:
        source: the folder of a bundle, or a registered model such as
            ``models:/surecode-radiology@challenger`` (looked up in MLflow's tracking store:
            ``MLFLOW_TRACKING_URI``, or ``mlflow.db`` in this folder).

    Raises:
        InputError: there is no such bundle or model, or it is damaged.
    """
    if isinstance(source, str) and source.startswith(REGISTERED):
        # MLflow takes seconds to import, and a folder needs none of it.
        from surecode.registry.models import fetch_bundle

        return load_bundle(fetch_bundle(source))
    return load_bundle(Path(source))
