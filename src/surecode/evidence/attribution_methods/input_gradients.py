"""Tier 1: input x gradient, and AttInGrad, from one shared forward pass.

With x_t a token's word embedding and z_k a logit:

    input_x_gradient_kt = sum_d x_td (dz_k / dx_td)
    attingrad_kt        = a_kt || x_t * dz_k / dx_t ||_2      (Edin et al. 2024, arXiv 2406.08958)

The first is what Captum's InputXGradient gives, summed over the width; the gradient of PLM-CA's
authors is taken behind the embedding's LayerNorm and its positions, ours before both, where masking
a word also acts.

Legend: T content tokens, l tokens of a window, D width, n codes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from surecode.evidence.attribution_methods.scores import Scores
from surecode.evidence.network_view import NetworkView
from surecode.evidence.window_gradients import Reduced, reduced_gradients


def input_x_gradient(view: NetworkView, codes: Tensor, mass_left_out: float) -> Scores:
    """Signed; 0 in windows that are left out.

    Where a LayerNorm reads each embedding by itself, as in ModernBERT, it sums to nothing but
    rounding (a function of x / |x| has x . df/dx = 0, Euler): take another method there.
    """

    def summed(products: Tensor) -> Tensor:
        return products.sum(dim=-1)

    found = _reduced(view, codes, mass_left_out, summed)
    return Scores(found.scores, found.logits[0], True, left_out=found.left_out)


def attingrad(view: NetworkView, codes: Tensor, mass_left_out: float) -> Scores:
    """At least 0; 0 in windows that are left out.

    The gradient will be multiplied by the attention, so windows are left out by their share of the
    cotangent's norm times the largest attention that the code pays in them.
    """

    def norm(products: Tensor) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(products, dim=-1)
        return norms

    def attention(states: Tensor) -> Tensor:
        with torch.no_grad():
            return view.attention(states, codes)

    found = _reduced(view, codes, mass_left_out, norm, attention)
    scores = attention(found.states[0]) * found.scores
    return Scores(scores, found.logits[0], False, left_out=found.left_out)


def _reduced(
    view: NetworkView,
    codes: Tensor,
    mass_left_out: float,
    over_width: Callable[[Tensor], Tensor],
    weight: Callable[[Tensor], Tensor] | None = None,
) -> Reduced:
    """Gradients times embeddings ``[l, D]``, each reduced to ``[l]``."""
    embeddings = view.embeddings

    def point(window: int) -> Tensor:
        return embeddings[window : window + 1, : view.windows[window].length]

    def reduce(window: int, gradient: Tensor) -> Tensor:
        return over_width((point(window) * gradient)[0])

    return reduced_gradients(view, point, codes, reduce, mass_left_out, weight)
