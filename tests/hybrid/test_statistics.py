"""Counts over train, by hand; there and back through JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import log
from typing import Any

import pytest

from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.hybrid.absent import Absent
from surecode.hybrid.found import Terms
from surecode.hybrid.statistics import Statistics

A, B, C, D = (Code("ICD-10-CM", value) for value in ("I10", "J18.9", "R05.9", "R50.9"))
COUNTS = Statistics(
    10,
    {A: 4, B: 5, C: 1},
    {("dolor", "rodilla"): (3, {A: 2})},
    {(A, B): 4},
)


def test_counts_are_those_of_the_encounters(terms: Terms, corpus: list[Encounter]) -> None:
    counts = terms.statistics
    gold = [encounter.code_set for encounter in corpus[:30]]
    assert counts.encounters == 30
    assert counts.codes == {c: sum(c in g for g in gold) for c in set().union(*gold)}
    assert counts.known == set().union(*gold)
    pairs = {
        (a, b): sum({a, b} <= g for g in gold) for a in counts.known for b in counts.known if a < b
    }
    assert counts.pairs == {pair: n for pair, n in pairs.items() if n >= 2}
    word = next(
        group.key
        for group in terms.apart.groups
        if {one.code for one in group.terms} == {B} and len(group.key) == 1
    )
    named = ["pneumonia" in e.documents[0].text for e in corpus[:30]]
    right = sum(n and B in g for n, g in zip(named, gold, strict=True))
    assert counts.groups[word][0] == sum(named)
    assert counts.groups[word][1][B] == right
    assert 0 < right < sum(named)


def test_precision_and_attraction_by_hand() -> None:
    assert COUNTS.precision(("dolor", "rodilla"), A) == pytest.approx(2.3 / 4)
    assert COUNTS.precision(("dolor", "rodilla"), B) == pytest.approx(0.3 / 4)
    assert COUNTS.precision(("nada",), A) == pytest.approx(0.3)
    with_b, with_c = log(4.1 * 10 / (4.5 * 5.5)), log(0.1 * 10 / (4.5 * 1.5))
    assert COUNTS.attraction(A, [B, C, A]) == pytest.approx(((with_b + with_c) / 2, with_b))
    assert COUNTS.attraction(B, [A])[0] == pytest.approx(with_b)
    assert COUNTS.attraction(A, [A]) == (0.0, 0.0)


def test_there_and_back(terms: Terms) -> None:
    for counts in (COUNTS, terms.statistics, Statistics(0, {}, {}, {})):
        text = json.dumps(counts.to_dict())
        assert Statistics.from_dict(json.loads(text)) == counts
        assert json.dumps(Statistics.from_dict(json.loads(text)).to_dict()) == text


GOOD = json.loads(json.dumps(COUNTS.to_dict()))


@pytest.mark.parametrize(
    "values",
    [
        *([], None, "statistics", {}),
        GOOD | {"encounters": "many"},
        GOOD | {"encounters": float("inf")},
        GOOD | {"encounters": 3},
        GOOD | {"codes": ["ICD-10-CM:I10"]},
        GOOD | {"codes": {"I10": 4}},
        GOOD | {"codes": {"ICD-10-CM:I10": -1, "ICD-10-CM:J18.9": 2}},
        GOOD | {"groups": [["word"]]},
        GOOD | {"groups": [["word", 1, []]]},
        GOOD | {"groups": [[["word"], 1, [["ICD-10-CM:I10", 2]]]]},
        GOOD | {"pairs": [[0, 9, 2]]},
        GOOD | {"pairs": [[0, -1, 2]]},
        GOOD | {"pairs": [[1, 0, 2]]},
    ],
)
def test_damaged_counts_are_refused_in_one_line(values: Any) -> None:
    with pytest.raises(InputError, match="statistics: damaged") as caught:
        Statistics.from_dict(values)
    assert "\n" not in str(caught.value)


# ---- codes that no term names --------------------------------------------------------------------


def test_shares_of_gold_that_no_term_names_by_hand() -> None:
    """Known gold: A, B of the first, A of the second; B was missed. Unknown gold: C, not found."""
    found: Sequence[set[Code]] = [{A}, {A, D}]
    absent = Absent.learn(found, [{A, B}, {A, C}], [{A, B}, {A, B}])
    assert absent == Absent(1.5 / 4, 1.5 / 3)


def test_absent_odds_go_by_frequency() -> None:
    absent = Absent(0.2, 0.3)
    odds = absent.log_odds([A, B, C, D], COUNTS)
    chances = [0.2 * 0.4, 0.2 * 0.5, 0.2 * 0.1, 0.3]
    assert odds == pytest.approx([log(p / (1 - p)) for p in chances])
    assert odds[2] < odds[0] < odds[1]
    # What is known of unseen codes is shared among them.
    unseen = [Code("ICD-10-CM", value) for value in ("D50.9", "D62", "D64.9")]
    assert absent.log_odds(unseen, COUNTS) == pytest.approx([log(0.1 / 0.9)] * 3)
    # No code is sure to be absent, nor likelier than not.
    assert Absent(1e-30, 1e-30).log_odds([A, D], COUNTS) == pytest.approx(
        [log(1e-6 / (1 - 1e-6))] * 2
    )
    assert Absent(1.0, 5.0).log_odds([B, D], COUNTS) == [0.0, 0.0]


def test_absent_there_and_back() -> None:
    for absent in (Absent(0.1 + 0.2, 1 / 3), Absent(1e-9, 2.5)):
        assert Absent.from_dict(json.loads(json.dumps(absent.to_dict()))) == absent


@pytest.mark.parametrize(
    "values",
    [
        *([], None, {}, {"known": 0.1}, {"known": "x", "unknown": 0.1}),
        {"known": float("nan"), "unknown": 0.1},
        {"known": 0.1, "unknown": -0.1},
        {"known": 10**400, "unknown": 0.1},
    ],
)
def test_damaged_shares_are_refused_in_one_line(values: Any) -> None:
    with pytest.raises(InputError, match="damaged; run `surecode train`") as caught:
        Absent.from_dict(values)
    assert "\n" not in str(caught.value)
