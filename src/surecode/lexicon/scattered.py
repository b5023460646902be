"""Terms whose words stand apart: all of them in one sentence, in any order, with others between.

"Tumoración sólida y móvil en el polo superior" holds the annotated words "tumoración … polo
superior". One mention in five of CodiEsp is discontinuous, and in cross-validation inside its train
split this finds 63% of the diagnoses where adjacent words find 54%, at the same precision. A term
counts by its content words, as normal forms (`stems`); a word weighs as much as it is rare among
the terms:

    w(word) = log((G + 1) / (df + 1/2))        coverage = sum of w found / sum of w of the term

with G groups of terms that share their content words and df of them holding the word. Stop words,
and in titles the words that only say that nothing is said ("unspecified"), do not count.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from surecode.encounter import Document
from surecode.evidence.stop_words import ENGLISH, NEGATIONS, SPANISH
from surecode.lexicon.documents import document_language
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.stems import stem
from surecode.lexicon.term import Source
from surecode.lexicon.tokens import fold
from surecode.lexicon.vocabulary import BITS, Vocabulary, bits_of
from surecode.lexicon.wordings import Wording

_STOPS = ENGLISH | SPANISH | NEGATIONS["english"] | NEGATIONS["spanish"]
# What titles say where nothing more is known, by normal form.
_GENERIC = frozenset(
    stem(word)
    for word in (
        *("unspecified", "other", "specified", "elsewhere", "classified", "nos", "nec"),
        *("site", "type", "disease", "diseases", "disorder", "due", "organism", "encounter"),
        *("initial", "subsequent", "sequela", "code", "part", "cause", "personal", "status"),
    )
)
_ENDS = frozenset(".;")
_FULL = 1.0 - 1e-9

Key = tuple[str, ...]  # the normal forms of a group's content words, sorted


@dataclass(frozen=True)
class Group:
    """Terms with the same content words."""

    key: Key
    terms: tuple[Wording, ...]
    weight: float
    languages: int


@dataclass(frozen=True, slots=True)
class Scatter:
    """A group of terms found in a sentence, wholly or for the greater part.

    Attributes:
        group: number of the group; :meth:`ScatteredTerms.spoken` gives its terms.
        coverage: share of the weight of its words that is there, in (0, 1].
        words: the places of those words in the text, in its order.
        excess: tokens between the first and the last that are none of them.
        shadowed: all of its words, and more, belong to another group found whole.
        languages: of the document, as bits.
    """

    group: int
    coverage: float
    words: tuple[tuple[int, int], ...]
    excess: int
    shadowed: bool
    languages: int

    @property
    def full(self) -> bool:
        """Whether no word is missing."""
        return self.coverage >= _FULL


class ScatteredTerms:
    """The terms of some sources of a lexicon, to be found with their words apart.

    Args:
        lexicon: whose terms; hashed or not.
        sources: which of them.
        least: smallest coverage that is reported; 1 asks for every word.
    """

    def __init__(self, lexicon: Lexicon, sources: Collection[Source], least: float = 1.0) -> None:
        self.least = min(least, _FULL)
        chosen = [one for one in lexicon.wordings if one.source in sources]
        pairs = [(one.words, one.language) for one in lexicon.wordings]
        self._vocabulary = Vocabulary(lexicon.words, bits_of(pairs), lexicon.key, lexicon.others)
        stops = {self._vocabulary.spell(word) for word in _STOPS}
        generic = {self._vocabulary.spell(word) for word in _GENERIC}
        gathered: defaultdict[Key, list[Wording]] = defaultdict(list)
        for one in chosen:
            stems = {lexicon.words[word].stem for word in one.words if word not in stops}
            marks = {self._vocabulary.spell(mark) for mark in "()[],.;:-/"}
            key = stems - marks
            if one.source in ("title", "inclusion"):
                key -= generic
            if key:
                gathered[tuple(sorted(key))].append(one)
        frequency = Counter(word for key in gathered for word in key)
        number = self._vocabulary.stems
        self._weights = {
            number[word]: math.log((len(gathered) + 1) / (count + 0.5))
            for word, count in frequency.items()
        }
        self.groups = tuple(
            Group(
                key,
                tuple(terms),
                math.fsum(self._weights[number[word]] for word in key),
                _languages(terms),
            )
            for key, terms in sorted(gathered.items())
        )
        self._spoken: dict[tuple[int, int], Group] = {}
        self._words = [frozenset(number[word] for word in group.key) for group in self.groups]
        self._index: defaultdict[int, list[int]] = defaultdict(list)
        for place, words in enumerate(self._words):
            # Where every word is asked for, the rarest alone leads to the group.
            rarest = max(words, key=lambda word: (self._weights[word], word))
            for word in words if self.least < _FULL else (rarest,):
                self._index[word].append(place)

    def spoken(self, scatter: Scatter) -> Group:
        """The group of a scatter, with those of its terms that are looked for in the document."""
        key = (scatter.group, scatter.languages)
        if key not in self._spoken:
            group = self.groups[scatter.group]
            terms = tuple(t for t in group.terms if BITS[t.language] & scatter.languages)
            self._spoken[key] = replace(group, terms=terms)
        return self._spoken[key]

    def find(self, document: Document) -> Iterator[list[Scatter]]:
        """What is found, a list for each sentence that has anything."""
        mask = BITS[document_language(document.text)]
        read = self._vocabulary.read(document.text, mask)
        places = list(zip(read.starts.tolist(), read.ends.tolist(), strict=True))
        have: defaultdict[int, list[int]] = defaultdict(list)
        for token, (word, number) in enumerate(zip(read.words, read.stems, strict=True)):
            if word in _ENDS:
                yield from self._sentence(have, places, mask)
                have = defaultdict(list)
            elif number in self._weights and fold(word) not in _STOPS:
                have[number].append(token)
        yield from self._sentence(have, places, mask)

    def _sentence(
        self, have: Mapping[int, list[int]], places: Sequence[tuple[int, int]], mask: int
    ) -> Iterator[list[Scatter]]:
        found = self._covered(have, mask)
        if not found:
            return
        whole = [self._words[group] for group, coverage in found.items() if coverage >= _FULL]
        scatters = []
        for group in sorted(found):
            words = self._words[group]
            tokens = _nearest([have[word] for word in words if word in have])
            shadowed = found[group] >= _FULL and any(words < other for other in whole)
            scatters.append(
                Scatter(
                    group,
                    found[group],
                    tuple(places[token] for token in tokens),
                    tokens[-1] - tokens[0] + 1 - len(tokens),
                    shadowed,
                    mask,
                )
            )
        yield scatters

    def _covered(self, have: Mapping[int, list[int]], mask: int) -> dict[int, float]:
        """Groups and their coverage, from the least that is reported."""
        if self.least >= _FULL:
            keys = have.keys()
            return {
                group: 1.0
                for word in have
                for group in self._index.get(word, ())
                if self._words[group] <= keys and self.groups[group].languages & mask
            }
        sums: defaultdict[int, float] = defaultdict(float)
        for word in sorted(have):  # one order of adding up, so that ties stay ties
            for group in self._index.get(word, ()):
                sums[group] += self._weights[word]
        return {
            group: min(total / self.groups[group].weight, 1.0)
            for group, total in sums.items()
            if total >= self.least * self.groups[group].weight - 1e-9
            and self.groups[group].languages & mask
        }


def _nearest(places: Sequence[list[int]]) -> list[int]:
    """One token of each word, close together: for each place of the rarest word the nearest."""
    anchor = min(places, key=lambda some: (len(some), some[0]))
    best: list[int] | None = None
    for start in anchor:
        tokens = sorted(_closest(some, start) for some in places)
        if best is None or tokens[-1] - tokens[0] < best[-1] - best[0]:
            best = tokens
    assert best is not None  # no list of places is empty
    return best


def _closest(ordered: list[int], to: int) -> int:
    at = bisect_left(ordered, to)
    return min(ordered[max(at - 1, 0) : at + 1], key=lambda token: abs(token - to))


def _languages(terms: Sequence[Wording]) -> int:
    bits = 0
    for one in terms:
        bits |= BITS[one.language]
    return bits
