from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.data.batches import Batch, batch_indices, collate, group_windows, share
from surecode.data.windows import Windows

PADDING, FRAME = 0, 1


def windows_of(sizes: list[int], first: int) -> Windows:
    """Windows of so many content tokens, each framed by two special tokens; content ids count up
    from ``first``, so that every token of a test is told from every other.
    """
    ids, content = [], []
    for size in sizes:
        ids.append(np.array([FRAME, *range(first, first + size), FRAME], dtype=np.int64))
        content.append(slice(1, 1 + size))
        first += size
    total = sum(sizes)
    offsets = np.stack([np.arange(total), np.arange(total) + 1], axis=1)
    return Windows("e", tuple(ids), tuple(content), np.zeros(total, dtype=np.int64), offsets)


def corpus(sizes: list[list[int]]) -> list[Windows]:
    firsts = np.cumsum([2, *map(sum, sizes)])
    return [windows_of(part, int(first)) for part, first in zip(sizes, firsts, strict=False)]


CORPORA = st.lists(
    st.lists(st.integers(1, 20), min_size=1, max_size=4), min_size=1, max_size=30
).map(corpus)


@given(
    encounters=CORPORA,
    budget=st.integers(1, 200),
    seed=st.none() | st.integers(0, 9),
    buffer=st.integers(1, 40),
)
def test_every_encounter_once_and_within_the_budget(
    encounters: list[Windows], budget: int, seed: int | None, buffer: int
) -> None:
    batches = list(batch_indices(encounters, budget, seed, buffer))
    assert Counter(i for batch in batches for i in batch) == Counter(range(len(encounters)))
    for indices in batches:
        batch = collate([encounters[i] for i in indices], PADDING)
        assert batch.input_ids.numel() <= budget or len(indices) == 1
        assert batch.attention_mask.any(dim=1).all()  # no window of padding alone
        assert batch.attention_mask.any(dim=0).all()  # no column of padding alone


@given(encounters=CORPORA, budget=st.integers(1, 200), seed=st.integers(0, 2**31))
def test_the_seed_fixes_the_batches(encounters: list[Windows], budget: int, seed: int) -> None:
    first, second = (list(batch_indices(encounters, budget, seed)) for _ in range(2))
    assert first == second


def test_another_seed_gives_another_order() -> None:
    encounters = corpus([[5]] * 40)
    assert list(batch_indices(encounters, 28, 1)) != list(batch_indices(encounters, 28, 2))


def test_the_global_random_state_is_left_alone() -> None:
    np.random.seed(0)
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    list(batch_indices(corpus([[5]] * 40), 28, 1))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]


@given(encounters=CORPORA, budget=st.integers(1, 200))
def test_without_a_seed_the_order_stays(encounters: list[Windows], budget: int) -> None:
    batches = list(batch_indices(encounters, budget, None))
    assert [i for batch in batches for i in batch] == list(range(len(encounters)))


def test_sorting_by_length_saves_padding() -> None:
    generator = np.random.default_rng(0)
    encounters = corpus([[int(n)] for n in generator.integers(2, 200, size=300)])

    def padded(batches: list[list[int]]) -> int:
        return sum(collate([encounters[i] for i in b], 0).input_ids.numel() for b in batches)

    real = sum(encounter.longest for encounter in encounters)
    in_given_order = padded(list(batch_indices(encounters, 2048, None)))
    assert padded(list(batch_indices(encounters, 2048, 0))) < 1.1 * real < in_given_order


@given(encounters=CORPORA)
def test_collate_picks_exactly_the_content_tokens(encounters: list[Windows]) -> None:
    batch = collate(encounters, PADDING)
    total = sum(encounter.tokens for encounter in encounters)
    assert batch.tokens == tuple(encounter.tokens for encounter in encounters)
    picked = batch.input_ids.flatten()[batch.content]
    assert picked.tolist() == list(range(2, 2 + total))
    assert batch.attention_mask.flatten()[batch.content].all()
    assert int(batch.attention_mask.sum()) == sum(
        len(window) for encounter in encounters for window in encounter.input_ids
    )
    assert (batch.input_ids[batch.attention_mask == 0] == PADDING).all()
    assert (batch.input_ids[batch.attention_mask == 1] != PADDING).all()


def test_gold_goes_along_as_zeros_and_ones() -> None:
    gold = np.array([[True, False], [False, True]])
    batch = collate(corpus([[3], [4, 2]]), PADDING, gold)
    assert batch.gold is not None
    assert batch.gold.dtype == torch.float32
    assert batch.gold.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_batch_moves_with_all_its_tensors() -> None:
    batch = collate(corpus([[3], [4, 2]]), PADDING, np.ones((2, 1), dtype=bool))
    moved = batch.to(torch.device("meta"))
    tensors = (moved.input_ids, moved.attention_mask, moved.content, moved.gold)
    assert all(tensor is not None and tensor.is_meta for tensor in tensors)
    assert moved.tokens == batch.tokens
    without_gold: Batch = collate(corpus([[3]]), PADDING).to(torch.device("meta"))
    assert without_gold.gold is None


# ---- groups: windows that go through the encoder together ----------------------------------------

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=7)


def cost(groups: tuple[tuple[int, ...], ...], lengths: list[int], call: int) -> int:
    return sum(call + len(rows) * max(lengths[row] for row in rows) for rows in groups)


def partitions(rows: list[int]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Every way to put rows into groups."""
    if not rows:
        yield ()
        return
    first, rest = rows[0], rows[1:]
    for size in range(len(rest) + 1):
        for others in combinations(rest, size):
            left = [row for row in rest if row not in others]
            for tail in partitions(left):
                yield ((first, *others), *tail)


@settings(max_examples=40)
@given(lengths=LENGTHS.filter(lambda lengths: len(lengths) <= 6), call=st.integers(0, 60))
def test_no_other_grouping_costs_less(lengths: list[int], call: int) -> None:
    best = min(cost(groups, lengths, call) for groups in partitions(list(range(len(lengths)))))
    assert cost(group_windows(lengths, call_tokens=call), lengths, call) == best


@given(lengths=LENGTHS, limit=st.integers(1, 100))
def test_groups_hold_every_window_once_and_stay_within_the_limit(
    lengths: list[int], limit: int
) -> None:
    groups = group_windows(lengths, limit)
    assert sorted(row for rows in groups for row in rows) == list(range(len(lengths)))
    for rows in groups:
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= limit


def test_padding_counts_what_the_encoder_reads_for_nothing() -> None:
    batch = collate(corpus([[20, 20], [3]]), PADDING)
    assert batch.lengths == (22, 22, 5)
    assert batch.padding == (0 if len(batch.groups) == 2 else 17)
    assert collate(corpus([[20], [19]]), PADDING).padding == 1


# ---- shares of several devices -------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(1, 100), min_size=1, max_size=20),
    world=st.integers(1, 5),
)
def test_shares_are_a_partition_with_balanced_work(sizes: list[int], world: int) -> None:
    indices = list(range(len(sizes)))
    shares = [share(indices, sizes, rank, world) for rank in range(world)]
    assert sorted(i for part in shares for i in part) == indices
    work = [sum(sizes[i] for i in part) for part in shares]
    # Graham's bound: nobody works longer than the average and one encounter more.
    assert max(work) <= sum(sizes) / world + max(sizes)
