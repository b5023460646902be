"""Gradients of n logits with respect to word embeddings: one forward pass, few backward passes.

Three facts make it cheap.

1. The windows do not see each other in the encoder. So the gradient of a logit in window w depends
   on nothing but the block ``G_kw`` of the cotangent ``dlogit_k / dstates`` that lies in w.
2. The head gives all cotangents without a backward pass (`NetworkView.cotangents`).
3. A code attends to few windows, so most blocks are next to nothing.

For each code the windows are kept, the largest block first, until at most ``mass_left_out`` of the
sum of the blocks' norms is left out; for each kept pair of code and window there is one backward
pass through that window. A method that multiplies the gradient by something says by how much
(``weight``), and the norms are weighed with it. With ``mass_left_out=0`` nothing is left out but
blocks that are exactly zero: the result is that of the full backward pass through the same encoder
calls, bit for bit.

Price: what is left out is bounded at the encoder's output, not at its input; `left_out` tells it.

Legend: W windows, l tokens of one, T content tokens, D width, n codes, m points at which the
gradient is taken (1 for the plain gradient, the steps of the quadrature for integrated gradients).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from surecode.denormals import without_denormals
from surecode.evidence.network_view import Cotangents, NetworkView, WindowPart

# Most tokens whose activations are kept for the backward passes; above it one window at a time is
# encoded a second time, and memory does not grow with the encounter.
GRAPH_TOKENS = 4096
# Codes whose cotangents [codes, l, D] are in memory together.
CODE_BLOCK = 32


@dataclass(frozen=True)
class Reduced:
    """What was made of the gradients, and what the head said at the points."""

    scores: Tensor  # [T, n]
    states: Tensor  # [m, T, D] the states that the head read
    logits: Tensor  # [m, n]
    left_out: Tensor  # [n] float64, share of the cotangent's (weighed) norm that was left out


def reduced_gradients(
    view: NetworkView,
    points: Callable[[int], Tensor],
    codes: Tensor,
    reduce: Callable[[int, Tensor], Tensor],
    mass_left_out: float,
    weight: Callable[[Tensor], Tensor] | None = None,
) -> Reduced:
    """Gradients of the logits at m points, reduced to one score per token as soon as they are made.

    Args:
        view: the encounter.
        points: window → its m embeddings ``[m, l, D]``, fp32.
        codes: ``[n]`` int64 positions in the label space.
        reduce: window and gradient ``[m, l, D]`` → scores ``[l]``.
        mass_left_out: most of the cotangent's norm, summed over windows, to leave out; from 0, and
            below 1.
        weight: states ``[T, D]`` → what the method will multiply each token's gradient by,
            ``[T, n]``, at least 0; a window's norm counts by the largest of it. None: by 1.
    """
    windows = view.windows
    traced: list[tuple[Tensor, Tensor] | None] = []
    states = []
    copies = len(points(0))
    keeps_graph = copies * sum(part.length for part in windows) <= GRAPH_TOKENS
    with without_denormals():
        for window, part in enumerate(windows):
            found = _trace(view, points, window, keeps_graph)
            traced.append(found if keeps_graph else None)
            states.append(found[1].detach()[:, part.places])
        together = torch.cat(states, dim=1)
        cotangents = [view.cotangents(one, codes) for one in together]
        norms = torch.stack([_norms(cotangents, part, len(codes)) for part in windows], dim=1)
        if weight is not None:
            factor = weight(together[0])
            largest = [factor[part.tokens].amax(dim=0).double().cpu() for part in windows]
            norms = norms * torch.stack(largest, dim=1)
        kept, left_out = largest_windows(norms, mass_left_out)
        scores = together.new_zeros(together.shape[1], len(codes))
        for window, part in enumerate(windows):
            if kept[:, window].any():
                leaf, ends = traced[window] or _trace(view, points, window, keeps_graph=True)
                traced[window] = None
                # Blocks are the same whatever is kept, as products of other sizes round otherwise.
                for block in torch.split(torch.arange(len(codes)), CODE_BLOCK):
                    wanted = kept[block, window].nonzero()[:, 0].tolist()
                    blocks = _blocks(cotangents, part, block.to(codes.device)) if wanted else ()
                    for place in wanted:
                        column, cotangent = int(block[place]), blocks[place]
                        into = torch.zeros_like(ends)
                        into[:, part.places] = cotangent
                        (gradient,) = torch.autograd.grad(ends, leaf, into, retain_graph=True)
                        scores[part.tokens, column] = reduce(window, gradient)[part.places]
                del leaf, ends  # the window's activations
    logits = torch.stack([view.logits(one, codes) for one in together])
    return Reduced(scores, together, logits, left_out)


def largest_windows(norms: Tensor, mass_left_out: float) -> tuple[Tensor, Tensor]:
    """Which windows each code keeps, as few as may be.

    Args:
        norms: ``[n, W]`` norms of the cotangent's blocks.
        mass_left_out: most of a code's summed norms to leave out.

    Returns:
        ``[n, W]`` bool, and the share ``[n]`` (float64) that is left out. Blocks of norm 0 are
        never kept; of equal blocks the later window is left out first.
    """
    exact = norms.double().cpu()
    order = exact.flip(1).argsort(dim=1, stable=True)  # the smallest first, then the later window
    order = exact.shape[1] - 1 - order
    below = exact.gather(1, order).cumsum(dim=1)
    total = below[:, -1:]
    out = torch.zeros_like(exact, dtype=torch.bool).scatter(
        1, order, below <= mass_left_out * total
    )
    left = (exact * out).sum(dim=1) / total[:, 0].clamp(min=torch.finfo(torch.float64).tiny)
    return ~out, left


def _trace(
    view: NetworkView, points: Callable[[int], Tensor], window: int, keeps_graph: bool
) -> tuple[Tensor, Tensor]:
    """A window's embeddings as a leaf ``[m, l, D]`` and its states ``[m, l, D]``."""
    leaf = points(window).detach().requires_grad_(keeps_graph)
    with torch.set_grad_enabled(keeps_graph):
        return leaf, view.encode(leaf)


def _norms(cotangents: list[Cotangents], part: WindowPart, codes: int) -> Tensor:
    """Norms ``[n]`` of one window's blocks, over all points."""
    squares = [
        sum(
            torch.linalg.vector_norm(one.at(part.tokens, block), dim=(1, 2)).double().square()
            for one in cotangents
        )
        for block in torch.split(torch.arange(codes), CODE_BLOCK)
    ]
    return torch.cat([torch.as_tensor(square).cpu() for square in squares]).sqrt()


def _blocks(cotangents: list[Cotangents], part: WindowPart, columns: Tensor) -> Tensor:
    """Cotangents ``[c, m, t, D]`` of one window's content tokens."""
    return torch.stack([one.at(part.tokens, columns) for one in cotangents], dim=1)
