"""Stability: whether the evidence stays where it is when only the computing changes.

Windows cut elsewhere, bf16, another batch, other white space: none of them is a reason to show
other words. The measure is Jaccard's, shared over all characters of two lists of spans. Where the
text itself was changed, characters are matched by their origin, see `perturb_whitespace`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surecode.errors import InputError
from surecode.evaluation.evidence_pairs import Placed

Origins = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Stability:
    """Agreement of evidence before and after, over ``pairs`` pairs of encounter and code.

    Attributes:
        pairs: pairs with evidence before or after.
        top_span: mean Jaccard index of the best spans.
        all_spans: mean Jaccard index of all spans together.
        unchanged: share of pairs whose spans cover the same characters.
    """

    pairs: int
    top_span: float
    all_spans: float
    unchanged: float


def stability(
    before: Sequence[Sequence[Placed]],
    after: Sequence[Sequence[Placed]],
    origins: Sequence[Origins | None] | None = None,
) -> Stability:
    """Compare the spans of each pair, best first, before and after a change.

    Args:
        before: the spans of each pair in the text as it is.
        after: its spans after the change, in the same order of pairs.
        origins: of each pair, document → ``[length after]`` position before of each character,
            negative for one that was not there. None where the texts stayed.

    Raises:
        InputError: the lengths differ, a span lies outside its origins, or no pair has evidence.
    """
    changes: Sequence[Origins | None] = [None] * len(before) if origins is None else origins
    if not len(before) == len(after) == len(changes):
        raise InputError(
            f"stability: {len(before)} pairs before, {len(after)} after, {len(changes)} origins; "
            "give one of each per pair, in the same order"
        )
    compared = [
        (jaccard(old[:1], new[:1], change), jaccard(old, new, change))
        for old, new, change in zip(before, after, changes, strict=True)
        if old or new
    ]
    if not compared:
        raise InputError("stability: no pair has evidence before or after; give at least one")
    top, every = np.array(compared).T
    return Stability(
        len(compared), float(top.mean()), float(every.mean()), float((every == 1).mean())
    )


def jaccard(
    before: Iterable[Placed], after: Iterable[Placed], origins: Origins | None = None
) -> float:
    """Shared over all characters of two lists of spans; 1 where both are empty.

    With ``origins``, spans after are taken back to the text before; characters that were added or
    did not stay are not counted. Raises `InputError` for a span that lies outside its origins.
    """
    old, new = list(before), list(after)
    if not old or not new:
        return float(not old and not new)
    left = {(s.document_id, place) for s in old for place in range(s.start, s.end)}
    right = {character for span in new for character in _characters(span, origins)}
    if origins is not None:
        stayed = {(name, int(place)) for name, one in origins.items() for place in one}
        left = {one for one in left if one[0] not in origins or one in stayed}
    union = left | right
    return len(left & right) / len(union) if union else 1.0


def _characters(span: Placed, origins: Origins | None) -> Iterable[tuple[str, int]]:
    if origins is None or span.document_id not in origins:
        return ((span.document_id, place) for place in range(span.start, span.end))
    origin = origins[span.document_id]
    if span.end > len(origin):
        raise InputError(
            f"stability: a span ends at {span.end}, outside document {span.document_id} of "
            f"{len(origin)} characters; give the origins of the text that the span is in"
        )
    return ((span.document_id, int(place)) for place in origin[span.start : span.end] if place >= 0)
