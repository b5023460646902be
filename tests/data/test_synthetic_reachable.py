"""The reachable exact match against coders that see nothing but the text.

The reading coder below knows the tables and parses the notes; it learns the outcome of each
unclear wording from other encounters. It must be right wherever nothing is unclear, and reach the
closed form elsewhere.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from datetime import date
from itertools import product
from statistics import mean
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.data.sources.synthetic import SPECIALTIES, generate, reachable_exact_match
from surecode.data.sources.synthetic.generate import DEPARTMENTS, write_draft
from surecode.data.sources.synthetic.tables import Kind, Specialty
from surecode.encounter import Encounter
from surecode.errors import InputError

START, END = date(2025, 10, 1), date(2026, 9, 30)
SENTENCE_END = re.compile(r"(?<=\.)(?<!\bh\.)\s+|\n")
HEADING = re.compile(r"(?m)^[A-Z/ ]+: ")
NUMBERS = re.compile(r"\{[\d.]+-[\d.]+\}|\d+(?:\.\d+)?")


def plain(text: str) -> str:
    """Lower case with every number, and every place of one, as a hash."""
    return NUMBERS.sub("#", text).lower()


class ReadingCoder:
    """Strikes out sentences that must not be coded, then looks names up, the longest first."""

    def __init__(self, department: Specialty) -> None:
        self.meanings: dict[str, str] = {}
        self.hedged: dict[str, str] = {}
        self.unclear: set[str] = set()
        self.symptoms: set[str] = set()
        self.diagnoses: set[str] = set()
        absent: set[str] = set()
        for scenario in department.scenarios:
            absent |= {*scenario.excluded, *scenario.past, *scenario.family}
            orders = list(scenario.procedures)
            for condition in (*scenario.principals, *scenario.comorbid, *scenario.grey):
                absent |= set(condition.sideless)
                orders += [procedure for procedure, _ in condition.orders]
                if condition.symptom:
                    self.symptoms |= set(condition.values)
                elif condition in scenario.principals:
                    self.diagnoses |= set(condition.values)
                for value, side in zip(condition.values, ("right", "left"), strict=False):
                    for name in condition.names:
                        self._learn(name.replace("{side}", side), value)
            for condition in scenario.grey:
                for (template, _), name in product(department.hedges, condition.names):
                    self.hedged[filled(template, name)] = f"{template} {condition.values[0]}"
            for wording in scenario.unclear + scenario.unclear_also:
                self.unclear |= set(wording.names)
                orders += [procedure for procedure, _ in wording.orders]
                if wording in scenario.unclear:
                    self.diagnoses |= set(wording.names)
                for name in wording.names:
                    self._learn(name, name)
            for procedure in orders:
                for name, side in product(procedure.names, ("right", "left")):
                    self._learn(name.replace("{side}", side), procedure.code.value)
        kinds: tuple[Kind, ...] = get_args(Kind)
        templates = [t for kind in kinds for t in department.distractions.of(kind)]
        self.struck = {filled(template, name) for template, name in product(templates, absent)}
        self.names = sorted(self.meanings, key=len, reverse=True)

    def _learn(self, name: str, meaning: str) -> None:
        assert self.meanings.setdefault(plain(name), meaning) == meaning, name

    def read(self, encounter: Encounter) -> tuple[frozenset[str], frozenset[str]]:
        """The decided values, and the unclear wordings (a hedged one with its template)."""
        decided: set[str] = set()
        unclear: set[str] = set()
        for document in encounter.documents:
            body = HEADING.sub("", document.text)
            for sentence in SENTENCE_END.split(plain(body)):
                if sentence in self.hedged:
                    unclear.add(self.hedged[sentence])
                elif sentence not in self.struck:
                    found = self._named(sentence)
                    unclear |= found & self.unclear
                    decided |= found - self.unclear
        if (decided | unclear) & self.diagnoses:
            decided -= self.symptoms
        return frozenset(decided), frozenset(unclear)

    def _named(self, sentence: str) -> set[str]:
        found: set[str] = set()
        for name in self.names:
            if name in sentence and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sentence):
                found.add(self.meanings[name])
                sentence = sentence.replace(name, "...")
        return found


def filled(template: str, name: str) -> str:
    """The sentence that the template makes of the name, in plain form."""
    return plain(template.replace("{m}", name).replace("{M}", name))


def encounters_of(specialty: str, difficulty: float, count: int) -> list[Encounter]:
    """Encounters without typing errors."""
    return list(
        generate(
            specialty=specialty,
            encounters=count,
            seed=11,
            difficulty=difficulty,
            typo_rate=0.0,
            start=START,
            end=END,
        )
    )


def values_of(encounter: Encounter) -> frozenset[str]:
    """The code set without its systems."""
    return frozenset(code.value for code in encounter.code_set)


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_the_text_alone_decides_all_that_is_not_unclear(specialty: str) -> None:
    coder = ReadingCoder(DEPARTMENTS[specialty])
    for difficulty in (0.0, 0.3, 0.7, 1.0):
        for encounter in encounters_of(specialty, difficulty, 250):
            decided, unclear = coder.read(encounter)
            gold = values_of(encounter)
            if unclear:
                assert decided <= gold, encounter.encounter_id
            else:
                assert decided == gold, encounter.encounter_id


@pytest.mark.parametrize("specialty", SPECIALTIES)
@pytest.mark.parametrize("difficulty", [0.2, 0.8])
def test_an_empirical_bayes_coder_reaches_the_closed_form(
    specialty: str, difficulty: float
) -> None:
    coder = ReadingCoder(DEPARTMENTS[specialty])
    encounters = encounters_of(specialty, difficulty, 1600)
    learning, judged = encounters[:800], encounters[800:]
    outcomes: dict[str, Counter[frozenset[str]]] = defaultdict(Counter)
    for encounter in learning:
        decided, unclear = coder.read(encounter)
        if len(unclear) == 1:
            outcomes[next(iter(unclear))][values_of(encounter) - decided] += 1
    right = 0
    for encounter in judged:
        decided, unclear = coder.read(encounter)
        for wording in unclear:
            likeliest = outcomes[wording].most_common(1)
            decided |= likeliest[0][0] if likeliest else frozenset()
        right += decided == values_of(encounter)
    reachable = reachable_exact_match(specialty, difficulty)
    noise = math.sqrt(reachable * (1 - reachable) / len(judged))
    # Learning which of two nearly even options is likelier costs a little.
    assert -0.05 - 4 * noise < right / len(judged) - reachable < 4 * noise


@pytest.mark.parametrize("specialty", SPECIALTIES)
@pytest.mark.parametrize("difficulty", [0.0, 0.35, 1.0])
def test_the_closed_form_is_the_mean_of_the_known_probabilities(
    specialty: str, difficulty: float
) -> None:
    department = DEPARTMENTS[specialty]
    known = [
        write_draft(department, index, 2, difficulty, 0.01, START, END).case.reachable
        for index in range(2000)
    ]
    closed = reachable_exact_match(specialty, difficulty)
    spread = math.sqrt(mean((k - closed) ** 2 for k in known) / len(known))
    assert abs(mean(known) - closed) < 4 * spread


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_the_ends_of_the_scale(specialty: str) -> None:
    assert reachable_exact_match(specialty, 0.0) >= 0.93
    assert 0.25 <= reachable_exact_match(specialty, 1.0) <= 0.35


@given(
    specialty=st.sampled_from(SPECIALTIES),
    one=st.floats(0, 1),
    other=st.floats(0, 1),
)
def test_reachable_falls_with_difficulty(specialty: str, one: float, other: float) -> None:
    easier, harder = sorted((one, other))
    assert (
        reachable_exact_match(specialty, easier) >= reachable_exact_match(specialty, harder) - 1e-9
    )


def test_reachable_refuses_wrong_arguments() -> None:
    with pytest.raises(InputError, match="pathology"):
        reachable_exact_match("patology", 0.5)
    with pytest.raises(InputError, match="difficulty"):
        reachable_exact_match("pathology", -0.1)
