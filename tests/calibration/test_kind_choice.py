from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import log_loss

from surecode.calibration.kind_choice import Fit, KindComparison, compare_kinds
from surecode.calibration.reliability import calibration_error_at_k
from surecode.errors import InputError


def table(
    fits: list[tuple[str, Fit]],
    logits: np.ndarray,
    gold: np.ndarray,
    clusters: list[object] | None = None,
    folds: int = 5,
    k: int = 5,
    seed: int = 0,
) -> list[KindComparison]:
    return compare_kinds(
        fits, logits, gold, folds=folds, clusters=clusters, seed=seed, k=k, bins=15
    )


def shifted(by: float) -> Fit:
    """A map that learns nothing: the log-odds are the logits and a shift."""
    return lambda logits, gold: lambda z: z + by


def sample(n: int = 400, k: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 2.0, (n, k))
    return logits, rng.random((n, k)) < special.expit(logits)


def test_log_loss_and_calibration_error_agree_with_their_oracles() -> None:
    logits, gold = sample()
    row = table([("same", shifted(0.0))], logits, gold, k=3)[0]
    p = special.expit(logits)
    pairs = zip(gold, p, strict=True)
    oracle = [log_loss(y, q, labels=[False, True], normalize=False) for y, q in pairs]
    assert row.log_loss == pytest.approx(np.mean(oracle))
    assert row.standard_error == pytest.approx(np.std(oracle, ddof=1) / np.sqrt(len(oracle)))
    assert row.calibration_error == pytest.approx(calibration_error_at_k(p, gold, k=3))
    assert (row.gain, row.gain_error, row.chosen) == (0.0, 0.0, True)


def test_the_simplest_stays_unless_it_is_beaten_by_a_standard_error() -> None:
    logits, gold = sample()
    rows = table([("off", shifted(1.0)), ("right", shifted(0.0))], logits, gold)
    assert [row.chosen for row in rows] == [False, True]
    assert rows[1].gain == pytest.approx(rows[0].log_loss - rows[1].log_loss)
    assert rows[1].gain > rows[1].gain_error > 0.0
    rows = table([("right", shifted(0.0)), ("off", shifted(1.0))], logits, gold)
    assert [row.chosen for row in rows] == [True, False]
    # Better by a part of the standard error only.
    rows = table([("a", shifted(0.1)), ("b", shifted(0.0))], *sample(40, 2, seed=7))
    assert 0.0 < rows[1].gain < rows[1].gain_error
    assert [row.chosen for row in rows] == [True, False]


def test_every_kind_is_measured_against_the_one_that_it_has_to_beat() -> None:
    logits, gold = sample()
    fits = [("off", shifted(2.0)), ("near", shifted(0.2)), ("off again", shifted(2.0))]
    rows = table(fits, logits, gold)
    assert [row.chosen for row in rows] == [False, True, False]
    assert rows[2].gain == pytest.approx(-rows[1].gain)


def test_the_standard_error_knows_that_clusters_go_together() -> None:
    logits, gold = sample(100)
    fits = [("a", shifted(1.0)), ("b", shifted(0.0))]
    once = table(fits, logits, gold)
    names = [str(i % 100) for i in range(300)]
    thrice = table(fits, np.tile(logits, (3, 1)), np.tile(gold, (3, 1)), list(names))
    for one, three in zip(once, thrice, strict=True):
        assert three.log_loss == pytest.approx(one.log_loss)
        assert three.standard_error == pytest.approx(one.standard_error)
        assert three.gain_error == pytest.approx(one.gain_error)


def watched(seen: list[tuple[set[float], set[float]]]) -> Fit:
    """A map that notes which encounters it learned from and which it judged, by their logits."""

    def fit(logits: np.ndarray, gold: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        def judge(z: np.ndarray) -> np.ndarray:
            seen.append((set(logits[:, 0].tolist()), set(z[:, 0].tolist())))
            return z

        return judge

    return fit


@pytest.mark.parametrize("clustered", [True, False])
def test_no_encounter_is_judged_by_a_map_that_saw_its_cluster(clustered: bool) -> None:
    n = 60
    logits = np.arange(float(n))[:, None]
    clusters: list[object] = [("patient", i % 13) for i in range(n)]
    seen: list[tuple[set[float], set[float]]] = []
    table([("w", watched(seen))], logits, logits > 20.0, clusters if clustered else None)
    assert len(seen) == 5
    assert sorted(z for _, judged in seen for z in judged) == list(range(n))
    for learned, judged in seen:
        assert learned | judged == set(range(n))
        of = [{z % 13 if clustered else z for z in some} for some in (learned, judged)]
        assert not of[0] & of[1]


def test_the_order_of_the_encounters_says_nothing_where_clusters_are_named() -> None:
    logits, gold = sample(80)
    names: list[object] = [i % 31 for i in range(80)]
    mean: Fit = lambda z, y: lambda other: np.full(other.shape, special.logit(y.mean()))  # noqa: E731
    fits = [("same", shifted(0.5)), ("mean", mean)]
    order = np.random.default_rng(1).permutation(80)
    rows = table(fits, logits, gold, names)
    again = table(fits, logits[order], gold[order], [names[i] for i in order])
    for row, other in zip(rows, again, strict=True):
        assert other.log_loss == pytest.approx(row.log_loss)
        assert other.gain_error == pytest.approx(row.gain_error)
        assert other.calibration_error == pytest.approx(row.calibration_error)
        assert other.chosen == row.chosen
    assert table(fits, logits, gold, names, seed=1)[1].log_loss != rows[1].log_loss


@pytest.mark.parametrize(("n", "names"), [(0, None), (1, None), (4, ["p"] * 4)])
def test_where_nothing_can_be_held_out_the_simplest_is_taken(
    n: int, names: list[object] | None
) -> None:
    logits, gold = sample(n)
    rows = table([("a", shifted(1.0)), ("b", shifted(0.0))], logits, gold, names)
    assert [row.chosen for row in rows] == [True, False]
    assert all(np.isnan([row.log_loss, row.gain, row.calibration_error]).all() for row in rows)


def test_logits_beyond_rounding_cost_what_they_should() -> None:
    """The log loss of a sure and wrong code is its log-odds, not infinite."""
    logits = np.array([[900.0], [900.0]])
    row = table([("a", shifted(0.0))], logits, np.array([[False], [True]]), folds=2)[0]
    assert row.log_loss == pytest.approx(450.0)


def test_refuses_what_does_not_fit() -> None:
    logits, gold = sample(10)
    with pytest.raises(InputError, match="3 clusters for 10 encounters"):
        table([("a", shifted(0.0))], logits, gold, ["a", "b", "c"])
    with pytest.raises(InputError, match="folds"):
        table([("a", shifted(0.0))], logits, gold, folds=1)
