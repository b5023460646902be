"""The sections of a note: which heading a sentence stands under.

A heading is a known name (`evidence/section_names`) alone on its line or before a colon, a line in
capitals, or any short ``Xxx xxx:`` at the start of a line. Clinical notes follow no grammar, so
these are rules of thumb; they never fail, and a text without headings has no sections.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from surecode.evidence.folding import Folded, fold
from surecode.evidence.mentions import Place
from surecode.evidence.section_names import INLINE, SectionKind, kind_of

_LETTER = r"[^\W\d_]"
# Bullets and numbers, then a name of at most 60 characters; then a colon or the end of the line.
_LINE = re.compile(
    rf"^(?P<lead>[ \t]*(?:[>*#•»\-–·]+[ \t]*|\(?\d{{1,2}}[.)][ \t]*|[a-zA-Z]\)[ \t]*)?)"
    rf"(?P<name>{_LETTER}[\w\u0300-\u036f /&,.()\-]{{0,59}}?)[ \t]*(?::(?!\S*//)|(?=[ \t]*$))",
    re.MULTILINE,
)
_BLANK = re.compile(r"\n[ \t]*\n")
_MAXIMUM_WORDS = 6
# "Mother: diabetes" is a line of the family history, not a section.
_RELATIVE = re.compile(
    r"(?:(?:maternal|paternal|grand|half-?) ?)*(?:mother|father|brother|sister|parents?|siblings?"
    r"|aunt|uncle|cousins?|sons?|daughters?|children|mom|dad)s?"
    r"|padres?|madre|herman[oa]s?|abuel[oa]s?|ti[oa]s?|hij[oa]s?|prim[oa]s?"
)


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, half-open in the document's code points.

    Attributes:
        name: the heading as written, without bullet and colon.
        kind: what the section is about; ``other`` for names that are not known.
        heading_start, heading_end: the name.
        start, end: the body, from behind the heading to where the next section or, under a heading
            with text on its own line, the paragraph ends.
    """

    name: str
    kind: SectionKind
    heading_start: int
    heading_end: int
    start: int
    end: int


@dataclass(frozen=True)
class _Heading:
    start: int
    end: int
    body: int
    kind: SectionKind | None
    own_line: bool


def sections(text: str) -> list[Section]:
    """The sections of a text in reading order, disjoint; empty if it has no heading."""
    folded = fold(text)
    headings = {heading.start: heading for heading in _inline(folded)}
    headings |= {heading.start: heading for heading in _lines(text, folded)}
    ordered = [headings[start] for start in sorted(headings)]
    found: list[Section] = []
    anchor: Section | None = None  # the last section that began something new
    for heading, following in zip_longest(ordered, ordered[1:]):
        if found and heading.start < found[-1].start:
            continue  # inside the heading before
        end = following.start if following else len(text)
        if not heading.own_line:
            blank = _BLANK.search(text, heading.body, end)
            end = blank.start() if blank else end
        part = anchor is not None and heading.kind is None and _is_part(text, anchor, heading)
        section = Section(
            name=text[heading.start : heading.end],
            kind=anchor.kind if anchor and part else heading.kind or "other",
            heading_start=heading.start,
            heading_end=heading.end,
            start=heading.body,
            end=max(end, heading.body),
        )
        if not part:
            anchor = section
        found.append(section)
    return found


def headings(found: Sequence[Sequence[Section]]) -> list[Place]:
    """Where the headings stand in some documents, given the sections of each."""
    return [
        (document, section.heading_start, section.heading_end)
        for document, of_text in enumerate(found)
        for section in of_text
    ]


def section_of(found: Sequence[Section], start: int) -> Section | None:
    """The section whose body holds the character ``start``; None outside of all bodies."""
    position = bisect_right(found, start, key=lambda section: section.start) - 1
    if position < 0 or start >= found[position].end:
        return None
    return found[position]


def _lines(text: str, folded: Folded) -> list[_Heading]:
    """Headings at the start of a line."""
    headings = []
    for match in _LINE.finditer(text):
        name = match["name"]
        start, end = match.span("name")
        plain = folded.text[folded.inside(start) : folded.inside(end)]
        colon = text[match.end() - 1 : match.end()] == ":" and match.end() > end
        if len(name) == 1 and not (colon and name.isupper()):
            continue  # the letters of SOAP only
        kind = kind_of(plain.strip())
        if kind is None and (
            len(name.split()) > _MAXIMUM_WORDS
            or _RELATIVE.fullmatch(plain)
            or "." in name
            or "," in name
            or not ((colon and name[0].isupper()) or _is_capitals(name))
        ):
            continue
        body = match.end()
        stop = text.find("\n", body)
        rest = text[body : stop if stop >= 0 else len(text)]
        headings.append(_Heading(start, end, body, kind, own_line=not rest.strip()))
    return headings


def _inline(folded: Folded) -> list[_Heading]:
    """Known names before a colon in the middle of a line."""
    headings = []
    for match in INLINE.finditer(folded.text):
        colon = folded.text.index(":", match.end()) + 1
        headings.append(
            _Heading(
                start=folded.outside(match.start()),
                end=folded.outside(match.end()),
                body=folded.outside(colon),
                kind=kind_of(match.group()),
                own_line=False,
            )
        )
    return headings


def _is_capitals(name: str) -> bool:
    """A line in capitals of more than one word or of a long one: "HOSPITAL COURSE"."""
    return name.isupper() and (" " in name or len(name) > 6) and not any(map(str.isdigit, name))


def _is_part(text: str, above: Section, heading: _Heading) -> bool:
    """Whether an unknown name belongs to the section above it rather than begin something new.

    "Cardiac:" on the line below "PAST MEDICAL HISTORY: ..." is a part of it. A blank line between
    them, or a heading in capitals as the one above, says that something new begins.
    """
    quieter = above.name.isupper() and not text[heading.start : heading.end].isupper()
    return quieter and not _BLANK.search(text, above.heading_end, heading.start)
