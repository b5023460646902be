"""Minimal pairs that measure whether a coder tells the senses of a word apart.

Two short notes share an ambiguous word. The first means it in a sense that has code A; the second
means something else, which has code B or no code of its own: "heart block" and "nerve block", "MS"
of a nerve, of a valve and of a syringe. A coder that reads words alone assigns A to both.

The notes were written for this project; no patient stands behind them. ``batch`` 1 was written
after the sense rules of `surecode.lexicon.senses` and half of it, by the hash of the word, was
looked at when they were refined; ``batch`` 2 was written after they were frozen.
``suites/README.md`` says how, and how far the figures carry.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import pandas as pd

from surecode.coder.dictionary import tokens
from surecode.codes.systems import parse
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.evidence.language import Language

Half = Literal["seen", "held_out"]
LANGUAGES: tuple[Language, ...] = ("en", "es")
BATCHES = (1, 2)
HEADER = (
    "id",
    "batch",
    "word",
    "language",
    "note_a",
    "code_a",
    "note_b",
    "code_b",
    "sense_a",
    "sense_b",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two notes with the same word; ``code_a`` holds for ``note_a`` and not for ``note_b``.

    ``code_b`` is what the other sense is coded as, or None where it has no code of its own.
    """

    id: str
    batch: int
    word: str
    language: Language
    note_a: str
    code_a: Code
    note_b: str
    code_b: Code | None
    sense_a: str
    sense_b: str

    @property
    def half(self) -> Half:
        """``seen`` or ``held_out``, by the parity of the SHA-256 of the word in lower case."""
        digest = hashlib.sha256(self.word.lower().encode()).digest()
        return "held_out" if digest[0] % 2 else "seen"


@dataclass(frozen=True, slots=True)
class Count:
    """In how many pairs a coder that knows code A did what.

    Attributes:
        pairs: the pairs that count: those whose code A the coder can assign.
        named: A was assigned to ``note_a``.
        apart: A was not assigned to ``note_b``.
        right: both. A coder that says nothing has `apart` of 1 and `right` of 0.
    """

    pairs: int
    named: int
    apart: int
    right: int

    def shares(self) -> dict[str, float | None]:
        """Shares of the pairs, and ``apart_of_named``: `right` among the pairs that were named.

        ``wrong`` is the share of the second notes that got the code of the other sense. None where
        there is nothing to divide by.
        """
        return {
            "named": _share(self.named, self.pairs),
            "apart": _share(self.apart, self.pairs),
            "wrong": _share(self.pairs - self.apart, self.pairs),
            "right": _share(self.right, self.pairs),
            "apart_of_named": _share(self.right, self.named),
        }


@dataclass(frozen=True, slots=True)
class SenseResult:
    """What `measure` counted.

    Attributes:
        exact: with codes as they are.
        category: with categories, the first three characters: I44.1 counts for I44.2.
        others: pairs with a code B that the coder can assign.
        other_named: how many of them got B for ``note_b``.
        unknown: pairs left out of ``exact`` because the coder does not know code A.
    """

    exact: Count
    category: Count
    others: int
    other_named: int
    unknown: int

    def to_dict(self) -> dict[str, Any]:
        """Counts and shares as plain JSON values."""
        return {
            "exact": asdict(self.exact) | {"shares": self.exact.shares()},
            "category": asdict(self.category) | {"shares": self.category.shares()},
            "others": self.others,
            "other_named": self.other_named,
            "unknown": self.unknown,
        }


@cache
def word_sense_suite(language: Language) -> tuple[Pair, ...]:
    """The pairs of one language, both batches, from the package."""
    path = f"suites/word_sense_{language}.csv"
    return parse_pairs(files("surecode.evaluation").joinpath(path).read_text("utf-8"), language)


def parse_pairs(table: str, language: Language) -> tuple[Pair, ...]:
    """Pairs of a CSV table with the columns of `HEADER`; codes are written SYSTEM:VALUE.

    Raises:
        InputError: another header, a line with other than ten cells, another batch than 1 or 2,
            another language, an id twice, a code that is none, codes of one category, equal
            senses, or a word that does not stand in each note exactly once.
    """
    header, *lines = list(csv.reader(table.splitlines())) or [[]]
    if tuple(header) != HEADER:
        raise InputError(f"word-sense suite: the header is not {', '.join(HEADER)}; correct it")
    pairs: dict[str, Pair] = {}
    for number, cells in enumerate(lines, start=2):
        pair = _pair(cells, language, f"word-sense suite ({language}), line {number}")
        if pair.id in pairs:
            raise InputError(
                f"word-sense suite ({language}), line {number}: id {pair.id} stands there twice; "
                "number the pairs anew"
            )
        pairs[pair.id] = pair
    return tuple(pairs.values())


