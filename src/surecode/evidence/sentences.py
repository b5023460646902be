"""The sentence around a mention, in notes that are half prose and half lists.

A sentence ends at a full stop before a blank, at a semicolon, at a question mark, at an empty line,
and at the end of a line unless the next line goes on in lower case. No model: a sentence is looked
for in a bounded window, so a note of any length costs the same.
"""

from __future__ import annotations

import re

_END = re.compile(
    r"\n[ \t]*\n"
    r"|(?<!,)[ \t]*\n(?=[ \t]*[^a-zà-öø-ÿ\s(])"
    r"|[.!?](?=\s)|;"
)
# Behind these a full stop ends nothing: titles, "e.g.", "p. ej.", initials such as "S. aureus".
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|dra|drs|sr|sra|mr|mrs|ms|st|vs|approx|aprox|e\.g|i\.e|p|ej|fig|izq|dcho|dcha|der"
    r"|incl|esp|resp|hosp|dept|prof|sta|num|temp|max|min)|(?<![^\s(])[A-Za-zÁÉÍÓÚ])$",
    re.IGNORECASE,
)
_BEFORE, _AFTER = 600, 400


def sentence_around(text: str, start: int, end: int) -> tuple[int, int]:
    """First and last (exclusive) character of the sentence or sentences that hold the span."""
    left = max(0, start - _BEFORE)
    right = min(len(text), end + _AFTER)
    first, last = left, right
    for match in _END.finditer(text, left, right):
        if _is_abbreviated(text, match.start()):
            continue
        if match.end() <= start:
            first = match.end()
        elif match.start() >= end or match.end() >= end > match.start():
            last = match.end()
            break
    return first, last


def _is_abbreviated(text: str, stop: int) -> bool:
    """Whether the full stop belongs to an abbreviation."""
    if text[stop] != ".":
        return False
    if text[stop + 1 : stop + 2] == "\n":
        return False
    return bool(_ABBREVIATION.search(text[max(0, stop - 7) : stop]))
