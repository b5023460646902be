from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Code, Encounter, GoldCode
from surecode.errors import InputError
from surecode.evaluation.coding_score import coding_score
from surecode.evaluation.slices import (
    Slice,
    by_frequency,
    by_group,
    frequency,
    language,
    train_counts,
)

RARE, SOME, OFTEN, NEW = CODES = [Code("ICD-10-CM", v) for v in ("A00", "B00", "C00", "D00")]
COUNTS = {RARE: 4, SOME: 5, OFTEN: 20}


@pytest.mark.parametrize(
    ("count", "name"),
    [(0, "0"), (1, "1-4"), (4, "1-4"), (5, "5-19"), (19, "5-19"), (20, "20+"), (900, "20+")],
)
def test_the_borders_of_frequency(count: int, name: str) -> None:
    assert frequency(count) == name


def test_by_frequency_by_hand() -> None:
    gold = [[RARE, OFTEN], [OFTEN, NEW], [SOME]]
    predicted = [[OFTEN, SOME], [OFTEN, RARE], []]
    ranked = [[SOME, OFTEN, RARE], [OFTEN, RARE, NEW], []]
    new, rare, some, often = by_frequency(gold, predicted, ranked, COUNTS)
    # NEW is gold once, never predicted, and alone among its like in the ranking.
    assert new == Slice("0", 1, 1, 0, 0.0, 0.0, 0.0, 1.0)
    # RARE is gold in the first encounter and predicted in the second.
    assert rare == Slice("1-4", 1, 1, 1, 0.0, 0.0, 0.0, 1.0)
    # SOME is gold where nothing is ranked, which counts as 0 here.
    assert some == Slice("5-19", 1, 1, 1, 0.0, 0.0, 0.0, 0.0)
    assert often == Slice("20+", 2, 2, 2, 1.0, 1.0, 1.0, 1.0)
    assert by_frequency(gold, predicted, None, COUNTS)[0].mean_average_precision is None


sets = st.frozensets(st.sampled_from(CODES))


@given(st.lists(st.tuples(sets, sets, st.sampled_from("xyz")), min_size=1, max_size=8))
def test_parts_add_up_to_the_whole(
    rows: list[tuple[frozenset[Code], frozenset[Code], str]],
) -> None:
    gold, predicted, groups = zip(*rows, strict=True)
    ranked = [sorted(codes) for codes in predicted]
    whole = coding_score(gold, predicted, ranked)
    for parts in (
        by_frequency(gold, predicted, ranked, COUNTS),
        by_group(gold, predicted, ranked, groups),
    ):
        assert sum(p.gold for p in parts) == whole.gold
        assert sum(p.predicted for p in parts) == whole.predicted
        assert sum(p.recall * p.gold for p in parts) == pytest.approx(whole.true_positive)
        assert sum(p.precision * p.predicted for p in parts) == pytest.approx(whole.true_positive)
    # By encounter, the means of the parts, weighted, are the mean of the whole as well.
    graded = sum(p.encounters for p in parts)
    mean = sum(p.encounters * (p.mean_average_precision or 0.0) for p in parts)
    assert mean == pytest.approx((whole.map_of_all or 0.0) * graded)


def test_groups_come_largest_first() -> None:
    parts = by_group([[RARE]] * 4, [[RARE]] * 4, None, ["b", "c", "a", "c"])
    assert [p.name for p in parts] == ["c", "a", "b"]
    with pytest.raises(InputError, match="1 gold and 0 predicted"):
        by_frequency([[RARE]], [], None, COUNTS)


def test_counts_are_of_encounters(encounter_of: Callable[..., Encounter]) -> None:
    encounter = encounter_of("Pain.")
    object.__setattr__(encounter, "codes", (GoldCode(RARE), GoldCode(RARE, 2), GoldCode(SOME, 3)))
    assert train_counts([encounter, encounter]) == Counter({RARE: 2, SOME: 2})


def test_language_by_the_documents(encounter_of: Callable[..., Encounter]) -> None:
    spanish = "El paciente fue ingresado en el hospital con dolor de la pierna y fiebre."
    english = "The patient was seen in the clinic with pain of the leg and a fever for days."
    assert language(encounter_of(spanish)) == "es"
    assert language(encounter_of(english, spanish, english)) == "en"
    assert language(encounter_of("Dyspnoea.")) == "unknown"
