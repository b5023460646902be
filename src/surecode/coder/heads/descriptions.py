"""Label attention whose queries and values are made from the codes' descriptions.

Legend: T tokens, K codes, n some of them, D encoder width, P projection.

The logit is that of label attention, an exact sum over tokens. For a code with the description
embedding e_k (the mean state that the encoder gives its words, standardised over the described
codes), query and value are learned functions of the description alone:

    u_k = W_q e_k + c_q          v_k = W_v e_k + c_v

so that a code that training never saw gets both from its description (zero-shot label attention;
Rios and Kavuluru 2018, aclanthology D18-1352). A code without a description, such as any CPT code,
has a query and a value of its own. Every code has a bias of its own: how often a code is assigned
does not follow from what it means. A code added later gets the lowest decile of the others' biases,
since what has not been seen in training is rare.

Price: two codes with one description get one logit, up to their biases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from surecode.coder.heads.head import Head, Tensors
from surecode.errors import InputError

PRIOR_QUANTILE = 0.1


class Descriptions(Head):
    """Label attention over description embeddings; it can grow by codes without training.

    The embeddings and their standardisation are buffers: they are saved with the weights, and a
    head loads into one that was never described.

    Args:
        width: D, width of the token states and of the embeddings.
        codes: K, size of the label space.
        projection: P, width in which queries and tokens meet.
        code_chunk: most codes attended at a time.
    """

    embedding: Tensor  # [K, D] standardised, 0 for a code without a description
    described: Tensor  # [K] bool
    centre: Tensor  # [D]
    spread: Tensor  # []

    def __init__(self, width: int, codes: int, projection: int, code_chunk: int = 2048) -> None:
        super().__init__(code_chunk)
        self.project = nn.Linear(width, projection, bias=False)
        self.to_query = nn.Linear(width, projection)
        self.to_value = nn.Linear(width, width)
        self.query = nn.Parameter(torch.empty(codes, projection))
        self.value = nn.Parameter(torch.empty(codes, width))
        self.bias = nn.Parameter(torch.zeros(codes))
        self.register_buffer("embedding", torch.zeros(codes, width))
        self.register_buffer("described", torch.zeros(codes, dtype=torch.bool))
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(()))
        # A standardised embedding is sqrt(D) long: queries and values begin as long as those of
        # label attention.
        for made, own in ((self.to_query, self.query), (self.to_value, self.value)):
            std = 1 / math.sqrt(own.shape[1])
            nn.init.normal_(own, std=std)
            nn.init.normal_(made.weight, std=std / math.sqrt(width))
            nn.init.zeros_(made.bias)

    def describe(self, embeddings: Tensor, described: Tensor) -> None:
        """Give the codes their descriptions; before training, for it changes every logit.

        Args:
            embeddings: ``[K, D]``, whatever values where a code has no description.
            described: ``[K]`` bool.
        """
        known = embeddings[described]
        with torch.no_grad():
            # One embedding alone would become 0 if it were centred, and nothing could tell it.
            self.centre.copy_(known.mean(dim=0) if len(known) > 1 else torch.zeros(known.shape[1]))
            spread = (known - self.centre.to(known)).square().mean().sqrt()
            self.spread.copy_(spread.clamp(min=1e-6) if len(known) else torch.ones(()))
            self.described.copy_(described)
            standardised = self._standardised(embeddings)
            self.embedding.copy_(torch.where(self.described[:, None], standardised, 0.0))

    def grown(self, embeddings: Tensor, positions: Sequence[int]) -> Descriptions:
        """A new head with n more codes, without a gradient step; the old ones keep their logits.

        Args:
            embeddings: ``[n, D]`` of the added codes.
            positions: where they stand in the new label space of K + n codes, all different.

        Raises:
            InputError: no code of this head has a description, so there is nothing that would
                make a query from one.
        """
        if not self.described.any():
            raise InputError(
                "head descriptions: none of its codes has a description, so it cannot take codes "
                "by theirs; train with descriptions of the codes (head.descriptions)"
            )
        total = self.codes + len(positions)
        added = torch.zeros(total, dtype=torch.bool)
        added[list(positions)] = True
        projection, width = self.project.weight.shape
        head = Descriptions(width, total, projection, self.code_chunk).to(self.bias.device)
        state = dict(self.state_dict())
        # In the order of their positions, for the rows are filled from top to bottom.
        new = self._standardised(embeddings)[torch.as_tensor(list(positions)).argsort()]
        fill = {
            "query": torch.zeros(()),  # never read: these codes have a description
            "value": torch.zeros(()),
            "bias": torch.quantile(self.bias.detach(), PRIOR_QUANTILE),
            "described": torch.ones((), dtype=torch.bool),
            "embedding": new,
        }
        for name, value in fill.items():
            old = state[name]
            rows = old.new_empty(total, *old.shape[1:])
            rows[~added] = old
            rows[added] = value.to(old)
            state[name] = rows
        head.load_state_dict(state)
        return head.train(self.training)

    def prepare(self, states: Tensor) -> Tensors:
        """``z [T, P]`` and the states ``[T, D]`` themselves."""
        return torch.tanh(self.project(states)), states

    def rows(self) -> Tensors:
        """Embeddings, own queries, own values, whether described, bias."""
        return self.embedding, self.query, self.value, self.described[:, None], self.bias

    def score(self, shared: Tensors, rows: Tensors) -> Tensor:
        """``u_k . z_t``."""
        embedding, own, _, described, _ = rows
        return shared[0] @ torch.where(described, self.to_query(embedding), own).T

    def worth(self, shared: Tensors, rows: Tensors) -> Tensor:
        """``v_k . h_t``."""
        embedding, _, own, described, _ = rows
        return shared[1] @ torch.where(described, self.to_value(embedding), own).T

    def constant(self, rows: Tensors) -> Tensor:
        """``b_k``."""
        return rows[4]

    def _standardised(self, embeddings: Tensor) -> Tensor:
        return (embeddings.to(self.centre) - self.centre) / self.spread
