"""Abbreviations of English clinical notes, written out before a text is compared by its meaning.

An encoder of sentences knows "hypertension" and makes little of "HTN". The list
(``shipped/abbreviations_en.tsv``) was written for this project from general knowledge: an
abbreviation and what it stands for a line, the most frequent first of several. One with a capital
stands only as it is written, others in any case, and each by itself between blanks, commas and
brackets.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent / "shipped" / "abbreviations_en.tsv"
_WORD = re.compile(r"[^\s,;:()\[\]]+")


def spelled_out(text: str) -> list[str]:
    """A text with its abbreviations written out, in as many ways as it has readings; often none.

    The n-th way has of each abbreviation the n-th of what it stands for, or the last that there is.
    """
    found = list(_found(text))
    ways = max((len(meanings) for _, _, meanings in found), default=0)
    return [written for way in range(ways) if (written := _written(text, found, way)) != text]


@cache
def abbreviations_hash() -> str:
    """sha256 of the list; who learned with another must learn again."""
    return hashlib.sha256(_FILE.read_bytes()).hexdigest()


_Found = tuple[int, int, tuple[str, ...]]  # characters, and what stands there


def _found(text: str) -> Iterator[_Found]:
    """The abbreviations of a text in reading order, the longest where several begin."""
    table, longest = _table()
    words = [match.span() for match in _WORD.finditer(text)]
    n = 0
    while n < len(words):
        start = words[n][0]
        for last in range(min(n + longest, len(words)) - 1, n - 1, -1):
            meanings, end = _meanings(table, text, start, words[last][1])
            if meanings:
                yield start, end, meanings
                n = last
                break
        n += 1


def _meanings(
    table: Mapping[str, tuple[str, ...]], text: str, start: int, end: int
) -> tuple[tuple[str, ...], int]:
    """What characters stand for, and where they end: a full stop behind them may not be theirs."""
    for stop in (end, end - 1) if text[end - 1] == "." else (end,):
        written = text[start:stop]
        if meanings := table.get(written) or table.get(written.lower()):
            return meanings, stop
    return (), end


def _written(text: str, found: list[_Found], way: int) -> str:
    parts, at = [], 0
    for start, end, meanings in found:
        parts += [text[at:start], meanings[min(way, len(meanings) - 1)]]
        at = end
    return "".join([*parts, text[at:]])


@cache
def _table() -> tuple[dict[str, tuple[str, ...]], int]:
    """What each abbreviation stands for, and how many words the longest has."""
    table: dict[str, tuple[str, ...]] = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        abbreviation, meaning = line.split("\t")
        table[abbreviation] = (*table.get(abbreviation, ()), meaning)
    return table, max(len(_WORD.findall(abbreviation)) for abbreviation in table)
