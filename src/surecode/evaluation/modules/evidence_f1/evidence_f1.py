"""Agreement of shown evidence with gold evidence in words, as an `evaluate` module."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import datasets
import evaluate
import numpy as np

from surecode.encounter import Span
from surecode.evaluation.evidence_pairs import EncounterWords, EvidencePair
from surecode.evaluation.plausibility import plausibility

DESCRIPTION = """Precision, recall and F1 of the words of shown evidence, pooled over pairs of an
encounter and a code; beside them the recall of gold mentions, cover, IOU, the share of pairs
without shown evidence, and the share of pairs in each match class."""

CITATION = """Edin et al. 2024, An Unsupervised Approach to Achieve Supervised-Level Explainability
in Healthcare Records, EMNLP; Beckh et al. 2025, The Anatomy of Evidence, Findings of ACL."""

INPUTS = """One of each for every pair of an encounter and a code, in characters, half-open:
predictions: a list of spans [start, end];
references: a list of mentions, each a list of spans, several where its words are not adjacent;
words: the bounds [start, end] of the encounter's words in reading order. No text is needed, since
evaluate writes its inputs to a cache. Of an encounter with several documents, count characters
through all of them."""

_DOCUMENT = "document"


class EvidenceF1(evaluate.Metric):  # evaluate ships no types
    """Wraps `surecode.evaluation.plausibility.plausibility`."""

    def _info(self) -> evaluate.MetricInfo:
        spans = datasets.Sequence(datasets.Sequence(datasets.Value("int64")))
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features(
                {"predictions": spans, "references": datasets.Sequence(spans), "words": spans}
            ),
        )

    def _compute(
        self,
        predictions: list[list[list[int]]],
        references: list[list[list[list[int]]]],
        words: list[list[list[int]]],
    ) -> dict[str, Any]:
        pairs = [
            EvidencePair(
                EncounterWords({_DOCUMENT: np.array(bounds, np.int64).reshape(-1, 2)}),
                tuple(_spans(mention) for mention in gold),
                _spans(shown),
            )
            for shown, gold, bounds in zip(predictions, references, words, strict=True)
        ]
        result = plausibility(pairs)
        return {
            "pairs": result.pairs,
            **asdict(result.words),
            "span_recall": result.span_recall,
            "cover": result.cover,
            "iou": result.iou,
            "empty_rate": result.empty_rate,
            **{
                f"class_{name}": count / result.pairs
                for name, count in asdict(result.classes).items()
            },
        }


def _spans(spans: list[list[int]]) -> tuple[Span, ...]:
    return tuple(Span(_DOCUMENT, start, end) for start, end in spans)
