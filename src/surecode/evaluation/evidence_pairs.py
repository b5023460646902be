"""Gold and shown evidence of one code of one encounter, as spans and as words.

The unit of every measure of plausibility is the pair (encounter, code). A word is what
`surecode.evidence.words.WORD` finds; the words of an encounter are numbered through its documents,
in their order. A gold mention is one span, or several where its words are not adjacent, and it is
one thing to be found: its pieces are not counted apart, unless a measure says so.

Letters: n words of an encounter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from surecode.encounter import Code, Encounter, Evidence, Span
from surecode.errors import InputError
from surecode.evidence.spans import ScoredSpan
from surecode.evidence.words import WORD, Word

NEAR = 10  # words from a gold word that still are its surroundings (Beckh et al. 2025)


class Placed(Protocol):
    """Whatever stands somewhere in a document: a `Span`, a `Quote` of a decision record."""

    @property
    def document_id(self) -> str:
        """The document."""

    @property
    def start(self) -> int:
        """The first character."""

    @property
    def end(self) -> int:
        """The character behind the last."""


@dataclass(frozen=True, eq=False)
class EncounterWords:
    """Where the words of an encounter's documents stand.

    Attributes:
        bounds: document → ``[words, 2]`` characters of each word, half-open, in reading order.
        texts: document → text, which only position-independent measures need.

    Raises `InputError` for words that overlap or stand out of order.
    """

    bounds: Mapping[str, NDArray[np.int64]]
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for document_id, one in self.bounds.items():
            shaped = one.ndim == 2 and one.shape[1] == 2
            if not shaped or np.any(np.diff(one.reshape(-1)) < 0) or np.any(one[:, 0] == one[:, 1]):
                raise InputError(
                    f"words of document {document_id}: the bounds are no [words, 2] of words that "
                    "follow each other; give start and end of each word in reading order"
                )

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> EncounterWords:
        """The words of texts, document → text in the encounter's order."""
        found = {
            name: [match.span() for match in WORD.finditer(text)] for name, text in texts.items()
        }
        bounds = {name: np.array(one, np.int64).reshape(-1, 2) for name, one in found.items()}
        return cls(bounds, dict(texts))

    def __len__(self) -> int:
        return sum(len(one) for one in self.bounds.values())

    @cached_property
    def first(self) -> dict[str, int]:
        """Document → the number of its first word."""
        numbers: dict[str, int] = {}
        count = 0
        for document_id, one in self.bounds.items():
            numbers[document_id] = count
            count += len(one)
        return numbers

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """``[n]`` numbers whose differences are distances in words; documents lie out of reach."""
        lengths = [len(one) for one in self.bounds.values()]
        return np.arange(len(self)) + NEAR * np.repeat(np.arange(len(lengths)), lengths)

    def touched(self, spans: Iterable[Placed]) -> frozenset[int]:
        """The numbers of the words that share a character with a span.

        Raises `InputError` for a span of a document that the encounter does not have.
        """
        numbers: set[int] = set()
        for span in spans:
            if span.document_id not in self.bounds:
                raise InputError(
                    f"a span names document {span.document_id}, which the encounter does not have; "
                    "measure the spans of the same encounter"
                )
            starts, ends = self.bounds[span.document_id].T
            first = self.first[span.document_id]
            begin = first + int(np.searchsorted(ends, span.start, side="right"))
            stop = first + int(np.searchsorted(starts, span.end, side="left"))
            numbers.update(range(begin, stop))
        return frozenset(numbers)

    def scores(self, words: Iterable[Word]) -> NDArray[np.float64]:
        """``[n]`` score of every word; 0 where a word is not among ``words``, as it has no token.

        ``words`` are those of `score_words` for the same texts.
        """
        first = list(self.first.values())
        scores = np.zeros(len(self))
        for word in words:
            scores[first[word.document] + word.index] = word.score
        return scores


@dataclass(frozen=True, eq=False)
class EvidencePair:
    """One code of one encounter: the gold evidence and what the coder shows.

    Attributes:
        words: the encounter's words.
        gold: mentions of one span or several; empty for a code without gold evidence.
        shown: the spans that the coder gives as evidence, best first.
        assigned: whether the coder assigns the code. It can be asked for the evidence of a code
            that it misses, too.
        scores: ``[n]`` how much each word speaks for the code; None where only spans are measured.

    Raises `InputError` for scores that are not finite or not one for each word.
    """

    words: EncounterWords
    gold: tuple[tuple[Span, ...], ...]
    shown: tuple[Span, ...]
    assigned: bool = True
    scores: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.scores is None:
            return
        if self.scores.shape != (len(self.words),):
            raise InputError(
                f"scores of shape {self.scores.shape} for {len(self.words)} words; give each word "
                "of the encounter one score (EncounterWords.scores)"
            )
        if not np.isfinite(self.scores).all():
            raise InputError("a word's score is not a finite number; find out which code made it")

    @cached_property
    def gold_mentions(self) -> tuple[frozenset[int], ...]:
        """The words of each gold mention that has any: some are a sign alone."""
        return tuple(filter(None, (self.words.touched(mention) for mention in self.gold)))

    @cached_property
    def gold_words(self) -> frozenset[int]:
        """The words of all gold mentions."""
        return frozenset[int]().union(*self.gold_mentions)

    @cached_property
    def shown_words(self) -> frozenset[int]:
        """The words of the shown spans."""
        return self.words.touched(self.shown)


def mentions(evidence: Iterable[Evidence]) -> tuple[tuple[Span, ...], ...]:
    """The mentions of one code: its evidence gathered by mention number."""
    gathered: dict[int, list[Span]] = {}
    for item in evidence:
        gathered.setdefault(item.mention, []).append(item.span)
    return tuple(tuple(sorted(pieces)) for pieces in gathered.values())


def spans_of(scored: Iterable[ScoredSpan], document_ids: Sequence[str]) -> tuple[Span, ...]:
    """Spans that count documents → spans that name them."""
    return tuple(Span(document_ids[one.document], one.start, one.end) for one in scored)


def pairs_of(
    encounter: Encounter,
    shown: Mapping[Code, Iterable[Placed]],
    assigned: Collection[Code],
    scores: Mapping[Code, NDArray[np.float64]] | None = None,
    *,
    codes_without_gold: bool = False,
) -> list[EvidencePair]:
    """The pairs of one encounter, in the order of ``shown``.

    Args:
        encounter: with its gold evidence.
        shown: the spans of every code whose evidence was asked for, no span where it has none. A
            code that is not in it, such as one outside the label space, makes no pair.
        assigned: the codes that the coder assigns.
        scores: code → ``[n]`` score of each of the encounter's words.
        codes_without_gold: whether a code without gold evidence makes a pair as well, as MDACE
            counts them. The measures of words leave such pairs out.
    """
    words = EncounterWords.of({d.document_id: d.text for d in encounter.documents})
    gold: dict[Code, list[Evidence]] = {}
    for item in encounter.evidence:
        gold.setdefault(item.code, []).append(item)
    return [
        EvidencePair(
            words,
            mentions(gold.get(code, ())),
            tuple(Span(span.document_id, span.start, span.end) for span in spans),
            code in assigned,
            None if scores is None else scores[code],
        )
        for code, spans in shown.items()
        if codes_without_gold or code in gold
    ]
