"""The score of CodiEsp-X, the explainable subtrack of CLEF eHealth 2020.

What ``codiespX_evaluation.py`` of TeMU-BSC/codiesp-evaluation-script (MIT) computes, written anew:
the script stops under pandas 2 and later. Its rules, which its users tend to learn late:

- the unit is the code of a document. It is right if *any* of its predicted spans contains *any* of
  its gold spans with 0 to ``SLACK`` characters to spare on each side, both counted apart;
- so a span that is one character too short is wrong, and more spans of one code cost nothing;
- a mention of several pieces is widened to its hull, see `gold_references`;
- codes are compared as they are written. Predicted codes outside of the track's list, which is in
  lower case, are dropped; gold codes outside of it stay, and cannot be found;
- predicted codes of documents without gold count as wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass

from surecode.encounter import Encounter, Span
from surecode.evaluation.evidence_pairs import Placed
from surecode.evaluation.mention_score import MentionScore

SLACK = 10  # characters on each side


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A code of a document and the characters ``start`` to ``end`` that it stands on."""

    document_id: str
    code: Hashable
    start: int
    end: int


def codiesp_x(
    gold: Iterable[Reference],
    predicted: Iterable[Reference],
    *,
    valid: Collection[Hashable] | None = None,
    slack: int = SLACK,
) -> MentionScore:
    """The track's score, over the codes of documents.

    Args:
        gold: references with hulls, such as `gold_references` gives.
        predicted: one reference for each span of each predicted code.
        valid: the codes that count among the predicted ones; None keeps all.
        slack: most characters by which a predicted span may reach beyond a gold span on one side.

    Returns:
        Ratios without a denominator are 0, where the official script stops with an error.
    """
    known = None if valid is None else frozenset(valid)
    places = _by_unit(gold)
    guesses = _by_unit(r for r in predicted if known is None or r.code in known)
    hits = sum(
        any(_covers(guess, place, slack) for guess in guesses.get(unit, ()) for place in spans)
        for unit, spans in places.items()
    )
    return MentionScore.of(hits, len(guesses), len(places))


def gold_references(encounter: Encounter, *, as_listed: bool = True) -> list[Reference]:
    """The mentions of an encounter's evidence, each with the hull of its pieces.

    Args:
        encounter: with its evidence in the order of its source.
        as_listed: from the start of the piece that is listed first to the end of the one that is
            listed last, as the official script does. Where pieces are listed out of order, as in
            98 of 13,658 mentions of CodiEsp's train and dev, that is no span, and nothing finds it.
            False takes the first and the last character.
    """
    mentions: dict[tuple[int, str, Hashable], list[Span]] = {}
    for item in encounter.evidence:
        key = (item.mention, item.span.document_id, item.code)
        mentions.setdefault(key, []).append(item.span)
    return [
        Reference(document_id, code, pieces[0].start, pieces[-1].end)
        if as_listed
        else Reference(document_id, code, min(p.start for p in pieces), max(p.end for p in pieces))
        for (_, document_id, code), pieces in mentions.items()
    ]


def references(code: Hashable, spans: Iterable[Placed]) -> list[Reference]:
    """The predicted spans of one code."""
    return [Reference(span.document_id, code, span.start, span.end) for span in spans]


def _by_unit(
    items: Iterable[Reference],
) -> dict[tuple[str, Hashable], list[Reference]]:
    units: dict[tuple[str, Hashable], list[Reference]] = {}
    for item in items:
        units.setdefault((item.document_id, item.code), []).append(item)
    return units


def _covers(guess: Reference, gold: Reference, slack: int) -> bool:
    return 0 <= gold.start - guess.start <= slack and 0 <= guess.end - gold.end <= slack
