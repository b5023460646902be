"""The share of encounters whose whole code set is right, as an `evaluate` module."""

from __future__ import annotations

import datasets
import evaluate

from surecode.evaluation.metrics import exact_match

DESCRIPTION = "The share of encounters whose predicted code set equals the gold code set."

INPUTS = "predictions, references: a list of code strings for every encounter, in any order."


class ExactMatchRatio(evaluate.Metric):  # evaluate ships no types
    """Wraps `surecode.evaluation.metrics.exact_match`."""

    def _info(self) -> evaluate.MetricInfo:
        codes = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": codes, "references": codes}),
        )

    def _compute(
        self, predictions: list[list[str]], references: list[list[str]]
    ) -> dict[str, float]:
        return {"exact_match_ratio": exact_match(references, predictions)}
