"""A document's text as HTML with the evidence of its codes marked, for a notebook.

Overlapping spans are cut at each other's ends, so that every piece of text stands in one ``<mark>``
that names all codes over it, and a piece under more codes is darker. The text is escaped, and
characters that a page cannot show have symbols. The page of an encounter, with links from codes to
words and back, is `surecode.evidence.audit_page`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from surecode.evidence.pieces import Piece, pieces
from surecode.page.characters import attribute, escaped, text, visible


@dataclass(frozen=True)
class Mark:
    """The characters ``start`` to ``end`` (half-open, code points) and what they are marked for."""

    start: int
    end: int
    label: str


def highlight(note: str, marks: Sequence[Mark]) -> str:
    """HTML of the note; each mark's label stands where the mark ends.

    Without the ``<sup>`` labels and the tags the result unescapes to ``visible(note)``, which is
    the note unless it holds control characters. Each line runs in its own direction.

    Raises:
        InputError: a mark is empty or does not lie inside the text.
    """
    shown = visible(note)
    html = "".join(_marked(piece, shown) for piece in pieces(len(note), marks))
    return f'<div dir="auto" style="white-space: pre-wrap; unicode-bidi: plaintext">{html}</div>'


def _marked(piece: Piece[Mark], shown: str) -> str:
    words = escaped(shown[piece.start : piece.end])
    if not piece.over:
        return words
    labels = dict.fromkeys(mark.label for mark in piece.over)
    ended = dict.fromkeys(mark.label for mark in piece.ends)
    opacity = 1 - 0.65 ** len(labels)
    style = f"color: inherit; background: rgba(255, 193, 7, {opacity:.2f})"
    notes = "".join(f"<sup> {text(label)}</sup>" for label in ended)
    return f'<mark title="{attribute(", ".join(labels))}" style="{style}">{words}</mark>{notes}'
