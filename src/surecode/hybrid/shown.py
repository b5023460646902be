"""From the places of codes' terms to the spans that are shown, and the text without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from surecode.encounter import Document, Encounter
from surecode.evidence.mentions import Place as Characters
from surecode.evidence.mentions import overlaps
from surecode.evidence.spans import ScoredSpan
from surecode.hybrid.place import Place
from surecode.lexicon.meaning import usable

# Stands for a character that is deleted: no letter, and no end of a sentence.
_GONE = "\N{MIDDLE DOT}"
# Places that people are less likely to mark exactly are not shown, but for a code's best one; where
# no marks were learned, those whose terms are less likely right. F1 is largest at half of what it
# comes to (Lipton et al. 2014, arXiv 1402.1892), which is more where a tagger tells the places; so
# it was for CodiEsp-X and CANTEMIST-NORM in cross-validation inside train and tune.
_LIKELY, _LIKELY_TAGGED = 0.3, 0.4
# Of the chance of a term's place where a tagger sees mentions: those that are left beside mentions
# are marked less often than they seem. By CANTEMIST-NORM, cross-validated too (of .5, .8 and 1).
_BESIDE_TAGGED = 0.8


@dataclass(frozen=True)
class TermSpan(ScoredSpan):
    """A span of a term.

    ``rule`` names the term; the pieces of one place, whose words stand apart, share ``number``.
    """

    rule: str = ""
    number: int = 0


def shown_spans(
    encounter: Encounter, places: Mapping[int, Sequence[Place]], most: int
) -> dict[int, list[TermSpan]]:
    """Spans of assigned codes from their places, each code's best first.

    Codes compete: of overlapping places, whatever their codes, the best one counts, as people mark
    words for one code as a rule. Where nothing that is likely and affirmed is left to a code, its
    best place is shown, though it be another code's as well. Further places of the same words are
    mentions of the first of them. All other likely places are shown, as they mention the code
    again; of those whose words stand apart no more than ``most`` places of a code in all. A span's
    score is its place's share of how likely all of its code that are shown are marked.

    Args:
        encounter: what was coded.
        places: of each assigned code, by its number; one at least, the best first.
        most: places of a code.
    """
    number = {document.document_id: n for n, document in enumerate(encounter.documents)}
    least = _LIKELY
    if any(place.match == "tagged" for some in places.values() for place in some):
        least, places = _LIKELY_TAGGED, {code: _beside(some) for code, some in places.items()}
    shown = {code: _Shown(encounter, most, least) for code in places}
    taken: list[Characters] = []

    def of(place: Place) -> list[Characters]:
        return [(number[s.document_id], s.start, s.end) for s in place.spans]

    def compete(affirmed: bool) -> None:
        for _, _, code, n in likely:
            place = places[code][n]
            if (
                usable(place.meant) == affirmed
                and not any(overlaps(a, b) for a in of(place) for b in taken)
                and shown[code].add(place)
            ):
                taken.extend(of(place))

    likely = sorted(
        (-place.marked, place.rank, code, n)
        for code, some in places.items()
        for n, place in enumerate(some)
        if place.marked >= least
    )
    compete(affirmed=True)
    for code, some in places.items():
        if not shown[code].chosen:
            shown[code].fall_back(some)
            taken += [where for place in shown[code].places for where in of(place)]
    compete(affirmed=False)
    return {code: one.spans(number) for code, one in shown.items()}


def _beside(places: Sequence[Place]) -> list[Place]:
    """Mentions and places of terms of one code, where both are: terms weigh less."""
    weighed = [
        place if place.match == "tagged" else replace(place, marked=place.marked * _BESIDE_TAGGED)
        for place in places
    ]
    return sorted(weighed, key=lambda place: place.rank)


class _Shown:
    """The places of one code that are shown."""

    def __init__(self, encounter: Encounter, most: int, least: float) -> None:
        self._encounter = encounter
        self._most = most
        self._least = least
        self.chosen: list[tuple[Place, list[Place]]] = []

    def add(self, place: Place) -> bool:
        """Show a place, unless there are enough; whether it is shown."""
        words = _words(self._encounter, place)
        same = next((o for p, o in self.chosen if _words(self._encounter, p) == words), None)
        if same is not None and len(place.spans) == 1:
            same.append(place)
        elif len(self.chosen) < self._most or len(place.spans) == 1:
            self.chosen.append((place, []))
        else:
            return False
        return True

    def fall_back(self, places: Sequence[Place]) -> None:
        """Show the best of the code's places, and where else its words are likely meant."""
        best, words = places[0], _words(self._encounter, places[0])
        self.add(best)
        for place in places[1:]:
            if (
                len(best.spans) == len(place.spans) == 1
                and place.spans != best.spans
                and place.marked >= self._least
                and usable(place.meant) == usable(best.meant)
                and _words(self._encounter, place) == words
            ):
                self.add(place)

    @property
    def places(self) -> list[Place]:
        """Those that are shown, mentions of the same words among them."""
        return [place for first, others in self.chosen for place in (first, *others)]

    def spans(self, number: Mapping[str, int]) -> list[TermSpan]:
        """Those of the chosen places, the best first; ``number`` is each document's."""
        self.chosen.sort(key=lambda pair: pair[0].rank)
        total = sum(place.marked for place, _ in self.chosen)
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
            for order, (place, others) in enumerate(self.chosen)
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
