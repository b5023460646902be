"""The knowledge tables against ICD-10-CM, HCPCS and themselves."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path

import pytest
import simple_icd_10_cm as cm

from surecode.data.sources.synthetic import SPECIALTIES
from surecode.data.sources.synthetic.generate import DEPARTMENTS
from surecode.data.sources.synthetic.tables import (
    UNCODED,
    Condition,
    Procedure,
    Scenario,
    Unclear,
)

DATA = Path(__file__).parents[2] / os.environ.get("SURECODE_DATA", "../shared/data")
SCENARIOS = [(d, s) for d in DEPARTMENTS.values() for s in d.scenarios]


def conditions(scenario: Scenario) -> tuple[Condition, ...]:
    """All decided conditions of a scenario."""
    return scenario.principals + scenario.comorbid + scenario.grey


def unclear_wordings(scenario: Scenario) -> tuple[Unclear, ...]:
    """All unclear wordings of a scenario."""
    return scenario.unclear + scenario.unclear_also


def icd_values() -> set[str]:
    """Every ICD-10-CM value in the tables."""
    return {
        value
        for _, scenario in SCENARIOS
        for value in (
            *(v for c in conditions(scenario) for v in c.values),
            *(v for u in unclear_wordings(scenario) for v, _ in u.options if v != UNCODED),
        )
    }


def procedures() -> set[Procedure]:
    """Every procedure in the tables."""
    wordings = [
        w for _, scenario in SCENARIOS for w in (*conditions(scenario), *unclear_wordings(scenario))
    ]
    return {p for w in wordings for p, _ in w.orders} | {
        p for _, scenario in SCENARIOS for p in scenario.procedures
    }


@pytest.mark.parametrize("value", sorted(icd_values()))
def test_every_icd_code_is_billable_in_fy2026(value: str) -> None:
    assert cm.is_valid_item(value)
    assert cm.is_leaf(value)


def test_right_and_left_stand_in_that_order() -> None:
    for _, scenario in SCENARIOS:
        for condition in conditions(scenario):
            if condition.lateral:
                right, left = (cm.get_description(value) for value in condition.values)
                assert "right" in right
                assert "left" in left
                assert condition.bare
                assert all("{side}" in name for name in condition.names)


def test_procedures_have_the_form_of_their_system() -> None:
    forms = {"CPT": r"\d{5}", "HCPCS": r"[A-Z]\d{4}"}
    for procedure in procedures():
        assert re.fullmatch(forms[procedure.code.system], procedure.code.value)


def test_hcpcs_codes_are_in_the_published_table() -> None:
    table = DATA / "hcpcs2" / "hcpcs_level2_addendumB_2026-04.csv"
    if not table.exists():
        pytest.skip(f"the HCPCS table is not in {table.parent}")
    with table.open(encoding="utf-8-sig") as lines:
        published = {row["HCPCSCode"] for row in csv.DictReader(lines)}
    used = {p.code.value for p in procedures() if p.code.system == "HCPCS"}
    assert used <= published


def inclusion_terms(value: str) -> Iterator[str]:
    """Inclusion terms of the code and its parents, normalised."""
    for item in [value, *cm.get_ancestors(value)]:
        if cm.is_category_or_subcategory(item):
            terms = [*cm.get_inclusion_term(item), *cm.get_includes(item)]
            yield from (normalised(term) for term in terms)


def normalised(term: str) -> str:
    """Lower case, without NOS, brackets, sides and punctuation."""
    term = re.sub(r"\b(NOS|NEC|the|of|in|a)\b|\[.*?\]|\(.*?\)|\{side\}|[^\w\s]", " ", term)
    return " ".join(sorted(term.lower().split()))


def test_a_share_of_the_synonyms_are_inclusion_terms() -> None:
    hits = total = 0
    for _, scenario in SCENARIOS:
        for condition in scenario.principals + scenario.comorbid:
            terms = set(inclusion_terms(condition.values[0]))
            total += 1
            hits += any(normalised(name) in terms for name in condition.names)
    assert hits / total > 0.2, (hits, total)


def test_options_are_probabilities_and_places_share_no_code() -> None:
    """The closed form of the reachable exact match rests on this."""
    for department, scenario in SCENARIOS:
        for wording in unclear_wordings(scenario):
            assert sum(p for _, p in wording.options) == pytest.approx(1)
            assert len(wording.options) > 1
        assert all(v != UNCODED for u in scenario.unclear for v, _ in u.options)
        places = [
            {g for wording in place for g in department.groups(wording)}
            for place in (scenario.unclear, scenario.unclear_also, scenario.grey)
        ]
        assert all(not one & other for one, other in combinations(places, 2)), scenario.name
        assert not any(condition.lateral for condition in scenario.grey)


def test_exclusive_groups_are_disjoint_and_negation_is_diverse() -> None:
    for department in DEPARTMENTS.values():
        values = [value for group in department.exclusive for value in group]
        assert len(values) == len(set(values))
        assert len(department.distractions.negated) >= 5


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_neutral_phrases_name_no_code(specialty: str) -> None:
    scenarios = DEPARTMENTS[specialty].scenarios
    names = {
        n.lower().replace("{side} ", "")
        for s in scenarios
        for w in (*conditions(s), *unclear_wordings(s))
        for n in w.names
    }
    phrases = {
        phrase.lower()
        for s in scenarios
        for phrase in (
            *(p for pool in s.phrases.values() for p in pool),
            *(
                p
                for w in (*conditions(s), *unclear_wordings(s))
                for p in (*w.reasons, *w.findings, *w.plans)
            ),
        )
    }
    for name, phrase in product(names, phrases):
        assert not re.search(rf"\b{re.escape(name)}\b", phrase), (name, phrase)


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_no_typing_errors_turn_one_code_into_another(specialty: str) -> None:
    """Between names of different codes some word differs by more than one keystroke."""
    named: dict[str, set[str]] = {}
    for scenario in DEPARTMENTS[specialty].scenarios:
        for condition in conditions(scenario):
            for name, side in product(condition.names, ("right", "left")):
                filled = name.replace("{side}", side)
                named.setdefault(filled, set()).add(f"{condition.values[0]} {side}")
        for wording in unclear_wordings(scenario):
            for name in wording.names:
                named.setdefault(name, set()).add(name)
    for (one, codes), (other, other_codes) in combinations(named.items(), 2):
        pairs = list(zip(one.split(), other.split(), strict=False))
        if codes & other_codes or len(one.split()) != len(other.split()):
            continue
        different = [(a, b) for a, b in pairs if a != b]
        assert not all(len(a) >= 4 and one_keystroke(a, b) for a, b in different), (one, other)


def one_keystroke(word: str, other: str) -> bool:
    """Whether one swap, drop, doubling or replacement makes ``other`` of ``word``."""
    swaps = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    drops = {word[:i] + word[i + 1 :] for i in range(len(word))}
    doubles = {word[:i] + word[i] + word[i:] for i in range(len(word))}
    replaced = len(word) == len(other) and sum(map(str.__ne__, word, other)) == 1
    return replaced or other in swaps | drops | doubles
