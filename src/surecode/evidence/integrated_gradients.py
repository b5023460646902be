"""Integrated gradients by Captum, the slow check of the head's own contributions.

The gradient is taken with respect to the word embeddings, passed through the network once: the
embedding layer of a network with windows must not be hooked, since Captum's layer methods are
silently wrong for a layer whose batch is not the sample (Captum #794, #904).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from captum.attr import IntegratedGradients
from torch import Tensor


@dataclass(frozen=True)
class Integrated:
    """Attribution of one logit to tokens, and how far its sum is from what it must explain."""

    scores: Tensor  # [T] attribution of each content token
    difference: float  # logit at the input minus logit at the baseline
    completeness_gap: float  # |sum of all attributions - difference|


def integrated_gradients(
    logits: Callable[[Tensor], Tensor],
    embeddings: Tensor,
    baseline: Tensor,
    content: Tensor,
    code: int,
    steps: int,
) -> Integrated:
    """Sundararajan et al. 2017 (arXiv 1703.01365, eq. 3), Gauss-Legendre quadrature.

    Args:
        logits: word embeddings ``[W, L, D]`` of one encounter → logits ``[1, K]``.
        embeddings: word embeddings of the encounter's windows ``[W, L, D]``.
        baseline: embeddings that say nothing, same shape (every content token masked).
        content: ``[T]`` positions of the content tokens in the flattened ``[W * L]``.
        code: the code's position in the label space.
        steps: points of the quadrature; one forward and one backward each.
    """

    def one(rows: Tensor) -> Tensor:
        # Captum stacks the steps along the first dimension; each is one encounter's windows.
        return torch.cat([logits(row) for row in rows])[:, code]

    sample, start = embeddings.detach()[None], baseline.detach()[None]
    attributions = IntegratedGradients(one).attribute(
        sample, baselines=start, n_steps=steps, internal_batch_size=1
    )
    with torch.no_grad():
        difference = float(one(sample) - one(start))
    return Integrated(
        scores=attributions[0].sum(dim=-1).flatten()[content],
        difference=difference,
        completeness_gap=abs(float(attributions.sum()) - difference),
    )
