"""A document's text as HTML with the evidence of its codes marked.

Overlapping spans are cut at each other's ends, so that every piece of text stands in one ``<mark>``
that names all codes over it, and a piece under more codes is darker. The text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from surecode.errors import InputError


@dataclass(frozen=True)
class Mark:
    """The characters ``start`` to ``end`` (half-open, code points) and what they are marked for."""

    start: int
    end: int
    label: str


def highlight(text: str, marks: Sequence[Mark]) -> str:
    """HTML of the text; each mark's label stands where the mark ends.

    Without the ``<sup>`` labels and the tags the result unescapes to ``text``.

    Raises:
        InputError: a mark is empty or does not lie inside the text.
    """
    for mark in marks:
        if not 0 <= mark.start < mark.end <= len(text):
            raise InputError(
                f"mark {mark.start}-{mark.end} does not lie in a text of {len(text)} characters; "
                "give the document that the span belongs to"
            )
    cuts = sorted({0, len(text)}.union(*((mark.start, mark.end) for mark in marks)))
    pieces = "".join(_piece(text, start, end, marks) for start, end in pairwise(cuts))
    return f'<div style="white-space: pre-wrap">{pieces}</div>'


def _piece(text: str, start: int, end: int, marks: Sequence[Mark]) -> str:
    """The characters between two cuts: every mark covers them all or none of them."""
    quote = escape(text[start:end])
    over = [mark for mark in marks if mark.start <= start and end <= mark.end]
    if not over:
        return quote
    labels = dict.fromkeys(mark.label for mark in over)
    ended = dict.fromkeys(mark.label for mark in over if mark.end == end)
    opacity = 1 - 0.65 ** len(labels)
    style = f"color: inherit; background: rgba(255, 193, 7, {opacity:.2f})"
    notes = "".join(f"<sup> {escape(label)}</sup>" for label in ended)
    return f'<mark title="{escape(", ".join(labels))}" style="{style}">{quote}</mark>{notes}'
