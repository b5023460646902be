"""Scores of words → the few spans that a code stands on.

Words that speak loudest are seeds; they take their neighbours along, join over small gaps and are
trimmed. Stop words and headings of sections make no evidence by themselves.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import fsum

from surecode.evidence.mentions import Mentions, Place, overlaps
from surecode.evidence.span_policy import SpanPolicy
from surecode.evidence.stop_words import StopWords
from surecode.evidence.words import Word

__all__ = ["ScoredSpan", "SpanPolicy", "evidence_spans"]

# Between two words of one span: no end of a line, as any system writes it, and of a sentence.
STOPS = (*"\n\r\x0b\x0c\x85\u2028\u2029", ". ", "; ", ": ")
TRIMMED = "-.,/ ()"  # what MDACE's clean-up takes off annotations (Cheng et al. 2023)


@dataclass(frozen=True)
class ScoredSpan:
    """Characters ``start`` to ``end`` of one document and their share of the positive mass.

    ``mentions`` are all places of the same text, this one among them, in the documents' order;
    their spans' shares are summed up. ``low`` marks evidence of low confidence: no word reached
    what the policy asks for, and this is the best there is.
    """

    document: int
    start: int
    end: int
    score: float
    mentions: tuple[Place, ...] = ()
    low: bool = False

    @property
    def place(self) -> Place:
        """Document, start and end."""
        return self.document, self.start, self.end

    @property
    def places(self) -> tuple[Place, ...]:
        """The mentions, or the span's own place where none were sought."""
        return self.mentions or (self.place,)


def evidence_spans(
    words: Sequence[Word],
    texts: Sequence[str],
    policy: SpanPolicy,
    headings: Collection[Place] = (),
) -> list[ScoredSpan]:
    """Spans of one code, best first; none if no word speaks for the code.

    Where one does there is always a span: the best word that is no stop word and no heading, or the
    best one at all, is kept and marked ``low`` if no word is enough for the policy. Ties go to the
    earlier word, so the result does not depend on a sort's whims. All places of a code, mentions
    included, are disjoint.

    Args:
        words: all words of the documents with their scores for the code, in any order.
        texts: the documents' texts.
        policy: how many words make the evidence.
        headings: places of the headings of sections.
    """
    positive = [word for word in words if word.score > 0]
    if not positive:
        return []
    mass = fsum(word.score for word in positive)  # exactly rounded, so in any order the same
    if mass <= 0:
        return []
    positive.sort(key=lambda word: (-word.score, word.document, word.start))
    stop_words = StopWords.of(policy.stop_words)
    heading = _within(headings)
    speaking = [
        word
        for word in positive
        if not stop_words.silent(texts[word.document], word.start, word.end) and not heading(word)
    ]
    seeds = _seeds(speaking, mass, policy)
    taken = _grown(seeds, [word for word in positive if not heading(word)], mass, texts, policy)
    chosen = set(seeds)
    spans = [
        _span(part, texts, mass, stop_words)
        for group in _joined(taken, texts, policy.maximum_gap)
        for part in _cut(group, policy.maximum_words)
        if not chosen.isdisjoint(part)
    ]
    if not spans:
        best = (speaking or positive)[0]
        spans = [ScoredSpan(best.document, best.start, best.end, best.score / mass, low=True)]
    spans.sort(key=_best_first)
    if not policy.repeated:
        return spans[: policy.maximum_spans]
    return _with_mentions(spans, Mentions(words, texts), texts, policy.maximum_spans)


def _best_first(span: ScoredSpan) -> tuple[float, int, int]:
    return -span.score, span.document, span.start


def _within(headings: Collection[Place]) -> Callable[[Word], bool]:
    """Whether a word shares a character with a heading."""
    # By document: where headings begin, and how far those that begin up to there reach.
    begins: dict[int, list[int]] = {}
    reaches: dict[int, list[int]] = {}
    for document, start, end in sorted(headings):
        begins.setdefault(document, []).append(start)
        reach = reaches.setdefault(document, [])
        reach.append(max(end, reach[-1] if reach else end))

    def inside(word: Word) -> bool:
        before = bisect_left(begins.get(word.document, ()), word.end)
        return before > 0 and reaches[word.document][before - 1] > word.start

    return inside


def _seeds(speaking: Sequence[Word], mass: float, policy: SpanPolicy) -> list[Word]:
    """The best words, as many as hold the mass, without those below the threshold of a seed."""
    wanted = policy.positive_mass * fsum(word.score for word in speaking)
    seeds: list[Word] = []
    held = 0.0
    for word in speaking:
        if held >= wanted or word.score < policy.seed * mass:
            break
        seeds.append(word)
        held += word.score
    return seeds


