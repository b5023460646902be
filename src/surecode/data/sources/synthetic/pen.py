"""Writes documents fragment by fragment and records where each mention comes to stand.

Typing errors are made inside a fragment before its length is known, so that a span is exact
whatever was misspelt before it or in it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from surecode.data.sources.synthetic.case import Claim, Patient
from surecode.data.sources.synthetic.tables import capitalized
from surecode.data.sources.synthetic.weights import pick_ranked
from surecode.encounter import Document, Span

_WORD = re.compile(r"[A-Za-z]{4,}")
_NUMBER = re.compile(r"\{(\d+(?:\.(\d+))?)-(\d+(?:\.\d+)?)\}")
_PLACE = re.compile(r"\{([mM])\}")
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@dataclass(frozen=True)
class Mention:
    """One affirmed mention of a claim."""

    claim: Claim
    span: Span


class Pen:
    """Writes the documents of one encounter; ``typo_rate`` is per word of four letters or more."""

    def __init__(
        self,
        encounter_id: str,
        patient: Patient,
        difficulty: float,
        typo_rate: float,
        rng: random.Random,
    ) -> None:
        self.documents: list[Document] = []
        self.mentions: list[Mention] = []
        self.uncoded: list[Span] = []
        self._encounter_id = encounter_id
        self._patient_words = {
            "{age}": str(patient.age),
            "{sex}": patient.sex,
        }
        self._difficulty = difficulty
        self._typo_rate = typo_rate
        self._rng = rng
        self._kind = ""
        self._parts: list[str] = []
        self._length = 0
        self._gap = ""

    def open(self, kind: str) -> None:
        """Start the next document."""
        self.close()
        self._kind = kind

    def close(self) -> None:
        """Finish the document under the pen, if there is one."""
        if self._parts:
            self.documents.append(Document(self._document_id, self._kind, "".join(self._parts)))
        self._parts, self._length, self._gap = [], 0, ""

    def section(self, *titles: str) -> None:
        """Start a section under one of the titles, which are never misspelt."""
        if self._parts:
            self._append("\n")
        self._append(self._rng.choice(titles) + ":")
        self._gap = " "

    def line(self) -> None:
        """Let the next sentence start a line."""
        self._gap = "\n"

    def say(self, template: str, subject: str = "", side: str = "") -> None:
        """Write one sentence about something that is not coded."""
        before, place, after = self._split(template, side)
        self._append(self._gap + self._misspell(before))
        if place:
            start = self._length
            self._append(self._misspell(self._filled(_cased(subject, place), side)))
            self.uncoded.append(Span(self._document_id, start, self._length))
        self._append(self._misspell(after))
        self._gap = " "

    def claim(self, template: str, claim: Claim) -> None:
        """Write one sentence that affirms the claim; a hedged claim keeps its own template."""
        before, place, after = self._split(claim.template or template, claim.side)
        name = pick_ranked(claim.names, self._difficulty, self._rng)
        self._append(self._gap + self._misspell(before))
        start = self._length
        self._append(self._misspell(self._filled(_cased(name, place), claim.side)))
        self.mentions.append(Mention(claim, Span(self._document_id, start, self._length)))
        self._append(self._misspell(after))
        self._gap = " "

    def numbered(self, claims: Sequence[Claim], template: str = "{M}.") -> None:
        """Write the claims as a list, with numbers where there are several."""
        for number, claim in enumerate(claims, start=1):
            if number > 1:
                self.line()
            if len(claims) > 1:
                self.say(f"{number}.")
            self.claim(template, claim)

    def one_of(self, phrases: Sequence[str], side: str = "") -> None:
        """Write one of the phrases, the commoner the more often; none where there is none."""
        if phrases:
            self.say(pick_ranked(phrases, self._difficulty, self._rng), side=side)

    def some_of(self, phrases: Sequence[str], least: int = 1) -> None:
        """Write different phrases: ``least`` of them, and up to three more with difficulty."""
        extra = sum(self._rng.random() < self._difficulty for _ in range(3))
        for phrase in self._rng.sample(phrases, min(len(phrases), least + extra)):
            self.say(phrase)

    def chance(self, probability: float) -> bool:
        """True with the probability."""
        return self._rng.random() < probability

    @property
    def _document_id(self) -> str:
        return f"{self._encounter_id}-{len(self.documents) + 1}"

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def _split(self, template: str, side: str) -> tuple[str, str, str]:
        pieces = _PLACE.split(template)
        if len(pieces) == 1:
            return self._filled(template, side), "", ""
        before, place, after = pieces
        return self._filled(before, side), place, self._filled(after, side)

    def _filled(self, text: str, side: str) -> str:
        if "{" not in text:
            return text
        text = text.replace("{side}", side).replace("{Side}", side.capitalize())
        for key, word in self._patient_words.items():
            text = text.replace(key, word)
        return _NUMBER.sub(self._number, text)

    def _number(self, bounds: re.Match[str]) -> str:
        low, decimals, high = bounds.groups()
        value = self._rng.uniform(float(low), float(high))
        return f"{value:.{len(decimals or '')}f}"

    def _misspell(self, text: str) -> str:
        if self._typo_rate == 0:
            return text
        return _WORD.sub(self._misspell_word, text)

    def _misspell_word(self, found: re.Match[str]) -> str:
        word = found.group()
        if self._rng.random() >= self._typo_rate:
            return word
        place = self._rng.randrange(1, len(word) - 1)
        kind = self._rng.choice(("swap", "drop", "double", "replace"))
        letter, following = word[place], word[place + 1]
        if kind == "swap" and letter != following:
            return word[:place] + following + letter + word[place + 2 :]
        if kind == "double":
            return word[:place] + letter + word[place:]
        if kind == "replace":
            return word[:place] + self._neighbour(letter) + word[place + 1 :]
        return word[:place] + word[place + 1 :]

    def _neighbour(self, letter: str) -> str:
        row = next(row for row in _KEYBOARD if letter.lower() in row)
        place = row.index(letter.lower())
        near = self._rng.choice([row[p] for p in (place - 1, place + 1) if 0 <= p < len(row)])
        return near.upper() if letter.isupper() else near


def _cased(name: str, place: str) -> str:
    return capitalized(name) if place == "M" else name
