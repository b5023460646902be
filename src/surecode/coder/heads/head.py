"""What every head is: attention over tokens, and logits that are sums over tokens.

Legend: E encounters, T content tokens of all encounters, t those of one, K codes, n some of them,
D encoder width, P projection.

For the tokens t of one encounter and code k, with ``a_kt = softmax_t(score_kt)``:

    logit_k = sum_t a_kt * worth_kt * scale_k + offset_k

``worth`` is what a token says of a code, ``scale`` is 1 unless the head normalises what it pooled.
A summand is the token's contribution: evidence comes with the forward pass.

Codes are attended ``code_chunk`` at a time. Where gradients are wanted and there is more than one
chunk, the arrays ``[T, code_chunk]`` are not kept but computed again in the backward pass (Chen et
al. 2016, arXiv 1604.06174), so that memory does not grow with the label space. Price: the head's
forward pass runs twice.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Tensors = tuple[Tensor, ...]


class Head(nn.Module):
    """Attends from every code to the tokens of each encounter.

    A kind of head says what it needs of the tokens (`prepare`) and of the codes (`rows`), and from
    these `score`, `worth`, `scale` and `constant`; all else is here.

    Args:
        code_chunk: most codes attended at a time.
    """

    bias: nn.Parameter  # [K]

    def __init__(self, code_chunk: int) -> None:
        super().__init__()
        self.code_chunk = code_chunk

    @property
    def codes(self) -> int:
        """K, size of the label space."""
        return len(self.bias)

    def start_at(self, frequency: Tensor) -> None:
        """Set the bias to the log-odds of each code's frequency ``[K]`` in the training split.

        Without it the first epoch is spent on learning that most codes are rare.
        """
        with torch.no_grad():
            self.bias.copy_(torch.logit(frequency.clamp(1e-4, 1 - 1e-4)))

    def forward(self, states: Tensor, tokens: Sequence[int]) -> Tensor:
        """Logits ``[E, K]``.

        Args:
            states: ``[T, D]`` token states, the encounters one after the other.
            tokens: E numbers of tokens, each at least 1, summing up to T.
        """
        shared, rows, lengths = self.prepare(states), self.rows(), list(tokens)
        # Not slices: the gradient of each slice would be as large as all the rows.
        chunks = list(zip(*(torch.split(row, self.code_chunk) for row in rows), strict=True))
        if len(chunks) == 1 or not torch.is_grad_enabled():
            logits = [self._logits(lengths, shared, chunk) for chunk in chunks]
        else:
            logits = [
                checkpoint(
                    self._logits,
                    lengths,
                    shared,
                    chunk,
                    use_reentrant=False,
                    preserve_rng_state=False,  # nothing here is random
                )
                for chunk in chunks
            ]
        return torch.cat(logits, dim=1)

    def scores(self, states: Tensor, codes: Tensor) -> Tensor:
        """Logarithms ``[t, n]`` of the attention, up to a constant for each code.

        Args:
            states: ``[t, D]`` token states of one encounter.
            codes: ``[n]`` int64 positions in the label space.
        """
        return self.score(self.prepare(states), self._rows_of(codes))

    def attention(self, states: Tensor, codes: Tensor) -> Tensor:
        """Attention ``[t, n]`` from codes ``[n]`` to one encounter's tokens; columns sum to 1."""
        return self.scores(states, codes).softmax(dim=0)

    def contributions(self, states: Tensor, codes: Tensor) -> Tensor:
        """What each token of one encounter adds to the logits of some codes.

        Summed over tokens, with `offset` added, they are the logits, up to rounding.

        Args:
            states: ``[t, D]`` token states of one encounter.
            codes: ``[n]`` int64 positions in the label space.

        Returns:
            ``[t, n]``, in logits.
        """
        shared, rows = self.prepare(states), self._rows_of(codes)
        attention = self.score(shared, rows).softmax(dim=0)
        return attention * self.worth(shared, rows) * self.scale(attention, shared)

    def offset(self, states: Tensor, codes: Tensor) -> Tensor:
        """The part ``[n]`` of the logits of codes ``[n]`` that stands on no token."""
        return self.constant(self._rows_of(codes))

    @abstractmethod
    def prepare(self, states: Tensor) -> Tensors:
        """What all codes read of the tokens: arrays ``[T, ...]`` from states ``[T, D]``."""

    @abstractmethod
    def rows(self) -> Tensors:
        """What belongs to the single codes: arrays ``[K, ...]``."""

    @abstractmethod
    def score(self, shared: Tensors, rows: Tensors) -> Tensor:
        """``[T, n]``: how much each code looks at each token, before the softmax."""

    @abstractmethod
    def worth(self, shared: Tensors, rows: Tensors) -> Tensor:
        """``[T, n]``, or ``[T, 1]`` where it is the same for all codes."""

    @abstractmethod
    def constant(self, rows: Tensors) -> Tensor:
        """``[n]``: what a logit is without any token."""

    def scale(self, attention: Tensor, shared: Tensors) -> Tensor:
        """``[n]``: factor of a code's whole sum, from its attention ``[t, n]``; 1 as a rule."""
        return attention.new_ones(1)

    def _rows_of(self, codes: Tensor) -> Tensors:
        return tuple(row[codes] for row in self.rows())

    def _logits(self, lengths: list[int], shared: Tensors, rows: Tensors) -> Tensor:
        """Logits ``[E, n]`` of one chunk of codes."""
        # One matrix product over all encounters; what is done for each of them is elementwise.
        scores = torch.split(self.score(shared, rows), lengths)
        worths = torch.split(self.worth(shared, rows), lengths)
        own = zip(*(torch.split(part, lengths) for part in shared), strict=True)
        sums = []
        for score, worth, part in zip(scores, worths, own, strict=True):
            attention = score.softmax(dim=0)
            sums.append((attention * worth).sum(dim=0) * self.scale(attention, part))
        return torch.stack(sums) + self.constant(rows)
