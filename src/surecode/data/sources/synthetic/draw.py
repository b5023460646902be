"""Draws cases from a department's tables.

Whether each of a scenario's three places is unclear is drawn first and independently; what is
decided fills the rest without touching the codes of the unclear ones. That order makes the
reachable exact match a closed form (see ``reachable.py``).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

from surecode.data.sources.synthetic.case import Case, Claim, Distractor, Patient, Role
from surecode.data.sources.synthetic.tables import (
    SIDES,
    UNCODED,
    Condition,
    Kind,
    Procedure,
    Scenario,
    Specialty,
    Unclear,
    icd,
)
from surecode.data.sources.synthetic.weights import between, pick_ranked, pick_weighted
from surecode.encounter import Code

MOST_CODES = 4
_SECOND_PRINCIPAL = 0.1
_COMORBID = (0.38, 0.12)
_SEVERAL_DOCUMENTS = (0.15, 0.4)
_PASSING_SYMPTOM = (0.03, 0.4)
_FURTHER_DISTRACTORS = 4
_FURTHER_DISTRACTOR = (0.1, 0.75)
_KINDS: tuple[Kind, ...] = ("negated", "denied", "uncertain", "historical", "family")
_KIND_WEIGHTS = (0.35, 0.2, 0.2, 0.15, 0.1)

T = TypeVar("T")


def draw_case(
    specialty: Specialty,
    difficulty: float,
    ambiguity: float,
    patient: Patient,
    rng: random.Random,
) -> Case:
    """Draw a case; each of the scenario's three places is unclear with chance ``ambiguity``."""
    return _Draw(specialty, difficulty, patient, rng).case(ambiguity)


