"""Phrases that say how a mention is meant, and the machine that finds them in linear time.

A phrase is words with blanks between them. Inside a phrase: ``a|b`` is one of several words,
``stem*`` any word with that beginning, ``word?`` a word that may be missing (never the last one),
``_`` any one word, ``_3`` at most three words. A phrase that starts with ``re:`` is a regular
expression that begins with two plain characters, the first a letter or a comma. Text and phrases
are folded (`evidence/folding`).

Phrases are looked up by their first two characters at every word, so that most words cost one look
into a dictionary. Of overlapping phrases the first counts, and of those at one place the longest:
"no increase in" swallows "no". Phrases over the very same characters all count: "denies" negates,
and it ends what was said of the family.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Effect = Literal["negated", "uncertain", "hypothetical", "historical", "family", "current"]
Side = Literal["before", "after", "both"]
# How far a cue reaches: over the commas of a list, to the next comma, or to the next word only.
Reach = Literal["list", "near", "touch"]


@dataclass(frozen=True)
class CueGroup:
    """Phrases that do the same.

    Attributes:
        effect: what they say of a mention; None for phrases that say nothing themselves.
        side: where they stand, seen from the mention.
        reach: how far they reach.
        phrases: the phrases.
        stops: effects of other cues that do not reach over these phrases.
    """

    effect: Effect | None
    side: Side
    reach: Reach
    phrases: tuple[str, ...]
    stops: frozenset[Effect] = frozenset()

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that a phrase occupies; one without effect of its own occupies both."""
        return (self.side,) if self.effect and self.side != "both" else ("before", "after")


@dataclass(frozen=True)
class Cue:
    """A phrase found at the folded characters ``start`` to ``end``."""

    start: int
    end: int
    group: CueGroup


_WORD = re.compile(r"[^\W_]+|[?¿,]")
_Entry = tuple[re.Pattern[str], CueGroup, tuple[str, ...]]


class Lexicon:
    """Compiled phrases of one language or of several."""

    def __init__(self, groups: Iterable[CueGroup]) -> None:
        table: defaultdict[str, list[_Entry]] = defaultdict(list)
        for group in groups:
            for phrase in dict.fromkeys(group.phrases):
                entry = (re.compile(_expression(phrase)), group, group.sides)
                for key in sorted(_keys(phrase)):
                    table[key].append(entry)
        self._table = dict(table)

    def find(self, text: str, start: int = 0, end: int | None = None) -> list[Cue]:
        """The cues between two places of a folded text, in reading order.

        Phrases that look ahead and phrases that look back may overlap each other: "is negative"
        says something of what stands before it, "negative for" of what follows.
        """
        end = len(text) if end is None else end
        found: list[Cue] = []
        covered = {"before": 0, "after": 0}  # up to where, by the side that a phrase speaks of
        for word in _WORD.finditer(text, start, end):
            place = word.start()
            longest: dict[str, int] = {}
            matches: list[tuple[Cue, tuple[str, ...]]] = []
            for key in dict.fromkeys((text[place : place + 2], text[place])):
                for pattern, group, sides in self._table.get(key, ()):
                    match = pattern.match(text, place)
                    if match and match.end() > end:  # a shorter one may end before
                        match = pattern.match(text, place, end)
                    if match is None or any(place < covered[side] for side in sides):
                        continue
                    matches.append((Cue(place, match.end(), group), sides))
                    for side in sides:
                        longest[side] = max(longest.get(side, 0), match.end())
            for cue, sides in matches:
                if all(cue.end == longest[side] for side in sides):
                    found.append(cue)
                    covered |= dict.fromkeys(sides, cue.end)
        return found


def _keys(phrase: str) -> set[str]:
    """The first two characters, or the only one, of every word that a phrase may start with."""
    if phrase.startswith("re:"):
        return {phrase[3:5]}
    first, *rest = phrase.split()
    keys = {word.rstrip("?*")[:2] for word in first.split("|")} if first != "?" else {"?"}
    return keys | (_keys(" ".join(rest)) if first.endswith("?") and rest else set())


def _expression(phrase: str) -> str:
    """The regular expression of a phrase."""
    if phrase.startswith("re:"):
        return phrase[3:]
    *slots, last = phrase.split()
    return "".join(map(_inner, slots)) + _words(last) + (r"(?!\w)" if last[-1] not in "?¿" else "")


def _inner(slot: str) -> str:
    """A slot before the last one, with the blank behind it."""
    if slot[0] == "_" and slot[1:].isdigit():
        return rf"(?:[\w-]+\s+){{0,{slot[1:]}}}"
    if slot.endswith("?"):
        return rf"(?:{_words(slot[:-1])}\s+)?"
    return _words(slot) + r"\s+"


def _words(slot: str) -> str:
    """Alternatives, stems, any word."""
    if slot == "_":
        return r"[\w-]+"
    words = (re.escape(word).replace(r"\*", r"\w*") for word in slot.split("|"))
    return f"(?:{'|'.join(words)})"
