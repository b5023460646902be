"""Precision, recall and F1 of codes with their places."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MentionScore:
    """Micro precision, recall and F1 with the counts that they are made of."""

    precision: float
    recall: float
    f1: float
    true_positive: int
    predicted: int
    gold: int

    @classmethod
    def of(cls, hits: int, shown: int, wanted: int) -> MentionScore:
        """The ratios of counts: right, predicted and gold; 0 without a denominator."""
        return cls(
            precision=hits / shown if shown else 0.0,
            recall=hits / wanted if wanted else 0.0,
            f1=2 * hits / (shown + wanted) if hits else 0.0,
            true_positive=hits,
            predicted=shown,
            gold=wanted,
        )
