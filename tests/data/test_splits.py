from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.data.splits import (
    KEEP,
    Shares,
    Sourced,
    assign,
    assign_official,
    check_splits,
    select,
)
from surecode.encounter import SPLITS, Document, Encounter, Split
from surecode.errors import InputError

SHARES: Shares = {"train": 0.55, "tune": 0.15, "calibrate": 0.2, "test": 0.1}
CODIESP: dict[str, Shares] = {
    "train": {"train": 0.85, "tune": 0.15},
    "dev": {"calibrate": 0.6, "test": 0.4},
    "test": {"test": 1.0},
}


def sourced(
    number: int, group: str, official: str | None = None, specialty: str = "urology"
) -> Sourced:
    encounter = Encounter(
        f"e{number}",
        group,
        specialty,
        "professional",
        "unknown",
        date(2026, 3, 31),
        (Document(f"d{number}", "note", "a note"),),
    )
    return Sourced(encounter, group, official)


def of_groups(sizes: list[int], official: str | None = None) -> list[Sourced]:
    groups = [f"{official} {g}" for g, size in enumerate(sizes) for _ in range(size)]
    return [sourced(n, group, official) for n, group in enumerate(groups)]


_GROUPS = st.lists(st.integers(1, 6), min_size=1, max_size=40).map(of_groups)
_WEIGHTS = st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any)
_SHARES = _WEIGHTS.map(lambda w: {s: n / sum(w) for s, n in zip(SPLITS, w, strict=True)})


@given(_GROUPS, _SHARES, st.integers(0, 9), st.randoms(use_true_random=False))
def test_splits_are_complete_uncut_and_independent_of_order(
    items: list[Sourced], shares: dict[Split, float], seed: int, order: random.Random
) -> None:
    encounters = assign(items, shares, seed)
    assert sorted(e.encounter_id for e in encounters) == sorted(
        i.encounter.encounter_id for i in items
    )
    splits_of_group = defaultdict(set)
    for encounter in encounters:
        assert encounter.split is not None
        splits_of_group[encounter.patient_id].add(encounter.split)
    assert all(len(splits) == 1 for splits in splits_of_group.values())
    shuffled = items.copy()
    order.shuffle(shuffled)
    assert assign(shuffled, shares, seed) == encounters


@given(_GROUPS, _SHARES, st.integers(0, 9))
def test_no_split_exceeds_its_share_by_a_whole_group(
    items: list[Sourced], shares: dict[Split, float], seed: int
) -> None:
    largest = max(Counter(item.group for item in items).values())
    counts = Counter(encounter.split for encounter in assign(items, shares, seed))
    for split in SPLITS:
        excess = counts[split] - shares[split] * len(items)
        assert excess < largest + 1e-6
        assert excess > -3 * largest - 1e-6
        assert shares[split] > 0 or counts[split] == 0


@given(st.integers(1, 200), _SHARES, st.integers(0, 9))
def test_shares_hold_within_one_encounter_where_groups_have_one(
    number: int, shares: dict[Split, float], seed: int
) -> None:
    counts = Counter(e.split for e in assign(of_groups([1] * number), shares, seed))
    for split in SPLITS:
        assert abs(counts[split] - shares[split] * number) < 1 + 1e-6


def test_another_seed_gives_other_splits() -> None:
    items = of_groups([1] * 100)
    assert assign(items, SHARES, 0) != assign(items, SHARES, 1)


def test_every_encounter_may_land_in_every_split() -> None:
    """Over seeds, an encounter calibrates as often as its share says: binomial, 6 sigma."""
    items = of_groups([1] * 20)
    seeds = 1000
    counts: Counter[str] = Counter()
    for seed in range(seeds):
        counts.update(e.encounter_id for e in assign(items, SHARES, seed) if e.split == "calibrate")
    sigma = (seeds * 0.2 * 0.8) ** 0.5
    assert all(abs(counts[i.encounter.encounter_id] - 0.2 * seeds) < 6 * sigma for i in items)


@pytest.mark.parametrize(
    "shares",
    [{"train": 0.5}, {"train": 1.5, "test": -0.5}, {"train": float("nan"), "test": 1.0}],
)
def test_shares_must_add_up_to_one(shares: Shares) -> None:
    with pytest.raises(InputError, match="add up to 1"):
        assign(of_groups([1, 1]), shares, 0)


