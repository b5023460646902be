"""What attribution needs of a network, and nothing more: one encounter as the network reads it.

`surecode.coder.attribution_view` makes one from a network and a batch. The evidence room does not
know what lies behind it.

Legend: W windows, L tokens of the longest, l of one, T content tokens, D width, K codes, n some of
them, m copies of a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class WindowPart:
    """Where one window's content tokens stand."""

    length: int  # l, special tokens included
    tokens: slice  # among the T content tokens of the encounter
    places: slice  # among the l tokens of the window


class Cotangents(Protocol):
    """The gradients of n logits with respect to the T token states that the head reads."""

    def at(self, tokens: slice, columns: Tensor) -> Tensor:
        """``[c, t, D]`` in fp32, for some tokens and for c of the n codes (positions ``[c]``)."""
        ...


class NetworkView(Protocol):
    """One encounter as its network reads it; all tensors on the network's device."""

    @property
    def codes(self) -> int:
        """K, size of the label space."""
        ...

    @property
    def windows(self) -> Sequence[WindowPart]:
        """The W windows, in the order of the content tokens."""
        ...

    @property
    def token_ids(self) -> Tensor:
        """``[T]`` int64 ids of the content tokens."""
        ...

    @property
    def embeddings(self) -> Tensor:
        """``[W, L, D]`` word embeddings in fp32, before positions and layers."""
        ...

    @property
    def masked(self) -> Tensor:
        """``[W, L, D]``: the embeddings of the encounter with every content token masked."""
        ...

    def states(self) -> Tensor:
        """States ``[T, D]`` of the content tokens, as coding computes them; without a gradient."""
        ...

    def encode(self, embeddings: Tensor) -> Tensor:
        """States ``[m, l, D]`` in fp32 of windows of one length, from embeddings ``[m, l, D]``.

        The windows do not see each other. Differentiable.
        """
        ...

    def logits(self, states: Tensor, codes: Tensor) -> Tensor:
        """Logits ``[n]`` of codes ``[n]`` from all states ``[T, D]``."""
        ...

    def attention(self, states: Tensor, codes: Tensor) -> Tensor:
        """Attention ``[T, n]`` of the codes; columns sum to 1."""
        ...

    def contributions(self, states: Tensor, codes: Tensor) -> Tensor:
        """What each token adds to the logits, ``[T, n]``."""
        ...

    def offset(self, states: Tensor, codes: Tensor) -> Tensor:
        """The part ``[n]`` of the logits that stands on no token."""
        ...

    def cotangents(self, states: Tensor, codes: Tensor) -> Cotangents:
        """Gradients of the codes' logits with respect to the states ``[T, D]``."""
        ...
