"""Tier 0: what the head itself says of the tokens. One forward pass, no gradient.

Legend: T content tokens, n codes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from surecode.evidence.attribution_methods.scores import Scores
from surecode.evidence.network_view import NetworkView


def head(view: NetworkView, codes: Tensor) -> Scores:
    """The contributions of the head: with the offset they are the logit, up to rounding.

    They lie where the head reads, at the encoder's output: a state speaks for its whole window.
    """
    with torch.no_grad():
        states = view.states()
        contributions = view.contributions(states, codes)
        logits = view.logits(states, codes)
        return Scores(contributions, logits, True, logits - view.offset(states, codes))


def attention(view: NetworkView, codes: Tensor) -> Scores:
    """Where the codes look, whatever they make of it (Mullenbach et al. 2018, arXiv 1802.05695)."""
    with torch.no_grad():
        states = view.states()
        return Scores(view.attention(states, codes), view.logits(states, codes), False)
