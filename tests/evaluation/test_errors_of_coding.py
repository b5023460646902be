"""Every kind of error, in a note made for it; and the properties that hold for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.coder.dictionary import Dictionary
from surecode.encounter import Code, Encounter, Evidence, GoldCode, Span
from surecode.evaluation.error_places import Found, found_places, marked_places
from surecode.evaluation.errors import (
    BELOW,
    ELSEWHERE,
    FAMILY,
    KINDS,
    NEGATED,
    NOT_FOUND,
    OTHER_CODE,
    PASSED_OVER,
    SIBLING,
    UNSEEN,
    Case,
    CodingError,
    by_kind,
    category,
    errors_of,
    most_frequent,
    relation,
)


def cm(value: str) -> Code:
    return Code("ICD-10-CM", value)


PAIN, FEVER, STONE = cm("R52"), cm("R50.9"), cm("N20.0")
PLACE, OTHER = Span("d0", 0, 5), Span("d0", 10, 20)


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (cm("N18"), cm("N18.3"), FAMILY),
        (cm("N18.32"), cm("N18.3"), FAMILY),
        (cm("N18.3"), cm("N18.4"), SIBLING),
        (cm("N18.3"), cm("N19"), None),
        (cm("N18.3"), cm("N18.3"), None),
        (Code("ICD-O-3", "8500/3"), Code("ICD-O-3", "8500/32"), FAMILY),
        (Code("ICD-O-3", "8000/6"), Code("ICD-O-3", "8000/6/H"), FAMILY),
        (Code("ICD-O-3", "8500/3"), Code("ICD-O-3", "8500/2"), SIBLING),
        (Code("ICD-O-3", "8500/3"), Code("ICD-O-3", "8501/3"), None),
        (Code("ICD-10-PCS", "0DTJ"), Code("ICD-10-PCS", "0DTJ4ZZ"), FAMILY),
        (Code("ICD-10-PCS", "0DTJ4ZZ"), Code("ICD-10-PCS", "0DTG4ZZ"), SIBLING),
        (Code("ICD-10-PCS", "0DT"), cm("0DT"), None),
    ],
)
def test_relations_by_spelling(first: Code, second: Code, found: str | None) -> None:
    assert relation(first, second) == relation(second, first) == found


def test_the_category_of_each_system() -> None:
    assert [category(c) for c in (cm("N18.3"), Code("ICD-O-3", "8500/3"))] == ["N18", "8500"]


def one(case: Case, seen: set[Code]) -> CodingError:
    (error,) = errors_of(case, seen)
    return error


def missed(code: Code, *found: Found, predicted: frozenset[Code] = frozenset()) -> Case:
    return Case("e", frozenset({code}), predicted, {code: found}, {}, {code: 0.2})


def test_each_kind_of_missed_code() -> None:
    seen = {PAIN}
    assert one(missed(PAIN), set()).kind == UNSEEN
    assert one(missed(PAIN), seen).kind == NOT_FOUND
    negated, elsewhere = Found(OTHER, "negated"), Found(OTHER, "elsewhere")
    assert one(missed(PAIN, negated), seen).kind == NEGATED
    assert one(missed(PAIN, negated, elsewhere), seen).kind == ELSEWHERE
    below = one(missed(PAIN, negated, Found(PLACE)), seen)
    assert below == CodingError("e", PAIN, "missed", BELOW, None, OTHER, 0.2)


def test_a_wrong_relative_explains_a_missed_code_only_where_it_was_seen() -> None:
    stage, other = cm("N18.3"), cm("N18.4")
    case = missed(stage, predicted=frozenset({other}))
    first, second = errors_of(case, {stage, other})
    assert (first.kind, first.instead) == (SIBLING, other)
    assert (second.side, second.kind, second.instead) == ("spurious", SIBLING, stage)
    assert errors_of(case, {other})[0].kind == UNSEEN
    assert errors_of(case, {other})[0].instead is None
    general = missed(stage, predicted=frozenset({other, cm("N18")}))
    assert (errors_of(general, {stage})[0].kind, errors_of(general, {stage})[0].instead) == (
        FAMILY,
        cm("N18"),
    )
    # A sibling that is right confuses nobody.
    both = Case("e", frozenset({stage, other}), frozenset({other}))
    assert one(both, {stage, other}).kind == NOT_FOUND


def spurious(*found: Found, **marked: Span) -> Case:
    gold = frozenset({FEVER})
    marks = {FEVER: (marked["fever"],)} if marked else {}
    return Case("e", gold, gold | {STONE}, {STONE: found}, marks)


def test_each_kind_of_spurious_code() -> None:
    seen = {FEVER, STONE}
    assert one(spurious(), seen).kind == NOT_FOUND
    assert one(spurious(Found(PLACE, "negated")), seen).kind == NEGATED
    assert one(spurious(Found(PLACE, "elsewhere")), seen).kind == ELSEWHERE
    assert one(spurious(Found(PLACE)), seen).kind == PASSED_OVER
    assert one(spurious(Found(PLACE), fever=Span("d0", 5, 9)), seen).kind == PASSED_OVER
    assert one(spurious(Found(PLACE), fever=Span("d1", 0, 9)), seen).kind == PASSED_OVER
    owned = one(spurious(Found(OTHER), Found(PLACE), fever=Span("d0", 4, 9)), seen)
    assert (owned.kind, owned.instead, owned.span) == (OTHER_CODE, FEVER, PLACE)
    # Negated words tell more than whose words they are.
    assert one(spurious(Found(PLACE, "negated"), fever=PLACE), seen).kind == NEGATED


def test_a_missed_relative_is_named_before_one_that_was_found() -> None:
    found, lost, wrong = cm("N18.1"), cm("N18.5"), cm("N18.3")
    case = Case("e", frozenset({found, lost}), frozenset({found, wrong}))
    assert errors_of(case, {found, lost, wrong})[1].instead == lost
    right = Case("e", frozenset({found}), frozenset({found, wrong}))
    assert one(right, {found, wrong}).instead == found


CODES = [cm(v) for v in ("N18", "N18.3", "N18.4", "R52", "I10")] + [Code("ICD-10-PCS", "0DTJ")]
sets = st.frozensets(st.sampled_from(CODES))
places = st.builds(
    Found,
    st.builds(lambda s, n: Span("d0", s, s + n), st.integers(0, 9), st.integers(1, 5)),
    st.sampled_from(["plain", "negated", "elsewhere"]),
)
found = st.dictionaries(st.sampled_from(CODES), st.lists(places, max_size=3))


@given(sets, sets, found, found, sets)
def test_every_error_gets_one_kind_and_nothing_else_is_one(
    gold: frozenset[Code],
    predicted: frozenset[Code],
    found: dict[Code, list[Found]],
    marked: dict[Code, list[Found]],
    seen: frozenset[Code],
) -> None:
    marks = {code: [place.span for place in marked[code]] for code in marked if code in gold}
    errors = errors_of(Case("e", gold, predicted, found, marks), seen)
    assert [e.code for e in errors if e.side == "missed"] == sorted(gold - predicted)
    assert [e.code for e in errors if e.side == "spurious"] == sorted(predicted - gold)
    assert all(error.kind in KINDS[error.side] for error in errors)
    related = (FAMILY, SIBLING, OTHER_CODE)
    assert all((error.instead is not None) == (error.kind in related) for error in errors)
    counts = by_kind(errors)
    assert {side: list(kinds) for side, kinds in counts.items()} == {
        side: list(kinds) for side, kinds in KINDS.items()
    }
    assert sum(n for kinds in counts.values() for n in kinds.values()) == len(errors)
    assert sum(row.count for row in most_frequent(errors, 100, str)) == len(errors)


def test_the_most_frequent_errors_carry_titles_and_no_text() -> None:
    errors = [CodingError(f"e{n}", PAIN, "missed", BELOW, None, PLACE) for n in range(3)]
    errors += [CodingError("e", Code("CPT", "71046"), "spurious", NOT_FOUND)]
    first, second = most_frequent(errors, titles={PAIN: "Pain"}.get)
    assert (first.count, first.code, first.title) == (3, PAIN, "Pain")
    assert (second.count, second.title) == (1, None)
    assert most_frequent(errors, 1, {PAIN: "Pain"}.get) == [first]


# ---- places, from real rules ---------------------------------------------------------------------

NOTE = (
    "HISTORY OF PRESENT ILLNESS: The patient has fever.\n\n"
    "FAMILY HISTORY: The mother had gallstones.\n\n"
    "PLAN: Paracetamol if pain returns.\n\n"
    "ASSESSMENT: No chest pain. Fever."
)


def at(note: str, words: str, code: Code, number: int = 0) -> Evidence:
    start = note.index(words)
    return Evidence(code, Span("d0", start, start + len(words)), number)


def test_places_are_read_by_section_and_assertion(
    encounter_of: Callable[..., Encounter],
) -> None:
    gallstones, family = cm("K80.20"), cm("Z83.79")
    history = cm("I10")
    encounter = encounter_of(NOTE, "PAST MEDICAL HISTORY: Hypertension, treated for years.")
    mentions = [
        at(NOTE, "fever", FEVER),
        at(NOTE, "gallstones", gallstones),
        at(NOTE, "gallstones", family),
        at(NOTE, "chest pain", PAIN),
        Evidence(history, Span("d1", 22, 34)),
    ]
    read = found_places(encounter, mentions)
    assert {code: [f.reading for f in places] for code, places in read.items()} == {
        FEVER: ["plain"],
        gallstones: ["negated"],
        family: ["elsewhere"],  # a family history carries Z80-Z84
        PAIN: ["negated"],
        history: ["elsewhere"],
    }
    assert read[FEVER][0].span == mentions[0].span


def test_gold_evidence_by_code(encounter_of: Callable[..., Encounter]) -> None:
    encounter = replace(
        encounter_of(NOTE),
        codes=(GoldCode(FEVER),),
        evidence=(at(NOTE, "fever", FEVER), at(NOTE, "Fever", FEVER, 1)),
    )
    assert [s.start for s in marked_places(encounter)[FEVER]] == [44, len(NOTE) - 6]
    assert marked_places(encounter_of(NOTE)) == {}


def test_from_a_dictionary_to_kinds(encounter_of: Callable[..., Encounter]) -> None:
    text = "Fever. Pain."
    train = replace(
        encounter_of(text),
        codes=(GoldCode(FEVER), GoldCode(PAIN)),
        evidence=(at(text, "Fever", FEVER), at(text, "Pain", PAIN)),
    )
    dictionary = Dictionary.fit([train])
    note = encounter_of("The patient has no fever. Pain in the leg.")
    case = Case(
        "e", frozenset({PAIN}), frozenset({FEVER}), found_places(note, dictionary.mentions(note))
    )
    assert [(e.side, e.code, e.kind) for e in errors_of(case, train.code_set)] == [
        ("missed", PAIN, BELOW),
        ("spurious", FEVER, NEGATED),
    ]
