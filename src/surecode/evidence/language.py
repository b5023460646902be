"""English or Spanish, by stop words around a place."""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["en", "es"]

_STOP_WORDS = re.compile(
    r"\b(?:(?P<en>the|of|and|was|were|is|are|with|he|she|his|her|has|had|for|to|there|this|on|at)"
    r"|(?P<es>el|la|los|las|de|del|que|y|se|con|un|una|en|su|por|para|al|es|fue|sin|desde))\b"
)
_LANGUAGE_WINDOW = 800  # characters on either side


def language_of(text: str, start: int) -> Language | None:
    """The language around a place by its stop words; None where they do not tell."""
    window = text[max(0, start - _LANGUAGE_WINDOW) : start + _LANGUAGE_WINDOW].lower()
    found = [match.lastgroup for match in _STOP_WORDS.finditer(window)]
    english, spanish = found.count("en"), found.count("es")
    if max(english, spanish) < 3 or english == spanish:
        return None
    if english >= 3 * spanish:
        return "en"
    return "es" if spanish >= 3 * english else None
