from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.encounter import (
    SETTINGS,
    SPLITS,
    Code,
    Document,
    Encounter,
    Evidence,
    GoldCode,
    Span,
    text_sha256,
)
from surecode.errors import InputError

SECRET = "Jane Marker, born 1961"
Row = dict[str, Any]


def row() -> Row:
    """A full row of the encounter table whose text holds the secret."""
    text = f"Patient {SECRET}: pneumonia."
    return {
        "encounter_id": "e1",
        "patient_id": "p1",
        "specialty": "radiology",
        "setting": "professional",
        "payer": "x",
        "date_of_service": "2026-03-31",
        "documents": [
            {"document_id": "d1", "kind": "note", "text": text, "sha256": text_sha256(text)}
        ],
        "codes": [{"system": "ICD-10-CM", "value": "J18.9", "sequence": 1, "source": "gold"}],
        "evidence": [
            {
                "system": "ICD-10-CM",
                "value": "J18.9",
                "document_id": "d1",
                "start": text.index("pneumonia"),
                "end": text.index("pneumonia") + 9,
                "mention": 0,
            }
        ],
        "split": "train",
    }


# ---- there and back ------------------------------------------------------------------------------

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name.splitlines() == [name]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(lambda text: text + "a")
CODES = st.builds(Code, NAMES, NAMES)


@st.composite
def encounters(draw: st.DrawFn) -> Encounter:
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    documents = tuple(Document(name, draw(NAMES), draw(TEXTS)) for name in names)
    evidence = []
    for document in draw(st.lists(st.sampled_from(documents), max_size=3)):
        start = draw(st.integers(0, len(document.text) - 1))
        end = draw(st.integers(start + 1, len(document.text)))
        span = Span(document.document_id, start, end)
        evidence.append(Evidence(draw(CODES), span, draw(st.integers(0, 9))))
    codes = draw(st.lists(st.builds(GoldCode, CODES, st.integers(1, 20), NAMES), max_size=4))
    return Encounter(
        encounter_id=draw(NAMES),
        patient_id=draw(NAMES),
        specialty=draw(NAMES),
        setting=draw(st.sampled_from(SETTINGS)),
        payer=draw(NAMES),
        date_of_service=draw(st.dates()),
        documents=documents,
        codes=tuple(codes),
        evidence=tuple(evidence),
        split=draw(st.none() | st.sampled_from(SPLITS)),
    )


@given(encounter=encounters())
def test_an_encounter_comes_back_from_its_row_and_from_json(encounter: Encounter) -> None:
    written = encounter.to_dict()
    assert Encounter.from_dict(written) == encounter
    assert Encounter.from_dict(json.loads(json.dumps(written))) == encounter
    assert Encounter.from_dict(written).to_dict() == written


def test_what_may_be_left_out_has_a_default() -> None:
    given_row = row()
    for column in ("codes", "evidence", "split"):
        del given_row[column]
    given_row["documents"] = [{"document_id": "d1", "text": "pneumonia"}]
    encounter = Encounter.from_dict(given_row)
    assert encounter.codes == encounter.evidence == ()
    assert encounter.split is None
    assert encounter.documents == (Document("d1", "note", "pneumonia"),)
    given_row["codes"] = [{"system": "CPT", "value": v} for v in ("71046", "71045")]
    assert Encounter.from_dict(given_row).codes == (
        GoldCode(Code("CPT", "71046"), 1, "gold"),
        GoldCode(Code("CPT", "71045"), 2, "gold"),
    )


def test_what_an_encounter_tells_of_itself() -> None:
    encounter = Encounter.from_dict(row())
    assert encounter.code_set == {Code("ICD-10-CM", "J18.9")}
    span = encounter.evidence[0].span
    assert encounter.text("d1")[span.start : span.end] == "pneumonia"
    assert str(encounter.codes[0].code) == "ICD-10-CM:J18.9"


def test_a_date_object_is_taken_as_it_is() -> None:
    assert Encounter.from_dict(row() | {"date_of_service": date(2026, 3, 31)}) == (
        Encounter.from_dict(row())
    )


def test_a_span_counts_code_points() -> None:
    text = "😀 cafe\u0301\r\nfin"
    assert text_sha256(text) == hashlib.sha256(text.encode()).hexdigest()
    changed = row()
    changed["documents"] = [{"document_id": "d1", "text": text}]
    changed["evidence"][0] |= {"start": 2, "end": len(text)}
    assert Encounter.from_dict(changed).evidence[0].span == Span("d1", 2, 12)
    changed["evidence"][0]["end"] += 1
    with pytest.raises(InputError, match="ends at 13, outside document d1 of 12 characters"):
        Encounter.from_dict(changed)


def test_the_text_is_not_in_the_representation() -> None:
    assert SECRET not in repr(Encounter.from_dict(row()))


# ---- what is refused -----------------------------------------------------------------------------

