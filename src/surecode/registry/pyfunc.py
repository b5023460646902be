"""The thin MLflow model around a bundle, logged as code: no pickle.

MLflow runs this file when it loads a registered model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from surecode.bundle.load import load_bundle
from surecode.encounter import Encounter


class BundleModel(PythonModel):
    """Encounters in (rows of the encounter table), decision records out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and load the bundle."""
        self.coder = load_bundle(Path(context.artifacts["bundle"]))

    def predict(
        self, model_input: list[dict[str, Any]], params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Code each encounter by itself."""
        return [self.coder.code(Encounter.from_dict(row)).to_dict() for row in model_input]


set_model(BundleModel())
