"""Which cues of a sentence reach a mention: the scope rules of ConText.

A cue reaches forward or backward until a phrase that ends its effect, over a bounded number of
words, and over commas only where they make a list: "no fever, cough or chills".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from surecode.evidence.cues import Cue, Effect

_WORDS = re.compile(r"[\w-]+")
_BREAK = re.compile(r"[,:()]")
_AND = re.compile(r"\b(?:and|or|nor|y|o|u|ni|e)\b")
_ALTERNATIVE = re.compile(r"\b(?:or|vs|versus|o|u)\b")
_LOOK_AHEAD = 60  # characters behind a mention in which its list may end with "or"
_PATIENT = re.compile(r"\b(?:patient|pt|paciente|varon de|mujer de)\b")
# Words between cue and mention: near ones within a phrase, lists as long as lists are.
_NEAR, _LIST = 6, 20
# A part of a list between two commas is short; a longer one is a new statement.
_FIRST_PART, _PART, _LAST_PART = 9, 5, 4


@dataclass(frozen=True)
class Mention:
    """A span in its folded sentence, with the cues of the sentence."""

    text: str
    cues: list[Cue]
    start: int
    end: int

    @property
    def names_patient(self) -> bool:
        """Whether the sentence says before the mention that it is about the patient."""
        return bool(_PATIENT.search(self.text, 0, self.start))

    def under(self, effect: Effect) -> bool:
        """Whether a cue of this effect reaches the mention's head."""
        return any(self._reached(cue, effect) for cue in self.cues if cue.group.effect == effect)

    @cached_property
    def head(self) -> int:
        """Where the head begins: behind the phrases that the span starts with."""
        head = self.start
        for cue in self.cues:
            if cue.group.effect is None or cue.group.side == "after" or cue.end >= self.end:
                continue
            if cue.end > head and not self.text[head : cue.start].strip(" \t\n\"'(-"):
                head = cue.end
        return head

    def _reached(self, cue: Cue, effect: Effect) -> bool:
        if cue.end <= self.head and cue.group.side != "after":
            return self._reached_from_before(cue, effect)
        if cue.start > self.head and cue.group.side != "before":
            return self._reached_from_behind(cue, effect)
        return False

    def _reached_from_before(self, cue: Cue, effect: Effect) -> bool:
        between, reach = self.text[cue.end : self.head], cue.group.reach
        if reach == "list":
            reached = _is_list(between)
        else:
            reached = _is_near(between.lstrip(": "), reach)
            # "Suspected gout, infection or trauma" is one list; "not gout, infection" is none.
            if reach == "near" and effect != "negated":
                reached = reached or self._is_alternative(cue.end)
        return reached and not self._is_stopped(effect, cue.end, self.head)

    def _reached_from_behind(self, cue: Cue, effect: Effect) -> bool:
        behind = self.end
        if cue.start < self.end:  # the span holds the cue: count from the head's first word
            word = _WORDS.search(self.text, self.head)
            behind = word.end() if word else self.end
        if cue.start < behind:
            return False
        between, reach = self.text[behind : cue.start], cue.group.reach
        reached = _is_near(between.replace(":", ""), reach)
        reached = reached or (reach == "near" and _is_enumeration(between))
        return reached and not self._is_stopped(effect, behind, cue.start)

    def _is_stopped(self, effect: Effect, start: int, end: int) -> bool:
        """Whether a phrase that ends this effect's scope stands between two places."""
        return any(
            effect in cue.group.stops and start <= cue.start and cue.end <= end for cue in self.cues
        )

    def _is_alternative(self, start: int) -> bool:
        """Whether the mention stands in a list with "or" that begins at ``start``."""
        between = self.text[start : self.head]
        if ":" in between or not _is_list(between):
            return False
        return bool(_ALTERNATIVE.search(self.text, start, self.end + _LOOK_AHEAD))


def _is_near(between: str, reach: str) -> bool:
    words = len(_WORDS.findall(between))
    return words <= (0 if reach == "touch" else _NEAR) and not _BREAK.search(between)


def _is_list(between: str) -> bool:
    """Whether the text between a cue and a mention is the beginning of one list."""
    parts = [len(_WORDS.findall(part)) for part in between.split(",")]
    if sum(parts) > _LIST or parts[0] > _FIRST_PART:
        return False
    return all(part <= _PART for part in parts[1:-1]) and (
        len(parts) == 1 or parts[-1] <= _LAST_PART
    )


def _is_enumeration(between: str) -> bool:
    """Whether a mention and a cue behind it stand in one list: "fever, chills and cough denied"."""
    parts = between.split(",")
    return len(parts) <= 6 and bool(_AND.search(parts[-1])) and _is_list(between)
