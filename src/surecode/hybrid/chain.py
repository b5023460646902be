"""Chances of labels along a chain of words, by the forward and backward sums.

Rabiner 1989 (doi 10.1109/5.18626, section III.A and V.A: sums that are scaled word by word).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Chain:
    """Of n words and L labels: what path sums need.

    ``forward`` ``[n, L]`` and ``backward`` ``[n, L]`` are scaled so that their product is each
    word's P(label); ``words`` ``[n, L]`` are factors of each word's labels and ``steps`` ``[L, L]``
    those of a label and the next.
    """

    forward: NDArray[np.float64]
    backward: NDArray[np.float64]
    words: NDArray[np.float64]
    steps: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.float64], steps: NDArray[np.float64]) -> Chain:
        """Sum over all paths.

        Args:
            scores: of each word's labels ``[n, L]``, n of 1 or more.
            steps: of a label and the next ``[L, L]``.
        """
        words = np.exp(scores - scores.max(axis=1, keepdims=True))
        factors = np.exp(steps)
        forward, backward = np.empty_like(words), np.ones_like(words)
        for n in range(len(words)):
            row = words[n] if n == 0 else (forward[n - 1] @ factors) * words[n]
            total = row.sum()
            forward[n] = row / total
            words[n] /= total
        for n in range(len(words) - 2, -1, -1):
            backward[n] = factors @ (words[n + 1] * backward[n + 1])
        return cls(forward, backward, words, factors)

    @cached_property
    def chances(self) -> NDArray[np.float64]:
        """P(label) of each word ``[n, L]``."""
        return self.forward * self.backward

    def path(self, first: int, labels: list[int]) -> float:
        """P(words from ``first`` on have these labels)."""
        p = float(self.forward[first, labels[0]])
        for n, (before, label) in enumerate(pairwise(labels), first + 1):
            p *= float(self.steps[before, label] * self.words[n, label])
        return min(p * float(self.backward[first + len(labels) - 1, labels[-1]]), 1.0)
