"""From the places of a code's terms to the spans that are shown, and the text without them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from surecode.encounter import Document, Encounter
from surecode.evidence.mentions import Place as Characters
from surecode.evidence.spans import ScoredSpan
from surecode.hybrid.place import Place

# Stands for a character that is deleted: no letter, and no end of a sentence.
_GONE = "\N{MIDDLE DOT}"
# Places that people are less likely to mark exactly are not shown, but for a code's best one; where
# no marks were learned, those whose terms are less likely right. Best for CANTEMIST-NORM and
# CodiEsp-X in cross-validation inside train and tune.
_LIKELY = 0.3


@dataclass(frozen=True)
class TermSpan(ScoredSpan):
    """A span of a term.

    ``rule`` names the term; the pieces of one place, whose words stand apart, share ``number``.
    """

    rule: str = ""
    number: int = 0


def shown_spans(encounter: Encounter, places: Sequence[Place], most: int) -> list[TermSpan]:
    """Spans of one code from its places, best first.

    Of overlapping places the better one counts, and of unlikely ones only the best. Further places
    of the same words are mentions of the first of them. All other likely places are shown, as they
    mention the code again; of those whose words stand apart no more than ``most`` places in all. A
    span's score is its place's share of how likely all that are shown are marked.
    """
    number = {document.document_id: n for n, document in enumerate(encounter.documents)}
    chosen: list[tuple[Place, list[Place]]] = []
    taken: list[Characters] = []
    for place in places:
        if chosen and place.marked < _LIKELY:
            continue
        where = [(number[s.document_id], s.start, s.end) for s in place.spans]
        if any(_overlap(a, b) for a in where for b in taken):
            continue
        words = _words(encounter, place)
        same = next((o for first, o in chosen if _words(encounter, first) == words), None)
        if same is not None and len(place.spans) == 1:
            same.append(place)
        elif len(chosen) < most or len(place.spans) == 1:
            chosen.append((place, []))
        else:
            continue
        taken += where
    total = sum(place.marked for place, _ in chosen)
    return [
        TermSpan(
            number[span.document_id],
            span.start,
            span.end,
            place.marked / total / len(place.spans),
            tuple(
                sorted(
                    {
                        (number[s.document_id], s.start, s.end)
                        for one in ((place, *others) if len(place.spans) == 1 else ())
                        for s in one.spans
                    }
                )
            ),
            rule=place.rule,
            number=order,
        )
        for order, (place, others) in enumerate(chosen)
        for span in place.spans
    ]


def _words(encounter: Encounter, place: Place) -> list[str]:
    return [
        " ".join(encounter.text(span.document_id)[span.start : span.end].split())
        for span in place.spans
    ]


def left(encounter: Encounter, spans: Sequence[ScoredSpan], only: bool) -> Encounter:
    """The encounter without the spans and their mentions, or with nothing but them.

    What is deleted becomes as many signs that are no word, so that all places stay. White space
    stays as well. The gold is left out.
    """
    gone: dict[int, list[tuple[int, int]]] = {}
    for span in spans:
        for document, start, end in span.places:
            gone.setdefault(document, []).append((start, end))
    documents = tuple(
        _without(document, gone.get(n, []), only) for n, document in enumerate(encounter.documents)
    )
    return replace(encounter, documents=documents, codes=(), evidence=())


def _without(document: Document, places: Sequence[tuple[int, int]], only: bool) -> Document:
    text = document.text
    inside = bytearray(len(text))
    for start, end in places:
        inside[start:end] = b"\x01" * (end - start)
    kept = "".join(
        character
        if bool(inside[at]) == only or character.isspace() or (only and character in ".;")
        else _GONE
        for at, character in enumerate(text)
    )
    if not any(map(str.isalnum, kept)):
        kept = f"{kept} 0"  # an encounter needs a word; this one is in no term
    return Document(document.document_id, document.kind, kept)


def _overlap(a: Characters, b: Characters) -> bool:
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]
