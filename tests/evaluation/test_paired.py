from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from surecode.errors import InputError
from surecode.evaluation import metrics, paired
from surecode.evaluation.mention_score import MentionScore
from surecode.evaluation.paired import Paired, Terms

code_sets = st.frozensets(st.sampled_from("abcdef"), max_size=5)
rankings = st.permutations("abcdef").flatmap(lambda p: st.integers(0, 6).map(lambda n: p[:n]))
rows = st.lists(st.tuples(code_sets, code_sets, rankings), min_size=1, max_size=10)


@given(rows)
def test_terms_give_the_metrics(
    table: list[tuple[frozenset[str], frozenset[str], list[str]]],
) -> None:
    gold, predicted, ranked = zip(*table, strict=True)
    micro = metrics.micro(gold, predicted)
    assert paired.micro_f1(gold, predicted).value == pytest.approx(micro.f1)
    assert paired.micro_precision(gold, predicted).value == pytest.approx(micro.precision)
    assert paired.micro_recall(gold, predicted).value == pytest.approx(micro.recall)
    mean = metrics.mean_average_precision(gold, ranked, count_unanswered=True)
    assert paired.mean_average_precision(gold, ranked).value == pytest.approx(mean)


terms = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def drawn(generator: np.random.Generator, size: int) -> Terms:
    below = generator.random(size) * 5
    return Terms(below * generator.random(size), below)


@given(terms, st.integers(1, 60), st.booleans(), st.integers(0, 3))
def test_swapping_negates_the_interval_and_equals_give_zero(
    generator: np.random.Generator, size: int, grouped: bool, seed: int
) -> None:
    first, second = drawn(generator, size), drawn(generator, size)
    clusters = [f"p{n % 7}" for n in range(size)] if grouped else None
    forth = paired.paired(first, second, clusters=clusters, draws=100, seed=seed)
    back = paired.paired(second, first, clusters=clusters, draws=100, seed=seed)
    assert (back.difference, back.low, back.high) == (-forth.difference, -forth.high, -forth.low)
    assert (back.first, back.second) == (forth.second, forth.first)
    assert forth.low <= forth.high
    copied = Terms(first.above.copy(), first.below.copy())
    same = paired.paired(first, copied, clusters=clusters, draws=100, seed=seed)
    assert (same.difference, same.low, same.high, same.decided) == (0.0, 0.0, 0.0, False)


def test_an_interval_by_enumeration() -> None:
    # The first is right in the first of 10 encounters, the second in none: the difference of a
    # draw is binomial(10, 1/10)/10, whose percentiles are known.
    one = np.zeros(10)
    one[0] = 1.0
    found = paired.paired(
        Terms(one, np.ones(10)), Terms(np.zeros(10), np.ones(10)), draws=20_000, level=0.9
    )
    assert (found.first, found.second, found.difference) == (0.1, 0.0, 0.1)
    low, high = (binom.ppf(q, 10, 0.1) / 10 for q in (0.05, 0.95))
    assert (found.low, found.high) == (low, high) == (0.0, 0.3)


def test_clusters_are_drawn_whole() -> None:
    # Ten copies of each of 8 patients: the interval is that of 8 encounters, not of 80.
    right = np.array([1.0, 0, 1, 0, 0, 0, 1, 0])
    few = Terms(right, np.ones(8))
    none = Terms(np.zeros(8), np.ones(8))
    many = Terms(np.repeat(right, 10), np.ones(80))
    patients = [n // 10 for n in range(80)]
    single = paired.paired(few, none)
    whole = paired.paired(many, Terms(np.zeros(80), np.ones(80)), clusters=patients)
    assert whole == replace(single, encounters=80)
    assert (whole.clusters, whole.encounters) == (8, 80)
    apart = paired.paired(many, Terms(np.zeros(80), np.ones(80)))
    assert apart.high - apart.low < 0.6 * (whole.high - whole.low)


def test_the_seed_fixes_the_interval() -> None:
    generator = np.random.default_rng(0)
    first, second = drawn(generator, 40), drawn(generator, 40)
    found = [paired.paired(first, second, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert found[0].difference == found[2].difference


def test_it_says_what_it_found() -> None:
    found = Paired(0.7, 0.65, 0.05, 0.012, 0.09, 0.95, 250, 250)
    assert str(found) == "+0.050 [+0.012, +0.090]"
    assert found.decided
    assert replace(found, low=-0.1, high=-0.01).decided
    assert not replace(found, low=-0.001).decided


def test_bad_input_is_one_line() -> None:
    one, two = Terms(np.ones(1), np.ones(1)), Terms(np.ones(2), np.ones(2))
    with pytest.raises(InputError, match="1 and 2 encounters"):
        paired.paired(one, two)
    with pytest.raises(InputError, match="2 and 1 encounters"):
        paired.paired(two, two, clusters=["p"])
    with pytest.raises(InputError, match="no encounters"):
        paired.paired(Terms(np.ones(0), np.ones(0)), Terms(np.ones(0), np.ones(0)))
    with pytest.raises(InputError, match="30 draws are too few"):
        paired.paired(one, one, draws=30)
    with pytest.raises(InputError, match=r"level is 1\.0"):
        paired.paired(one, one, level=1.0)
    with pytest.raises(InputError, match="1 and 2 encounters"):
        paired.micro_f1([{"a"}], [{"a"}, {"b"}])


@pytest.mark.slow
@pytest.mark.parametrize("encounters", [60, 250])
def test_the_interval_covers_the_true_difference(encounters: int) -> None:
    """Two coders with correlated errors on documents of 1 to 20 codes, 600 populations."""
    generator = np.random.default_rng(7)

    def sample(size: int) -> tuple[Terms, Terms]:
        wanted = generator.integers(1, 21, size=size)
        ease = generator.beta(4, 3, size=size)  # both find more in an easy document
        found = generator.binomial(wanted, ease)
        other = generator.binomial(found, 0.8) + generator.binomial(wanted - found, 0.15)
        wrong = generator.poisson(1.5, size=(2, size))
        return (
            Terms((2.0 * found).astype(np.float64), (wanted + found + wrong[0]).astype(float)),
            Terms((2.0 * other).astype(np.float64), (wanted + other + wrong[1]).astype(float)),
        )

    first, second = sample(1_000_000)
    truth = first.value - second.value
    held = 0
    for repetition in range(600):
        found = paired.paired(*sample(encounters), draws=600, seed=repetition)
        held += found.low <= truth <= found.high
    # Of 600 intervals that hold 95%, fewer than 551 hold with a probability below .0001; the
    # percentile interval may be a point short with few documents.
    assert 548 <= held <= 589


@given(st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=8))
def test_the_f1_of_mentions_is_that_of_all_encounters_together(
    counts: list[tuple[int, int, int]],
) -> None:
    scores = [MentionScore.of(hits, hits + more, hits + missed) for hits, more, missed in counts]
    together = MentionScore.of(
        sum(score.true_positive for score in scores),
        sum(score.predicted for score in scores),
        sum(score.gold for score in scores),
    )
    assert paired.mention_f1(scores).value == pytest.approx(together.f1)
