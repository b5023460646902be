"""Plausibility: whether the shown evidence is what people marked.

Over the pairs (encounter, code) with gold evidence, in words. Figures that others print in tokens
are not the same figures: a token of a subword tokenizer is shorter than a word. Codes without gold
evidence are not looked at here; whether a code is right is measured by `metrics`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from surecode.errors import InputError
from surecode.evaluation.evidence_pairs import NEAR, EvidencePair
from surecode.evaluation.metrics import Counts, Scores, micro_of

MatchClass = Literal["exact", "proximate", "partial", "none", "empty"]
MATCH_CLASSES: tuple[MatchClass, ...] = get_args(MatchClass)
SPLITS = ("all", "predicted", "not_predicted")


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """How many pairs are of each class; see `match_class`."""

    exact: int
    proximate: int
    partial: int
    none: int
    empty: int


@dataclass(frozen=True, slots=True)
class Plausibility:
    """How well shown evidence agrees with gold evidence, over ``pairs`` pairs.

    Attributes:
        pairs: pairs with at least one word of gold evidence.
        words: micro precision, recall and F1 of the words, pooled over the pairs.
        span_recall: mean over pairs of the share of gold mentions of which a word is shown.
        cover: mean over pairs of the share of words shown among those of the mentions found; 0
            where none is found.
        iou: mean over pairs of shared words over all words, shown or gold.
        empty_rate: share of pairs without a shown word.
        classes: how many pairs are of each match class.
    """

    pairs: int
    words: Scores
    span_recall: float
    cover: float
    iou: float
    empty_rate: float
    classes: MatchCounts


def plausibility(pairs: Iterable[EvidencePair]) -> Plausibility:
    """The measures of Edin et al. 2024 (arXiv 2406.08958) and of Beckh et al. 2025.

    Micro scores, span recall, cover and empty rate are theirs by definition, on words in place of
    tokens and by mention: they cut the gold tokens at every gap, so that a mention of two pieces
    is two and two mentions side by side are one. Their IOU is that of the best-scored words,
    `word_ranking.iou_at_gold`; the one here is of the words shown.

    Pairs whose gold evidence touches no word are left out. Raises `InputError` if none is left.
    """
    kept = with_gold(pairs)
    found = [[m & p.shown_words for m in p.gold_mentions] for p in kept]
    cover = [
        sum(map(len, hits))
        / max(1, sum(len(m) for m, hit in zip(pair.gold_mentions, hits, strict=True) if hit))
        for pair, hits in zip(kept, found, strict=True)
    ]
    classes = Counter(match_class(pair) for pair in kept)
    return Plausibility(
        pairs=len(kept),
        words=micro_of(word_counts(kept)),
        span_recall=float(np.mean([np.mean([bool(hit) for hit in hits]) for hits in found])),
        cover=float(np.mean(cover)),
        iou=float(
            np.mean(
                [
                    len(p.gold_words & p.shown_words) / len(p.gold_words | p.shown_words)
                    for p in kept
                ]
            )
        ),
        empty_rate=classes["empty"] / len(kept),
        classes=MatchCounts(**{name: classes[name] for name in MATCH_CLASSES}),
    )


def plausibility_by_split(pairs: Sequence[EvidencePair]) -> dict[str, Plausibility | None]:
    """The measures over all codes, the assigned ones and the missed ones; None for no pair.

    The keys are `SPLITS`, as published figures name them.
    """
    parts = {
        "all": pairs,
        "predicted": [pair for pair in pairs if pair.assigned],
        "not_predicted": [pair for pair in pairs if not pair.assigned],
    }
    return {
        name: plausibility(part) if any(pair.gold_words for pair in part) else None
        for name, part in parts.items()
    }


def match_class(pair: EvidencePair) -> MatchClass:
    """One word for a pair, as Beckh et al. 2025 (arXiv 2507.01802) read it to coders.

    ``empty``: no word is shown. ``exact``: the shown words are the gold words. ``proximate``: every
    gold mention is touched, and every shown word stands within `NEAR` words of a gold word of the
    same document. ``partial``: some shown word is gold. ``none``: no shown word is gold.
    """
    gold, shown = pair.gold_words, pair.shown_words
    if not shown:
        return "empty"
    if shown == gold:
        return "exact"
    if not shown & gold:
        return "none"
    place = pair.words.place
    distance = np.abs(place[sorted(shown)][:, None] - place[sorted(gold)][None, :]).min(axis=1)
    touched = all(mention & shown for mention in pair.gold_mentions)
    return "proximate" if touched and distance.max() <= NEAR else "partial"


def word_counts(pairs: Sequence[EvidencePair]) -> Counts:
    """True positive, false positive and missed words of each pair, ``[pairs]`` each."""
    hits = np.array([len(p.gold_words & p.shown_words) for p in pairs], np.int64)
    shown = np.array([len(p.shown_words) for p in pairs], np.int64)
    gold = np.array([len(p.gold_words) for p in pairs], np.int64)
    return Counts(hits, shown - hits, gold - hits)


def with_gold(pairs: Iterable[EvidencePair]) -> list[EvidencePair]:
    """The pairs with a word of gold evidence; raises `InputError` if there is none."""
    kept = [pair for pair in pairs if pair.gold_words]
    if not kept:
        raise InputError(
            "plausibility: no pair of encounter and code has gold evidence; "
            "measure on a source with evidence, such as codiesp in Spanish"
        )
    return kept
