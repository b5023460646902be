"""How a lexicon finds its terms: the longest at each place, the best of each code.

Texts are read as numbers (`vocabulary`), groups of terms are found (`places`), the longest kept,
and of each group the terms that fit best. What one wording of a text gives is remembered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from surecode.encounter import Code, Document
from surecode.lexicon.documents import document_language
from surecode.lexicon.places import Found, Places
from surecode.lexicon.term import Source
from surecode.lexicon.vocabulary import BITS, Read, Vocabulary, bits_of
from surecode.lexicon.wordings import Word, Wording

Match = Literal["exact", "inflected", "order", "typo"]

_LOOSENESS: Mapping[Match, int] = {"exact": 0, "inflected": 1, "order": 2, "typo": 3}
_MOST_REMEMBERED = 200_000  # distinct wordings of texts


class Entry(NamedTuple):
    """A hit without its place."""

    code: Code
    source: Source
    rule: str
    match: Match
    probability: float
    annotated: int
    length: int


class Finder:
    """A lexicon made ready: words as numbers, groups of terms with the same normal forms.

    Args:
        wordings: the terms.
        words: what is known of their words.
        key: of the hashes, None where words are written as they are.
        others: words that no term has and that are no misspellings.
    """

    def __init__(
        self,
        wordings: Sequence[Wording],
        words: Mapping[str, Word],
        key: str | None,
        others: Collection[str],
    ) -> None:
        pairs = [(one.words, one.language) for one in wordings]
        self._vocabulary = Vocabulary(words, bits_of(pairs), key, others)
        self._present = {language for _, language in pairs if language is not None}
        self._groups: list[list[tuple[tuple[int, ...], Wording]]] = []
        numbers: dict[tuple[int, ...], int] = {}
        forms, stem_of = self._vocabulary.forms, self._vocabulary.stem_of
        for one in wordings:
            stems = tuple(stem_of[word] for word in one.words)
            number = numbers.setdefault(stems, len(numbers))
            if number == len(self._groups):
                self._groups.append([])
            self._groups[number].append((tuple(forms[word] for word in one.words), one))
        self._stems = list(numbers)
        self._places: dict[int, Places] = {}
        self._remembered: dict[tuple[Any, ...], tuple[Entry, ...]] = {}

    def find(self, document: Document) -> Iterator[tuple[int, int, tuple[Entry, ...]]]:
        """Start, end and entries of each place, in the order of the text."""
        text = document.text
        mask = self._mask(text)
        read = self._vocabulary.read(text, mask)
        for first, last, found in _longest(self._places_of(mask).find(read.stems)):
            start, end = int(read.starts[first]), int(read.ends[last - 1])
            yield start, end, self._entries(read, first, last, found, mask)

    def _mask(self, text: str) -> int:
        """The languages whose terms are looked for, as bits."""
        language = document_language(text) if self._present else None
        if language is None and len(self._present) == 1:
            (language,) = self._present  # the terms are the same, and made ready once
        return BITS[language]

    def _places_of(self, mask: int) -> Places:
        """The groups with a term of these languages, made ready when a document needs them."""
        if mask not in self._places:
            wanted = {
                number: self._stems[number]
                for number, group in enumerate(self._groups)
                if any(BITS[one.language] & mask for _, one in group)
            }
            self._places[mask] = Places(
                wanted, self._vocabulary.between, len(self._vocabulary.stems) + 1
            )
        return self._places[mask]

    def _entries(
        self, read: Read, first: int, last: int, found: Sequence[Found], mask: int
    ) -> tuple[Entry, ...]:
        words = tuple(read.words[first:last])
        asked = (words, mask, tuple([(each.group, each.as_written) for each in found]))
        if asked not in self._remembered:
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[asked] = self._best(words, mask, found)
        return self._remembered[asked]

    def _best(self, words: tuple[str, ...], mask: int, found: Sequence[Found]) -> tuple[Entry, ...]:
        """The best term of each code: the closest match, then the most probable."""
        forms = tuple(map(self._vocabulary.form, words))
        typo = any(self._vocabulary.is_misspelt(word, mask) for word in words)
        fitting = [
            (_match(typo, each.as_written, written == forms), one)
            for each in found
            for written, one in self._groups[each.group]
            if BITS[one.language] & mask
        ]
        exact = {one.source for match, one in fitting if match == "exact"}
        best: dict[Code, tuple[tuple[Any, ...], Entry]] = {}
        for match, one in fitting:
            if match == "exact" or one.source not in exact:
                entry = Entry(
                    one.code,
                    one.source,
                    one.rule,
                    match,
                    one.probability,
                    one.count,
                    len(one.words),
                )
                # What counts in some places only comes behind what counts wherever it stands.
                doubted = one.source == "sense"
                rank = (doubted, _LOOSENESS[match], -one.probability, -one.count, one.rule)
                if one.code not in best or rank < best[one.code][0]:
                    best[one.code] = rank, entry
        entries = [entry for _, entry in best.values()]
        return tuple(sorted(entries, key=lambda entry: (-entry.probability, entry.code)))


def _match(typo: bool, as_written: bool, same_words: bool) -> Match:
    if typo:
        return "typo"
    if not as_written:
        return "order"
    return "exact" if same_words else "inflected"


def _longest(found: Iterable[Found]) -> Iterator[tuple[int, int, list[Found]]]:
    """The longest groups at each place, left to right, without overlap.

    Groups of the same tokens come together; another order counts only where nothing is as written.
    """
    at: defaultdict[tuple[int, int], list[Found]] = defaultdict(list)
    for each in found:
        at[each.first, -each.last].append(each)
    free = 0
    for first, minus_last in sorted(at):
        if first >= free:
            free = -minus_last
            groups = at[first, minus_last]
            written = [each for each in groups if each.as_written]
            yield first, free, written or groups
