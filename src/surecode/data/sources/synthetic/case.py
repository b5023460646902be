"""What one encounter is about, before a word of it is written.

A case holds claims. The code of a decided claim follows from its wording; an unclear claim has
several options with known probabilities. None of them is chosen here: the outcome is drawn after
the text, so that the text cannot betray it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from surecode.data.sources.synthetic.tables import Condition, Kind, Scenario, Wording
from surecode.encounter import Code

Role = Literal["principal", "also", "procedure"]


@dataclass(frozen=True)
class Patient:
    """The patient on the date of service; ``age`` in years."""

    patient_id: str
    age: int
    sex: str
    payer: str


@dataclass(frozen=True, eq=False)
class Claim:
    """Something that the note affirms, and the code that its wording may stand for.

    ``options`` holds one entry for a decided claim and several for an unclear one; ``None`` is
    left uncoded. ``template`` is the one that every mention uses, where the claim prescribes one: a
    hedge, or how a drug is said to have been given.
    """

    role: Role
    wording: Wording
    names: tuple[str, ...]
    options: tuple[tuple[Code | None, float], ...]
    side: str = ""
    template: str = ""

    @property
    def symptom(self) -> bool:
        """Whether the claim is a sign or symptom, coded for want of a diagnosis."""
        return isinstance(self.wording, Condition) and self.wording.symptom

    @property
    def best(self) -> float:
        """The probability of the likeliest option."""
        return max(probability for _, probability in self.options)


@dataclass(frozen=True)
class Distractor:
    """A mention that must not be coded: its template and its subject."""

    kind: Kind
    template: str
    subject: str


@dataclass(frozen=True)
class Case:
    """One encounter before it is written.

    ``diagnoses`` stand in the order of the code set, the principal one first. ``passing_symptom``
    names a symptom that belongs to the diagnosis and is therefore not coded. ``side`` is that of
    the decided lateral claims, empty where there are none.
    """

    scenario: Scenario
    diagnoses: tuple[Claim, ...]
    procedures: tuple[Claim, ...]
    distractors: tuple[Distractor, ...]
    passing_symptom: str
    several_documents: bool
    side: str

    @property
    def principal(self) -> Claim:
        """The claim that leads the code set."""
        return self.diagnoses[0]

    @property
    def principals(self) -> tuple[Claim, ...]:
        """The claims that explain the visit: one, sometimes two."""
        return tuple(claim for claim in self.diagnoses if claim.role == "principal")

    @property
    def also(self) -> tuple[Claim, ...]:
        """The further diagnoses."""
        return tuple(claim for claim in self.diagnoses if claim.role == "also")

    @property
    def reachable(self) -> float:
        """The probability that the likeliest code set, given the text, is the right one.

        The options of different claims are drawn independently and never share a code, so that
        the likeliest code set is that of the likeliest options: ``prod_c max_o p(o | c)``.
        """
        return math.prod(claim.best for claim in self.claims)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Diagnoses, then procedures: the order of the code set."""
        return self.diagnoses + self.procedures

    def phrases(self, key: str) -> tuple[str, ...]:
        """The scenario's phrases for one part of the note."""
        return self.scenario.phrases.get(key, ())

    def distractors_of(self, *kinds: Kind) -> tuple[Distractor, ...]:
        """The distractors of some kinds."""
        return tuple(d for d in self.distractors if d.kind in kinds)
