"""Why a coder errs, in kinds that a person can act on.

Each code that was missed and each that was assigned wrongly gets one kind, the first in the order
of `MISSED` and `SPURIOUS` that holds. Kinds say what is to be seen, not what happened inside the
coder: "mention not found" says that no wording known from train stands in the note, whatever a
network may have read there. An error names codes and places, never text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from surecode.codes.releases import title
from surecode.codes.systems import category
from surecode.encounter import Code, Span
from surecode.evaluation.error_places import Found

Side = Literal["missed", "spurious"]

UNSEEN = "unseen in train"
FAMILY = "parent or child"
SIBLING = "sibling"
NOT_FOUND = "mention not found"
NEGATED = "negated mention"
ELSEWHERE = "mention in another section"
BELOW = "below the cut"
OTHER_CODE = "mention of another gold code"
PASSED_OVER = "passed over by annotators"

MISSED: Mapping[str, str] = {
    UNSEEN: "the code stands in no training encounter",
    FAMILY: "a wrong code was assigned that is more general or more specific",
    SIBLING: "a wrong code of the same category was assigned",
    NOT_FOUND: "no wording of the code known from train stands in the note",
    NEGATED: "every known wording is negated, hypothetical or of the family",
    ELSEWHERE: "every known wording that is affirmed stands under history, plan or the like",
    BELOW: "a known wording is affirmed in the note, and the coder did not assign the code",
}
SPURIOUS: Mapping[str, str] = {
    FAMILY: "the gold has a code that is more general or more specific",
    SIBLING: "the gold has a code of the same category",
    NOT_FOUND: "no wording of the code known from train stands in the note",
    NEGATED: "every known wording is negated, hypothetical or of the family",
    OTHER_CODE: "a known wording stands on the evidence of a gold code",
    ELSEWHERE: "every known wording that is affirmed stands under history, plan or the like",
    PASSED_OVER: "a known wording is affirmed in the note, and annotators did not code it",
}
KINDS: Mapping[Side, Mapping[str, str]] = {"missed": MISSED, "spurious": SPURIOUS}


@dataclass(frozen=True)
class Case:
    """One encounter as its errors are judged.

    Attributes:
        encounter_id: of the encounter.
        gold, predicted: the code sets.
        found: where wordings of each code known from train stand in the note
            (`surecode.evaluation.error_places.found_places`).
        marked: the gold evidence of each code, where the source has any.
        probabilities: of ranked codes, where they are known.
    """

    encounter_id: str
    gold: frozenset[Code]
    predicted: frozenset[Code]
    found: Mapping[Code, Sequence[Found]] = field(default_factory=dict)
    marked: Mapping[Code, Sequence[Span]] = field(default_factory=dict)
    probabilities: Mapping[Code, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CodingError:
    """One code that was missed or assigned wrongly.

    ``instead`` is the related code of the kinds "parent or child" and "sibling", or the gold code
    whose evidence a spurious code stands on; ``span`` a place that shows it, where there is one.
    """

    encounter_id: str
    code: Code
    side: Side
    kind: str
    instead: Code | None = None
    span: Span | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Frequent:
    """An error that encounters share: how often, and its code's title where a table has it."""

    count: int
    side: Side
    kind: str
    code: Code
    instead: Code | None
    title: str | None


def errors_of(case: Case, seen: Collection[Code]) -> list[CodingError]:
    """The errors of one encounter: missed codes, then spurious ones, each in order.

    Args:
        case: the encounter.
        seen: the codes of the training encounters.
    """
    wrong = sorted(case.predicted - case.gold)
    missed = sorted(case.gold - case.predicted)
    return [_missed(code, case, wrong, seen) for code in missed] + [
        _spurious(code, case, missed) for code in wrong
    ]


def by_kind(errors: Iterable[CodingError]) -> dict[Side, dict[str, int]]:
    """How many errors of each kind, in the order of `MISSED` and `SPURIOUS`, zeros as well."""
    counts = Counter((error.side, error.kind) for error in errors)
    return {side: {kind: counts[side, kind] for kind in kinds} for side, kinds in KINDS.items()}


def most_frequent(
    errors: Iterable[CodingError],
    most: int = 20,
    titles: Callable[[Code], str | None] = title,
) -> list[Frequent]:
    """The errors that most encounters share: same side, kind, code and related code.

    ``titles`` gives a code's title; the table of ICD-10-CM takes seconds to load.
    """
    counts = Counter((e.side, e.kind, e.code, e.instead) for e in errors)
    ordered = sorted(
        counts.items(),
        key=lambda item: (-item[1], item[0][0], item[0][1], item[0][2], str(item[0][3] or "")),
    )
    return [
        Frequent(count, side, kind, code, instead, titles(code))
        for (side, kind, code, instead), count in ordered[:most]
    ]


def relation(first: Code, second: Code) -> Literal["parent or child", "sibling"] | None:
    """How two different codes of one system are related by their spelling; None where not."""
    if first.system != second.system or first == second:
        return None
    short, long = sorted((first.value, second.value), key=len)
    if long.startswith(short):
        return "parent or child"
    return "sibling" if category(first) == category(second) else None


def _missed(code: Code, case: Case, wrong: Sequence[Code], seen: Collection[Code]) -> CodingError:
    places = case.found.get(code, ())
    kind, instead = _related(code, wrong)
    if code not in seen:
        kind, instead = UNSEEN, None
    elif kind is None:
        kind = _told(places) or BELOW
    marks = case.marked.get(code, ())
    span = marks[0] if marks else (places[0].span if places else None)
    return CodingError(
        case.encounter_id, code, "missed", kind, instead, span, case.probabilities.get(code)
    )


def _spurious(code: Code, case: Case, missed: Sequence[Code]) -> CodingError:
    places = case.found.get(code, ())
    # Of two related gold codes the one that was missed tells more.
    kind, instead = _related(code, [*missed, *sorted(case.gold.difference(missed))])
    span = places[0].span if places else None
    if kind is None:
        told = _told(places)
        owner = _owner(places, case.marked)
        if owner is not None and told not in (NOT_FOUND, NEGATED):
            kind, (instead, span) = OTHER_CODE, owner
        else:
            kind = told or PASSED_OVER
    return CodingError(
        case.encounter_id, code, "spurious", kind, instead, span, case.probabilities.get(code)
    )


def _related(code: Code, others: Iterable[Code]) -> tuple[str | None, Code | None]:
    """The nearest relation among other codes, and the first code that has it."""
    kinds = [(relation(code, other), other) for other in others]
    for wanted in (FAMILY, SIBLING):
        for kind, other in kinds:
            if kind == wanted:
                return kind, other
    return None, None


def _told(places: Sequence[Found]) -> str | None:
    """The kind that places alone tell; None where one of them is plain."""
    if not places:
        return NOT_FOUND
    readings = {place.reading for place in places}
    if "plain" in readings:
        return None
    return ELSEWHERE if "elsewhere" in readings else NEGATED


def _owner(
    places: Sequence[Found], marked: Mapping[Code, Sequence[Span]]
) -> tuple[Code, Span] | None:
    """The first gold code on whose evidence one of the places stands, and that place."""
    for place in places:
        for code, spans in sorted(marked.items()):
            if any(_overlap(place.span, span) for span in spans):
                return code, place.span
    return None


def _overlap(first: Span, second: Span) -> bool:
    return (
        first.document_id == second.document_id
        and first.start < second.end
        and second.start < first.end
    )
