"""Text as the word lists see it: lower case, no accents, and a way back to the document's offsets.

``Á`` becomes ``a``; combining marks (decomposed Unicode, as PDFs have it) are dropped, and
``places`` remembers where the rest stood. One word keeps its accent's meaning: ``sí`` (yes) becomes
``sy``, because ``si`` means "if".
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass

_MARKS = re.compile("[\u0300-\u036f]")
_YES = re.compile("(?<![\\w\u0300-\u036f])[sS](?:[íÍ]|[iI]\u0301)(?![\\w\u0300-\u036f])")


def _plain(character: str) -> str:
    lowered = unicodedata.normalize("NFD", character)[0].lower()
    return lowered if len(lowered) == 1 else character


_TABLE = {point: _plain(chr(point)) for point in range(0x41, 0x250)}


@dataclass(frozen=True)
class Folded:
    """A folded text.

    Attributes:
        text: the folded characters.
        places: ``[characters]`` position of each folded character in the original, or None where
            nothing was dropped and the positions are the same.
    """

    text: str
    places: tuple[int, ...] | None

    def inside(self, position: int) -> int:
        """The folded position of a position of the original."""
        return position if self.places is None else bisect_left(self.places, position)

    def outside(self, position: int) -> int:
        """The original's position of a folded position; the inverse of :meth:`inside`."""
        return position if self.places is None else self.places[position]


def fold(text: str) -> Folded:
    """Fold a text; a text without combining marks keeps its length."""
    if text.isascii():
        return Folded(text.lower(), None)
    if not _MARKS.search(text):
        return Folded(_YES.sub("sy", text).translate(_TABLE), None)
    yes = {match.start() + 1 for match in _YES.finditer(text)}
    kept = [place for place, character in enumerate(text) if not _MARKS.match(character)]
    folded = "".join("y" if place in yes else text[place] for place in kept)
    return Folded(folded.translate(_TABLE), (*kept, len(text)))
