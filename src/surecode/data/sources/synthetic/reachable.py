"""The exact match that no coder can exceed, in closed form.

A department's note is unclear in up to three places, drawn independently with the same chance a.
The wording of a place with options of probabilities p_1..p_m leaves the best guess right with
probability max p, and the rest of the note follows from the text. The coder that knows all
probabilities (the Bayes classifier; Devroye, Györfi and Lugosi, "A Probabilistic Theory of Pattern
Recognition", 1996, theorem 2.1) is then right with probability

    R(a) = sum_s P(s) prod_{j in places(s)} (1 - a (1 - E_j[max p])),

s over scenarios. The chance a is solved from the difficulty, so that R falls along a line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from scipy.optimize import brentq

from surecode.data.sources.synthetic.tables import Scenario, Specialty
from surecode.data.sources.synthetic.weights import between, tilted

SEXES = ("female", "male")
EASIEST, HARDEST = 0.96, 0.30


def exact_match(specialty: Specialty, ambiguity: float, difficulty: float) -> float:
    """R(a) of the module's formula, a number in [0, 1].

    The patient is female or male with equal chance, and scenarios that need a sex are drawn for
    that sex only.
    """
    return math.fsum(
        share * _scenario_exact_match(specialty, scenario, ambiguity) / len(SEXES)
        for sex in SEXES
        for scenario, share in _shares(specialty, sex, difficulty)
    )


@lru_cache(maxsize=256)
def ambiguity(specialty: Specialty, difficulty: float) -> float:
    """The chance of a place to be unclear that makes R fall from .96 to .30 with difficulty."""
    wanted = between((EASIEST, HARDEST), difficulty)
    return float(
        brentq(lambda a: exact_match(specialty, a, difficulty) - wanted, 0.0, 1.0, xtol=1e-12)
    )


def _shares(specialty: Specialty, sex: str, difficulty: float) -> Iterable[tuple[Scenario, float]]:
    fitting = [s for s in specialty.scenarios if s.sex in ("", sex)]
    weights = tilted(fitting, difficulty)
    return [(s, w / sum(weights)) for s, w in zip(fitting, weights, strict=True)]


def _scenario_exact_match(specialty: Specialty, scenario: Scenario, ambiguity: float) -> float:
    hedges = [max(coded, 1 - coded) for _, coded in specialty.hedges]
    places = (
        [wording.best for wording in scenario.unclear],
        [wording.best for wording in scenario.unclear_also],
        hedges if scenario.grey else [],
    )
    return math.prod(1 - ambiguity * (1 - sum(best) / len(best)) for best in places if best)
