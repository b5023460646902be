"""What a training run says of tune after every epoch, with intervals.

Legend: N encounters of tune, K codes, C cuts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Cuts on the probability among which the best micro-F1 of an epoch is sought.
CUTS = np.round(np.arange(0.05, 1.0, 0.05), 2)
_RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval over encounters."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class TuneFigures:
    """Loss and best micro-F1 on tune; the F1 is optimistic, since its cut is the best one."""

    loss: Interval
    micro_f1: Interval
    cut: float

    def flat(self) -> dict[str, float]:
        """Under the names that the tracking store shows."""
        return {
            "tune/loss": self.loss.value,
            "tune/loss_low": self.loss.low,
            "tune/loss_high": self.loss.high,
            "tune/micro_f1": self.micro_f1.value,
            "tune/micro_f1_low": self.micro_f1.low,
            "tune/micro_f1_high": self.micro_f1.high,
            "tune/cut": self.cut,
        }


def counts(logits: Tensor, gold: Tensor) -> NDArray[np.int64]:
    """True positives, assigned and gold codes of each encounter at every cut.

    Logits and gold ``[E, K]`` → ``[E, C, 3]``.
    """
    edges = torch.logit(torch.tensor(CUTS, dtype=logits.dtype, device=logits.device))
    found = torch.stack(
        [
            torch.stack(
                [
                    ((logits >= edge) & (gold > 0.5)).sum(dim=1),
                    (logits >= edge).sum(dim=1),
                    (gold > 0.5).sum(dim=1),
                ],
                dim=1,
            )
            for edge in edges
        ],
        dim=1,
    )
    array: NDArray[np.int64] = found.cpu().numpy()
    return array


def tune_figures(
    losses: NDArray[np.float64], tallies: NDArray[np.int64], seed: int = 0
) -> TuneFigures:
    """Figures of one epoch.

    Args:
        losses: ``[N]`` loss of each encounter.
        tallies: ``[N, C, 3]`` as `counts` gives them.
        seed: of the bootstrap over encounters (percentile intervals; Efron 1979).
    """
    n = len(losses)
    mean = float(losses.mean())
    spread = 1.96 * float(losses.std(ddof=1)) / n**0.5 if n > 1 else 0.0
    best = int(np.argmax(_f1(tallies.sum(axis=0))))
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)
    resampled = _f1(draws @ tallies[:, best, :])
    low, high = np.quantile(resampled, [0.025, 0.975])
    value = float(_f1(tallies[:, best, :].sum(axis=0)))
    return TuneFigures(
        Interval(mean, mean - spread, mean + spread),
        Interval(value, float(low), float(high)),
        float(CUTS[best]),
    )


def _f1(tallies: NDArray[np.int64]) -> NDArray[np.float64]:
    """F1 = 2 tp / (assigned + gold) of ``[..., 3]``; 0 where nothing is assigned nor gold."""
    true, assigned, gold = tallies[..., 0], tallies[..., 1], tallies[..., 2]
    f1: NDArray[np.float64] = 2 * true / np.maximum(assigned + gold, 1)
    return f1
