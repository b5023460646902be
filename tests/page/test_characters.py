"""What is shown is the text, character by character, and nothing of it is taken for HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.page.characters import attribute, count_replaced, escaped, text, visible

ANY = st.lists(
    st.characters()
    | st.characters(max_codepoint=0xA0)
    | st.sampled_from([*"\r\n\t\0<>&\"'\u202e\u0085", "\r\n"])
).map("".join)


class Read(HTMLParser):
    """The text between tags and the value of the attribute ``title``."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.title: str | None = None
        self.tags: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.title = dict(attrs).get("title")

    def handle_data(self, data: str) -> None:
        self.text += data


@given(ANY)
def test_each_character_has_one_form_and_that_is_seen(note: str) -> None:
    shown = visible(note)
    assert len(shown) == len(note)
    assert not {c for c in shown if ord(c) < 32 or 0x7F <= ord(c) < 0xA0} - set("\t\n\r")
    assert shown.count("\r") == shown.count("\r\n") == note.count("\r\n")
    assert visible(shown) == shown
    shown.encode("utf-8")


@given(ANY)
def test_characters_that_a_page_can_show_stay(note: str) -> None:
    changed = [a for a, b in zip(note, visible(note), strict=True) if a != b]
    for character in changed:
        code = ord(character)
        assert (
            code < 32 or 0x7F <= code < 0xA0 or code in (0x202D, 0x202E) or 0xD800 <= code < 0xE000
        )
    assert count_replaced(note) == len(changed) - changed.count("\r")


@given(ANY)
def test_a_reader_of_html_gets_the_characters_back(note: str) -> None:
    page = Read(f'<p title="{attribute(note)}">{text(note)}</p>')
    assert page.text == visible(note)
    assert page.title == visible(note)
    assert page.tags == ["p"]


@given(ANY, st.data())
def test_text_may_be_cut_anywhere(note: str, data: st.DataObject) -> None:
    shown = visible(note)
    cut = data.draw(st.integers(0, len(shown)))
    html = f"<p>{escaped(shown[:cut])}<i>{escaped(shown[cut:])}</i></p>"
    # Browsers turn CR and CRLF into LF before they parse: none may stand in the file itself.
    assert "\r" not in html
    assert Read(html).text == shown


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        ("a\0b", "a␀b"),
        ("\x1b[0m\x7f", "␛[0m␡"),
        ("page\x0cbreak", "page␌break"),
        ("old\rMac\r\n", "old\nMac\r\n"),
        ("\r\r\n", "\n\r\n"),
        ("mainframe\x85line", "mainframe␤line"),
        ("no \u202efo ecnedive", "no �fo ecnedive"),
        ("half \ud83d", "half �"),
        ("א\u200f b\u200d\ufe0f 😷 e\u0301 \xa0", "א\u200f b\u200d\ufe0f 😷 e\u0301 \xa0"),
    ],
)
def test_forms(note: str, shown: str) -> None:
    assert visible(note) == shown
