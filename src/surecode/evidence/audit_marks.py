"""The marks of an audit page: which number, which line and which link belong to a span.

Every code has a number, and a line of a colour and a pattern of its own; colour alone tells nothing
that pattern and number do not. Lines over the same words lie below each other in lanes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from surecode.evidence.audit_content import AuditCode, AuditSpan

COLOURS = 7
PATTERNS = 5
LANES = 4  # lines that fit below a line of text; words under more codes have their numbers still
SHOWN_MENTIONS = 12  # of one span; the others are counted


@dataclass(frozen=True)
class AuditMark:
    """A stretch of one document, for one code.

    Attributes:
        start, end: half-open, code points.
        code: the code's number on the page, from 1.
        label: what is read at the mark, such as ``3.1``: the first span of code 3.
        name: the code in its system, for readers who hear the page.
        target: the mark's id.
        back: the id of the link in the code's card.
        again: whether the words only stand here too, and the span is elsewhere.
        lane: which line below the text is its own, from 0; `LANES` or more where none is left.
    """

    start: int
    end: int
    code: int
    label: str
    name: str
    target: str
    back: str
    again: bool
    lane: int = 0


def line_of(code: int) -> str:
    """The classes of a code's line: no two of the first 35 codes share colour and pattern."""
    return f"k{(code - 1) % COLOURS} s{(code - 1) % PATTERNS}"


def mark_id(code: int, span: int, mention: int = 0) -> str:
    """The id of a mark in a document; ``span`` and ``mention`` from 1, 0 for the span itself."""
    return f"e{code}-{span}-{mention}" if mention else f"e{code}-{span}"


def link_id(code: int, span: int) -> str:
    """The id of the link in a card that leads to a mark."""
    return f"c{code}-{span}"


def mentions_elsewhere(span: AuditSpan, code: AuditCode) -> list[tuple[str, int, int]]:
    """Where else the words stand, as (document_id, start, end), but for the code's own spans."""
    taken = {(own.document_id, own.start, own.end) for own in (span, *code.spans)}
    places = dict.fromkeys((m.document_id, m.start, m.end) for m in span.mentions)
    return [place for place in places if place not in taken]


def marks_by_document(codes: Sequence[AuditCode]) -> Mapping[str, list[AuditMark]]:
    """The marks of every document by its id, in the order of the text, each in a lane."""
    marks: dict[str, list[AuditMark]] = defaultdict(list)
    for number, code in enumerate(codes, start=1):
        for at, span in enumerate(code.spans, start=1):
            more = mentions_elsewhere(span, code)[:SHOWN_MENTIONS]
            places = [(span.document_id, span.start, span.end), *more]
            for mention, (document_id, start, end) in enumerate(places):
                marks[document_id].append(
                    AuditMark(
                        start,
                        end,
                        number,
                        label=f"{number}.{at}",
                        name=f"{code.system} {code.value}",
                        target=mark_id(number, at, mention),
                        back=link_id(number, at),
                        again=mention > 0,
                    )
                )
    return {document_id: _in_lanes(found) for document_id, found in marks.items()}


def _in_lanes(marks: Iterable[AuditMark]) -> list[AuditMark]:
    """Each mark in the first lane where it overlaps nothing: spans first, long before short."""
    lanes: list[list[AuditMark]] = []
    placed = []
    for mark in sorted(marks, key=lambda m: (m.again, m.start, -m.end, m.code, m.label)):
        free = (
            at
            for at, lane in enumerate(lanes)
            if all(other.end <= mark.start or mark.end <= other.start for other in lane)
        )
        at = next(free, len(lanes))
        if at == len(lanes):
            lanes.append([])
        lanes[at].append(mark)
        placed.append(replace(mark, lane=at))
    return sorted(placed, key=lambda m: (m.start, m.again, m.lane))
