from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surecode.calibration.certify import certify
from surecode.calibration.clusters import LARGEST_CLUSTER, Clustering, units_of
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses
from surecode.errors import InputError

CLUSTERINGS: tuple[Clustering, ...] = ("one", "sum", "ignore")


def ids(n: int) -> list[str]:
    return [f"encounter {i}" for i in range(n)]


patients = st.lists(st.sampled_from(["p", "q", "r", "s", "t"]), max_size=60)


@given(patients)
def test_one_keeps_one_of_each(clusters: list[str]) -> None:
    units = units_of(ids(len(clusters)), clusters, "one")
    kept = [c for c, k in zip(clusters, units.kept, strict=True) if k]
    assert sorted(kept) == sorted(set(clusters))
    assert units.per_unit == 1
    assert len(set(units.place[units.kept])) == len(kept)


@given(patients)
def test_sum_keeps_all_up_to_the_largest_and_numbers_clusters(clusters: list[str]) -> None:
    units = units_of(ids(len(clusters)), clusters, "sum")
    kept = Counter(c for c, k in zip(clusters, units.kept, strict=True) if k)
    limit = {c: min(count, LARGEST_CLUSTER) for c, count in Counter(clusters).items()}
    assert kept == limit
    assert units.per_unit == max(limit.values(), default=1)
    places = defaultdict(set)
    for cluster, place, chosen in zip(clusters, units.place, units.kept, strict=True):
        if chosen:
            places[cluster].add(int(place))
    assert all(len(found) == 1 for found in places.values())
    assert len(set.union(set(), *places.values())) == len(places)


@pytest.mark.parametrize(
    ("clusters", "clustering"), [(None, "one"), (None, "sum"), (["p"] * 30, "ignore")]
)
def test_without_clusters_every_encounter_is_a_unit(
    clusters: list[str] | None, clustering: Clustering
) -> None:
    units = units_of(ids(30), clusters, clustering)
    assert units.kept.all()
    assert sorted(units.place) == list(range(30))
    assert units.per_unit == 1


@settings(max_examples=60)
@given(patients, st.sampled_from(CLUSTERINGS), st.integers(0, 2**32 - 1))
def test_order_of_the_encounters_does_not_matter(
    clusters: list[str], clustering: Clustering, seed: int
) -> None:
    names = ids(len(clusters))
    order = np.random.default_rng(seed).permutation(len(names))
    plain = units_of(names, clusters, clustering)
    moved = units_of([names[i] for i in order], [clusters[i] for i in order], clustering)
    assert moved.kept.tolist() == plain.kept[order].tolist()
    assert moved.place.tolist() == plain.place[order].tolist()
    assert moved.per_unit == plain.per_unit


def test_the_one_drawn_is_any_of_its_cluster() -> None:
    # 600 patients of 3 encounters each: first, second and third are drawn about as often.
    names = [f"{patient}-{visit}" for patient in range(600) for visit in range(3)]
    clusters = [name.split("-")[0] for name in names]
    kept = units_of(names, clusters, "one").kept.reshape(600, 3).sum(axis=0)
    assert kept.sum() == 600
    assert stats.chisquare(kept).pvalue > 1e-3


def test_no_encounter() -> None:
    for clustering in CLUSTERINGS:
        units = units_of([], [], clustering)
        assert (len(units.kept), len(units.place), units.per_unit) == (0, 0, 1)


def test_one_encounter() -> None:
    for clustering in CLUSTERINGS:
        units = units_of(["e"], ["p"], clustering)
        assert (units.kept.tolist(), units.place.tolist(), units.per_unit) == ([True], [0], 1)


def test_refusals() -> None:
    unknown: Any = "both"
    with pytest.raises(InputError, match="'both' is not one, sum or ignore"):
        units_of(ids(2), None, unknown)
    with pytest.raises(InputError, match="1 for 2 encounters"):
        units_of(ids(2), ["p"], "one")


# ---- the promise, where errors of a patient go together ------------------------------------------

PATIENTS = 90


def certified_though_bad(clustering: Clustering, times: int) -> int:
    """How often anything is certified where encounters are right in 94.9% of cases, 95% promised.

    A patient has 5 encounters, all right or all wrong, so 90 patients are 90 facts, not 450.
    """
    rng = np.random.default_rng(31)
    count = PATIENTS * 5
    clusters = [f"p{i // 5}" for i in range(count)]
    tune_right = rng.random(200) < 0.949
    tune = Sample([f"t{i}" for i in range(200)], rng.random(200), (Losses.of_correct(tune_right),))
    found = 0
    for _ in range(times):
        right = np.repeat(rng.random(PATIENTS) < 0.949, 5)
        losses = Losses.of_correct(right)
        # A patient's confidences are alike.
        confidence = np.repeat(rng.random(PATIENTS), 5) + 0.01 * rng.random(count)
        certificate = certify(
            Sample(ids(count), confidence, (losses,), clusters=clusters),
            tune,
            Protocol(clustering=clustering, grid_size=50),
            specialty="oncology",
            created=date(2026, 11, 25),
            expires=date(2027, 10, 1),
            hashes={},
        )
        found += certificate.certified
    return found


@pytest.mark.parametrize("times", [200, pytest.param(2_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("clustering", ["one", "sum"])
def test_promise_holds_where_clusters_are_respected(clustering: Clustering, times: int) -> None:
    assert certified_though_bad(clustering, times) <= stats.binom.ppf(0.999, times, 0.1)


def test_promise_breaks_where_clusters_are_ignored() -> None:
    found = certified_though_bad("ignore", 200)
    assert stats.binomtest(found, 200, 0.1, alternative="greater").pvalue < 1e-6
