"""Scores of words → the few spans that a code stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surecode.evidence.words import Word


@dataclass(frozen=True)
class SpanPolicy:
    """How many words make the evidence.

    Attributes:
        positive_mass: words are taken, best first, until they hold this share of all positive
            contributions.
        maximum_gap: words between two taken words over which they still join into one span.
        maximum_spans: most spans of one code.
    """

    positive_mass: float
    maximum_gap: int
    maximum_spans: int


@dataclass(frozen=True)
class ScoredSpan:
    """Characters ``start`` to ``end`` of one document and their share of the positive mass."""

    document: int
    start: int
    end: int
    score: float


def evidence_spans(
    words: Sequence[Word], texts: Sequence[str], policy: SpanPolicy
) -> list[ScoredSpan]:
    """Spans of one code, best first; none if no word speaks for the code.

    Ties go to the earlier word, so the result does not depend on a sort's whims.
    """
    mass = sum(word.score for word in words if word.score > 0)
    if mass <= 0:
        return []
    taken: list[Word] = []
    held = 0.0
    for word in sorted(words, key=lambda w: (-w.score, w.document, w.start)):
        if held >= policy.positive_mass * mass or word.score <= 0:
            break
        taken.append(word)
        held += word.score
    groups: list[list[Word]] = []
    for word in sorted(taken, key=lambda w: (w.document, w.start)):
        if groups and _joins(groups[-1][-1], word, texts, policy.maximum_gap):
            groups[-1].append(word)
        else:
            groups.append([word])
    spans = [
        ScoredSpan(g[0].document, g[0].start, g[-1].end, sum(w.score for w in g) / mass)
        for g in groups
    ]
    spans.sort(key=lambda s: (-s.score, s.document, s.start))
    return spans[: policy.maximum_spans]


def _joins(left: Word, right: Word, texts: Sequence[str], maximum_gap: int) -> bool:
    """Close by in one document, with no line break and no end of a sentence between them."""
    if left.document != right.document or right.index - left.index - 1 > maximum_gap:
        return False
    between = texts[left.document][left.end : right.start]
    return not any(stop in between for stop in ("\n", ". ", "; ", ": "))
