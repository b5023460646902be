"""Ranking of words by their scores, as an `evaluate` module."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from surecode.evaluation.word_ranking import average_precision, grid_auprc, positive_shares

DESCRIPTION = """Area under precision over recall of word scores, pooled over pairs of an encounter
and a code, each pair's positive scores as shares of their sum: average precision of the exact
ranking, and the area over the thresholds 0, 0.01, …, 1."""

CITATION = """Edin et al. 2024, An Unsupervised Approach to Achieve Supervised-Level Explainability
in Healthcare Records, EMNLP."""

INPUTS = """One of each for every pair of an encounter and a code:
predictions: the score of every word of the encounter;
references: 1 for every word of the gold evidence, 0 for the others."""


class EvidenceAuprc(evaluate.Metric):  # evaluate ships no types
    """Wraps `surecode.evaluation.word_ranking`."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.Sequence(datasets.Value("float64")),
                    "references": datasets.Sequence(datasets.Value("int8")),
                }
            ),
        )

    def _compute(
        self, predictions: list[list[float]], references: list[list[int]]
    ) -> dict[str, Any]:
        kept = [(p, r) for p, r in zip(predictions, references, strict=True) if any(r)]
        scores = np.concatenate([np.empty(0), *(positive_shares(scores) for scores, _ in kept)])
        gold = np.concatenate([np.empty(0, bool), *(np.array(flags, bool) for _, flags in kept)])
        return {
            "pairs": len(kept),
            "auprc": average_precision(gold, scores),
            "auprc_grid": grid_auprc(gold, scores),
        }
