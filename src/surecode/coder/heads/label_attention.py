"""Label attention whose logit is an exact sum of token contributions.

Legend: T tokens, K codes, n some of them, D encoder width, P projection.

For the tokens t of one encounter and code k (LAAT; Vu et al. 2020, arXiv 2007.06351, eq. 2-6):

    z_t = tanh(W_z h_t)          a_kt = softmax_t(u_k . z_t)
    logit_k = sum_t a_kt (v_k . h_t) + b_k

There is no LayerNorm and no non-linearity after pooling, so ``a_kt (v_k . h_t)`` is what token t
adds to the logit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from surecode.coder.heads.head import Head, Tensors


class LabelAttention(Head):
    """One attention query and one output vector per code.

    Args:
        width: D, width of the token states.
        codes: K, size of the label space.
        projection: P, width in which queries and tokens meet.
        code_chunk: most codes attended at a time.
    """

    def __init__(self, width: int, codes: int, projection: int, code_chunk: int = 2048) -> None:
        super().__init__(code_chunk)
        self.project = nn.Linear(width, projection, bias=False)
        self.query = nn.Parameter(torch.empty(codes, projection))
        self.value = nn.Parameter(torch.empty(codes, width))
        self.bias = nn.Parameter(torch.zeros(codes))
        nn.init.normal_(self.query, std=1 / math.sqrt(projection))
        nn.init.normal_(self.value, std=1 / math.sqrt(width))

    def prepare(self, states: Tensor) -> Tensors:
        """``z [T, P]`` and the states ``[T, D]`` themselves."""
        return torch.tanh(self.project(states)), states

    def rows(self) -> Tensors:
        """Queries ``[K, P]``, values ``[K, D]``, bias ``[K]``."""
        return self.query, self.value, self.bias

    def score(self, shared: Tensors, rows: Tensors) -> Tensor:
        """``u_k . z_t``."""
        return shared[0] @ rows[0].T

    def worth(self, shared: Tensors, rows: Tensors) -> Tensor:
        """``v_k . h_t``."""
        return shared[1] @ rows[1].T

    def constant(self, rows: Tensors) -> Tensor:
        """``b_k``."""
        return rows[2]
