"""Text as a browser can show it: one character for one, so that no offset moves.

HTML drops NUL, turns CR into LF before it parses, and shows other control characters as nothing;
an override of the direction of writing shows words in another order than the coder read them. On a
page that must show what stands in a note, all of these need a form that is seen.
"""

from __future__ import annotations

import re
from html import escape

_NEL, _DELETE, _UNKNOWN = 0x85, 0x7F, 0xFFFD
_FORMS = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n\r"},
    _DELETE: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), _UNKNOWN),
    _NEL: 0x2424,
    **dict.fromkeys((0x202D, 0x202E), _UNKNOWN),  # LRO and RLO, which reorder what is read
    **dict.fromkeys(range(0xD800, 0xE000), _UNKNOWN),  # halves of pairs, which UTF-8 cannot hold
}
_LONE_RETURN = re.compile(r"\r(?!\n)")


def visible(text: str) -> str:
    """The text with a symbol for each character that a page cannot show; same length.

    NUL becomes ``␀`` and so on; C1 controls (NEL is ``␤``), overrides of direction and halves of
    surrogate pairs become U+FFFD. Tab, LF and CRLF stay; a CR alone, the line end of old systems,
    becomes LF.
    """
    return _LONE_RETURN.sub("\n", text).translate(_FORMS)


def count_replaced(text: str) -> int:
    """How many characters `visible` shows by a symbol."""
    return sum(ord(character) in _FORMS for character in text)


def text(words: str) -> str:
    """Words as HTML between tags."""
    return escaped(visible(words))


def attribute(words: str) -> str:
    """Words as the value of an attribute in double quotes."""
    return _kept(escape(visible(words)))


def escaped(shown: str) -> str:
    """HTML of text, or a piece of it, that is `visible` already: CRLF may be cut in two."""
    return _kept(escape(shown, quote=False))


def _kept(html: str) -> str:
    # A parser turns CR into LF unless it is written as a reference.
    return html.replace("\r", "&#13;")
