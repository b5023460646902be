"""Where terms stand in a text: an automaton for terms as they are written, sums for other orders.

Letters: n tokens of a text, c of them content, that is not in `BETWEEN`.

Terms with the same normal forms are one group. An Aho-Corasick automaton (1975, doi
10.1145/360825.360855) over the numbers of normal forms finds every group in one pass. Its nodes
look their children up one by one, and thousands of words begin a term, so a number is read as two
digits: nine times as fast with the titles of ICD-10-CM.

A group of two to four content words is found in any order by the sum of a random number per word
over each run of two to four neighbouring content words: equal multisets have equal sums, and a sum
that is equal by chance is refused by comparing the words. Sums are differences of one running sum
modulo 2^64. Both are linear in n.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import ahocorasick
import numpy as np
from numpy.typing import NDArray

_ORDERED = (2, 3, 4)  # content words of a term that may stand in another order
_SIEVE_BITS = 22  # of a sum, that decide at once that nearly no run of words is a term


class Found(NamedTuple):
    """A group at the tokens ``first`` to ``last``, half-open; as written or in another order."""

    first: int
    last: int
    group: int
    as_written: bool


class Places:
    """The groups of a lexicon, ready to be looked for.

    Args:
        groups: group → its numbers of normal forms, from 1, each sequence once.
        between: numbers that may stand between the words of a term in another order.
        numbers: one more than the largest number of a text.
    """

    def __init__(
        self, groups: Mapping[int, tuple[int, ...]], between: Collection[int], numbers: int
    ) -> None:
        self._is_content = np.ones(numbers, dtype=np.bool_)
        self._is_content[list(between)] = False
        self._base = math.isqrt(numbers - 1) + 1
        drawn = np.random.default_rng(0).integers(1 << 63, size=numbers, dtype=np.uint64)
        self._draws = drawn  # number 0, a word that no term has, makes sums that no term has
        sieve = np.zeros(1 << _SIEVE_BITS, dtype=np.bool_)
        self._content: dict[tuple[int, ...], list[int]] = defaultdict(list)
        self._automaton = ahocorasick.Automaton(ahocorasick.STORE_ANY, ahocorasick.KEY_SEQUENCE)
        for number, stems in groups.items():
            self._automaton.add_word(
                self._digits(np.array(stems, dtype=np.int64)), (number, len(stems))
            )
            content = tuple(sorted(stem for stem in stems if self._is_content[stem]))
            if len(content) in _ORDERED:
                self._content[content].append(number)
                sieve[_low(drawn[list(content)].sum(dtype=np.uint64))] = True
        self._sieve = np.packbits(sieve, bitorder="little")  # small enough for a processor's cache
        self._automaton.make_automaton()

    def find(self, stems: tuple[int, ...]) -> Iterator[Found]:
        """Every group at every place of a text ``[n]``."""
        if self._automaton.kind == ahocorasick.AHOCORASICK:
            numbers = np.array(stems, dtype=np.int64)
            for end, (group, length) in self._automaton.iter(self._digits(numbers)):
                last = end // 2 + 1
                yield Found(last - length, last, group, True)
            yield from self._in_any_order(numbers)

    def _digits(self, numbers: NDArray[np.int64]) -> tuple[int, ...]:
        """``[2n]`` each number as two digits; a first digit is never a second one."""
        digits = np.empty(2 * len(numbers), dtype=np.int64)
        digits[0::2] = numbers // self._base
        digits[1::2] = numbers % self._base + self._base
        return tuple(digits.tolist())

    def _in_any_order(self, numbers: NDArray[np.int64]) -> Iterator[Found]:
        places = np.flatnonzero(self._is_content[numbers])  # [c]
        sums = np.zeros(len(places) + 1, dtype=np.uint64)
        np.cumsum(self._draws[numbers[places]], out=sums[1:])
        for length in _ORDERED:
            for at in np.flatnonzero(self._passes(sums[length:] - sums[:-length])).tolist():
                run = places[at : at + length]
                groups = self._content.get(tuple(sorted(numbers[run].tolist())), ())
                for group in groups:
                    yield Found(int(run[0]), int(run[-1]) + 1, group, False)

    def _passes(self, sums: NDArray[np.uint64]) -> NDArray[np.uint8]:
        """1 where a sum may be that of a group, 0 where it is none's."""
        low = _low(sums)
        shifts = (low & np.uint64(7)).astype(np.uint8)
        passes: NDArray[np.uint8] = (self._sieve[low >> np.uint64(3)] >> shifts) & np.uint8(1)
        return passes


def _low(sums: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return sums & np.uint64((1 << _SIEVE_BITS) - 1)
