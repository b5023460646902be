"""What a method of attribution answers, still as tensors."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """Scores of T content tokens for n codes."""

    scores: Tensor  # [T, n]
    logits: Tensor  # [n]
    signed: bool  # whether a token can speak against a code
    explained: Tensor | None = None  # [n] what the scores should sum to, where they should
    left_out: Tensor | None = None  # [n] share of the cotangent's norm that was left out
