from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.calibration.folds import folds_of
from surecode.errors import InputError

patients = st.lists(st.sampled_from([f"p{i}" for i in range(20)]), max_size=40)


@given(patients, st.integers(2, 6), st.integers(0, 9), st.randoms(use_true_random=False))
def test_clusters_stay_whole_folds_even_and_order_says_nothing(
    clusters: list[str], folds: int, seed: int, random: object
) -> None:
    found = folds_of(clusters, folds, seed)
    fold_of = dict(zip(clusters, found.tolist(), strict=True))
    assert [fold_of[name] for name in clusters] == found.tolist()
    counts = np.bincount(list(fold_of.values()), minlength=folds)
    assert counts.max() - counts.min() <= 1
    order = list(range(len(clusters)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert folds_of([clusters[i] for i in order], folds, seed).tolist() == found[order].tolist()


def test_the_seed_deals_anew() -> None:
    clusters = [f"p{i}" for i in range(100)]
    assert folds_of(clusters, 5, 0).tolist() != folds_of(clusters, 5, 1).tolist()


def test_one_fold_holds_nothing_out() -> None:
    with pytest.raises(InputError, match="at least two"):
        folds_of(["a"], 1, 0)