class _Draw:
    """The state of drawing one case: what is claimed so far and which codes that takes."""

    def __init__(
        self, specialty: Specialty, difficulty: float, patient: Patient, rng: random.Random
    ) -> None:
        self.specialty = specialty
        self.difficulty = difficulty
        self.patient = patient
        self.rng = rng
        fitting = [s for s in specialty.scenarios if s.sex in ("", patient.sex)]
        self.scenario: Scenario = pick_weighted(fitting, difficulty, rng)
        self.side = rng.choice(SIDES)
        self.side_known = True
        self.taken: set[str] = set()
        self.claims: list[Claim] = []
        self.orders = [(procedure, 1.0) for procedure in self.scenario.procedures]

    def case(self, ambiguity: float) -> Case:
        self._claim_unclear(ambiguity)
        self._claim_decided()
        self.claims.sort(key=lambda claim: claim.role, reverse=True)  # "principal" before "also"
        side = next((claim.side for claim in self.claims if claim.side), "")
        procedures = self._procedures(side)
        passing_symptom = self._passing_symptom()
        return Case(
            scenario=self.scenario,
            diagnoses=tuple(self.claims),
            procedures=procedures,
            distractors=self._distractors(),
            passing_symptom=passing_symptom,
            several_documents=self.rng.random() < between(_SEVERAL_DOCUMENTS, self.difficulty),
            side=side,
        )

    def _claim_unclear(self, ambiguity: float) -> None:
        scenario = self.scenario
        principal = _maybe(scenario.unclear, ambiguity, self.rng)
        also = _maybe(scenario.unclear_also, ambiguity, self.rng)
        grey = _maybe(scenario.grey, ambiguity, self.rng)
        hedge, coded = self.rng.choice(self.specialty.hedges)
        if principal:
            self.side_known = not principal.side_left_out
            self._take(principal, "principal", _options(principal.options))
        if also:
            self._take(also, "also", _options(also.options))
        if grey:
            options = _options(((grey.values[0], coded), (UNCODED, 1 - coded)))
            self._take(grey, "also", options, template=hedge)

    def _claim_decided(self) -> None:
        rng, scenario = self.rng, self.scenario
        if not any(claim.role == "principal" for claim in self.claims):
            self._decide(self._free(scenario.principals), "principal")
        if not any(claim.symptom for claim in self.claims):
            definite = [c for c in self._free(scenario.principals) if not c.symptom]
            if rng.random() < _SECOND_PRINCIPAL:
                self._decide(definite, "principal")
        for chance in _COMORBID:
            if rng.random() < chance:
                self._decide(self._free(scenario.comorbid), "also")

    def _decide(self, candidates: Sequence[Condition], role: Role) -> None:
        if candidates and len(self.claims) + len(self.scenario.procedures) < MOST_CODES:
            condition = pick_weighted(candidates, self.difficulty, self.rng)
            side = self.side if condition.lateral else ""
            value = condition.values[SIDES.index(side) if side else 0]
            self._take(condition, role, _options(((value, 1.0),)), side=side)

    def _take(
        self,
        wording: Condition | Unclear,
        role: Role,
        options: tuple[tuple[Code | None, float], ...],
        side: str = "",
        template: str = "",
    ) -> None:
        self.taken |= self.specialty.groups(wording)
        self.orders += wording.orders
        self.claims.append(Claim(role, wording, wording.names, options, side, template))

    def _free(self, conditions: Iterable[Condition]) -> list[Condition]:
        """Conditions that fit what is claimed; a named side would betray one that was left out."""
        return [
            condition
            for condition in conditions
            if not self.specialty.groups(condition) & self.taken
            and (self.side_known or not condition.lateral)
        ]

    def _procedures(self, side: str) -> tuple[Claim, ...]:
        drawn: dict[Code, Claim] = {}
        for procedure, chance in self.orders:
            wanted = self.rng.random() < chance and self.patient.age >= procedure.minimum_age
            if wanted and len(self.claims) + len(drawn) < MOST_CODES:
                drawn.setdefault(procedure.code, _performed(procedure, side))
        return tuple(drawn.values())

    def _passing_symptom(self) -> str:
        names = self.claims[0].wording.integral
        if not names or self.rng.random() >= between(_PASSING_SYMPTOM, self.difficulty):
            return ""
        name = self.rng.choice(names)
        for condition in self.scenario.principals:
            if name in condition.sideless:
                self.taken |= self.specialty.groups(condition)
        return name

    def _distractors(self) -> tuple[Distractor, ...]:
        rng, scenario, tables = self.rng, self.scenario, self.specialty.distractions
        others = [
            condition
            for condition in scenario.principals + scenario.comorbid
            if not self.specialty.groups(condition) & self.taken
        ]
        excluded = self._names(c for c in others if c.absence == "excluded")
        resolved = self._names(c for c in others if c.resolving and not c.symptom)
        subjects: dict[Kind, Sequence[str]] = {
            "negated": excluded + scenario.excluded,
            "denied": self._names(c for c in others if c.absence == "denied"),
            "uncertain": excluded + scenario.excluded,
            "historical": resolved + scenario.past,
            "family": scenario.family,
        }
        chance = between(_FURTHER_DISTRACTOR, self.difficulty)
        count = 1 + sum(rng.random() < chance for _ in range(_FURTHER_DISTRACTORS))
        found: dict[str, Distractor] = {}
        for kind in rng.choices(_KINDS, _KIND_WEIGHTS, k=count):
            if subjects[kind]:
                subject = rng.choice(subjects[kind])
                template = pick_ranked(tables.of(kind), self.difficulty, rng)
                found.setdefault(subject, Distractor(kind, template, subject))
        return tuple(found.values())

    def _names(self, conditions: Iterable[Condition]) -> tuple[str, ...]:
        return tuple(pick_ranked(c.sideless, self.difficulty, self.rng) for c in conditions)


def _performed(procedure: Procedure, side: str) -> Claim:
    names = tuple(name for name in procedure.names if side or "{side}" not in name)
    return Claim("procedure", procedure, names, ((procedure.code, 1.0),), side, procedure.said)


def _options(values: Iterable[tuple[str, float]]) -> tuple[tuple[Code | None, float], ...]:
    return tuple((None if value == UNCODED else icd(value), p) for value, p in values)


def _maybe(items: Sequence[T], chance: float, rng: random.Random) -> T | None:
    # Both numbers are always drawn, so that the places stay independent of one another.
    unclear, choice = rng.random() < chance, rng.random()
    return items[int(choice * len(items))] if unclear and items else None
