"""AOPC between its limits: faithfulness that can be compared across coders.

Edin et al. 2025 (ACL, long.86, arXiv 2408.08137). The area over the perturbation curve of an order
of the words is ``AOPC = 1/n · Σ_{i=1..n} p - p(without the first i)``. Which values it can take
depends on coder and text, so it is put between the least and the greatest over all orders:
``NAOPC = (AOPC - lower) / (upper - lower)``. Words by falling score give normalised
comprehensiveness (1 is best), by rising score normalised sufficiency (0 is best).

Letters: n words, S sets of words, B masks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError
from surecode.evaluation.faithfulness import Probability, ask_each_once, falling_order

MOST_EXACT = 16  # words; exact limits ask for 2^n masks


@dataclass(frozen=True, slots=True)
class Limits:
    """The least and the greatest AOPC: over all orders if ``exact``, else over those searched."""

    lower: float
    upper: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Naopc:
    """AOPC of one code of one encounter, and where it stands between its limits.

    Attributes:
        falling, rising: AOPC by falling and by rising score.
        limits: widened to hold both, where a search missed them.
        comprehensiveness, sufficiency: falling and rising AOPC between the limits, in [0, 1];
            None where the words do not change the probability, so that there is nothing to order.
    """

    falling: float
    rising: float
    limits: Limits
    comprehensiveness: float | None
    sufficiency: float | None


def naopc(
    probability: Probability, scores: ArrayLike, *, width: int = 5, exact_words: int = 7
) -> Naopc:
    """Normalised comprehensiveness and sufficiency of one code.

    The limits are exact for up to ``exact_words`` words, else found by a beam search of ``width``
    in at most ``width · n²`` masks. A search finds limits that are too narrow, and by how much
    depends on the width: compare figures of one width.

    Raises:
        InputError: no words, scores that are not finite, a wrong ``probability`` (see
            `faithfulness`), a width below 1, or ``exact_words`` above `MOST_EXACT`.
    """
    order = falling_order(scores)
    if exact_words > MOST_EXACT:
        raise InputError(
            f"exact_words {exact_words}: limits of n words ask for 2^n masks; "
            f"give at most {MOST_EXACT}"
        )
    found = aopc_limits(probability, len(order), None if len(order) <= exact_words else width)
    falling, rising = aopc(probability, order), aopc(probability, order[::-1])
    lower, upper = min(found.lower, falling, rising), max(found.upper, falling, rising)
    span = upper - lower
    return Naopc(
        falling,
        rising,
        Limits(lower, upper, found.exact),
        (falling - lower) / span if span > 0 else None,
        (rising - lower) / span if span > 0 else None,
    )


def aopc(probability: Probability, order: ArrayLike) -> float:
    """The area of one order: ``[n]`` numbers of the words, the first one taken away first."""
    numbers = np.asarray(order, dtype=np.int64)
    if numbers.ndim != 1 or not len(numbers) or np.any(np.sort(numbers) != np.arange(len(numbers))):
        raise InputError(f"order of shape {numbers.shape}: name each of the n words once")
    rank = np.argsort(numbers)
    values = ask_each_once(probability, rank < np.arange(len(numbers) + 1)[:, None])
    return float(np.mean(values[0] - values[1:]))


def aopc_limits(probability: Probability, words: int, width: int | None) -> Limits:
    """The least and the greatest AOPC over orders of ``words`` words.

    What is still to come depends on the *set* of words taken away, not on their order, so of all
    orders of one set only the best goes on. Without a width no set is dropped, and the limits are
    those over all n! orders from 2^n masks. With a width, the best ``width`` sets of each size go
    on, in two searches.

    Raises:
        InputError: no words, a width below 1, no width for more than `MOST_EXACT` words.
    """
    if words < 1:
        raise InputError("AOPC: no words to take away; give at least one")
    if width is None and words > MOST_EXACT:
        raise InputError(f"AOPC: exact limits of {words} words are out of reach; give a width")
    if width is not None and width < 1:
        raise InputError(f"AOPC: a beam of width {width} holds nothing; give at least 1")
    ends = [_best(probability, words, sign, width) for sign in (1.0, -1.0)]
    return Limits(min(ends), max(ends), width is None)


def _best(probability: Probability, words: int, sign: float, width: int | None) -> float:
    """The greatest AOPC found (sign 1), or the least (sign -1)."""
    masks = np.zeros((1, words), dtype=bool)
    whole = ask_each_once(probability, masks)[0]
    total = np.zeros(1)
    for _ in range(words):
        masks, before = _one_more(masks, sign * total)
        total = sign * before + whole - ask_each_once(probability, masks)
        if width is not None:
            # Sets come in one order whatever led to them, so ties do not depend on the search.
            kept = np.sort(np.argsort(-sign * total, kind="stable")[:width])
            masks, total = masks[kept], total[kept]
    return float(total[0] / words)


def _one_more(
    masks: NDArray[np.bool_], value: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """All sets of one more word, each with the greatest value among those that it comes from.

    Sets are masks ``[S, n]`` with their values ``[S]``.
    """
    origin, word = np.nonzero(~masks)
    larger = masks[origin]
    larger[np.arange(len(word)), word] = True
    _, first, place = np.unique(
        np.packbits(larger, axis=1), axis=0, return_index=True, return_inverse=True
    )
    best = np.full(len(first), -np.inf)
    np.maximum.at(best, place.reshape(-1), value[origin])
    return larger[first], best
