"""Whether spans still fit the documents that they were found in.

A span counts Unicode code points of one immutable text. It says nothing of a text that was changed
since, and something wrong if it was counted in another unit: UTF-16 as in JavaScript, Java and the
offsets of many annotation tools, or bytes as in Go and Rust. Both show, and are refused.
"""

from __future__ import annotations

from surecode.encounter import Document
from surecode.errors import InputError


def check_document(document: Document, sha256: str) -> None:
    """Refuse a document that is not the one that was coded.

    Args:
        document: the document at hand.
        sha256: hexadecimal SHA-256 of the text that was coded (``Document.sha256``).

    Raises:
        InputError: the text was changed since.
    """
    if document.sha256 != sha256:
        raise InputError(
            f"document {document.document_id}: its text was changed after it was coded "
            f"(sha256 {document.sha256[:12]}, coded {sha256[:12]}); code it anew"
        )


def check_quote(document: Document, start: int, end: int, quote: str) -> None:
    """Refuse a span whose quote is not what the document says there.

    The message names a document and numbers, never the text.

    Raises:
        InputError: the span does not lie in the text, was counted in another unit than code points,
            or belongs to another text.
    """
    text = document.text
    where = f"document {document.document_id}: the span {start}-{end}"
    if 0 <= start < end <= len(text) and text[start:end] == quote:
        return
    unit = _unit(text, start, end, quote)
    if unit is not None:
        raise InputError(f"{where} counts {unit}; convert the offsets to Unicode code points")
    if not 0 <= start < end <= len(text):
        raise InputError(
            f"{where} does not lie in a text of {len(text)} characters; give the document that "
            "it belongs to"
        )
    raise InputError(
        f"{where} does not say what was quoted; give the document that it belongs to, unchanged"
    )


def _unit(text: str, start: int, end: int, quote: str) -> str | None:
    """The unit in which the offsets lead to the quote, if it is not code points."""
    if not quote or not 0 <= start < end:
        return None
    for unit, encoding, width in (
        ("UTF-16 units", "utf-16-le", 2),
        ("bytes of UTF-8", "utf-8", 1),
    ):
        piece = text.encode(encoding)[start * width : end * width]
        if piece == quote.encode(encoding):
            return unit
    return None
