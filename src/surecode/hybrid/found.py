"""What terms find in an encounter, before anything is weighed.

Everything comes from the text, the lexicon and counts over the train split, never from the
encounter's own gold.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from surecode.encounter import Code, Encounter, Span
from surecode.evidence.assertion import Assertion
from surecode.hybrid.place import Place
from surecode.hybrid.sentence_features import Best, Reader, apart_features, title_features
from surecode.hybrid.statistics import Statistics
from surecode.hybrid.tagger import Tagged, Tagger, tagged
from surecode.lexicon.lexicon import Hit, Lexicon
from surecode.lexicon.meaning import said, usable
from surecode.lexicon.scattered import ScatteredTerms
from surecode.lexicon.term import Source

TABLES: tuple[Source, ...] = ("title", "inclusion")
# What is counted in train; ambiguous words are not, as they stand for a code in some places only.
COUNTED: tuple[Source, ...] = ("training", "shipped", "user")
OWN: tuple[Source, ...] = (*COUNTED, "sense")
# Smallest share of a training term's weight in one sentence that makes a candidate.
LEAST_COVERAGE = 0.6


@dataclass(frozen=True)
class Terms:
    """What is looked for: terms of the train split and of lists with their counts, and tables.

    Tables have a lexicon of their own, which no fold of train changes. ``tagger`` says which words
    people would mark at all, for a coder that has one.
    """

    lexicon: Lexicon
    tables: Lexicon
    statistics: Statistics
    apart: ScatteredTerms = field(repr=False, compare=False)
    titles: ScatteredTerms = field(repr=False, compare=False)
    tagger: Tagger | None = None

    @classmethod
    def of(
        cls,
        lexicon: Lexicon,
        tables: Lexicon,
        statistics: Statistics,
        titles: ScatteredTerms | None = None,
        tagger: Tagger | None = None,
    ) -> Terms:
        """Make the terms ready to be found; ``titles`` are those of the tables, if ready."""
        apart = ScatteredTerms(lexicon, OWN, LEAST_COVERAGE)
        titles = titles or ScatteredTerms(tables, TABLES)
        return cls(lexicon, tables, statistics, apart, titles, tagger)

    @classmethod
    def learn(
        cls,
        encounters: Sequence[Encounter],
        lexicon: Lexicon,
        tables: Lexicon,
        titles: ScatteredTerms | None = None,
        tagger: Tagger | None = None,
    ) -> Terms:
        """Count the encounters that the terms of the lexicon are from."""
        counts = Statistics.learn(encounters, ScatteredTerms(lexicon, COUNTED))
        return cls.of(lexicon, tables, counts, titles, tagger)


class SeenMention(NamedTuple):
    """A mention that a tagger sees, P(people mark exactly it), and how it is meant."""

    span: Span
    chance: float
    meant: Assertion


@dataclass(frozen=True)
class Found:
    """What the terms find in one encounter.

    Attributes:
        encounter: whose text was read; its gold was not.
        statistics: the counts beside the terms.
        words: of the encounter.
        beside: of each code that a term with its words side by side names, eight features.
        apart: of each code that terms with their words apart name, wholly or in part.
        titles: of each code that a title names, eight features.
        places: where the terms of each code stand.
        tagged: what a tagger says of each document, by id; nothing without one.
        mentions: those it sees, of overlapping ones the likeliest alone.
    """

    encounter: Encounter
    statistics: Statistics
    words: int
    beside: Mapping[Code, Sequence[float]]
    apart: Mapping[Code, Best]
    titles: Mapping[Code, Sequence[float]]
    places: Mapping[Code, Sequence[Place]]
    tagged: Mapping[str, Tagged]
    mentions: Sequence[SeenMention] = ()


def find(encounter: Encounter, terms: Terms, seen: Mapping[str, Tagged] | None = None) -> Found:
    """Look for the terms in an encounter; ``seen`` is what their tagger says of it, if known."""
    places: defaultdict[Code, list[Place]] = defaultdict(list)
    reader = Reader(encounter)
    beside = _beside(encounter, reader, terms.lexicon, places)
    apart = apart_features(reader, terms.apart, terms.statistics, places)
    titles = title_features(reader, terms.titles, places)
    if seen is None:
        seen = tagged(terms.tagger, encounter)
    return Found(
        encounter,
        terms.statistics,
        reader.words,
        beside,
        apart,
        titles,
        dict(places),
        seen,
        [
            SeenMention(
                Span(document.document_id, one.start, one.end),
                one.chance,
                reader.said(number, one.start, one.end),
            )
            for number, document in enumerate(encounter.documents)
            if document.document_id in seen
            for one in seen[document.document_id].likeliest
        ],
    )


def _beside(
    encounter: Encounter, reader: Reader, lexicon: Lexicon, places: Mapping[Code, list[Place]]
) -> dict[Code, list[float]]:
    """The first eight features of each code; its places are added to ``places``.

    An ambiguous word by itself counts where the rules of senses support the code.
    """
    hits = [
        hit
        for hit in lexicon.hits(encounter)
        if hit.source != "sense" or reader.sense(hit.span, hit.code) == "supported"
    ]
    meant = said(encounter, hits)
    lengths = {document.document_id: len(document.text) for document in encounter.documents}
    found: defaultdict[Code, list[tuple[Hit, Assertion]]] = defaultdict(list)
    for hit, how in zip(hits, meant, strict=True):
        places[hit.code].append(
            Place(
                (hit.span,), hit.source, hit.rule, hit.match, hit.probability, how, hit.probability
            )
        )
        if hit.source in OWN:
            found[hit.code].append((hit, how))
    rows = {}
    for code, some in found.items():
        best = max((h for h, _ in some), key=lambda h: (h.probability, h.length, h.rule))
        once = {hit.rule: hit.probability for hit, _ in some}
        rows[code] = [
            best.probability,
            1.0 - math.prod(1.0 - p for p in once.values()),
            math.log1p(len(some)),
            math.log1p(len(once)),
            math.log1p(best.length),
            math.log1p(best.count),
            sum(not usable(how) for _, how in some) / len(some),
            min(hit.span.start / lengths[hit.span.document_id] for hit, _ in some),
        ]
    return rows
