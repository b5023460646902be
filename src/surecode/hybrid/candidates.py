"""The codes that terms propose for an encounter, with what speaks for each and where it stands.

Features come from the text, the lexicon and counts over the train split, never from the encounter's
own gold. A candidate need not be a code of the train split: a title is enough.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surecode.encounter import Code, Encounter
from surecode.evidence.assertion import Assertion
from surecode.hybrid.place import Place
from surecode.hybrid.sentence_features import (
    Reader,
    apart_features,
    best_features,
    precision_of,
    title_features,
)
from surecode.hybrid.statistics import Statistics
from surecode.lexicon.lexicon import Hit, Lexicon
from surecode.lexicon.meaning import said, usable
from surecode.lexicon.scattered import ScatteredTerms
from surecode.lexicon.term import Source

TABLES: tuple[Source, ...] = ("title", "inclusion")
OWN: tuple[Source, ...] = ("training", "user")
# Smallest share of a training term's weight in one sentence that makes a candidate.
LEAST_COVERAGE = 0.6
# A candidate that terms make as likely as this speaks for its companions.
_STRONG = 0.5

FEATURES = (
    # Terms of the train split and of users, words side by side.
    "largest P(code | term)",
    "chance that any term is right",
    "log places",
    "log different terms",
    "log words of the best term",
    "log times that the best term was annotated",
    "share of places that are denied",
    "place of the first, 0 to 1",
    # The same terms, words apart.
    "all words in one sentence",
    "share of the words' weight",
    "score of the best sentence",
    "share of the term's annotations",
    "log times annotated",
    "log words between",
    "denied",
    "inside a longer term",
    "words",
    "weight of the words",
    "P(code | words found)",
    "log encounters with the words",
    "log sentences with all words",
    "largest share of the weight where words lack",
    "log sentences",
    "log sentences that affirm",
    # Titles and inclusion terms of the tables.
    "a title is found",
    "inside a longer title",
    "title denied",
    "log words between those of the title",
    "words of the title",
    "weight of the title",
    "log codes with the same wording",
    "log times found",
    # Code and encounter.
    "log encounters with the code",
    "never seen",
    "log words of the encounter",
    "log candidates",
    "likeliest sibling",
    "a sibling is likelier",
    "log siblings",
    "mean attraction of likely candidates",
    "largest attraction",
    "characters of the code",
)


@dataclass(frozen=True)
class Candidates:
    """C codes proposed for an encounter, sorted, with their `FEATURES` ``[C, F]`` and places."""

    codes: tuple[Code, ...]
    features: NDArray[np.float64]
    places: tuple[tuple[Place, ...], ...]


@dataclass(frozen=True)
class Terms:
    """What is looked for: terms of the train split and of users with their counts, and tables.

    Tables have a lexicon of their own, which no fold of train changes.
    """

    lexicon: Lexicon
    tables: Lexicon
    statistics: Statistics
    apart: ScatteredTerms = field(repr=False, compare=False)
    titles: ScatteredTerms = field(repr=False, compare=False)

    @classmethod
    def of(
        cls,
        lexicon: Lexicon,
        tables: Lexicon,
        statistics: Statistics,
        titles: ScatteredTerms | None = None,
    ) -> Terms:
        """Make the terms ready to be found; ``titles`` are those of the tables, if ready."""
        apart = ScatteredTerms(lexicon, OWN, LEAST_COVERAGE)
        return cls(lexicon, tables, statistics, apart, titles or ScatteredTerms(tables, TABLES))

    @classmethod
    def learn(
        cls,
        encounters: Sequence[Encounter],
        lexicon: Lexicon,
        tables: Lexicon,
        titles: ScatteredTerms | None = None,
    ) -> Terms:
        """Count the encounters that the terms of the lexicon are from."""
        counts = Statistics.learn(encounters, ScatteredTerms(lexicon, OWN))
        return cls.of(lexicon, tables, counts, titles)


def candidates(encounter: Encounter, terms: Terms) -> Candidates:
    """The candidates of an encounter. Its gold is not read."""
    places: defaultdict[Code, list[Place]] = defaultdict(list)
    reader = Reader(encounter)
    beside = _beside(encounter, terms.lexicon, places)
    apart = apart_features(reader, terms.apart, terms.statistics, places)
    titles = title_features(reader, terms.titles, places)
    codes = sorted(beside.keys() | apart.keys() | titles.keys())
    likely = {
        code: max(beside[code][0] if code in beside else 0.0, precision_of(apart.get(code)))
        for code in codes
    }
    strong = [code for code in codes if likely[code] > _STRONG]
    siblings: defaultdict[tuple[str, str], list[Code]] = defaultdict(list)
    for code in codes:
        siblings[code.system, code.value[:3]].append(code)
    known = terms.statistics.codes
    rows = []
    for code in codes:
        others = [likely[o] for o in siblings[code.system, code.value[:3]] if o != code]
        rows.append(
            [
                *(beside.get(code) or _NO_PLACE),
                *best_features(apart.get(code)),
                *(titles.get(code) or _NO_TITLE),
                math.log1p(known.get(code, 0)),
                float(code not in known),
                math.log1p(reader.words),
                math.log1p(len(codes)),
                max(others, default=0.0),
                float(max(others, default=0.0) > likely[code]),
                math.log1p(len(others)),
                *terms.statistics.attraction(code, strong),
                float(len(code.value)),
            ]
        )
    return Candidates(
        tuple(codes),
        np.array(rows, dtype=np.float64).reshape(len(codes), len(FEATURES)),
        tuple(tuple(sorted(places[code], key=lambda place: place.rank)) for code in codes),
    )


_NO_PLACE = [0.0] * 7 + [1.0]
_NO_TITLE = [0.0] * 8


def _beside(
    encounter: Encounter, lexicon: Lexicon, places: Mapping[Code, list[Place]]
) -> dict[Code, list[float]]:
    """The first eight features of each code; its places are added to ``places``."""
    hits = lexicon.hits(encounter)
    meant = said(encounter, hits)
    lengths = {document.document_id: len(document.text) for document in encounter.documents}
    found: defaultdict[Code, list[tuple[Hit, Assertion]]] = defaultdict(list)
    for hit, how in zip(hits, meant, strict=True):
        places[hit.code].append(
            Place((hit.span,), hit.source, hit.rule, hit.match, hit.probability, how)
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
