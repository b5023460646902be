"""What counting the train split says of codes and of groups of terms."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from surecode.codes.systems import parse
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.lexicon.scattered import Key, ScatteredTerms

# Pairs of codes that fewer encounters share say nothing, and there are very many of them.
_FEWEST_SHARED = 2
UNSEEN = 0.3  # P(code | words found) of words that were never found


@dataclass(frozen=True)
class Statistics:
    """Counts over N train encounters.

    Attributes:
        encounters: N.
        codes: encounters with each code.
        groups: of each group of terms, by its words: encounters in which it was found whole, and
            of these those with each of its codes.
        pairs: encounters with both of two codes, the smaller first.
    """

    encounters: int
    codes: Mapping[Code, int]
    groups: Mapping[Key, tuple[int, Mapping[Code, int]]]
    pairs: Mapping[tuple[Code, Code], int]

    @classmethod
    def learn(cls, encounters: Sequence[Encounter], terms: ScatteredTerms) -> Statistics:
        """Count; ``terms`` are those of the train split."""
        codes: Counter[Code] = Counter()
        pairs: Counter[tuple[Code, Code]] = Counter()
        found: Counter[Key] = Counter()
        right: defaultdict[Key, Counter[Code]] = defaultdict(Counter)
        for encounter in encounters:
            gold = sorted(encounter.code_set)
            codes.update(gold)
            pairs.update((a, b) for place, a in enumerate(gold) for b in gold[place + 1 :])
            named: defaultdict[Key, set[Code]] = defaultdict(set)
            for document in encounter.documents:
                for sentence in terms.find(document):
                    for scatter in sentence:
                        if scatter.full:
                            group = terms.spoken(scatter)
                            named[group.key].update(term.code for term in group.terms)
            for key, some in named.items():
                found[key] += 1
                right[key].update(some & encounter.code_set)
        kept = {pair: count for pair, count in pairs.items() if count >= _FEWEST_SHARED}
        groups = {key: (count, dict(right[key])) for key, count in found.items()}
        return cls(len(encounters), dict(codes), groups, kept)

    def precision(self, key: Key, code: Code) -> float:
        """P(code | the group is found whole): (right + UNSEEN) / (found + 1)."""
        found, right = self.groups.get(key, (0, {}))
        return (right.get(code, 0) + UNSEEN) / (found + 1.0)

    def attraction(self, code: Code, others: Iterable[Code]) -> tuple[float, float]:
        """Mean and largest log-lift of a code with others: log P(both) / (P(a) P(b)), smoothed."""
        lifts = [self._lift(code, other) for other in others if other != code]
        return (math.fsum(lifts) / len(lifts), max(lifts)) if lifts else (0.0, 0.0)

    def _lift(self, a: Code, b: Code) -> float:
        both = self.pairs.get((min(a, b), max(a, b)), 0)
        apart = (self.codes.get(a, 0) + 0.5) * (self.codes.get(b, 0) + 0.5)
        return math.log((both + 0.1) * max(self.encounters, 1) / apart)

    @cached_property
    def known(self) -> frozenset[Code]:
        """The codes of the train split."""
        return frozenset(self.codes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; words stay what they are in the lexicon, hashes if it is hashed."""
        place = {code: number for number, code in enumerate(sorted(self.codes))}
        return {
            "encounters": self.encounters,
            "codes": {str(code): self.codes[code] for code in sorted(self.codes)},
            "groups": [
                [list(key), found, [[str(code), n] for code, n in sorted(right.items())]]
                for key, (found, right) in sorted(self.groups.items())
            ],
            "pairs": [[place[a], place[b], n] for (a, b), n in sorted(self.pairs.items())],
        }

    @classmethod
    def from_dict(cls, values: Any) -> Statistics:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        try:
            codes = {parse(text): int(count) for text, count in values["codes"].items()}
            ordered = sorted(codes)
            read = cls(
                int(values["encounters"]),
                codes,
                {
                    _key(key): (int(found), {parse(t): int(n) for t, n in right})
                    for key, found, right in values["groups"]
                },
                {(ordered[_place(a)], ordered[_place(b)]): int(n) for a, b, n in values["pairs"]},
            )
            possible = read._is_possible()
        except (
            *(InputError, KeyError, TypeError, ValueError, IndexError, AttributeError),
            OverflowError,
        ):
            possible = False
        if not possible:
            raise InputError("statistics: damaged; write the file again with `surecode train`")
        return read

    def _is_possible(self) -> bool:
        """Whether counts are counts: none is negative, and no part is more than its whole."""
        return (
            all(0 <= n <= self.encounters for n in self.codes.values())
            and all(
                0 <= n <= found <= self.encounters
                for found, right in self.groups.values()
                for n in (0, *right.values())
            )
            and all(a < b and 0 <= n <= self.encounters for (a, b), n in self.pairs.items())
        )


def _key(values: Any) -> Key:
    if not isinstance(values, list) or not all(isinstance(word, str) for word in values):
        raise TypeError
    return tuple(values)


def _place(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError
    return value
