"""Label attention whose logit is an exact sum of token contributions.

Legend: E encounters, T content tokens of all encounters, K codes, D encoder width, P projection.

For the tokens t of one encounter and code k (LAAT; Vu et al. 2020, arXiv 2007.06351, eq. 2-6):

    z_t = tanh(W_z h_t)          a_kt = softmax_t(u_k . z_t)
    logit_k = sum_t a_kt (v_k . h_t) + b_k

There is no LayerNorm and no non-linearity after pooling, so ``a_kt (v_k . h_t)`` is what token t
adds to the logit: evidence comes free with the forward pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class HeadOutput:
    """Logits and what they are made of: ``logits[e] = contributions of e's tokens + bias``."""

    logits: Tensor  # [E, K]
    contributions: Tensor  # [T, K]
    attention: Tensor  # [T, K], sums to 1 over the tokens of each encounter


class LabelAttention(nn.Module):
    """One attention query and one output vector per code.

    Args:
        width: D, width of the token states.
        codes: K, size of the label space.
        projection: P, width in which queries and tokens meet.
    """

    def __init__(self, width: int, codes: int, projection: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, projection, bias=False)
        self.query = nn.Parameter(torch.empty(codes, projection))
        self.value = nn.Parameter(torch.empty(codes, width))
        self.bias = nn.Parameter(torch.zeros(codes))
        nn.init.normal_(self.query, std=1 / math.sqrt(projection))
        nn.init.normal_(self.value, std=1 / math.sqrt(width))

    def start_at(self, frequency: Tensor) -> None:
        """Set the bias to the log-odds of each code's frequency ``[K]`` in the training split.

        Without it the first epoch is spent on learning that most codes are rare.
        """
        with torch.no_grad():
            self.bias.copy_(torch.logit(frequency.clamp(1e-4, 1 - 1e-4)))

    def forward(self, states: Tensor, tokens: tuple[int, ...]) -> HeadOutput:
        """Attend from every code to the tokens of each encounter.

        Args:
            states: ``[T, D]`` token states, the encounters one after the other.
            tokens: E numbers of tokens, summing up to T.
        """
        scores = torch.tanh(self.project(states)) @ self.query.T  # [T, K]
        attention = torch.cat([part.softmax(dim=0) for part in torch.split(scores, list(tokens))])
        contributions = attention * (states @ self.value.T)
        logits = (
            torch.stack([part.sum(dim=0) for part in torch.split(contributions, list(tokens))])
            + self.bias
        )
        return HeadOutput(logits, contributions, attention)
