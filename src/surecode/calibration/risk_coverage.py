"""How well a confidence puts wrong encounters last: risk against coverage, and its areas.

Coverage is the share of encounters that is automated when the most confident come first; risk is
the share of errors among them. Encounters of equal confidence enter together, since no threshold
can part them; within such a tie the errors count as evenly spread, the mean over all orders, so
that no figure depends on the order of the input. Letters: N encounters.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surecode.errors import InputError


def risk_coverage(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coverage and risk, each ``[T]``, at the T distinct confidences, from high to low.

    ``confidence`` is ``[N]``, finite, ``correct`` is ``[N]`` of bool. The last coverage is 1.
    Raises `InputError` if the input is empty, uneven in length or not finite.
    """
    covered, errors = _steps(confidence, correct)
    return covered / covered[-1], errors / covered


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk-coverage curve: the mean over i of (errors among the top i) / i.

    El-Yaniv and Wiener 2010 (JMLR 11); Geifman et al. 2019 (arXiv 1805.08206).
    """
    errors = _errors_among_top(confidence, correct)
    return float(np.mean(errors / np.arange(1, len(errors) + 1)))


def augrc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the generalised curve: the mean over i of (errors among the top i) / N.

    The mean risk of an undetected failure (Traub et al. 2024, arXiv 2407.01032).
    """
    errors = _errors_among_top(confidence, correct)
    return float(np.mean(errors) / len(errors))


def augrc_influence(confidence: ArrayLike, correct: ArrayLike) -> NDArray[np.float64]:
    """How far each encounter moves :func:`augrc`, ``[N]``: mean 0, variance N times that of it.

    AUGRC is the mean over pairs (i, j) of "i is wrong and stands above j", so its first-order
    term in encounter i (Hoeffding 1948) is "i is wrong" times the share below i, plus the share
    of wrong encounters above i. A tie counts one half.
    """
    covered, errors = _steps(confidence, correct)
    scores, right = np.asarray(confidence, dtype=np.float64), flags("correct", correct)
    step = np.searchsorted(-np.unique(scores)[::-1], -scores)
    above = (np.append(0, covered)[step] + covered[step]) / 2.0
    wrong_above = (np.append(0, errors)[step] + errors[step]) / 2.0
    terms = (~right * (len(scores) - above) + wrong_above) / len(scores)
    # fsum rounds once, so the order of the encounters leaves no trace in the mean.
    return np.asarray(terms - math.fsum(terms) / len(terms), dtype=np.float64)


def coverage_at_accuracy(confidence: ArrayLike, correct: ArrayLike, accuracy: float) -> float:
    """The largest coverage with at least this accuracy among the covered, 0 where there is none.

    A description of these encounters, not a promise for others: a certificate makes that.
    Raises `InputError` if ``accuracy`` is not in [0, 1].
    """
    if not 0.0 <= accuracy <= 1.0:
        raise InputError(f"coverage at accuracy: {accuracy} is not an accuracy; give 0 to 1")
    covered, errors = _steps(confidence, correct)
    # Counts of whole encounters, not 1 - risk, which rounds: 19 of 20 right is 0.95.
    reached = (covered - errors) / covered >= accuracy
    return float(covered[reached].max(initial=0) / covered[-1])


def flags(name: str, values: ArrayLike) -> NDArray[np.bool_]:
    """``values`` as ``[N]`` of bool; raises `InputError` if they are empty or no truth values."""
    found = np.asarray(values)
    if found.ndim != 1 or not len(found):
        raise InputError(f"{name}: shape {found.shape}; give one value for each of the encounters")
    if not np.isin(found, (0, 1)).all():
        raise InputError(f"{name}: a value is neither true nor false; give booleans")
    return found.astype(bool)


def same_length(
    name: str, first: NDArray[np.float64] | NDArray[np.bool_], correct: NDArray[np.bool_]
) -> None:
    """Raises `InputError` unless ``first`` and ``correct`` have one shape."""
    if first.shape != correct.shape:
        raise InputError(
            f"{name} has shape {first.shape}, correct {correct.shape}; give one of each "
            "per encounter, in the same order"
        )


def _steps(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Encounters and errors at or above each distinct confidence, ``[T]`` each, high to low."""
    scores, right = np.asarray(confidence, dtype=np.float64), flags("correct", correct)
    same_length("confidence", scores, right)
    if not np.isfinite(scores).all():
        raise InputError("risk-coverage: a confidence is not finite; give numbers only")
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf)).astype(np.int64)
    return last + 1, np.cumsum(~right[order], dtype=np.int64)[last]


def _errors_among_top(confidence: ArrayLike, correct: ArrayLike) -> NDArray[np.float64]:
    """Expected errors among the top 1 to N, ``[N]``: a straight line across every tie."""
    covered, errors = _steps(confidence, correct)
    tops = np.arange(1, covered[-1] + 1)
    expected: NDArray[np.float64] = np.interp(tops, [0, *covered], [0, *errors])
    return expected
