"""What training minimises: losses of logits against gold, of attention against gold evidence, and
norms of the loss's gradient.

Legend: E encounters, K codes, T content tokens of all encounters, t those of one, W windows, L
tokens of a window, D width.

Every loss takes logits ``[E, K]`` and gold ``[E, K]`` and gives ``[E]``, in nats, summed over the
codes: a mean would make the gradient shrink with the label space. Gold is 0 or 1, or between them
where labels are smoothed. All of it is written in log-sigmoids, so that values, gradients and
gradients of gradients are finite in fp32 for every finite logit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from surecode.coder.heads.head import Head
from surecode.errors import InputError
from surecode.settings import LossSettings

Loss = Callable[[Tensor, Tensor], Tensor]

# exp(-_NEGLIGIBLE) vanishes beside 1 in fp64 too.
_NEGLIGIBLE = 80.0
# The square root has no finite gradient at 0.
_TINY = 1e-12


def binary_cross_entropy(logits: Tensor, gold: Tensor) -> Tensor:
    """``-[y log p + (1 - y) log(1 - p)]`` with ``p = sigmoid(logit)``."""
    return _summed(logsigmoid(logits), logsigmoid(-logits), gold)


def focal(logits: Tensor, gold: Tensor, focus: float) -> Tensor:
    """Easy codes weigh little (Lin et al. 2017, arXiv 1708.02002, eq. 4).

    ``-(1 - p)^focus log p`` for an assigned code, ``-p^focus log(1 - p)`` for any other.
    """
    return asymmetric(logits, gold, focus, focus, margin=0.0)


def asymmetric(
    logits: Tensor, gold: Tensor, focus_positive: float, focus_negative: float, margin: float
) -> Tensor:
    """Easy negatives weigh little, very easy ones nothing (Ridnik et al. 2021, arXiv 2009.14119).

    Their eq. 7, with ``p_m = max(p - margin, 0)``: ``-(1 - p)^focus_positive log p`` for an
    assigned code, ``-p_m^focus_negative log(1 - p_m)`` for any other.
    """
    log_p, log_q = logsigmoid(logits), logsigmoid(-logits)
    positive = torch.exp(focus_positive * log_q) * log_p
    if margin == 0:
        return _summed(positive, torch.exp(focus_negative * log_p) * log_q, gold)
    # 1 - p_m = 1 - p + margin, whose logarithm is finite even where p rounds to 1.
    # Far below the margin log q changes nothing, but its second derivative would be inf * 0.
    log_margin = math.log(margin)
    log_q_m = torch.logaddexp(
        log_q.clamp(min=log_margin - _NEGLIGIBLE), torch.full_like(log_q, log_margin)
    )
    shifted = log_p.exp() - margin
    # A power has no finite gradient at 0: what the margin cuts off is set apart before it.
    kept = shifted > 0
    weight = torch.where(kept, shifted, 1.0).pow(focus_negative)
    return _summed(positive, torch.where(kept, weight * log_q_m, 0.0), gold)


def smoothed(gold: Tensor, smoothing: float) -> Tensor:
    """Gold of 0 and 1 becomes s/2 and 1 - s/2 (Szegedy et al. 2016, arXiv 1512.00567, sec. 7)."""
    return gold * (1 - smoothing) + smoothing / 2


def loss_of(settings: LossSettings) -> Loss:
    """The loss that the settings name, of logits ``[E, K]`` and gold ``[E, K]`` → ``[E]``.

    Raises:
        InputError: focal with two different focuses or a margin, which it does not have.
    """
    positive, negative = settings.focus_positive, settings.focus_negative
    if settings.kind == "focal" and (positive != negative or settings.margin):
        raise InputError(
            f"loss=focal: it has one focus and no margin, not focus_positive={positive:g}, "
            f"focus_negative={negative:g}, margin={settings.margin:g}; choose loss=asymmetric"
        )

    def loss(logits: Tensor, gold: Tensor) -> Tensor:
        target = smoothed(gold, settings.label_smoothing)
        match settings.kind:
            case "binary_cross_entropy":
                return binary_cross_entropy(logits, target)
            case "focal":
                return focal(logits, target, positive)
            case "asymmetric":
                return asymmetric(logits, target, positive, negative, settings.margin)

    return loss


def evidence_loss(head: Head, states: Tensor, tokens: Sequence[int], evidence: Tensor) -> Tensor:
    """How little of a code's attention lies on its gold evidence.

    For encounter e and code k with gold tokens: ``-log sum over gold t of a_kt``, which asks for
    some of the evidence and not for all of it. The mean over the encounter's codes with evidence,
    0 where there is none.

    Args:
        head: whose attention is trained.
        states: ``[T, D]`` token states, the encounters one after the other.
        tokens: E numbers of tokens, summing up to T.
        evidence: ``[M, 3]`` int64 rows (encounter, code, token within the encounter), on the
            device of the states.

    Returns:
        ``[E]``, in nats.
    """
    parts = torch.split(states.float(), list(tokens))
    losses = [part.new_zeros(()) for part in parts]
    for e in torch.unique(evidence[:, 0]).tolist():
        rows = evidence[evidence[:, 0] == e]
        codes, column = torch.unique(rows[:, 1], return_inverse=True)
        with torch.autocast(device_type=states.device.type, enabled=False):  # the head's fp32
            scores = head.scores(parts[e], codes)  # [t, n]
        gold = torch.zeros_like(scores, dtype=torch.bool)
        gold[rows[:, 2], column] = True
        # In logarithms: attention that underflows would have no gradient.
        on_gold = scores.masked_fill(~gold, -torch.inf).logsumexp(dim=0)
        losses[e] = (scores.logsumexp(dim=0) - on_gold).mean()
    return torch.stack(losses)


def gradient_norms(gradient: Tensor, owners: Tensor, encounters: int) -> Tensor:
    """The Euclidean norm of each encounter's gradient, over all its windows, tokens and features.

    ``sqrt(sum + 1e-12)``: where the gradient is 0, so is the norm's own gradient.

    Args:
        gradient: ``[W, L, D]``, 0 on padding.
        owners: ``[W]`` int64, the encounter of each window.
        encounters: E.

    Returns:
        ``[E]``, in fp32 or wider.
    """
    squares = widened(gradient).square()
    sums = squares.new_zeros(encounters).index_add(0, owners, squares.sum(dim=(1, 2)))
    return (sums + _TINY).sqrt()


def widened(tensor: Tensor) -> Tensor:
    """The same numbers in fp32, or in fp64 where they are."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _summed(positive: Tensor, negative: Tensor, gold: Tensor) -> Tensor:
    return -(gold * positive + (1 - gold) * negative).sum(dim=1)
