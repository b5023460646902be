"""What a confidence may be read from: one row of numbers per encounter.

Letters: N encounters, K codes, P features. Every decision counts, assigned or rejected. Joint
scores take the codes as independent, which they are not: a hard encounter is hard for all of its
codes. The facts about the encounter are there to show how hard it is (Park & Read, arXiv
2209.04163: for exact match a combination of functions of the label distribution beats each one).

Scales suit a linear model: probabilities as logits, counts as log(1 + count), sums of
probabilities as logarithms, each clipped at `SMALLEST` so that all are finite. The first two
features alone are plain probabilities: the raw confidences, which no linear model reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from surecode.calibration.confidence import decisions, encounter_confidence, log_decisions
from surecode.errors import InputError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Probabilities are kept this far from 0 and 1: about the distance of the last float64 below 1.
SMALLEST = 1e-16
LOGIT_LIMIT = -float(np.log(SMALLEST))  # 36.8
# Between these a code is in doubt.
DOUBT = (0.1, 0.9)
# Cells of an [N, K] array that are worked on at once: 32 MiB, whatever the label space.
_CELLS = 2**22

RAW = ("product", "minimum")
NAMES = (
    *RAW,
    "logit_product",  # the probability that every decision is right
    "logit_minimum",  # that of the least certain decision
    "log_margin_1",  # smallest |p - cut| over all codes, then the second and the third
    "log_margin_2",
    "log_margin_3",
    "logit_smallest_assigned",  # 0 where none is assigned, see none_assigned
    "logit_largest_rejected",
    "logit_expected_f1",
    "log_entropy",  # sum of the binary entropies, in nats
    "log_codes_in_doubt",
    "asinh_codes_lacking",  # expected number of codes less the number assigned
    "log_codes_assigned",
    "none_assigned",  # 1 or 0
    "log_tokens",
    "unseen_share",
    "lexicon_share",  # of the assigned codes, those that the dictionary found
    "log_lexicon_rejected",  # codes that the dictionary found and the coder did not assign
    "log_findings",
)
# Those that are read from `EncounterFacts`.
FACTS = ("log_tokens", "unseen_share", "lexicon_share", "log_lexicon_rejected", "log_findings")


@dataclass(frozen=True, eq=False)
class EncounterFacts:
    """What is known of encounters beside their probabilities.

    ``tokens`` `[N]`: content tokens; ``unseen_share`` `[N]`: share of them that training never
    contained; ``lexicon`` `[N, K]`: codes that the dictionary found; ``findings`` `[N]`: findings
    of the rules. Raises `InputError` where a shape or a value cannot be.
    """

    tokens: NDArray[np.int64]
    unseen_share: Floats
    lexicon: Flags
    findings: NDArray[np.int64]

    def __post_init__(self) -> None:
        lexicon = np.asarray(self.lexicon)
        if lexicon.ndim != 2 or lexicon.dtype != np.bool_:
            raise InputError(
                f"encounter facts: lexicon is {lexicon.dtype} of shape {lexicon.shape}; give bool "
                "[N, K], one row per encounter and one column per code"
            )
        share = np.asarray(self.unseen_share, dtype=np.float64)
        object.__setattr__(self, "lexicon", lexicon)
        object.__setattr__(self, "unseen_share", share)
        for name in ("tokens", "findings"):
            object.__setattr__(self, name, _counts(name, getattr(self, name), len(lexicon)))
        if share.shape != (len(lexicon),) or not ((share >= 0.0) & (share <= 1.0)).all():
            raise InputError(
                f"encounter facts: unseen_share of shape {share.shape} must be {len(lexicon)} "
                "shares in [0, 1]; count them anew"
            )

    @classmethod
    def none(cls, n: int, k: int) -> EncounterFacts:
        """Nothing known of ``n`` encounters and ``k`` codes: zeros, which no model learns from."""
        zeros = np.zeros(n, dtype=np.int64)
        return cls(zeros, np.zeros(n), np.zeros((n, k), dtype=bool), zeros)

    def take(self, rows: ArrayLike | slice) -> EncounterFacts:
        """The facts of some encounters: positions, flags `[N]` or a slice."""
        at = rows if isinstance(rows, slice) else np.asarray(rows)
        return EncounterFacts(
            self.tokens[at], self.unseen_share[at], self.lexicon[at], self.findings[at]
        )


@dataclass(frozen=True, eq=False)
class Features:
    """Named columns: ``values`` `[N, P]`, one row per encounter, NaN rows where it has no p."""

    names: tuple[str, ...]
    values: Floats

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if values.shape[1:] != (len(self.names),) or len(set(self.names)) != len(self.names):
            raise InputError(
                f"confidence features: {len(self.names)} names for values of shape "
                f"{values.shape}; give one name of its own for each column"
            )
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)

    def column(self, name: str) -> Floats:
        """One feature `[N]`; raises `InputError` where there is none of that name."""
        if name not in self.names:
            raise InputError(
                f"confidence features: {name!r} is not among them; make them by confidence_features"
            )
        return self.values[:, self.names.index(name)]

    def columns(self, names: Sequence[str]) -> Floats:
        """Some features `[N, len(names)]`, in the order of ``names``."""
        found = [self.column(name) for name in names]
        return np.stack(found, axis=1) if found else np.zeros((len(self), 0))

    def take(self, rows: ArrayLike | slice) -> Features:
        """The features of some encounters: positions, flags `[N]` or a slice."""
        return Features(
            self.names, self.values[rows if isinstance(rows, slice) else np.asarray(rows)]
        )

    @classmethod
    def joined(cls, parts: Sequence[Features]) -> Features:
        """Encounters of several coders one below the other; label spaces may differ."""
        if len({part.names for part in parts}) != 1:
            raise InputError("confidence features: parts with different features do not join")
        return cls(parts[0].names, np.concatenate([part.values for part in parts]))


def confidence_features(
    probabilities: ArrayLike, assigned: ArrayLike, cut: float, facts: EncounterFacts
) -> Features:
    """Features (`NAMES`) of code sets `[N, K]` (bool) with probabilities `[N, K]`.

    ``cut`` is the probability from which codes were assigned. A row depends on its encounter alone,
    to the last digit; it is NaN throughout where one of its probabilities is. Raises `InputError`
    where shapes differ or a probability is not in [0, 1].
    """
    p, chosen = decisions(probabilities, assigned)
    if facts.lexicon.shape != p.shape:
        raise InputError(
            f"confidence features: facts are of {facts.lexicon.shape} encounters and codes, "
            f"probabilities of {p.shape}; give the facts of these very encounters"
        )
    if not np.isfinite(cut):
        raise InputError(
            f"confidence features: the cut {cut} is not finite; fit the decoding again"
        )
    unknown = np.asarray(np.isnan(p).any(axis=1))
    if not ((p >= 0.0) & (p <= 1.0) | np.isnan(p)).all():
        raise InputError(
            "confidence features: a probability is not in [0, 1]; calibrate the logits first"
        )
    values = np.full((len(p), len(NAMES)), np.nan)
    size = max(_CELLS // max(p.shape[1], 1), 1)
    for start in range(0, len(p), size):
        rows = np.arange(start, min(start + size, len(p)))
        rows = rows[~unknown[rows]]
        values[rows] = _rows(p[rows], chosen[rows], cut, facts.take(rows))
    return Features(NAMES, values)


def _rows(p: Floats, chosen: Flags, cut: float, facts: EncounterFacts) -> Floats:
    n_assigned = chosen.sum(axis=1)
    none = n_assigned == 0
    logit_product = _logit_product(p, chosen)
    logits = special.logit(np.clip(p, SMALLEST, 1.0 - SMALLEST))
    margins = _smallest_margins(p, cut)
    smallest_assigned = logits.min(axis=1, where=chosen, initial=np.inf)
    both = (facts.lexicon & chosen).sum(axis=1)
    columns = [
        encounter_confidence(p, chosen, "product"),
        encounter_confidence(p, chosen, "minimum"),
        logit_product,
        np.where(chosen, logits, -logits).min(axis=1, initial=LOGIT_LIMIT),
        *_log(margins).T,
        np.where(none, 0.0, smallest_assigned),
        logits.max(axis=1, where=~chosen, initial=-LOGIT_LIMIT),
        np.where(none, logit_product, _logit_expected_f1(p, chosen)),
        _log((special.entr(p) + special.entr(1.0 - p)).sum(axis=1)),
        np.log1p(((p > DOUBT[0]) & (p < DOUBT[1])).sum(axis=1)),
        np.arcsinh(p.sum(axis=1) - n_assigned),
        np.log1p(n_assigned),
        none,
        np.log1p(facts.tokens),
        facts.unseen_share,
        both / np.maximum(n_assigned, 1),
        np.log1p(facts.lexicon.sum(axis=1) - both),
        np.log1p(facts.findings),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _logit_product(p: Floats, chosen: Flags) -> Floats:
    """Logit `[N]` of the product, with all the digits that its distance from 1 has."""
    logs = np.maximum(log_decisions(p, chosen), -LOGIT_LIMIT).sum(axis=1)
    logs = np.minimum(logs, -SMALLEST)
    return np.asarray(logs - np.log(-np.expm1(logs)), dtype=np.float64)


def _smallest_margins(p: Floats, cut: float) -> Floats:
    """The three smallest |p - cut| `[N, 3]`; a code that is not there is as sure as can be."""
    farthest = max(abs(cut), abs(1.0 - cut))
    margins = np.pad(np.abs(p - cut), ((0, 0), (0, 3)), constant_values=farthest)
    return np.sort(np.partition(margins, 2, axis=1)[:, :3], axis=1)


def _logit_expected_f1(p: Floats, chosen: Flags) -> Floats:
    """Logit `[N]` of the expected F1 of a code set that is not empty, as a ratio of expectations.

    2 E[TP] / (assigned + E[gold]), whose distance from 1 is E[errors] / (assigned + E[gold]).
    It approaches the expectation of the ratio as codes grow many (Ye, Chai, Lee & Chieu,
    "Optimizing F-measures: a tale of two approaches", 2012) and costs K steps instead of K^2.
    An empty set has F1 1 where gold is empty and 0 elsewhere: its expectation is the product.
    """
    hits = np.where(chosen, p, 0.0).sum(axis=1)
    errors = np.where(chosen, 1.0 - p, p).sum(axis=1)
    return _log(2.0 * hits) - _log(errors)


def _log(values: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(values, SMALLEST)), dtype=np.float64)


def _counts(name: str, values: ArrayLike, n: int) -> NDArray[np.int64]:
    counts = np.asarray(values)
    if counts.shape != (n,) or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise InputError(
            f"encounter facts: {name} is {counts.dtype} of shape {counts.shape}; give {n} counts, "
            "whole numbers of 0 or more"
        )
    return counts.astype(np.int64)
