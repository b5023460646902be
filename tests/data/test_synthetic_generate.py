"""Synthetic encounters: exact evidence, reproducibility, and what a generator must never do."""

from __future__ import annotations

import random
import re
from datetime import date
from itertools import islice
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.data.sources.synthetic import SPECIALTIES, generate
from surecode.data.sources.synthetic.generate import DEPARTMENTS, settle, write_draft
from surecode.encounter import Encounter
from surecode.errors import InputError

START, END = date(2025, 10, 1), date(2026, 9, 30)
NUMBER = re.compile(r"\\\{[\d.\\]+\\-[\d.\\]+\\\}")


def make(specialty: str, **changes: Any) -> list[Encounter]:
    """A list of encounters with small defaults."""
    arguments: dict[str, Any] = {
        "specialty": specialty,
        "encounters": 200,
        "seed": 3,
        "difficulty": 0.3,
        "typo_rate": 0.0,
        "start": START,
        "end": END,
    }
    return list(generate(**(arguments | changes)))


def known_names(specialty: str) -> dict[str, list[re.Pattern[str]]]:
    """For each code value, the patterns of all wordings that may stand for it."""
    names: dict[str, list[str]] = {}
    for scenario in DEPARTMENTS[specialty].scenarios:
        for condition in (*scenario.principals, *scenario.comorbid, *scenario.grey):
            for value, side in zip(condition.values, ("right", "left"), strict=False):
                names.setdefault(value, []).extend(
                    n.replace("{side}", side) for n in condition.names
                )
            orders = [procedure for procedure, _ in condition.orders]
            for procedure in (*scenario.procedures, *orders):
                for side in ("right", "left"):
                    names.setdefault(procedure.code.value, []).extend(
                        n.replace("{side}", side) for n in procedure.names
                    )
        for unclear in (*scenario.unclear, *scenario.unclear_also):
            for value, _ in unclear.options:
                names.setdefault(value, []).extend(unclear.names)
    return {
        value: [re.compile(NUMBER.sub(r"[\\d.]+", re.escape(n)), re.IGNORECASE) for n in all_names]
        for value, all_names in names.items()
    }


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_same_arguments_give_same_encounters_and_a_longer_run_extends(specialty: str) -> None:
    shorter = make(specialty, encounters=40, typo_rate=0.05)
    assert shorter == make(specialty, encounters=40, typo_rate=0.05)
    longer = generate(
        specialty=specialty,
        encounters=10**9,
        seed=3,
        difficulty=0.3,
        typo_rate=0.05,
        start=START,
        end=END,
    )
    assert shorter == list(islice(longer, 40))
    assert shorter != make(specialty, encounters=40, typo_rate=0.05, seed=4)


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_without_typing_errors_every_quote_is_a_known_name_of_its_code(specialty: str) -> None:
    names = known_names(specialty)
    for encounter in make(specialty, encounters=400, difficulty=0.8):
        for item in encounter.evidence:
            text = encounter.text(item.span.document_id)
            quote = text[item.span.start : item.span.end]
            assert any(name.fullmatch(quote) for name in names[item.code.value]), (
                item.code,
                quote,
            )


