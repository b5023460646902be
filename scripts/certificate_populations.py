"""Populations of encounters whose truth is known, for proofs and figures of the certificate.

Every encounter has a latent probability p that a code (or its whole code set) is right, and a
confidence score = logit(p) + noise. p takes one of 1,000 equally likely values, so that what is
true of "automate from t on" is a finite sum, not another sample. Everything is synthetic.

Letters: N encounters, A values of p (atoms), M codes of an encounter, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses, Target, encounter_losses

Floats = NDArray[np.float64]

ATOMS = 1000
MOST_CODES = 12
TOP = 50.0  # scores of the bad top lie between this and one more, above all others
BAD_TOP_RIGHT = 0.3


@dataclass(frozen=True)
class Population:
    """p ~ ceiling * Beta(base * spread, (1 - base) * spread); score = logit(p) + sigma * N(0, 1).

    ``flat``: p is base. A share ``bad_top`` of the encounters has the highest scores and p = .3.
    ``step`` rounds the scores to its multiples, so that they tie.
    """

    base: float
    spread: float
    sigma: float
    ceiling: float = 1.0
    flat: bool = False
    bad_top: float = 0.0
    step: float = 0.0
    targets: tuple[Target, ...] = (Target("exact", 0.95, 0.10),)

    def draw(self, rng: np.random.Generator, n: int, split: str) -> Sample:
        """``n`` encounters, named after the split, with the losses of each target."""
        score, p = self._scores(rng, n)
        names = [f"{split}-{i}" for i in range(n)]
        return Sample(names, score, (Losses.of_correct(rng.random(n) < p),))

    def accuracies(self, threshold: float) -> tuple[float, ...]:
        """What each target's level is compared with, true from ``threshold`` on."""
        selected = self._selected(threshold)
        return tuple(
            1.0 - float((selected * error).sum() / (selected * size).sum())
            for error, size in self._losses
        )

    def holds(self, threshold: float) -> bool:
        """Whether every target is truly met from ``threshold`` on."""
        found = zip(self.accuracies(threshold), self.targets, strict=True)
        return all(accuracy >= target.level for accuracy, target in found)

    def rate(self, threshold: float) -> float:
        """The true automation rate from ``threshold`` on."""
        return float(self._selected(threshold).sum())

    @cached_property
    def best_rate(self) -> float:
        """The automation rate of the most lenient threshold that truly meets the targets, or 0."""
        thresholds = np.linspace(-8.0, 12.0, 2001)
        return max((self.rate(float(t)) for t in thresholds if self.holds(float(t))), default=0.0)

    def _scores(self, rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        """Scores `[N]` and their latent p `[N]`."""
        p, logit = self._atoms
        atom = rng.integers(ATOMS, size=n)
        score = logit[atom] + self.sigma * rng.standard_normal(n)
        if self.bad_top:
            bad = rng.random(n) < self.bad_top
            atom = np.where(bad, ATOMS, atom)
            score = np.where(bad, TOP + rng.random(n), score)
        if self.step:
            score = np.round(score / self.step) * self.step
        return score, p[atom]

    def _selected(self, threshold: float) -> Floats:
        """Mass `[A]` of each value of p that lies at or above ``threshold``."""
        logit = self._atoms[1][:ATOMS]
        if self.step:  # round(score / step) >= k exactly where score >= (k - 1/2) * step
            threshold = (np.ceil(threshold / self.step - 1e-9) - 0.5) * self.step
        mass = special.ndtr((logit - threshold) / self.sigma) * (1.0 - self.bad_top) / ATOMS
        if self.bad_top:
            top = self.bad_top * np.clip(TOP + 1.0 - threshold, 0.0, 1.0)
            mass = np.append(mass, top)
        return np.asarray(mass, dtype=np.float64)

    @cached_property
    def _atoms(self) -> tuple[Floats, Floats]:
        """Values of p `[A]` and their logits `[A]`; the bad top is one more."""
        middle = (np.arange(ATOMS) + 0.5) / ATOMS
        p = np.full(ATOMS, self.base)
        if not self.flat:
            a, b = self.base * self.spread, (1.0 - self.base) * self.spread
            p = np.clip(self.ceiling * special.betaincinv(a, b, middle), 1e-12, 1.0 - 1e-12)
        if self.bad_top:
            p = np.append(p, BAD_TOP_RIGHT)
        return p, np.asarray(special.logit(p), dtype=np.float64)

    @cached_property
    def _losses(self) -> tuple[tuple[Floats, Floats], ...]:
        """Expected error `[A]` and size `[A]` of an encounter, for each target."""
        p = self._atoms[0]
        return ((1.0 - p, np.ones(len(p))),)


@dataclass(frozen=True)
class CodePopulation(Population):
    """Encounters of 1 to 12 codes, each right with probability p; none is missing.

    The harder an encounter, the more codes it has: 1 + Binomial(11, more + .4 (1 - p)), so that an
    average over codes differs from one over encounters. Whether two codes of one encounter are
    right is correlated by ``correlation``: the number of wrong codes is beta-binomial.
    """

    correlation: float = 0.5
    more: float = 0.05

    def draw(self, rng: np.random.Generator, n: int, split: str) -> Sample:
        """``n`` encounters, named after the split, with the losses of each target."""
        score, p = self._scores(rng, n)
        codes = 1 + rng.binomial(MOST_CODES - 1, self._more(p))
        together = 1.0 / self.correlation - 1.0
        share = rng.beta((1.0 - p) * together, p * together)
        wrong = rng.binomial(codes, share)
        code = np.arange(MOST_CODES)
        assigned = code < codes[:, None]
        gold = assigned & (code >= wrong[:, None])
        losses = tuple(encounter_losses(target, assigned, gold) for target in self.targets)
        return Sample([f"{split}-{i}" for i in range(n)], score, losses)

    def _more(self, p: Floats) -> Floats:
        return self.more + 0.4 * (1.0 - p)

    @cached_property
    def _losses(self) -> tuple[tuple[Floats, Floats], ...]:
        p = self._atoms[0]
        number = np.arange(1, MOST_CODES + 1)
        some = stats.binom.pmf(number - 1, MOST_CODES - 1, self._more(p)[:, None])  # [A, M]
        together = 1.0 / self.correlation - 1.0
        wrong = np.arange(MOST_CODES + 1)
        likely = stats.betabinom.pmf(
            wrong,
            number[:, None],
            ((1.0 - p) * together)[:, None, None],
            (p * together)[:, None, None],
        )  # [A, M, wrong]
        both = some[:, :, None] * likely
        found = []
        for target in self.targets:
            size = np.ones(len(p))
            error = np.broadcast_to(wrong > 0, both.shape[1:]).astype(np.float64)
            if target.metric == "precision" and target.average == "encounters":
                error = wrong / number[:, None]
            elif target.metric == "precision":
                error = np.broadcast_to(np.minimum(wrong, target.cap or 0.0), both.shape[1:])
                size = some @ number
            elif target.metric != "exact":
                raise ValueError(f"no truth for {target.metric}")
            found.append(((both * error).sum(axis=(1, 2)), size))
        return tuple(found)


# What common practice meets: from a score that ranks well to one that hardly does, and worst cases.
POPULATIONS = {
    "A good score": Population(0.80, 1.5, 0.5),
    "B fair score": Population(0.70, 1.5, 1.0),
    "C noisy score": Population(0.60, 1.2, 1.5),
    "D very noisy score": Population(0.60, 1.2, 3.0),
    "E no threshold reaches the level": Population(0.80, 1.5, 0.5, ceiling=0.945),
    "F flat just below the level": Population(0.9499, 1.0, 1.0, flat=True),
    "G bad top": Population(0.80, 1.5, 0.5, bad_top=0.02),
    "H tied scores": Population(0.70, 1.5, 1.0, step=0.5),
}

# (calibrate encounters, population): four fifths of the volume in the four largest specialties.
SPECIALTIES = {
    "radiology": (3000, Population(0.846, 1.5, 0.5)),
    "ED facility": (2000, Population(0.721, 1.5, 1.0)),
    "ED professional": (1500, Population(0.711, 1.5, 1.0)),
    "pathology": (1000, Population(0.796, 1.5, 0.7)),
    "gastroenterology": (700, Population(0.690, 1.5, 1.0)),
    "surgery": (400, Population(0.606, 1.5, 1.5)),
    "urgent care": (200, Population(0.750, 1.5, 1.0)),
    "infusion": (100, Population(0.820, 1.5, 0.7)),
}
