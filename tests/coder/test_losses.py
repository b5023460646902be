from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from surecode.coder.heads.build import KINDS, build_head
from surecode.coder.heads.head import Head
from surecode.coder.losses import (
    asymmetric,
    binary_cross_entropy,
    evidence_loss,
    focal,
    gradient_norms,
    loss_of,
    smoothed,
)
from surecode.errors import InputError
from surecode.settings import HeadSettings, LossSettings

SEEDS = st.integers(0, 999)
FOCUS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0])
MARGIN = st.sampled_from([0.0, 0.05, 0.3])


def drawn(seed: int, rows: int = 3, codes: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(rows, codes, generator=generator, dtype=torch.float64)
    gold = torch.rand(rows, codes, generator=generator, dtype=torch.float64) < 0.3
    return logits, gold.double()


def settings(**changes: object) -> LossSettings:
    plain = {
        "kind": "binary_cross_entropy",
        "label_smoothing": 0.0,
        "focus_positive": 0.0,
        "focus_negative": 0.0,
        "margin": 0.0,
        "evidence_weight": 0.0,
        "gradient_weight": 0.0,
    }
    return LossSettings.model_validate(plain | changes)


def closed_form(logits: Tensor, gold: Tensor, plus: float, minus: float, m: float) -> Tensor:
    """Ridnik et al.'s eq. 7 as it is printed."""
    p = logits.sigmoid()
    p_m = (p - m).clamp(min=0)
    positive = (1 - p) ** plus * p.log()
    negative = p_m**minus * (1 - p_m).log()
    return -(gold * positive + (1 - gold) * negative).sum(dim=1)


@given(seed=SEEDS, smoothing=st.sampled_from([0.0, 0.1]))
def test_binary_cross_entropy_is_torchs(seed: int, smoothing: float) -> None:
    logits, gold = drawn(seed)
    gold = smoothed(gold, smoothing)
    expected = binary_cross_entropy_with_logits(logits, gold, reduction="none").sum(dim=1)
    torch.testing.assert_close(binary_cross_entropy(logits, gold), expected)


@given(seed=SEEDS, plus=FOCUS, minus=FOCUS, m=MARGIN)
def test_the_asymmetric_loss_and_its_gradient_are_those_of_the_formula(
    seed: int, plus: float, minus: float, m: float
) -> None:
    logits, gold = drawn(seed)
    found, expected = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    own = asymmetric(found, gold, plus, minus, m)
    printed = closed_form(expected, gold, plus, minus, m)
    torch.testing.assert_close(own, printed)
    own.sum().backward()
    printed.sum().backward()
    # Below the margin a fractional power has no gradient in the printed form.
    defined = expected.grad.isfinite()
    torch.testing.assert_close(found.grad[defined], expected.grad[defined])
    assert found.grad.isfinite().all()


@given(seed=SEEDS, focus=FOCUS)
def test_focal_is_the_formula(seed: int, focus: float) -> None:
    logits, gold = drawn(seed)
    p_t = torch.where(gold == 1, logits.sigmoid(), 1 - logits.sigmoid())
    expected = -((1 - p_t) ** focus * p_t.log()).sum(dim=1)
    torch.testing.assert_close(focal(logits, gold, focus), expected)


@given(seed=SEEDS)
def test_without_focus_and_margin_all_losses_are_binary_cross_entropy(seed: int) -> None:
    logits, gold = drawn(seed)
    expected = binary_cross_entropy(logits, gold)
    torch.testing.assert_close(asymmetric(logits, gold, 0.0, 0.0, 0.0), expected)
    torch.testing.assert_close(focal(logits, gold, 0.0), expected)


def test_a_negative_below_the_margin_costs_nothing() -> None:
    logits = torch.tensor([[math.log(0.04 / 0.96)]], requires_grad=True)
    loss = asymmetric(logits, torch.zeros(1, 1), 1.0, 4.0, margin=0.05)
    loss.sum().backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert logits.grad.item() == 0


@pytest.mark.parametrize("magnitude", [0.0, 17.0, 90.0, 1e4])
@pytest.mark.parametrize("focus", [0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("margin", [0.0, 1e-9, 0.05, 0.5])
def test_extreme_logits_have_finite_losses_and_gradients_in_single_precision(
    magnitude: float, focus: float, margin: float
) -> None:
    logits = torch.tensor([[magnitude, -magnitude] * 2], requires_grad=True)
    gold = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    for loss in (
        binary_cross_entropy(logits, gold),
        focal(logits, gold, focus),
        asymmetric(logits, gold, focus, focus, margin),
    ):
        (gradient,) = torch.autograd.grad(loss.sum(), logits, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), logits)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()
        assert second.isfinite().all()
        assert (loss >= -1e-6).all()
        assert gradient[0, 1] <= 0  # a missed code pulls its logit up
        assert gradient[0, 2] >= 0 or margin  # a wrong one down


def test_below_the_margin_nothing_is_lost_by_what_is_neglected() -> None:
    """Bit by bit the printed logaddexp, also where log q is left out."""
    logits = torch.linspace(-300, 300, 4001)[None]
    gold = torch.zeros_like(logits)
    for m in (1e-9, 0.05, 0.5):
        log_p, log_q = torch.nn.functional.logsigmoid(torch.stack([logits, -logits]))
        shifted = log_p.exp() - m
        log_q_m = torch.logaddexp(log_q, torch.full_like(log_q, math.log(m)))
        each = torch.where(shifted > 0, shifted.clamp(min=0) ** 4.0 * log_q_m, 0.0)
        found = torch.stack(
            [
                asymmetric(z[:, None], y[:, None], 1.0, 4.0, m)
                for z, y in zip(logits, gold, strict=True)
            ]
        )[0]
        assert torch.equal(found, -each[0])


def test_a_confident_miss_keeps_its_whole_gradient() -> None:
    logits = torch.tensor([[-1e4]], requires_grad=True)
    for loss in (
        focal(logits, torch.ones(1, 1), 2.0),
        binary_cross_entropy(logits, torch.ones(1, 1)),
    ):
        (gradient,) = torch.autograd.grad(loss.sum(), logits)
        assert loss.item() == pytest.approx(1e4)
        assert gradient.item() == pytest.approx(-1.0)


def test_smoothing_keeps_the_mean_of_both_values() -> None:
    assert smoothed(torch.tensor([0.0, 1.0]), 0.2).tolist() == pytest.approx([0.1, 0.9])


@given(seed=SEEDS)
def test_the_settings_choose_the_loss(seed: int) -> None:
    logits, gold = drawn(seed)
    chosen = {
        "asymmetric": loss_of(
            settings(kind="asymmetric", focus_positive=1, focus_negative=4, margin=0.05)
        ),
        "focal": loss_of(settings(kind="focal", focus_positive=2, focus_negative=2)),
        "smooth": loss_of(settings(label_smoothing=0.1)),
    }
    expected = {
        "asymmetric": asymmetric(logits, gold, 1.0, 4.0, 0.05),
        "focal": focal(logits, gold, 2.0),
        "smooth": binary_cross_entropy(logits, smoothed(gold, 0.1)),
    }
    for name, loss in chosen.items():
        torch.testing.assert_close(loss(logits, gold), expected[name])


@pytest.mark.parametrize("changes", [{"focus_negative": 1.0}, {"margin": 0.1}])
def test_focal_refuses_what_it_does_not_have(changes: dict[str, float]) -> None:
    asked = {"kind": "focal", "focus_positive": 2.0, "focus_negative": 2.0} | changes
    with pytest.raises(InputError, match="choose loss=asymmetric"):
        loss_of(settings(**asked))


# ---- evidence ------------------------------------------------------------------------------------

TOKENS = (4, 3, 5)
EVIDENCE = [(0, 2, 1), (0, 2, 3), (0, 1, 0), (2, 4, 4)]


def head_of(kind: str) -> Head:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = build_head(HeadSettings(kind=kind, projection=4, code_chunk=2), 6, 5)  # type: ignore[arg-type]
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter)
    return head


def states_of() -> Tensor:
    return torch.randn(sum(TOKENS), 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_evidence_loss_is_the_mean_surprise_at_the_evidence(kind: str) -> None:
    head, states = head_of(kind), states_of()
    found = evidence_loss(head, states, TOKENS, torch.tensor(EVIDENCE))
    a_0 = head.attention(states[:4], torch.arange(5))
    a_2 = head.attention(states[7:], torch.arange(5))
    expected = torch.stack(
        [
            -((a_0[1, 2] + a_0[3, 2]).log() + a_0[0, 1].log()) / 2,
            torch.tensor(0.0),
            -a_2[4, 4].log(),
        ]
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    shuffled = evidence_loss(head, states, TOKENS, torch.tensor(EVIDENCE[::-1]))
    torch.testing.assert_close(shuffled, found)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_descending_the_evidence_loss_moves_attention_to_the_evidence(kind: str) -> None:
    head, states = head_of(kind), states_of()
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    before = evidence_loss(head, states, TOKENS, torch.tensor(EVIDENCE)).sum()
    for _ in range(30):
        optimizer.zero_grad()
        evidence_loss(head, states, TOKENS, torch.tensor(EVIDENCE)).sum().backward()
        optimizer.step()
    after = evidence_loss(head, states, TOKENS, torch.tensor(EVIDENCE)).sum()
    assert after < before / 2


def test_attention_that_underflows_still_has_a_gradient() -> None:
    head, states = head_of("label_attention"), states_of()
    with torch.no_grad():
        head.query *= 1e4
    states.requires_grad_()
    loss = evidence_loss(head, states, TOKENS, torch.tensor(EVIDENCE))
    loss.sum().backward()
    assert loss.max() > 200  # the attention itself is 0 in fp32
    assert loss.isfinite().all()
    assert states.grad is not None
    assert states.grad.abs().sum() > 0
    assert states.grad.isfinite().all()


def test_without_evidence_the_loss_is_zero() -> None:
    none = torch.zeros(0, 3, dtype=torch.int64)
    assert evidence_loss(head_of("label_attention"), states_of(), TOKENS, none).tolist() == [0] * 3


# ---- norms of gradients --------------------------------------------------------------------------


@given(seed=SEEDS, windows=st.integers(1, 6), encounters=st.integers(1, 4))
def test_a_norm_is_taken_over_all_of_an_encounters_windows(
    seed: int, windows: int, encounters: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradient = torch.randn(windows, 3, 2, generator=generator, dtype=torch.float64)
    owners = torch.randint(encounters, (windows,), generator=generator)
    found = gradient_norms(gradient, owners, encounters)
    expected = torch.stack([gradient[owners == e].norm() for e in range(encounters)])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-9)
    order = torch.randperm(windows, generator=generator)
    shuffled = gradient_norms(gradient[order], owners[order], encounters)
    torch.testing.assert_close(shuffled, found)


def test_a_norm_in_bf16_is_summed_in_fp32() -> None:
    ones = torch.ones(1, 600, 1, dtype=torch.bfloat16)
    found = gradient_norms(ones, torch.zeros(1, dtype=torch.int64), 1)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(600**0.5)
