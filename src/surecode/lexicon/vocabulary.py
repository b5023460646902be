"""The words of a lexicon as numbers, and a text as numbers of words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from surecode.evidence.language import Language
from surecode.lexicon.stems import stem
from surecode.lexicon.tokens import Offsets, fold, pieces
from surecode.lexicon.typing_errors import (
    Misspellings,
    deletions,
    may_be_misspelt,
    sure_letters,
)
from surecode.lexicon.wordings import Word, describe, spelling

# Languages as bits: a term without a language is of both, and so is a document that tells none.
BITS: Mapping[Language | None, int] = {"en": 1, "es": 2, None: 3}

# Between the words of a term that stand in another order than in the term.
BETWEEN = frozenset(
    {
        *("de", "del", "la", "el", "los", "las", "en", "un", "una"),
        *("of", "the", "in", "an", ",", "-"),
    }
)

_MOST_REMEMBERED = 200_000  # distinct words of texts


@dataclass(frozen=True, slots=True)
class Read:
    """A text as ``[n]`` tokens.

    Attributes:
        words: the tokens as they are.
        stems: the numbers of the normal forms of the words that are meant; 0 is a word that no term
            has.
        starts, ends: ``[n]`` of each token in the text.
    """

    words: list[str]
    stems: tuple[int, ...]
    starts: Offsets
    ends: Offsets


class Vocabulary:
    """The words of terms.

    Args:
        words: what is known of each, by its spelling under ``key``.
        bits: the languages of the terms that have it, see `BITS`.
        key: of the hashes, None where words are written as they are.
        others: words that no term has and that are no misspellings, spelled the same way.
    """

    def __init__(
        self,
        words: Mapping[str, Word],
        bits: Mapping[str, int],
        key: str | None,
        others: Collection[str] = (),
    ) -> None:
        self._others = frozenset(others)
        self.spell = spelling(key)
        self.forms = {word: number for number, word in enumerate(words, start=1)}
        self.stems: dict[str, int] = {}
        self.between: set[int] = set()
        for word in sorted(BETWEEN):
            self.between.add(self._number(describe(word, key).stem))
        self.stem_of = {word: self._number(known.stem) for word, known in words.items()}
        self._known = {
            mask: {w: known.left for w, known in words.items() if known.left and bits[w] & mask}
            for mask in set(BITS.values())
        }
        self._misspellings: dict[int, Misspellings] = {}  # made when a document needs them
        self._remembered = {mask: _Remembered(self, mask) for mask in self._known}

    def read(self, text: str, mask: int) -> Read:
        """The words of a text in the languages of a mask."""
        words, starts, ends = pieces(text)
        remembered = self._remembered[mask]
        if len(remembered) > _MOST_REMEMBERED:
            remembered.clear()
        return Read(words, tuple(map(remembered.__getitem__, words)), starts, ends)

    def form(self, word: str) -> int:
        """The number of a text's word; 0 is one that no term has."""
        return self.forms.get(self.spell(fold(word)), 0)

    def is_misspelt(self, word: str, mask: int) -> bool:
        """Whether a text's word is read as another than it is."""
        return not self._number_of(word) and self.stem(word, mask) > 0

    def stem(self, word: str, mask: int) -> int:
        """The number of the normal form of the word that a text's word is meant to be, or 0."""
        known = self._number_of(word)
        folded = fold(word)
        if known or not may_be_misspelt(folded):
            return known
        spelled = self.spell(folded)
        if spelled in self._others:
            return 0
        left = [self.spell(deletion) for deletion in deletions(folded)]
        if mask not in self._misspellings:
            self._misspellings[mask] = Misspellings(self._known[mask])
        near = self._misspellings[mask].near(spelled, left, sure_letters(folded))
        meant = {self.stem_of[word] for word in near}
        return meant.pop() if len(meant) == 1 else 0

    def _number_of(self, word: str) -> int:
        return self.stems.get(self.spell(stem(fold(word))), 0)

    def _number(self, normal: str) -> int:
        return self.stems.setdefault(normal, len(self.stems) + 1)


class _Remembered(dict[str, int]):
    """Words of texts that were read before."""

    def __init__(self, vocabulary: Vocabulary, mask: int) -> None:
        super().__init__()
        self._vocabulary, self._mask = vocabulary, mask

    def __missing__(self, word: str) -> int:
        self[word] = self._vocabulary.stem(word, self._mask)
        return self[word]


def bits_of(wordings: Iterable[tuple[tuple[str, ...], Language | None]]) -> dict[str, int]:
    """The languages of each word: those of the terms that have it."""
    bits: dict[str, int] = {}
    for words, language in wordings:
        for word in words:
            bits[word] = bits.get(word, 0) | BITS[language]
    return bits
