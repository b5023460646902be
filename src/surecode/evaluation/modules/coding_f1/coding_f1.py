"""Micro and macro precision, recall and F1 of code sets, as an `evaluate` module."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import datasets
import evaluate

from surecode.evaluation.metrics import macro, micro

DESCRIPTION = """Micro and macro precision, recall and F1 of code sets.
macro_f1_of_means is the harmonic mean of mean precision and mean recall, macro_f1_mean the mean of
the F1 of each code; both go over the codes that occur in references or predictions."""

INPUTS = """predictions, references: a list of code strings for every encounter."""


class CodingF1(evaluate.Metric):  # evaluate ships no types
    """Wraps `surecode.evaluation.metrics.micro` and `macro`."""

    def _info(self) -> evaluate.MetricInfo:
        codes = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": codes, "references": codes}),
        )

    def _compute(self, predictions: list[list[str]], references: list[list[str]]) -> dict[str, Any]:
        means = asdict(macro(references, predictions))
        return {
            **{f"micro_{name}": v for name, v in asdict(micro(references, predictions)).items()},
            "macro_precision": means["precision"],
            "macro_recall": means["recall"],
            "macro_f1_of_means": means["macro_f1_of_means"],
            "macro_f1_mean": means["macro_f1_mean"],
            "macro_codes": means["codes"],
        }
