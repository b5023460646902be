"""The policy of spans, chosen on tune where annotators marked what a code stands on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from surecode.evidence.mentions import Place, overlaps
from surecode.evidence.span_policy import SpanPolicy
from surecode.evidence.spans import ScoredSpan, evidence_spans
from surecode.evidence.words import Word

# Masses with seeds first, then growth with gaps at the best of them: 81 policies of the full 1,134.
MASSES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SEEDS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12)
GROWS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
GAPS = (0, 1, 2)


@dataclass(frozen=True)
class MarkedCode:
    """A code of one encounter with its scores and what annotators marked for it."""

    words: Sequence[Word]  # all words of the documents with their scores for the code
    texts: Sequence[str]
    gold: Sequence[Place]  # at least one
    headings: Sequence[Place] = ()


@dataclass(frozen=True)
class TunedPolicy:
    """The policy, how it does on what chose it, and how the one before did; figures of tune."""

    policy: SpanPolicy
    f1: float | None  # micro F1 over words; None without gold
    f1_before: float | None
    codes: int  # codes of encounters that have gold


def tune_policy(marked: Iterable[MarkedCode], policy: SpanPolicy) -> TunedPolicy:
    """The policy with the best micro F1 over words against gold; ``policy`` itself without gold.

    Only ``positive_mass``, ``seed``, ``grow`` and ``maximum_gap`` are chosen. Of policies that do
    equally well the one that was there first is kept, ``policy`` before all others.

    Args:
        marked: codes of encounters of tune, those without gold are passed over.
        policy: what to begin with, and what to keep of all else.
    """
    known = [code for code in marked if code.gold]
    if not known:
        return TunedPolicy(policy, None, None, 0)
    before = best = word_f1(known, policy)
    chosen = policy
    for candidates in (_thresholds, _growths):
        for candidate in list(candidates(chosen)):
            f1 = word_f1(known, candidate)
            if f1 > best:
                chosen, best = candidate, f1
    return TunedPolicy(chosen, best, before, len(known))


def _thresholds(policy: SpanPolicy) -> Iterator[SpanPolicy]:
    return (replace(policy, positive_mass=mass, seed=seed) for mass in MASSES for seed in SEEDS)


def _growths(policy: SpanPolicy) -> Iterator[SpanPolicy]:
    return (replace(policy, grow=grow, maximum_gap=gap) for grow in GROWS for gap in GAPS)


def word_f1(marked: Sequence[MarkedCode], policy: SpanPolicy) -> float:
    """Micro F1 over words of the spans against gold; 0 if no word is right.

    Annotators cite one mention of several as a rule. A span counts where the gold is if any of its
    mentions is there, else where it is quoted: which of two equal mentions is cited is no error.
    """
    right = shown = wanted = 0
    for code in marked:
        spans = evidence_spans(code.words, code.texts, policy, code.headings)
        predicted = _words_in(code.words, [_cited(span, code.gold) for span in spans])
        gold = _words_in(code.words, code.gold)
        right += len(predicted & gold)
        shown += len(predicted)
        wanted += len(gold)
    return 2 * right / (shown + wanted) if right else 0.0


def _cited(span: ScoredSpan, gold: Sequence[Place]) -> Place:
    among = [place for place in span.places if any(overlaps(place, other) for other in gold)]
    return span.place if span.place in among or not among else among[0]


def _words_in(words: Sequence[Word], places: Sequence[Place]) -> set[tuple[int, int]]:
    return {
        (word.document, word.index)
        for word in words
        if any(overlaps((word.document, word.start, word.end), place) for place in places)
    }
