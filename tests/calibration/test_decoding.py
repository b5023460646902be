from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from surecode.calibration.decoding import Decoding, Objective
from surecode.errors import InputError

# Few distinct values, so that ties, 0 and 1 are common; neighbours that only nextafter separates.
VALUES = st.sampled_from([0.0, 5e-324, 0.1, 0.3, 0.3 + 1e-16, np.nextafter(0.3, 1), 0.5, 0.9, 1.0])
TABLES = st.tuples(st.integers(1, 6), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        arrays(np.float64, shape, elements=VALUES | st.floats(0, 1)),
        arrays(np.bool_, shape),
        arrays(np.int64, shape[0], elements=st.integers(0, 2)),
    )
)


def score(objective: Objective, chosen: np.ndarray, gold: np.ndarray, outside: np.ndarray) -> float:
    if objective == "exact_match":
        return float(((chosen == gold).all(axis=1) & (outside == 0)).sum())
    return float(2 * (chosen & gold).sum() / (chosen.sum() + gold.sum() + outside.sum()))


@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("objective", ["micro_f1", "exact_match"])
@given(TABLES)
def test_fitted_cut_equals_brute_force_over_all_cuts(
    objective: Objective, table: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    p, gold, outside = table
    fitted = Decoding.fit(p, gold, objective, outside)
    if not gold.any():
        assert fitted == Decoding(0.5)
        return
    cuts = [*np.unique(p), np.nextafter(p.max(), 2)]
    best = max(score(objective, p >= cut, gold, outside) for cut in cuts)
    assert score(objective, fitted(p), gold, outside) == best


def test_micro_f1_agrees_with_scikit_learn_on_every_cut() -> None:
    rng = np.random.default_rng(2)
    gold = rng.random((60, 8)) < 0.2
    p = np.clip(rng.normal(0.2 + 0.4 * gold, 0.2), 0, 1).round(2)
    fitted = Decoding.fit(p, gold, "micro_f1")
    best = max(f1_score(gold, p >= cut, average="micro") for cut in np.unique(p))
    assert f1_score(gold, fitted(p), average="micro") == pytest.approx(best)


def test_cut_lies_half_way_between_neighbours() -> None:
    p = np.array([[0.2, 0.8], [0.1, 0.6]])
    gold = np.array([[False, True], [False, True]])
    assert Decoding.fit(p, gold, "micro_f1").threshold == pytest.approx(0.4)
    assert Decoding.fit(p, gold, "exact_match").threshold == pytest.approx(0.4)


def test_equally_good_cuts_give_the_one_nearest_to_one_half() -> None:
    # Each encounter is right on its own interval: (.1, .3], (.4, .5] and (.8, .9].
    p = np.array([[0.1, 0.3], [0.4, 0.5], [0.8, 0.9]])
    gold = np.array([[False, True]] * 3)
    assert Decoding.fit(p, gold, "exact_match").threshold == pytest.approx(0.45)


def test_gold_outside_the_label_space_moves_the_cut_down() -> None:
    p = np.array([[0.9, 0.4, 0.3, 0.2]])
    gold = np.array([[True, False, False, True]])
    assert Decoding.fit(p, gold, "micro_f1").threshold > 0.4
    assert Decoding.fit(p, gold, "micro_f1", np.array([5])).threshold < 0.2


def test_empty_set_and_ties() -> None:
    assert not Decoding(0.5)(np.array([[0.1, 0.2]])).any()
    assert Decoding(0.5)(np.array([[0.5, 0.5, 0.4]])).tolist() == [[True, True, False]]
    assert not Decoding(0.5)(np.array([[np.nan]])).any()


def test_certain_wrong_codes_give_a_cut_above_one() -> None:
    p = np.array([[1.0, 0.9], [1.0, 0.0], [1.0, 0.0]])
    gold = np.array([[False, True], [False, False], [False, False]])
    assert not Decoding.fit(p, gold, "exact_match")(p).any()


def test_cut_separates_float32_neighbours() -> None:
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    p = np.array([[low, high]])
    assert Decoding.fit(p, np.array([[False, True]]))(p).tolist() == [[False, True]]


def test_without_gold_or_encounters_it_is_one_half() -> None:
    assert Decoding.fit(np.zeros((0, 3)), np.zeros((0, 3))) == Decoding(0.5)
    assert Decoding.fit(np.zeros((2, 0)), np.zeros((2, 0)), "micro_f1") == Decoding(0.5)


def test_refuses_what_does_not_fit() -> None:
    one = np.array([[0.5]])
    with pytest.raises(InputError, match=r"\[N, K\]"):
        Decoding.fit(one, np.array([True]))
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        Decoding.fit(np.array([[np.nan]]), one)
    with pytest.raises(InputError, match="macro_f1"):
        Decoding.fit(one, one, "macro_f1")  # type: ignore[arg-type]
