"""Which windows are kept, and what leaving out the others means."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from surecode.denormals import without_denormals
from surecode.evidence.window_gradients import largest_windows

NORMS = hnp.arrays(
    "f8",
    st.tuples(st.integers(1, 5), st.integers(1, 7)),
    elements=st.sampled_from([0.0, 1e-30, 1e-3, 0.5, 1.0, 1.0, 7.0]) | st.floats(0, 10),
)
SHARES = st.sampled_from([0.0, 1e-9, 0.01, 0.05, 0.3, 0.5, 0.999]) | st.floats(0, 0.999)


@given(norms=NORMS, share=SHARES)
def test_at_most_the_share_is_left_out_and_as_much_as_may_be(
    norms: torch.Tensor, share: float
) -> None:
    tensor = torch.from_numpy(norms)
    kept, left = largest_windows(tensor, share)
    total = tensor.sum(dim=1)
    dropped = torch.where(kept, 0.0, tensor).sum(dim=1)
    assert (dropped <= share * total + 1e-12).all()
    torch.testing.assert_close(left * total, dropped, atol=1e-9, rtol=1e-9)
    for row, keeps, lost, whole in zip(tensor, kept, dropped, total, strict=True):
        if keeps.any():
            least = row[keeps].min()
            # One window more would be too much, and nothing larger than a kept one was left out.
            assert lost + least > share * whole - 1e-9
            assert (row[~keeps] <= least).all()
        else:
            assert whole == 0


@given(norms=NORMS)
def test_nothing_left_out_keeps_all_but_zeros(norms: torch.Tensor) -> None:
    tensor = torch.from_numpy(norms)
    kept, left = largest_windows(tensor, 0.0)
    assert torch.equal(kept, tensor > 0)
    assert torch.equal(left, torch.zeros(len(tensor), dtype=torch.float64))


@given(norms=NORMS, share=SHARES, factor=st.sampled_from([2.0**-20, 0.25, 1024.0]))
def test_the_scale_of_a_logit_does_not_matter(
    norms: torch.Tensor, share: float, factor: float
) -> None:
    tensor = torch.from_numpy(norms)
    assert torch.equal(
        largest_windows(tensor, share)[0], largest_windows(tensor * factor, share)[0]
    )


@given(norms=NORMS, share=SHARES, seed=st.integers(0, 99))
def test_a_codes_windows_are_its_own(norms: torch.Tensor, share: float, seed: int) -> None:
    tensor = torch.from_numpy(norms)
    order = torch.randperm(len(tensor), generator=torch.Generator().manual_seed(seed))
    kept, left = largest_windows(tensor, share)
    other_kept, other_left = largest_windows(tensor[order], share)
    assert torch.equal(kept[order], other_kept)
    assert torch.equal(left[order], other_left)


def test_of_equal_windows_the_later_one_goes_first() -> None:
    kept, left = largest_windows(torch.ones(1, 4), 0.5)
    assert kept.tolist() == [[True, True, False, False]]
    assert left.tolist() == [0.5]


def test_no_code_keeps_no_window() -> None:
    kept, left = largest_windows(torch.zeros(0, 3), 0.01)
    assert kept.shape == (0, 3)
    assert left.shape == (0,)


def tiny_times_one() -> float:
    return float(torch.tensor(1e-40) * 1)


def test_denormals_are_zero_inside_and_as_before_outside() -> None:
    before = tiny_times_one()
    try:
        for flushed in (False, True):
            if not torch.set_flush_denormal(flushed):
                return  # this processor cannot
            outside = tiny_times_one()
            assert (outside == 0) is flushed
            with without_denormals():
                assert tiny_times_one() == 0
                with without_denormals():
                    pass
                assert tiny_times_one() == 0
            assert tiny_times_one() == outside
    finally:
        torch.set_flush_denormal(before == 0)