WRONG: dict[str, list[Any]] = {
    "encounter_id": [None, "", 1, ["e"], "\ud800", {}, "e\n1", "e\r", "\u2028e"],
    "patient_id": [None, "", 1.5, "\udfff"],
    "specialty": [None, "", 0],
    "setting": [None, "", "inpatient", 1, ["professional"]],
    "payer": [None, "", 2],
    "date_of_service": [None, "", "31.03.2026", "2026-13-01", 20260331, datetime(2026, 3, 31)],
    "documents": [None, [], {}, "text", 1, [None], ["text"], [[]], [{}]],
    "codes": [1, "I10", [None], ["I10"], [{}], [{"system": "CPT"}], {"system": "CPT"}],
    "evidence": [1, "text", [None], ["text"], [{}], {"start": 1}],
    "split": ["", "dev", 1, []],
}
WRONG_WITHIN: dict[tuple[str, str], list[Any]] = {
    ("documents", "document_id"): [None, "", 1, [], "\ud800", "d\n1"],
    ("documents", "kind"): [1, ["note"], "\ud800"],
    ("documents", "text"): [None, "", " \n\t", "...", 1, ["a"], "a\ud800"],
    ("documents", "sha256"): ["", "0" * 64, 1],
    ("codes", "system"): [None, "", 1, []],
    ("codes", "value"): [None, "", 1, "\ud800"],
    ("codes", "sequence"): [None, "1", 1.5, float("inf"), float("nan"), []],
    ("codes", "source"): [None, "", 1],
    ("evidence", "system"): [None, "", 1],
    ("evidence", "value"): [None, "", 1],
    ("evidence", "document_id"): [None, "", 1, "d2", []],
    ("evidence", "start"): [None, "1", -1, 10**6, 1.0, float("inf")],
    ("evidence", "end"): [None, "9", -1, 0, 10**6, float("nan")],
    ("evidence", "mention"): [None, "0", 0.5],
}


def refuse(spoiled: Any) -> str:
    with pytest.raises(InputError) as caught:
        Encounter.from_dict(spoiled)
    message = str(caught.value)
    assert SECRET not in message
    assert "\n" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


@pytest.mark.parametrize(
    ("column", "value"), [(column, value) for column, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_refused(column: str, value: Any) -> None:
    refuse(row() | {column: value})


def test_a_name_that_is_none_does_not_get_into_the_message() -> None:
    for name in (f"{SECRET}\n", [SECRET], {SECRET: 1}):
        assert "encounter without encounter_id" in refuse(
            row() | {"encounter_id": name, "payer": None, "documents": []}
        )


@pytest.mark.parametrize(
    ("place", "value"), [(place, value) for place, vs in WRONG_WITHIN.items() for value in vs]
)
def test_a_wrong_value_within_is_refused(place: tuple[str, str], value: Any) -> None:
    column, field = place
    spoiled = row()
    spoiled[column][0][field] = value
    refuse(spoiled)


@pytest.mark.parametrize(
    "column",
    ["encounter_id", "patient_id", "specialty", "setting", "payer", "date_of_service", "documents"],
)
def test_a_missing_column_is_named(column: str) -> None:
    spoiled = row()
    del spoiled[column]
    assert column in refuse(spoiled)


@pytest.mark.parametrize(
    ("column", "field"),
    [
        *[("documents", field) for field in ("document_id", "text")],
        *[("codes", field) for field in ("system", "value")],
        *[("evidence", field) for field in ("system", "value", "document_id", "start", "end")],
    ],
)
def test_a_missing_field_is_named(column: str, field: str) -> None:
    spoiled = row()
    del spoiled[column][0][field]
    assert field in refuse(spoiled)


@pytest.mark.parametrize("value", [None, [], "e1", 1, [row()]])
def test_what_is_no_row_is_refused(value: Any) -> None:
    assert "an encounter is an object" in refuse(value)


def test_two_documents_of_one_id_are_refused() -> None:
    spoiled = row()
    spoiled["documents"] *= 2
    assert "two documents share an id" in refuse(spoiled)


FIELDS = ["text", "document_id", "kind", "sha256", "system", "value", "start", "end", "mention"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(SECRET) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(column=st.sampled_from(sorted(row())), value=JSON, within=st.booleans(), data=st.data())
def test_any_json_in_any_place_is_an_encounter_or_one_line(
    column: str, value: Any, within: bool, data: st.DataObject
) -> None:
    spoiled = row()
    if within and isinstance(spoiled[column], list):
        field = data.draw(st.sampled_from(sorted(spoiled[column][0])))
        spoiled[column][0][field] = value
    else:
        spoiled[column] = value
    try:
        Encounter.from_dict(spoiled).to_dict()
    except InputError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 3), (4, 3), (-3, -1)])
def test_a_span_is_never_empty_or_reversed(start: int, end: int) -> None:
    with pytest.raises(InputError, match=rf"^span {start}-{end} of document d: .*correct"):
        Span("d", start, end)


@pytest.mark.parametrize("make", [dict, lambda given: _ReadOnly(given)])
def test_any_mapping_is_a_row(make: Callable[[Row], Mapping[str, Any]]) -> None:
    assert Encounter.from_dict(make(row())).encounter_id == "e1"


class _ReadOnly(Mapping[str, Any]):
    def __init__(self, content: Row) -> None:
        self._content = content

    def __getitem__(self, key: str) -> Any:
        return self._content[key]

    def __iter__(self) -> Any:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)