def _grown(
    seeds: Sequence[Word],
    positive: Sequence[Word],
    mass: float,
    texts: Sequence[str],
    policy: SpanPolicy,
) -> list[Word]:
    """Seeds and what they take along, neighbour by neighbour, in reading order."""
    taken = {(word.document, word.index): word for word in seeds}
    if policy.seed > 0:
        enough = policy.grow * policy.seed * mass
        near = {(w.document, w.index): w for w in positive if w.score >= enough}
        edge = list(seeds)
        steps = [sign * step for step in range(1, policy.maximum_gap + 2) for sign in (-1, 1)]
        while edge:
            word = edge.pop()
            for step in steps:
                place = word.document, word.index + step
                other = near.get(place)
                if other is None or place in taken:
                    continue
                left, right = (word, other) if step > 0 else (other, word)
                if _joins(left, right, texts, policy.maximum_gap):
                    taken[place] = other
                    edge.append(other)
    return [taken[place] for place in sorted(taken)]


def _joined(taken: Sequence[Word], texts: Sequence[str], maximum_gap: int) -> list[list[Word]]:
    groups: list[list[Word]] = []
    for word in taken:
        if groups and _joins(groups[-1][-1], word, texts, maximum_gap):
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _joins(left: Word, right: Word, texts: Sequence[str], maximum_gap: int) -> bool:
    """Close by in one document, with no line break and no end of a sentence between them."""
    if left.document != right.document or right.index - left.index - 1 > maximum_gap:
        return False
    between = texts[left.document][left.end : right.start]
    return not any(stop in between for stop in STOPS)


def _cut(group: list[Word], maximum_words: int) -> list[list[Word]]:
    """Parts of at most so many words of the document: first what says most, then what is left."""
    if group[-1].index - group[0].index < maximum_words:
        return [group]
    windows = []
    end = 0
    for begin in range(len(group)):
        while end < len(group) and group[end].index - group[begin].index < maximum_words:
            end += 1
        windows.append((-fsum(word.score for word in group[begin:end]), begin, end))
    # The part of each word by the place of the part's first word; what no window took stays whole,
    # and is shorter than a window.
    part = [-1] * len(group)
    for _, begin, end in sorted(windows):
        if all(owner < 0 for owner in part[begin:end]):
            part[begin:end] = [begin] * (end - begin)
    return [
        [word for word, _ in run]
        for _, run in groupby(zip(group, part, strict=True), key=lambda pair: pair[1])
    ]


def _span(
    group: Sequence[Word], texts: Sequence[str], mass: float, stop_words: StopWords
) -> ScoredSpan:
    """The group's span without stop words and signs at its ends; it holds a seed, which stays."""
    document, text = group[0].document, texts[group[0].document]
    keeps = [not stop_words.trims(text, word.start, word.end) for word in group]
    first, last = keeps.index(True), len(keeps) - keeps[::-1].index(True)
    kept = group[first:last]
    start, end = kept[0].start, kept[-1].end
    while start + 1 < end and text[start] in TRIMMED:
        start += 1
    while start + 1 < end and text[end - 1] in TRIMMED:
        end -= 1
    return ScoredSpan(document, start, end, fsum(word.score for word in kept) / mass)


def _with_mentions(
    spans: Sequence[ScoredSpan], mentions: Mentions, texts: Sequence[str], maximum_spans: int
) -> list[ScoredSpan]:
    """Spans of the same text as one, the best of them quoted; each with all of its mentions.

    A mention that shares a character with another place of the code is left to that.
    """
    alike: dict[str, list[ScoredSpan]] = {}
    for span in spans:
        alike.setdefault(texts[span.document][span.start : span.end].lower(), []).append(span)
    found = [replace(same[0], score=fsum(s.score for s in same)) for same in alike.values()]
    found = sorted(found, key=_best_first)[:maximum_spans]
    claimed = sorted(span.place for span in found)
    with_mentions = []
    for span in found:
        kept = []
        for place in mentions.of(span.place):
            if place == span.place:
                kept.append(place)
            elif not _meets(place, claimed):
                kept.append(place)
                insort(claimed, place)
        with_mentions.append(replace(span, mentions=tuple(kept)))
    return with_mentions


def _meets(place: Place, claimed: Sequence[Place]) -> bool:
    """Whether a place shares a character with one of these, sorted and disjoint."""
    behind = bisect_left(claimed, place)
    return any(overlaps(place, other) for other in claimed[max(behind - 1, 0) : behind + 1])
