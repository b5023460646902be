"""Mean average precision of ranked codes, as an `evaluate` module."""

from __future__ import annotations

import datasets
import evaluate

from surecode.evaluation.metrics import mean_average_precision

DESCRIPTION = """Mean average precision of ranked codes as the official CodiEsp scorer prints it,
over the encounters with at least one ranked code, and beside it over all encounters with gold
codes, where one without a ranked code counts as 0."""

CITATION = """Miranda-Escalada et al. 2020, Overview of automatic clinical coding: annotations,
guidelines, and solutions for non-English clinical cases at CodiEsp track of CLEF eHealth 2020."""

INPUTS = """predictions: a list of code strings for every encounter, the likeliest first;
references: a list of code strings for every encounter;
valid: the codes that count, where some predicted ones are to be dropped before ranking."""


class MeanAveragePrecision(evaluate.Metric):  # evaluate ships no types
    """Wraps `surecode.evaluation.metrics.mean_average_precision`."""

    def _info(self) -> evaluate.MetricInfo:
        codes = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": codes, "references": codes}),
        )

    def _compute(
        self,
        predictions: list[list[str]],
        references: list[list[str]],
        valid: list[str] | None = None,
    ) -> dict[str, float]:
        return {
            "mean_average_precision": mean_average_precision(references, predictions, valid=valid),
            "mean_average_precision_all": mean_average_precision(
                references, predictions, valid=valid, count_unanswered=True
            ),
        }
