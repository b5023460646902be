"""The highlighted text is the text, whatever it holds, and every character names its codes."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.errors import InputError
from surecode.evidence.highlight import Mark, highlight
from surecode.page.characters import visible


class Page(HTMLParser):
    """What a browser makes of the HTML: characters, the title over each, the labels, the tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.characters: list[tuple[str, str]] = []
        self.labels: list[tuple[int, str]] = []
        self.tags: set[str] = set()
        self.shades: list[str] = []
        self._open: list[str] = []
        self._title = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open.append(tag)
        if tag == "mark":
            self._title = dict(attrs)["title"] or ""
            self.shades.append(dict(attrs)["style"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "mark":
            self._title = ""

    def handle_data(self, data: str) -> None:
        if self._open[-1] == "sup":
            self.labels.append((len(self.characters), data.strip()))
        else:
            self.characters += [(character, self._title) for character in data]

    @property
    def text(self) -> str:
        return "".join(character for character, _ in self.characters)


@st.composite
def marked(draw: st.DrawFn) -> tuple[str, list[Mark]]:
    text = draw(st.text(st.characters(codec="utf-8") | st.sampled_from("<>&\"'\n\r\0"), min_size=1))
    starts = draw(st.lists(st.integers(0, len(text) - 1), max_size=6))
    labels = st.sampled_from(["I10", "J18.9", "R05.9"])
    return text, [Mark(s, draw(st.integers(s + 1, len(text))), draw(labels)) for s in starts]


@given(marked())
def test_text_and_titles_are_those_given(case: tuple[str, list[Mark]]) -> None:
    text, marks = case
    page = Page(highlight(text, marks))
    assert page.text == visible(text)
    assert page.tags <= {"div", "mark", "sup"}
    for position, (_, title) in enumerate(page.characters):
        expected = {mark.label for mark in marks if mark.start <= position < mark.end}
        assert set(title.split(", ")) - {""} == expected
    assert set(page.labels) == {(mark.end, mark.label) for mark in marks}


def test_nothing_of_a_note_is_taken_for_html() -> None:
    text = '<script>alert("x")</script> & temp <38'
    html = highlight(text, [Mark(0, 8, '"><img src=x>')])
    page = Page(html)
    assert page.text == text
    assert page.tags == {"div", "mark", "sup"}
    assert "<script" not in html
    assert "<img" not in html


def test_where_two_marks_overlap_the_text_is_darker_and_names_both() -> None:
    page = Page(highlight("abcdef", [Mark(0, 4, "I10"), Mark(2, 6, "J18.9")]))
    assert [title for _, title in page.characters] == (
        ["I10"] * 2 + ["I10, J18.9"] * 2 + ["J18.9"] * 2
    )
    opacities = [float(shade.rsplit(", ", 1)[1].rstrip(")")) for shade in page.shades]
    assert opacities[0] == opacities[2] < opacities[1] < 1


def test_offsets_are_code_points() -> None:
    page = Page(highlight("😷 fiebre", [Mark(2, 8, "R50.9")]))
    assert "".join(c for c, title in page.characters if title) == "fiebre"


def test_a_control_character_moves_no_mark() -> None:
    html = highlight("a\0b\r\nfever\x07", [Mark(5, 10, "R50.9")])
    page = Page(html)
    assert page.text == "a␀b\r\nfever␇"
    assert "".join(c for c, title in page.characters if title) == "fever"
    assert "\r" not in html


def test_each_line_runs_in_its_own_direction() -> None:
    html = highlight("דלקת\nfever", [])
    assert html.startswith('<div dir="auto" style="white-space: pre-wrap; unicode-bidi: plaintext"')


def test_a_text_without_evidence_has_no_marks() -> None:
    assert Page(highlight("no evidence", [])).tags == {"div"}


@pytest.mark.parametrize("mark", [Mark(2, 2, "I10"), Mark(-1, 2, "I10"), Mark(0, 5, "I10")])
def test_a_mark_outside_the_text_is_refused_without_quoting_it(mark: Mark) -> None:
    with pytest.raises(InputError, match=rf"mark {mark.start}-{mark.end} ") as refusal:
        highlight("note", [mark])
    assert "note" not in str(refusal.value)