def measure(
    pairs: Iterable[Pair],
    code: Callable[[str], Collection[Code]],
    known: Collection[Code] | None = None,
) -> SenseResult:
    """Count in how many pairs a coder tells the senses apart.

    A pair is right where ``note_a`` gets code A and ``note_b`` does not. Pass what the coder
    assigns whatever the route to measure the coder, or what it assigns without a person (nothing
    for a note that goes to review) to measure what would reach a claim.

    Args:
        pairs: the pairs.
        code: the codes that a note gets; asked once per note of a pair.
        known: the codes that the coder can assign at all; None where it can assign any.
    """
    names = None if known is None else frozenset(known)
    groups = None if names is None else frozenset(map(category, names))
    exact: list[tuple[bool, bool]] = []
    grouped: list[tuple[bool, bool]] = []
    others = other_named = seen = 0
    for pair in pairs:
        first, second = frozenset(code(pair.note_a)), frozenset(code(pair.note_b))
        seen += 1
        if names is None or pair.code_a in names:
            exact.append((pair.code_a in first, pair.code_a in second))
        group = category(pair.code_a)
        if groups is None or group in groups:
            grouped.append((group in map(category, first), group in map(category, second)))
        if pair.code_b is not None and (names is None or pair.code_b in names):
            others += 1
            other_named += pair.code_b in second
    return SenseResult(_count(exact), _count(grouped), others, other_named, seen - len(exact))


def category(code: Code) -> Code:
    """The category of a code: its first three characters."""
    return Code(code.system, code.value[:3])


def measure_rules(
    pairs: Iterable[Pair],
    sense: Callable[[Sequence[str], Sequence[str], Sequence[str], Code], str],
) -> pd.DataFrame:
    """Shares of what sense rules say of code A in both notes, by language, batch and half.

    Args:
        pairs: the pairs.
        sense: as `surecode.lexicon.senses.sense`: ``supported``, ``contradicted`` or ``unknown``
            for the words of the term, those before, those behind, and the code.

    Returns:
        One row per language, batch and half, and one for both halves (``half`` "all"), with
        ``pairs`` and the shares ``supported`` (of first notes), ``dropped`` (of second notes:
        contradicted), ``right`` (second note contradicted and first note not) and ``wrong`` (first
        note contradicted or second note supported).
    """
    rows = []
    for pair in pairs:
        first = sense(*_around(pair.note_a, pair.word), pair.code_a)
        second = sense(*_around(pair.note_b, pair.word), pair.code_a)
        dropped = second == "contradicted"
        outcome = (
            first == "supported",
            dropped,
            dropped and first != "contradicted",
            first == "contradicted" or second == "supported",
        )
        rows += [(pair.language, pair.batch, half, *outcome) for half in (pair.half, "all")]
    shares = ["supported", "dropped", "right", "wrong"]
    table = pd.DataFrame(rows, columns=["language", "batch", "half", *shares])
    groups = table.groupby(["language", "batch", "half"], sort=True)
    return (
        groups[shares].mean().assign(pairs=groups.size()).reset_index()[[*table.columns, "pairs"]]
    )


def _pair(cells: Sequence[str], language: Language, where: str) -> Pair:
    if len(cells) != len(HEADER):
        raise InputError(f"{where}: {len(cells)} cells; give {len(HEADER)}")
    name, batch, word, spoken, note_a, code_a, note_b, code_b, sense_a, sense_b = cells
    if batch not in map(str, BATCHES):
        raise InputError(f"{where}: the batch is not 1 or 2; correct it")
    if spoken != language:
        raise InputError(f"{where}: the language is not {language}; move the pair to its own file")
    if sense_a == sense_b:
        raise InputError(f"{where}: the senses are the same; say how they differ")
    try:
        first, second = parse(code_a), parse(code_b) if code_b else None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if second is not None and category(first) == category(second):
        raise InputError(f"{where}: both codes are of one category; choose senses further apart")
    if any(len(_places(note, word)) != 1 for note in (note_a, note_b)):
        raise InputError(f"{where}: the word must stand once in each note; correct it")
    return Pair(name, int(batch), word, language, note_a, first, note_b, second, sense_a, sense_b)


def _places(note: str, word: str) -> list[tuple[list[str], list[str], list[str]]]:
    """The words of each place where the word stands, those before and those behind."""
    words, term = tokens(note)[0], tokens(word)[0]
    return [
        (words[start : start + len(term)], words[:start], words[start + len(term) :])
        for start in range(len(words))
        if term and words[start : start + len(term)] == term
    ]


def _around(note: str, word: str) -> tuple[list[str], list[str], list[str]]:
    return _places(note, word)[0]


def _count(outcomes: Sequence[tuple[bool, bool]]) -> Count:
    return Count(
        pairs=len(outcomes),
        named=sum(first for first, _ in outcomes),
        apart=sum(not second for _, second in outcomes),
        right=sum(first and not second for first, second in outcomes),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
