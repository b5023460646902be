"""Cross-attention with keys, values and a LayerNorm after pooling, as in PLM-CA.

Legend: T tokens, t those of one encounter, K codes, n some of them, D encoder width, P projection.

For the tokens t of one encounter and code k (Edin et al. 2024, arXiv 2406.08958):

    a_kt = softmax_t(q_k . W_k h_t)     y_k = sum_t a_kt (W_v h_t + b_v)
    logit_k = w . LayerNorm(y_k) + b_k

Written out, with c_t the value ``W_v h_t + b_v`` less its mean over the D features, LayerNorm's
weight gamma and bias beta, and sigma_k the standard deviation of y_k:

    logit_k = sum_t a_kt ((gamma * w) . c_t) / sigma_k + w . beta + b_k

The summand is called token t's contribution. The sum is exact, but sigma_k depends on the tokens
as well and is held constant in that reading, as Ali et al. (2022, arXiv 2202.07304) propose
for LayerNorm: without a token the others' contributions would change.

Two departures from PLM-CA: its key has P = D, and its bias is one number for all codes; a bias for
each code lets training begin at the codes' frequencies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from surecode.coder.heads.head import Head, Tensors


class CrossAttention(Head):
    """One attention query per code; key, value, LayerNorm and output vector are common to all.

    Args:
        width: D, width of the token states.
        codes: K, size of the label space.
        projection: P, width of queries and keys.
        code_chunk: most codes attended at a time.
    """

    def __init__(self, width: int, codes: int, projection: int, code_chunk: int = 2048) -> None:
        super().__init__(code_chunk)
        self.key = nn.Linear(width, projection, bias=False)
        self.value = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.output = nn.Parameter(torch.empty(width))
        self.query = nn.Parameter(torch.empty(codes, projection))
        self.bias = nn.Parameter(torch.zeros(codes))
        nn.init.normal_(self.query, std=1 / math.sqrt(projection))
        nn.init.normal_(self.output, std=1 / math.sqrt(width))

    def prepare(self, states: Tensor) -> Tensors:
        """Keys ``[T, P]`` and centred values ``[T, D]``."""
        value = self.value(states)
        return self.key(states), value - value.mean(dim=-1, keepdim=True)

    def rows(self) -> Tensors:
        """Queries ``[K, P]``, bias ``[K]``."""
        return self.query, self.bias

    def score(self, shared: Tensors, rows: Tensors) -> Tensor:
        """``q_k . W_k h_t``."""
        return shared[0] @ rows[0].T

    def worth(self, shared: Tensors, rows: Tensors) -> Tensor:
        """``(gamma * w) . c_t``, ``[T, 1]``."""
        return (shared[1] @ (self.norm.weight * self.output))[:, None]

    def scale(self, attention: Tensor, shared: Tensors) -> Tensor:
        """``1 / sigma_k``."""
        pooled = attention.T @ shared[1]  # [n, D], its mean over D is 0
        return torch.rsqrt(pooled.square().mean(dim=-1) + self.norm.eps)

    def constant(self, rows: Tensors) -> Tensor:
        """``w . beta + b_k``."""
        return self.norm.bias @ self.output + rows[1]
