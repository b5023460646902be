"""Words with one typing error, found by what is left when one letter is deleted.

One letter too many, too few or wrong, or two neighbours in each other's place: distance 1 of
Damerau (1964, doi 10.1145/363958.363994). Two words at distance 1 are equal after at most one
deletion from each, as in SymSpell and in Mor and Fraenkel (1982, doi 10.1145/358728.358752). The
converse fails, "abcd" and "bcde" have distance 2, so each deletion is kept with its place, which
decides without the letters and therefore works on hashes, too:

    one letter wrong          v without its letter i is w without its letter i
    neighbours exchanged      v without i is w without i+1, and v without i+1 is w without i

The first letter is taken to be right, and so are prefixes that have an opposite one letter away:
"afebril" is not a misspelt "febril", nor "microcefalia" a misspelt "macrocefalia".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

SHORTEST = 6  # letters of a word of a text that may be corrected
_SHORTEST_KNOWN = SHORTEST - 1  # letters of what it is corrected to
_OPPOSITES = ("micro", "macro", "intra", "inter", "infra", "hipo", "hypo", "ante", "anti")


def deletions(word: str) -> list[str]:
    """``[letters]`` the word without its first letter, without its second, and so on."""
    return [word[:place] + word[place + 1 :] for place in range(len(word))]


def may_be_meant(word: str) -> bool:
    """Whether a term's word is one that a misspelt word may be corrected to."""
    return len(word) >= _SHORTEST_KNOWN and word.isalpha()


def may_be_misspelt(word: str) -> bool:
    """Whether a text's word is long enough to be a misspelt one."""
    return len(word) >= SHORTEST and word.isalpha()


def sure_letters(word: str) -> int:
    """How many letters at the start of a word are taken to be right."""
    return next((len(prefix) for prefix in _OPPOSITES if word.startswith(prefix)), 1)


class Misspellings:
    """Known words by what is left of them.

    Args:
        known: known word → its deletions in the order of their places. Words and deletions may be
            hashes, then those asked for must be hashes under the same key.
    """

    def __init__(self, known: Mapping[str, Sequence[str]]) -> None:
        self._known = known.keys()
        self._left: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for word, left in known.items():
            for place, deletion in enumerate(left):
                self._left[deletion].append((word, place))

    def near(self, word: str, left: Sequence[str], sure: int = 0) -> set[str]:
        """The known words at distance 1 of an unknown word, given its deletions.

        The first ``sure`` letters are those of the known word.
        """
        # A letter is missing; in a run of equal letters any of them may be the one.
        found = {known for known, at in self._left.get(word, ()) if at >= sure}
        found |= self._known & set(left[sure:])  # there is one too many
        pairs = [set(self._left.get(deletion, ())) for deletion in left]
        for place, same in enumerate(pairs):
            found |= {known for known, at in same if at == place >= sure}
        for place, (first, second) in enumerate(pairwise(pairs)):
            if place >= sure:
                found |= _words(first, place + 1) & _words(second, place)
        return found


def _words(pairs: Iterable[tuple[str, int]], place: int) -> set[str]:
    return {word for word, at in pairs if at == place}
