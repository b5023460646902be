"""Verification by deletion: what becomes of a code without its evidence, and with nothing else.

Words are deleted by putting the mask token in their tokens' places, so that all other tokens stay
where they are (the operator of DeYoung et al. 2020, arXiv 1911.03429: comprehensiveness and
sufficiency). The windows are encoded again with the mask in them, which is more than leaving tokens
out of the head's sum: what a deleted word told its neighbours is gone as well.

Windows do not see each other in the encoder. So only those that a deletion changes are encoded, the
same masked window once for all codes, all of them together in few encoder calls; the others keep
the states that coding computed. With nothing but the spans, every window without a span is masked
as a whole, and all of one length are one.

Legend: W windows, L tokens of a window, T content tokens, D width, n codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surecode.errors import InputError
from surecode.evidence.masked_windows import CodedWindows, MaskedWindows, tokens_of
from surecode.evidence.spans import ScoredSpan
from surecode.evidence.verdict import Verification, judge

# Most tokens of masked windows that are held at a time; codes beyond are verified after.
ROUND_TOKENS = 65_536


@dataclass(frozen=True)
class Deletion:
    """What verification needs of a coder.

    Attributes:
        encode: windows' token ids, each ``[l]`` with its special tokens → states ``[l, D]`` each.
        probability: states ``[T, D]`` of an encounter's content tokens, the position of a code
            in the label space, and whether its spans are all that is left → its probability.
        mask_id: the token that stands for "no word here".
        cut: the probability from which a code is assigned.
    """

    encode: Callable[[Sequence[NDArray[np.int64]]], Sequence[Tensor]]
    probability: Callable[[Tensor, int, bool], float]
    mask_id: int
    cut: float


@dataclass(frozen=True)
class Verified:
    """The verification of all codes of one encounter, and what it cost."""

    codes: tuple[Verification, ...]  # n, in the order in which they were asked for
    windows: int  # windows that were encoded again
    tokens: int  # their tokens, special tokens included
    rounds: int  # calls of `Deletion.encode`


@dataclass(frozen=True)
class _Question:
    """The probability of one code with some tokens masked."""

    place: int  # of the code among those asked for
    code: int
    only: bool  # with nothing but the spans, else without them
    windows: Sequence[NDArray[np.int64] | None]  # W masked windows; None: as it was


def verify(
    windows: CodedWindows,
    states: Tensor,
    evidence: Sequence[Sequence[ScoredSpan]],
    codes: Sequence[int],
    p: Sequence[float] | NDArray[np.floating],
    deletion: Deletion,
    *,
    only: bool = True,
) -> Verified:
    """Verify the assigned codes of one encounter.

    What it costs is `Verified.windows` against the W windows of one forward pass: each code asks
    for the windows that its spans lie in, once without and once with nothing but them.
    `surecode.verifying` makes the coder's part.

    Args:
        windows: the encounter's windows.
        states: ``[T, D]`` states of its content tokens, from coding it.
        evidence: n lists of spans, one for each code; every mention of a span counts.
        codes: n positions in the label space.
        p: n probabilities that the codes were assigned with.
        deletion: the coder's part.
        only: compute ``p_only`` as well; without it fewer windows are encoded.

    Raises:
        InputError: the lengths differ, a code is named twice, or a probability is none.
    """
    n = len(codes)
    if len(evidence) != n or len(p) != n or len(set(codes)) != n:
        raise InputError(
            f"verification: {n} codes, {len(evidence)} lists of spans and {len(p)} probabilities; "
            "give one of each for every code, and every code once"
        )
    if len(states) != len(windows.document):
        raise InputError(
            f"verification: {len(states)} states of {len(windows.document)} tokens; give those of "
            "the encounter's own windows"
        )
    mask = MaskedWindows(windows, deletion.mask_id)
    # A window of which nothing is left is the same for all codes.
    bare = {_key(w) for w in mask(np.ones(len(states), dtype=bool)) if w is not None}
    questions = _questions(windows, mask, evidence, codes, only)
    without: dict[int, float] = {}
    alone: dict[int, float] = {}
    kept: dict[bytes, Tensor] = {}
    encoded = tokens = rounds = 0
    for some in _rounds(questions):
        new = {_key(w): w for q in some for w in q.windows if w is not None}
        # By length and content: the same calls, and so the same bits, in whatever order codes come.
        order = sorted(new.keys() - kept.keys(), key=lambda key: (-len(key), key))
        if order:
            found = deletion.encode([new[key] for key in order])
            kept |= dict(zip(order, found, strict=True))
            rounds, encoded = rounds + 1, encoded + len(order)
            tokens += sum(len(new[key]) for key in order)
        for question in some:
            pieces = [
                states[piece] if ids is None else kept[_key(ids)][place]
                for ids, place, piece in zip(
                    question.windows, windows.content, mask.pieces, strict=True
                )
            ]
            answer = alone if question.only else without
            answer[question.place] = deletion.probability(
                torch.cat(pieces), question.code, question.only
            )
        kept = {key: kept[key] for key in kept.keys() & bare}
    judged = (
        judge(float(p[place]), without.get(place), alone.get(place), deletion.cut)
        for place in range(n)
    )
    return Verified(tuple(judged), encoded, tokens, rounds)


def _key(ids: NDArray[np.int64]) -> bytes:
    return ids.tobytes()


def _questions(
    windows: CodedWindows,
    mask: MaskedWindows,
    evidence: Sequence[Sequence[ScoredSpan]],
    codes: Sequence[int],
    only: bool,
) -> Iterator[_Question]:
    """All that is asked of the coder, in the order of the label space."""
    for place in sorted(range(len(codes)), key=lambda i: codes[i]):
        spans = [where for span in evidence[place] for where in span.places]
        if not spans:
            continue
        inside = tokens_of(spans, windows)
        yield _Question(place, codes[place], False, mask(inside))
        if only:
            yield _Question(place, codes[place], True, mask(~inside))


def _rounds(questions: Iterator[_Question]) -> Iterator[list[_Question]]:
    """Questions whose masked windows fit into memory together, `ROUND_TOKENS` or one question."""
    some: list[_Question] = []
    seen: set[bytes] = set()
    tokens = 0
    for question in questions:
        new = {_key(w): len(w) for w in question.windows if w is not None}
        more = sum(length for key, length in new.items() if key not in seen)
        if some and tokens + more > ROUND_TOKENS:
            yield some
            some, seen, more, tokens = [], set(), sum(new.values()), 0
        some.append(question)
        seen |= new.keys()
        tokens += more
    if some:
        yield some