@settings(max_examples=60, deadline=None)
@given(
    specialty=st.sampled_from(SPECIALTIES),
    seed=st.integers(0, 2**32),
    difficulty=st.floats(0, 1),
    typo_rate=st.floats(0, 0.5),
    index=st.integers(0, 10_000),
)
def test_gold_is_complete_and_never_touches_what_must_not_be_coded(
    specialty: str, seed: int, difficulty: float, typo_rate: float, index: int
) -> None:
    department = DEPARTMENTS[specialty]
    draft = write_draft(department, index, seed, difficulty, typo_rate, START, END)
    encounter = settle(draft, department, random.Random(seed))
    assert 1 <= len(encounter.codes) <= 4
    assert len(encounter.code_set) == len(encounter.codes)
    assert [gold.sequence for gold in encounter.codes] == list(range(1, len(encounter.codes) + 1))
    assert encounter.codes[0].code.system == "ICD-10-CM"
    assert {item.code for item in encounter.evidence} == encounter.code_set
    mentions = [item.mention for item in encounter.evidence]
    assert len(set(mentions)) == len(mentions)
    assert START <= encounter.date_of_service <= END
    spans = [item.span for item in encounter.evidence]
    for uncoded in draft.uncoded:
        assert all(
            span.document_id != uncoded.document_id
            or span.end <= uncoded.start
            or uncoded.end <= span.start
            for span in spans
        )
    assert not any("{" in d.text or "}" in d.text for d in encounter.documents)
    assert Encounter.from_dict(encounter.to_dict()) == encounter


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_the_text_does_not_depend_on_the_outcome(specialty: str) -> None:
    """One draft, two outcomes: only codes and evidence may differ, and they do for some."""
    department = DEPARTMENTS[specialty]
    differing = 0
    for index in range(60):
        draft = write_draft(department, index, 1, 1.0, 0.02, START, END)
        settled = [settle(draft, department, random.Random(s)) for s in range(6)]
        assert len({encounter.documents for encounter in settled}) == 1
        differing += len({encounter.code_set for encounter in settled}) > 1
    assert differing > 30


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_typing_errors_come_at_the_set_rate_also_in_evidence(specialty: str) -> None:
    def words(encounters: list[Encounter]) -> list[str]:
        bodies = (d.text for e in encounters for d in e.documents)
        return re.findall(r"[A-Za-z]{3,}", re.sub(r"(?m)^[A-Z/ ]+:", "", " \n".join(bodies)))

    vocabulary = set(words(make(specialty, encounters=1500)))
    typed = make(specialty, encounters=300, typo_rate=0.1)
    long_words = [w for w in words(typed) if len(w) >= 4]
    share = mean(word not in vocabulary for word in long_words)
    assert 0.07 < share < 0.12
    quotes = [
        e.text(v.span.document_id)[v.span.start : v.span.end] for e in typed for v in e.evidence
    ]
    names = known_names(specialty)
    values = [v.code.value for e in typed for v in e.evidence]
    misspelt = [
        not any(n.fullmatch(q) for n in names[v]) for q, v in zip(quotes, values, strict=True)
    ]
    assert 0.05 < mean(misspelt) < 0.4


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_shape_of_a_demo_corpus(specialty: str) -> None:
    """At difficulty 0.2: short notes, about two codes, 20 to 32 labels, some several documents."""
    encounters = make(specialty, encounters=1500, difficulty=0.2, typo_rate=0.01)
    assert 55 <= mean(sum(len(d.text.split()) for d in e.documents) for e in encounters) <= 110
    assert 1.8 <= mean(len(e.codes) for e in encounters) <= 2.8
    assert 20 <= len({code for e in encounters for code in e.code_set}) <= 32
    assert 0.12 < mean(len(e.documents) > 1 for e in encounters) < 0.3
    visits: dict[str, int] = {}
    for encounter in encounters:
        visits[encounter.patient_id] = visits.get(encounter.patient_id, 0) + 1
    assert 0.05 < mean(count > 1 for count in visits.values()) < 0.15
    assert {e.setting for e in encounters} == {
        "facility" if specialty == "emergency" else "professional"
    }
    assert encounters[17].encounter_id == f"{specialty}-000017"


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_difficulty_adds_distraction_length_and_rare_names(specialty: str) -> None:
    department = DEPARTMENTS[specialty]

    def drafts(difficulty: float) -> list[Any]:
        return [write_draft(department, i, 5, difficulty, 0.0, START, END) for i in range(300)]

    easy, hard = drafts(0.1), drafts(0.9)
    assert mean(len(d.uncoded) for d in hard) > 1.4 * mean(len(d.uncoded) for d in easy)
    easy_words, hard_words = (
        mean(sum(len(t.text.split()) for t in d.documents) for d in group) for group in (easy, hard)
    )
    assert hard_words > 1.15 * easy_words
    kinds = {distractor.kind for draft in hard for distractor in draft.case.distractors}
    assert kinds >= {"negated", "uncertain", "historical", "family"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"specialty": "radiologie"}, "radiology"),
        ({"encounters": 0}, "at least one"),
        ({"difficulty": 1.1}, r"\[0, 1\]"),
        ({"difficulty": float("nan")}, r"\[0, 1\]"),
        ({"typo_rate": 0.6}, r"\[0, 0.5\]"),
        ({"start": date(2025, 9, 30)}, "FY2026"),
        ({"end": date(2026, 10, 1)}, "FY2026"),
        ({"start": date(2026, 2, 1), "end": date(2026, 1, 1)}, "FY2026"),
    ],
)
def test_wrong_arguments_end_at_once_in_one_line(change: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {
        "specialty": "radiology",
        "encounters": 1,
        "seed": 0,
        "difficulty": 0.2,
        "typo_rate": 0.0,
        "start": START,
        "end": END,
    }
    with pytest.raises(InputError, match=words) as raised:
        generate(**(arguments | change))
    assert "\n" not in str(raised.value)