def test_a_split_of_another_name_is_refused() -> None:
    with pytest.raises(InputError, match="'validation' is not one of train, tune"):
        assign(of_groups([1]), {"validation": 1.0}, 0)  # type: ignore[dict-item]


def test_without_a_published_test_part_of_dev_stands_in_for_it() -> None:
    items = of_groups([1] * 500, "train") + [
        sourced(1000 + n, f"dev {n}", "dev") for n in range(250)
    ]
    assigned = assign_official(items, CODIESP, 0)
    counts = Counter(encounter.split for encounter in assigned.encounters)
    assert counts == {"train": 425, "tune": 75, "calibrate": 150, "test": 100}
    assert assigned.cut_groups == 0
    check_splits(assigned.encounters)


def test_a_published_test_is_alone_test() -> None:
    items = [
        sourced(n, f"article {n % 290}", official)
        for n, official in enumerate(["train"] * 200 + ["dev"] * 100 + ["test"] * 50)
    ]
    assigned = assign_official(items, CODIESP, 0)
    split_of = {e.encounter_id: e.split for e in assigned.encounters}
    assert {split_of[i.encounter.encounter_id] for i in items if i.official_split == "test"} == {
        "test"
    }
    assert {split_of[i.encounter.encounter_id] for i in items if i.official_split == "dev"} == {
        "calibrate"
    }
    # Articles 0 to 9 stand in train and dev, 10 to 59 in train and test.
    assert assigned.cut_groups == 60


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["train", "dev"])), min_size=1), st.data()
)
def test_inside_a_published_split_no_group_is_cut(
    cases: list[tuple[int, str]], data: st.DataObject
) -> None:
    items = [sourced(n, f"g{group}", official) for n, (group, official) in enumerate(cases)]
    assigned = assign_official(items, CODIESP, data.draw(st.integers(0, 5)))
    split_of = {e.encounter_id: e.split for e in assigned.encounters}
    seen = defaultdict(set)
    for item in items:
        seen[item.group, item.official_split].add(split_of[item.encounter.encounter_id])
    assert all(len(splits) == 1 for splits in seen.values())
    assert assign_official(items[::-1], CODIESP, 3) == assign_official(items, CODIESP, 3)


def test_splits_that_a_table_names_are_kept() -> None:
    items = [sourced(n, f"p{n}", SPLITS[n % 4]) for n in range(12)]
    for encounter in assign_official(items, KEEP, 0).encounters:
        assert encounter.split == SPLITS[int(encounter.encounter_id[1:]) % 4]


@pytest.mark.parametrize("official", [None, "holdout"])
def test_a_published_split_that_the_policy_lacks_is_refused(official: str | None) -> None:
    with pytest.raises(InputError, match="the split policy does not name it"):
        assign_official([sourced(1, "g", official)], CODIESP, 0)


def test_a_split_without_encounters_is_named() -> None:
    with pytest.raises(InputError, match="split calibrate: no encounters among 3"):
        check_splits(assign(of_groups([1] * 3), {"train": 0.4, "tune": 0.3, "test": 0.3}, 0))


def test_a_patient_in_two_splits_is_named() -> None:
    items = [sourced(1, "p1", "train"), sourced(2, "p1", "test")]
    with pytest.raises(InputError, match="patient p1: encounters in the splits train and test"):
        check_splits(assign_official(items, KEEP, 0).encounters)


def test_encounters_without_split_are_named() -> None:
    with pytest.raises(InputError, match="encounter e1: no split"):
        check_splits([sourced(1, "p1").encounter])


def test_a_specialty_is_chosen_by_its_fields() -> None:
    items = [sourced(1, "a"), sourced(2, "b", specialty="oncology"), sourced(3, "c")]
    chosen = select(items, {"specialty": ["urology"], "setting": ["professional"]})
    assert [item.encounter.encounter_id for item in chosen] == ["e1", "e3"]
    assert select([item.encounter for item in items], {}) == [item.encounter for item in items]


def test_a_specialty_without_data_names_those_that_have_some() -> None:
    items = [sourced(1, "a"), sourced(2, "b", specialty="oncology"), sourced(3, "c")]
    with pytest.raises(InputError, match=r"oncology \(1\), urology \(2\)"):
        select(items, {"specialty": ["cardiology"]})
    with pytest.raises(InputError, match="'speciality' is not one of specialty, setting, payer"):
        select(items, {"speciality": ["urology"]})
