from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from surecode.calibration.certificate import (
    ASSUMPTIONS,
    INDEPENDENCE,
    Certificate,
    GroupResult,
    split_fingerprint,
)
from surecode.calibration.certify import certify
from surecode.calibration.fixed_sequence import default_start_n, fixed_sequence, quantile_grid
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses, Target, encounter_losses
from surecode.calibration.threshold_test import Bound, ThresholdTest, guessed_variance
from surecode.errors import InputError

Bools = NDArray[np.bool_]

EXACT = Target()
F1 = Target("f1", 0.9)
MICRO = Target("precision", 0.9, average="codes", cap=3.0)
COST = Target("cost", 0.9, average="codes", cap=10.0, over=2.0, under=1.0)
ALL = (EXACT, F1, MICRO, COST)
WEIGHTS = np.array([5.0, 1.0, 1.0, 2.0, 0.5, 0.0])


def sample(
    n: int,
    seed: int,
    targets: tuple[Target, ...] = (EXACT,),
    *,
    wrong: float = 0.1,
    decimals: int = 17,
    prefix: str = "c",
    clustered: bool = False,
    grouped: bool = False,
) -> Sample:
    """Encounters with six codes; those of high confidence are wrong less often."""
    rng = np.random.default_rng(seed)
    confidence = rng.random(n).round(decimals)
    gold = rng.random((n, 6)) < 0.4
    flipped = rng.random((n, 6)) < (wrong * (1.0 - confidence))[:, None]
    losses = tuple(
        encounter_losses(
            target, gold ^ flipped, gold, None, WEIGHTS if target.metric == "cost" else None
        )
        for target in targets
    )
    names = [f"{prefix}{i}" for i in range(n)]
    clusters = [f"{prefix}-patient {i}" for i in rng.integers(0, max(n // 2, 1), n)]
    groups = rng.choice(["payer=a", "payer=b"], n).tolist()
    return Sample(
        names,
        confidence,
        losses,
        groups=groups if grouped else None,
        clusters=clusters if clustered else None,
    )


def of_correct(confidence: Any, correct: Any, prefix: str = "c", **more: Any) -> Sample:
    names = [f"{prefix}{i}" for i in range(len(confidence))]
    losses = Losses.of_correct(np.asarray(correct, dtype=bool))
    return Sample(names, np.asarray(confidence, dtype=float), (losses,), **more)


def run(calibrate: Sample, tune: Sample, *targets: Target, **fields: Any) -> Certificate:
    return certify(
        calibrate,
        tune,
        Protocol(targets or (EXACT,), **fields),
        specialty="oncology",
        created=date(2026, 11, 25),
        expires=date(2027, 10, 1),
        hashes={"model": "m"},
        group_by=("payer",) if calibrate.groups is not None else (),
    )


def only(certificate: Certificate) -> GroupResult:
    group = certificate.group()
    assert group is not None
    assert certificate.groups == (group,)
    return group


def leniency(group: GroupResult | None) -> float:
    """The threshold as a number, infinite where nothing is automated."""
    return np.inf if group is None or group.threshold is None else group.threshold


seeds = st.integers(0, 2**32 - 1)
sizes = st.sampled_from([0, 1, 44, 60, 200, 500])
wrongs = st.sampled_from([0.0, 0.02, 0.1, 1.0])


# ---- what it is made of --------------------------------------------------------------------------


@settings(max_examples=40)
@given(sizes, seeds, wrongs, st.sampled_from([1, 2, 17]), st.sampled_from(ALL))
def test_equals_its_parts(n: int, seed: int, wrong: float, decimals: int, target: Target) -> None:
    calibrate = sample(n, seed, (target,), wrong=wrong, decimals=decimals)
    tune = sample(300, seed + 1, (target,), wrong=0.1, decimals=decimals, prefix="t")
    found = only(run(calibrate, tune, target))
    losses, grid = calibrate.losses[0], quantile_grid(tune.confidence)
    bound: Bound = "exact binomial" if target == EXACT else "betting"
    # In betting the order of the encounters is the certificate's own, so that the sequence is
    # compared for the exact test only.
    test = ThresholdTest(
        target,
        losses,
        bound,
        0.1,
        guessed_variance(target, tune.losses[0], losses.cap),
        np.arange(n),
    )
    assert (found.n_calibrate, found.n_eligible) == (n, n)
    assert found.results[0].bound == bound
    if target == EXACT:
        start_n = default_start_n(n, target, 0.1)
        assert found.start_n == start_n
        result = fixed_sequence(calibrate.confidence, [test], grid, 0.1, start_n)
        assert found.certified == result.certified
        assert found.n_selected == result.n_selected
        assert found.results[0].p_value == result.p_values[0]
        assert leniency(found) == (grid[result.position] if result.certified else np.inf)


@settings(max_examples=40)
@given(sizes, seeds, wrongs, st.sampled_from(ALL), st.booleans())
def test_figures_describe_the_automated_encounters(
    n: int, seed: int, wrong: float, target: Target, tied: bool
) -> None:
    calibrate = sample(n, seed, (target,), wrong=wrong, decimals=1 if tied else 17)
    tune = sample(300, seed + 1, (target,), decimals=1 if tied else 17, prefix="t")
    certificate = run(calibrate, tune, target)
    found = only(certificate)
    assert certificate.certified == found.certified == (found.threshold is not None)
    if found.threshold is None:
        assert found.automation_rate == certificate.automation_rate == 0.0
        assert found.automation_rate_interval[0] == 0.0
        assert found.reason.startswith(("too few encounters", "error too high"))
        return
    chosen = calibrate.confidence >= found.threshold
    result = found.results[0]
    error = calibrate.losses[0].error[chosen].sum()
    size = calibrate.losses[0].size[chosen].sum()
    assert found.n_selected == chosen.sum() >= found.start_n
    assert result.errors == pytest.approx(error)
    assert result.size == pytest.approx(size)
    assert result.estimate == pytest.approx(1.0 - error / size)
    assert result.clipped == calibrate.losses[0].clipped[chosen].sum()
    assert found.p_value == result.p_value <= target.delta
    assert result.lower_bound is not None
    assert result.estimate is not None
    assert target.level - 1e-9 <= result.lower_bound <= result.estimate + 1e-9
    assert found.automation_rate == certificate.automation_rate == chosen.mean()
    low, high = found.automation_rate_interval
    assert low < found.automation_rate <= high <= 1.0
    assert found.reason == certificate.reason == "certified"


def test_what_the_certificate_says_of_itself() -> None:
    calibrate, tune = sample(200, 1), sample(200, 2, prefix="t")
    certificate = run(calibrate, tune)
    assert certificate.targets == (EXACT,)
    assert certificate.split_fingerprint == split_fingerprint(calibrate.encounter_ids)
    assert (certificate.family, certificate.family_size) == ("each", 1)
    assert (certificate.clustering, certificate.group_by) == ("ignore", ())
    assert certificate.assumptions == (*ASSUMPTIONS, INDEPENDENCE["ignore"])
    assert certificate.id == certificate.with_id().id
    assert len(certificate.id) == 16
    # No protocol is the default one.
    plain = certify(
        calibrate,
        tune,
        specialty="oncology",
        created=date(2026, 11, 25),
        expires=date(2027, 10, 1),
        hashes={"model": "m"},
    )
    assert plain == certificate


def test_another_test_on_the_same_split_says_so() -> None:
    calibrate, tune = sample(200, 1), sample(200, 2, prefix="t")
    fields: dict[str, Any] = {
        "specialty": "oncology",
        "created": date(2026, 11, 25),
        "expires": date(2027, 10, 1),
        "hashes": {"model": "m"},
    }
    first, third = (certify(calibrate, tune, **fields, test_number=i) for i in (1, 3))
    assert first == certify(calibrate, tune, **fields)
    assert (first.test_number, third.test_number) == (1, 3)
    assert third.groups == first.groups
    assert third.id != first.id
    assert third.assumptions[:-1] == first.assumptions
    assert "test number 3 on the same calibrate split" in third.assumptions[-1]


# ---- invariance ----------------------------------------------------------------------------------


def permuted(split: Sample, seed: int) -> Sample:
    return split.take(np.random.default_rng(seed).permutation(len(split)))


@settings(max_examples=40)
@given(
    st.sampled_from([0, 1, 60, 300]),
    seeds,
    st.sampled_from([1, 17]),
    st.sampled_from(["one", "sum", "ignore"]),
    st.booleans(),
)
def test_order_of_the_encounters_changes_no_bit_of_the_certificate(
    n: int, seed: int, decimals: int, clustering: str, grouped: bool
) -> None:
    common: dict[str, Any] = {"decimals": decimals, "clustered": True, "grouped": grouped}
    calibrate = sample(n, seed, ALL, **common)
    tune = sample(200, seed + 1, ALL, prefix="t", **common)
    plain = run(calibrate, tune, *ALL, clustering=clustering)
    moved = run(permuted(calibrate, seed), permuted(tune, seed), *ALL, clustering=clustering)
    assert moved == plain


@settings(max_examples=40)
@given(sizes, seeds, st.sampled_from([1, 17]), st.sampled_from(ALL))
def test_increasing_maps_of_the_confidence_change_the_threshold_alone(
    n: int, seed: int, decimals: int, target: Target
) -> None:
    calibrate = sample(n, seed, (target,), decimals=decimals)
    tune = sample(200, seed + 1, (target,), decimals=decimals, prefix="t")
    every = np.unique(np.concatenate([calibrate.confidence, tune.confidence]))

    def bend(split: Sample) -> Sample:
        ranks = np.searchsorted(every, split.confidence).astype(np.float64)
        return replace(split, confidence=ranks**3 - 7e5)

    plain, bent = only(run(calibrate, tune, target)), only(run(bend(calibrate), bend(tune), target))
    as_plain = replace(bent, threshold=plain.threshold, grid_hash=plain.grid_hash)
    assert as_plain == plain
    if plain.threshold is not None:
        assert bent.threshold == np.searchsorted(every, plain.threshold) ** 3.0 - 7e5


@settings(max_examples=30)
@given(seeds, st.sampled_from(ALL), st.floats(0.01, 100.0))
def test_weights_count_by_their_proportions(seed: int, target: Target, factor: float) -> None:
    calibrate, tune = sample(200, seed, (target,)), sample(200, seed + 1, (target,), prefix="t")

    def scaled(split: Sample) -> Sample:
        losses = split.losses[0]
        cap = losses.cap * factor
        return replace(
            split,
            losses=(
                replace(losses, error=losses.error * factor, size=losses.size * factor, cap=cap),
            ),
        )

    if target.average == "encounters":
        return
    plain = only(run(calibrate, tune, target))
    heavy = only(run(scaled(calibrate), scaled(tune), replace(target, cap=target.cap * factor)))  # type: ignore[operator]
    assert leniency(heavy) == leniency(plain)
    assert heavy.n_selected == plain.n_selected
    assert heavy.results[0].errors == pytest.approx(plain.results[0].errors * factor)


@settings(max_examples=40)
@given(sizes, seeds, st.integers(0, 50), st.sampled_from(ALL))
def test_nan_and_ineligible_encounters_count_in_the_rate_alone(
    n: int, seed: int, extra: int, target: Target
) -> None:
    calibrate = sample(n, seed, (target,))
    tune = sample(200, seed + 1, (target,), prefix="t")
    plain = only(run(calibrate, tune, target))
    more = sample(2 * extra, seed + 2, (target,), wrong=1.0, prefix="x")
    losses = Losses(
        np.concatenate([calibrate.losses[0].error, more.losses[0].error]),
        np.concatenate([calibrate.losses[0].size, more.losses[0].size]),
        calibrate.losses[0].cap,
        calibrate.losses[0].binary,
        np.concatenate([calibrate.losses[0].clipped, more.losses[0].clipped]),
    )
    confidence = np.concatenate([calibrate.confidence, np.full(extra, np.nan), np.ones(extra)])
    mixed = only(
        run(
            Sample(
                [*calibrate.encounter_ids, *more.encounter_ids],
                confidence,
                (losses,),
                eligible=np.arange(len(confidence)) < n + extra,
            ),
            tune,
            target,
        )
    )
    assert (mixed.n_calibrate, mixed.n_eligible) == (n + 2 * extra, n)
    assert (mixed.threshold, mixed.reason) == (plain.threshold, plain.reason)
    assert (mixed.n_selected, mixed.results) == (plain.n_selected, plain.results)
    automated = mixed.n_selected if mixed.certified else 0
    assert mixed.automation_rate == automated / max(n + 2 * extra, 1)
    if n + extra:
        interval = stats.binomtest(automated, n + 2 * extra).proportion_ci(0.95, "exact")
        assert mixed.automation_rate_interval == pytest.approx(tuple(interval), abs=1e-9)


def test_tunes_nan_and_ineligible_encounters_give_no_threshold() -> None:
    calibrate, tune = sample(300, 1), sample(300, 2, prefix="t")
    confidence = tune.confidence.copy()
    confidence[::3] = np.nan
    eligible = np.arange(300) % 3 != 1
    partial = replace(tune, confidence=confidence, eligible=eligible)
    left = tune.take(np.arange(300) % 3 == 2)
    assert only(run(calibrate, partial)).grid_hash == only(run(calibrate, left)).grid_hash
    nobody = only(run(calibrate, replace(tune, eligible=np.zeros(300, bool))))
    assert (nobody.certified, nobody.n_selected) == (False, 0)


# ---- edges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("clustering", ["one", "sum", "ignore"])
def test_all_right_is_certified_and_all_wrong_is_not(target: Target, clustering: str) -> None:
    tune = sample(300, 2, (target,), prefix="t", clustered=True)
    right = sample(800, 1, (target,), wrong=0.0, clustered=True)
    found = only(run(right, tune, target, clustering=clustering))
    assert found.certified
    assert found.results[0].estimate == 1.0
    assert found.automation_rate > 0.95
    errors = right.losses[0]
    worst = replace(errors, error=np.minimum(errors.size, errors.cap))
    wrong = only(run(replace(right, losses=(worst,)), tune, target, clustering=clustering))
    assert not wrong.certified
    assert wrong.reason.startswith("error too high at the strictest testable threshold")
    assert wrong.p_value == pytest.approx(1.0)


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("grouped", [False, True])
def test_no_encounter_and_one_encounter(n: int, grouped: bool) -> None:
    common: dict[str, Any] = {"clustered": True, "grouped": grouped}
    for tune_n in (0, 1, 200):
        tune = sample(tune_n, 2, ALL, prefix="t", **common)
        certificate = run(sample(n, 1, ALL, **common), tune, *ALL)
        (found,) = certificate.groups
        assert not certificate.certified
        assert found.reason.startswith("too few encounters")
        assert (found.n_calibrate, found.automation_rate, found.threshold) == (n, 0.0, None)
        assert certificate.id == certificate.with_id().id


def test_reasons() -> None:
    tune = of_correct([0.9, 0.1], [True, False], "t")
    few = run(of_correct(np.ones(44), np.ones(44)), tune)
    assert few.reason == "too few encounters: 44 given, at least 45 needed"
    high = of_correct([0.9, 0.8], [True, False], "t")
    above = run(of_correct(np.linspace(0, 1, 100), np.ones(100)), high)
    assert above.reason == (
        "too few encounters: 20 reach the most lenient threshold, at least 45 needed"
    )
    wrong = run(of_correct(np.repeat([0.9, 0.1], 60), np.arange(120) >= 3), tune)
    assert wrong.reason == "error too high at the strictest testable threshold: 3 errors in 60"
    assert (only(wrong).n_selected, only(wrong).results[0].errors) == (60, 3.0)


# ---- several targets, comparison, start ----------------------------------------------------------


@settings(max_examples=25)
@given(seeds, wrongs, st.sampled_from([1, 17]))
def test_several_targets_hold_together(seed: int, wrong: float, decimals: int) -> None:
    calibrate = sample(400, seed, ALL, wrong=wrong, decimals=decimals)
    tune = sample(200, seed + 1, ALL, decimals=decimals, prefix="t")
    together = only(run(calibrate, tune, *ALL, start_n=150))
    assert together.p_value == max(result.p_value for result in together.results)
    alone = []
    for position, target in enumerate(ALL):
        single = replace(calibrate, losses=(calibrate.losses[position],))
        guess = replace(tune, losses=(tune.losses[position],))
        alone.append(leniency(only(run(single, guess, target, start_n=150))))
    # With one start and one grid the joint threshold is the strictest of all.
    assert leniency(together) == max(alone)


def test_the_start_of_several_targets_is_the_largest() -> None:
    calibrate, tune = sample(200, 1, ALL), sample(200, 2, ALL, prefix="t")
    starts = [
        only(
            run(replace(calibrate, losses=(ours,)), replace(tune, losses=(theirs,)), target)
        ).start_n
        for target, ours, theirs in zip(ALL, calibrate.losses, tune.losses, strict=True)
    ]
    assert only(run(calibrate, tune, *ALL)).start_n == max(starts) > min(starts)


@settings(max_examples=30)
@given(seeds, wrongs)
def test_hoeffding_bentkus_never_automates_more_than_the_exact_test(
    seed: int, wrong: float
) -> None:
    calibrate = sample(400, seed, wrong=wrong)
    tune = sample(200, seed + 1, prefix="t")
    exact = only(run(calibrate, tune))
    bentkus = only(run(calibrate, tune, comparison=True))
    assert bentkus.results[0].bound == "Hoeffding-Bentkus"
    assert leniency(bentkus) >= leniency(exact)


def test_start_n_can_be_set() -> None:
    calibrate, tune = of_correct(np.ones(60), np.ones(60)), of_correct([1.0], [True], "t")
    assert only(run(calibrate, tune, start_n=60)).certified
    late = only(run(calibrate, tune, start_n=61))
    assert late.reason == "too few encounters: 60 given, at least 61 needed"
    with pytest.raises(InputError, match="start_n 44 is below 45"):
        run(calibrate, tune, start_n=44)
    f1 = Target("f1")
    with pytest.raises(InputError, match="start_n 45 is below 48"):
        run(sample(60, 1, (f1,)), sample(9, 2, (f1,), prefix="t"), f1, start_n=45)


# ---- groups and families -------------------------------------------------------------------------


@settings(max_examples=30)
@given(seeds, st.sampled_from(ALL), wrongs)
def test_each_group_is_certified_as_if_it_were_alone(
    seed: int, target: Target, wrong: float
) -> None:
    calibrate = sample(400, seed, (target,), wrong=wrong, grouped=True)
    tune = sample(400, seed + 1, (target,), prefix="t", grouped=True)
    certificate = run(calibrate, tune, target)
    assert [group.name for group in certificate.groups] == ["payer=a", "payer=b"]
    assert certificate.group_by == ("payer",)
    for group in certificate.groups:
        ours, theirs = calibrate.of(group.name), tune.of(group.name)
        alone = only(run(replace(ours, groups=None), replace(theirs, groups=None), target))
        assert replace(alone, name=group.name) == group
    automated = sum(group.n_selected for group in certificate.groups if group.certified)
    assert certificate.automation_rate == automated / 400


def test_group_that_tune_does_not_know_is_not_certified() -> None:
    calibrate = of_correct(np.ones(200), np.ones(200), groups=["a", "b"] * 100)
    tune = of_correct(np.ones(9), np.ones(9), "t", groups=["a"] * 9)
    certificate = run(calibrate, tune)
    known, unknown = certificate.group("a"), certificate.group("b")
    assert known is not None
    assert known.certified
    assert unknown is not None
    assert (unknown.certified, unknown.threshold, unknown.n_calibrate) == (False, None, 100)
    assert unknown.reason.startswith("too few encounters: 0 reach")
    assert certificate.group("c") is None
    assert certificate.certified
    assert certificate.reason == f"a: certified; b: {unknown.reason}"
    assert certificate.automation_rate == 0.5


@settings(max_examples=20)
@given(seeds, wrongs, st.sampled_from([(EXACT,), (F1,), ALL]))
def test_families_spend_no_more_than_delta(
    seed: int, wrong: float, targets: tuple[Target, ...]
) -> None:
    calibrate = sample(600, seed, targets, wrong=wrong, grouped=True)
    tune = sample(300, seed + 1, targets, prefix="t", grouped=True)
    # One start for all families: the default start moves with delta.
    fixed: dict[str, Any] = {"start_n": 200, "others": 2}
    each, bonferroni, holm = (
        run(calibrate, tune, *targets, family=family, **fixed)
        for family in ("each", "bonferroni", "holm")
    )
    assert each.family_size == holm.family_size == 3
    share = 0.1 / 3 / 2  # three specialties, two groups of this one
    for plain, shared, stepped in zip(each.groups, bonferroni.groups, holm.groups, strict=True):
        assert (plain.delta, shared.delta) == (0.1, pytest.approx(share))
        assert share <= stepped.delta + 1e-12 <= 0.1
        assert leniency(stepped) <= leniency(shared)
        if targets == (EXACT,):  # bets are made for the delta that a group starts with
            assert leniency(plain) <= leniency(stepped)


def test_holm_hands_the_delta_of_whole_groups_on() -> None:
    # Both groups are certified whole, so each may spend all that the other leaves. Where to start
    # and how to bet was settled by the least that a group may get.
    calibrate = of_correct(np.ones(230), np.ones(230), groups=["a"] * 130 + ["b"] * 100)
    tune = of_correct(np.ones(9), np.ones(9), "t", groups=["a", "b", "b"] * 3)
    for others, others_whole, share in ((0, 0, 0.1), (3, 0, 0.1 / 4), (3, 3, 0.1)):
        certificate = run(calibrate, tune, family="holm", others=others, others_whole=others_whole)
        assert certificate.certified
        for group in certificate.groups:
            assert group.delta == pytest.approx(share)
            assert group.start_n == default_start_n(group.n_eligible, EXACT, 0.1 / (1 + others) / 2)


# ---- clusters ------------------------------------------------------------------------------------


def test_clusters_thin_sum_or_are_ignored() -> None:
    calibrate = sample(400, 1, wrong=0.0, clustered=True)
    tune = sample(200, 2, prefix="t", clustered=True)
    one = run(calibrate, tune, clustering="one")
    assert one.n_calibrate == len(set(calibrate.clusters or ()))
    assert only(one).results[0].bound == "exact binomial"
    summed = run(calibrate, tune, clustering="sum")
    assert one.n_calibrate < summed.n_calibrate <= 400
    assert only(summed).results[0].bound == "betting"
    ignored = run(calibrate, tune, clustering="ignore")
    assert ignored.n_calibrate == 400
    for certificate in (one, summed, ignored):
        assert certificate.assumptions[-1] == INDEPENDENCE[certificate.clustering]
    bare = run(replace(calibrate, clusters=None), tune, clustering="sum")
    assert bare.clustering == "ignore"
    assert replace(bare, id="") == replace(ignored, id="")


# ---- refusals ----------------------------------------------------------------------------------


def test_protocol_refuses() -> None:
    with pytest.raises(InputError, match="no target"):
        Protocol(())
    with pytest.raises(InputError, match="differ in delta"):
        Protocol((Target(), Target("f1", 0.9, 0.05)))
    with pytest.raises(InputError, match="3 of 2 other specialties"):
        Protocol(others=2, others_whole=3)


def test_certify_refuses() -> None:
    calibrate, tune = sample(60, 1, clustered=True), sample(60, 2, prefix="t", clustered=True)
    with pytest.raises(InputError, match="1 losses for 2 targets"):
        run(calibrate, tune, EXACT, F1)
    with pytest.raises(InputError, match="1 losses for 2 targets"):
        run(sample(60, 1, (EXACT, F1)), tune, EXACT, F1)
    with pytest.raises(InputError, match="an encounter occurs twice"):
        run(replace(calibrate, encounter_ids=["c0"] * 60), tune)
    with pytest.raises(InputError, match="1 encounters of calibrate are in tune as well"):
        run(calibrate, replace(tune, encounter_ids=["c0", *tune.encounter_ids[1:]]))
    assert tune.clusters is not None
    assert calibrate.clusters is not None
    shared = replace(tune, clusters=[calibrate.clusters[0], *tune.clusters[1:]])
    for clustering in ("one", "sum", "ignore"):
        with pytest.raises(InputError, match="1 patients of calibrate are in tune as well"):
            run(calibrate, shared, clustering=clustering)
    with pytest.raises(InputError, match="set the bound to auto"):
        run(sample(60, 1, (MICRO,)), sample(60, 2, (MICRO,), prefix="t"), MICRO, comparison=True)
    with pytest.raises(InputError, match="is not each, bonferroni or holm"):
        run(calibrate, tune, family="all")
    with pytest.raises(InputError, match="is not one, sum or ignore"):
        run(calibrate, tune, clustering="both")


def test_errors_name_no_encounter() -> None:
    calibrate, tune = sample(60, 1), sample(60, 1)
    with pytest.raises(InputError) as refused:
        run(calibrate, tune)
    assert "c0" not in str(refused.value)
