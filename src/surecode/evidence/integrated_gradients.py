"""Integrated gradients: of one code by Captum, and of many codes from shared forward passes.

`integrated_gradients` is Captum's, the oracle. `shared_integrated_gradients` has the same
quadrature; it encodes each point of the path once for all codes, many points in one call, and goes
back through the windows that matter (`surecode.evidence.window_gradients`).

The gradient is taken with respect to the word embeddings, passed through the network once: the
embedding layer of a network with windows must not be hooked, since Captum's layer methods are
silently wrong for a layer whose batch is not the sample (Captum #794, #904).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surecode.evidence.attribution_methods.scores import Scores
from surecode.evidence.network_view import NetworkView
from surecode.evidence.window_gradients import GRAPH_TOKENS, reduced_gradients


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
    # Half a second to import, and no coder at work needs it.
    from captum.attr import IntegratedGradients

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


def shared_integrated_gradients(
    view: NetworkView, codes: Tensor, steps: int, mass_left_out: float = 0.0
) -> Scores:
    """Sundararajan et al. 2017, eq. 3, from all words masked to the encounter as it is.

    The scores of a code sum up to what the words change in its logit, but for the error of the
    quadrature and for what is left out.

    Args:
        view: the encounter.
        codes: ``[n]`` int64 positions in the label space.
        steps: points of the Gauss-Legendre quadrature.
        mass_left_out: most of the cotangent's norm to leave out, at any few points of the path.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    embeddings, start = view.embeddings, view.masked
    shares = torch.from_numpy((nodes + 1) / 2).to(embeddings)
    parts = torch.from_numpy(weights / 2).to(embeddings)
    at_once = max(GRAPH_TOKENS // sum(part.length for part in view.windows), 1)
    scores, left_out = None, torch.zeros(len(codes), dtype=torch.float64)
    for share, part in zip(torch.split(shares, at_once), torch.split(parts, at_once), strict=True):

        def ends(window: int) -> tuple[Tensor, Tensor]:
            length = view.windows[window].length
            return start[window, :length], embeddings[window, :length]

        def point(window: int, share: Tensor = share) -> Tensor:
            begin, end = ends(window)
            return begin + share[:, None, None] * (end - begin)

        def reduce(window: int, gradient: Tensor, part: Tensor = part) -> Tensor:
            begin, end = ends(window)
            return ((end - begin) * (part[:, None, None] * gradient).sum(dim=0)).sum(dim=-1)

        found = reduced_gradients(view, point, codes, reduce, mass_left_out)
        scores = found.scores if scores is None else scores + found.scores
        left_out = torch.maximum(left_out, found.left_out)
    assert scores is not None
    logits, nothing = (_logits(view, rows, codes) for rows in (embeddings, start))
    return Scores(scores, logits, True, logits - nothing, left_out)


@torch.no_grad()
def _logits(view: NetworkView, rows: Tensor, codes: Tensor) -> Tensor:
    """Logits ``[n]`` of embeddings ``[W, L, D]``."""
    states = [
        view.encode(rows[window : window + 1, : part.length])[0, part.places]
        for window, part in enumerate(view.windows)
    ]
    return view.logits(torch.cat(states), codes)
