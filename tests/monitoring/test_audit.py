from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surecode.errors import InputError
from surecode.monitoring import AuditSampler

N = 4000
IDS = [f"encounter {i}" for i in range(N)]
POSITIONS = np.arange(N)
ALL = np.ones(N, dtype=bool)
GROUPS = ["radiology" if i % 3 else "pathology" for i in range(N)]


@settings(deadline=None, max_examples=40)
@given(st.text(min_size=1) | st.integers(), st.floats(0.01, 1.0), st.integers(0, 2**32 - 1))
def test_the_same_choice_in_any_order_and_any_batches(
    seed: str | int, rate: float, order: int
) -> None:
    sampler = AuditSampler(seed, rate)
    rng = np.random.default_rng(order)
    ids, positions = IDS[:60], POSITIONS[:60]
    whole = sampler.choose(ids, positions, ALL[:60])
    shuffled = rng.permutation(60)
    batches = np.split(shuffled, np.sort(rng.integers(0, 61, 3)))
    pieces = [
        sampler.choose([ids[i] for i in batch], positions[batch], ALL[batch]) for batch in batches
    ]
    assert (np.concatenate(pieces) == whole[shuffled]).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_a_higher_rate_only_adds_encounters(seed: int, one: float, other: float) -> None:
    few, many = (
        AuditSampler(seed, rate).choose(IDS[:300], POSITIONS[:300], ALL[:300])
        for rate in sorted((one, other))
    )
    assert (few <= many).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), min_size=50, max_size=50))
def test_what_happens_to_others_does_not_matter(automated: list[bool]) -> None:
    sampler = AuditSampler("secret", 0.5)
    released = np.array(automated)
    whole = sampler.choose(IDS[:50], POSITIONS[:50], ALL[:50])
    chosen = sampler.choose(IDS[:50], POSITIONS[:50], released)
    assert (chosen == (whole & released)).all()
    probability = sampler.inclusion_probability(released)
    assert (probability == np.where(released, 0.5, 0.0)).all()


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_the_share_of_audits_is_the_rate(rate: float) -> None:
    chosen = AuditSampler("secret", rate).choose(IDS, POSITIONS, ALL)
    assert stats.binomtest(int(chosen.sum()), N, rate).pvalue > 0.001


def test_the_draws_are_uniform_and_the_choice_is_spread_over_the_ledger() -> None:
    # The draw of an encounter is the rate from which on it is audited.
    rates = np.linspace(0.004, 1.0, 250)
    draws = np.ones(400)
    for rate in rates[::-1]:
        draws[AuditSampler("secret", float(rate)).choose(IDS[:400], POSITIONS[:400], ALL[:400])] = (
            rate
        )
    assert stats.kstest(draws, "uniform").pvalue > 0.001
    assert abs(stats.spearmanr(draws, POSITIONS[:400]).statistic) < 0.16


def test_seed_position_and_id_all_decide() -> None:
    def choice(seed: str | int, positions: np.ndarray, ids: Sequence[str]) -> np.ndarray:
        return AuditSampler(seed, 0.5).choose(ids, positions, ALL)

    plain = choice("7", POSITIONS, IDS)
    for other in (
        choice("8", POSITIONS, IDS),
        choice(7, POSITIONS, IDS),
        choice("7", POSITIONS + 1, IDS),
        choice("7", POSITIONS, IDS[::-1]),
    ):
        # Independent halves agree on half; anything from .45 to .55 is 6 standard errors.
        assert 0.45 < (plain == other).mean() < 0.55


def test_the_definition() -> None:
    """A second implementation, so that a ledger can be verified without this package."""
    key = hashlib.blake2b(b"str:secret").digest()
    expected = []
    for position, encounter_id in enumerate(IDS[:500]):
        message = position.to_bytes(8, "big") + encounter_id.encode()
        hashed = hashlib.blake2b(message, digest_size=8, key=key, person=b"surecode.audit")
        expected.append((int(hashed.hexdigest(), 16) >> 11) / 2**53 < 0.2)
    chosen = AuditSampler("secret", 0.2).choose(IDS[:500], POSITIONS[:500], ALL[:500])
    assert chosen.tolist() == expected


def test_every_automated_encounter_at_rate_one_and_none_without_encounters() -> None:
    assert AuditSampler(1, 1.0).choose(IDS, POSITIONS, ALL).all()
    assert AuditSampler(1, 1.0).choose([], [], []).shape == (0,)
    assert AuditSampler(1, 1.0).choose(["e"], [0], [True]).tolist() == [True]
    assert AuditSampler(1, 0.9).choose(IDS, POSITIONS, ~ALL).sum() == 0


def test_rates_per_group() -> None:
    sampler = AuditSampler("secret", {"radiology": 0.1, "pathology": 0.4})
    assert sampler.lowest_rate == 0.1
    automated = POSITIONS % 2 == 0
    probability = sampler.inclusion_probability(automated, GROUPS)
    chosen = sampler.choose(IDS, POSITIONS, automated, GROUPS)
    for group, rate in (("radiology", 0.1), ("pathology", 0.4)):
        members = automated & (np.array(GROUPS) == group)
        assert (probability[members] == rate).all()
        assert stats.binomtest(int(chosen[members].sum()), int(members.sum()), rate).pvalue > 0.001
        # The draw is that of one rate for all.
        alone = AuditSampler("secret", rate).choose(IDS, POSITIONS, automated)
        assert (chosen[members] == alone[members]).all()
    assert not chosen[~automated].any()
    assert (probability[~automated] == 0.0).all()


def test_the_secret_is_not_shown() -> None:
    assert "hush" not in repr(AuditSampler("hush", 0.1))


def test_a_changed_mapping_does_not_move_the_choice() -> None:
    rates = {"radiology": 0.1}
    sampler = AuditSampler("secret", rates)
    rates["radiology"] = 1.0
    assert sampler.lowest_rate == 0.1


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, float("nan"), True, "0.1", {}, {"a": 0.0}])
def test_refuses_rates_outside_zero_and_one(rate: object) -> None:
    with pytest.raises(InputError, match="audit: "):
        AuditSampler("secret", rate)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", ["", True, 1.5, None])
def test_refuses_seeds_that_are_none(seed: object) -> None:
    with pytest.raises(InputError, match="seed"):
        AuditSampler(seed, 0.1)  # type: ignore[arg-type]


def test_refuses_what_does_not_fit() -> None:
    sampler = AuditSampler("secret", 0.5)
    with pytest.raises(InputError, match="3 encounter ids, 2 positions and 2 automated"):
        sampler.choose(IDS[:3], [0, 1], [True, True])
    with pytest.raises(InputError, match="twice"):
        sampler.choose(IDS[:2], [5, 5], [True, True])
    with pytest.raises(InputError, match="negative"):
        sampler.choose(IDS[:2], [-1, 5], [True, True])
    with pytest.raises(InputError, match="whole numbers"):
        sampler.choose(IDS[:2], [0.5, 5.0], [True, True])
    with pytest.raises(InputError, match="true or false"):
        sampler.choose(IDS[:2], [0, 1], [1, 0])
    grouped = AuditSampler("secret", {"radiology": 0.5})
    with pytest.raises(InputError, match="0 groups for 2"):
        grouped.choose(IDS[:2], [0, 1], [True, True])
    with pytest.raises(InputError, match="'pathology' has no rate"):
        grouped.choose(IDS[:2], [0, 1], [True, True], ["radiology", "pathology"])
    # An encounter that is not automated needs no rate.
    assert not grouped.choose(IDS[:1], [0], [False], ["pathology"]).any()
