"""The gradient of logits with respect to token states, in closed form.

Attribution needs it for many codes of one encounter, and a backward pass for each of them would
cost more than the encoder. Every head attends and sums, so with the attention a_kt, what a token is
worth w_kt, and the pooled worth ``y_k = sum_t a_kt w_kt``,

    dlogit_k / dh_t = a_kt (alpha_k + pull_kt * beta_kt)

alpha_k: what the pooled sum makes of a state's value. pull_kt: how far the token is worth more than
the average, which is what attending to it more would bring. beta_kt: the gradient of its score.

    label attention    alpha_k = v_k     pull_kt = w_kt - y_k    beta_kt = W^T ((1 - z_t^2) * u_k)
    cross-attention    alpha_k = W_v^T C g_k   pull_kt = g_k . (c_t - p_k)   beta_kt = W_k^T q_k

with ``p_k = sum_t a_kt c_t``, C the matrix that takes the mean off, and g_k the gradient of the
logit with respect to p_k, through the LayerNorm (the notation is that of each head's own file).

Legend: T tokens of one encounter, K codes, n some of them, c some of the n, D encoder width, P
projection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import torch
from torch import Tensor

from surecode.coder.heads.cross_attention import CrossAttention
from surecode.coder.heads.descriptions import Descriptions
from surecode.coder.heads.head import Head, Tensors
from surecode.coder.heads.label_attention import LabelAttention


@dataclass(frozen=True)
class ClosedForm:
    """``a_kt (alpha_k + pull_kt (query_k * slope_t) weight)``."""

    attention: Tensor  # [n, T]
    pull: Tensor  # [n, T]
    alpha: Tensor  # [n, D]
    query: Tensor  # [n, P]
    weight: Tensor  # [P, D]
    slope: Tensor | None  # [T, P], None for ones

    def at(self, tokens: slice, columns: Tensor) -> Tensor:
        """``[c, t, D]`` for some tokens and for c of the n codes."""
        query = self.query[columns]
        if self.slope is None:
            beta = (query @ self.weight)[:, None]
        else:
            beta = (query[:, None] * self.slope[tokens]) @ self.weight
        attention, pull = self.attention[columns, tokens], self.pull[columns, tokens]
        towards = torch.addcmul(self.alpha[columns][:, None], pull[..., None], beta)
        return towards.mul_(attention[..., None])


@dataclass(frozen=True)
class Whole:
    """All gradients ``[n, T, D]``, where a head has no closed form."""

    gradients: Tensor

    def at(self, tokens: slice, columns: Tensor) -> Tensor:
        """``[c, t, D]`` for some tokens and for c of the n codes."""
        return self.gradients[columns, tokens]


@singledispatch
def cotangents(head: Head, states: Tensor, codes: Tensor) -> ClosedForm | Whole:
    """Gradients of the logits of codes ``[n]`` with respect to one encounter's states ``[T, D]``.

    In the precision of states and head. A kind of head that is not known here is differentiated:
    n backward passes through the head alone, and memory for ``[n, T, D]``.
    """
    with torch.enable_grad():
        leaf = states.detach().clone().requires_grad_()
        logits = head.contributions(leaf, codes).sum(dim=0)
        rows = [torch.autograd.grad(logit, leaf, retain_graph=True)[0] for logit in logits]
    return Whole(torch.stack(rows) if rows else states.new_zeros(0, *states.shape))


@cotangents.register
@torch.no_grad()
def _of_label_attention(head: LabelAttention, states: Tensor, codes: Tensor) -> ClosedForm:
    shared, rows = head.prepare(states), _chosen(head, codes)
    return _label_attention(head, shared, rows, query=rows[0], value=rows[1])


@cotangents.register
@torch.no_grad()
def _of_descriptions(head: Descriptions, states: Tensor, codes: Tensor) -> ClosedForm:
    shared, rows = head.prepare(states), _chosen(head, codes)
    embedding, own_query, own_value, described, _ = rows
    query = torch.where(described, head.to_query(embedding), own_query)
    value = torch.where(described, head.to_value(embedding), own_value)
    return _label_attention(head, shared, rows, query, value)


def _label_attention(
    head: LabelAttention | Descriptions,
    shared: Tensors,
    rows: Tensors,
    query: Tensor,
    value: Tensor,
) -> ClosedForm:
    attention = head.score(shared, rows).softmax(dim=0)
    worth = head.worth(shared, rows)
    pull = worth - (attention * worth).sum(dim=0)
    slope = 1 - shared[0].square()
    return ClosedForm(attention.T, pull.T, value, query, head.project.weight, slope)


@cotangents.register
@torch.no_grad()
def _of_cross_attention(head: CrossAttention, states: Tensor, codes: Tensor) -> ClosedForm:
    shared, rows = head.prepare(states), _chosen(head, codes)
    attention = head.score(shared, rows).softmax(dim=0)
    centred, output = shared[1], head.norm.weight * head.output
    pooled = attention.T @ centred  # [n, D]
    rate = head.scale(attention, shared)[:, None]  # [n, 1], one over sigma
    # logit = (output . p) r with r = (mean p^2 + eps)^(-1/2), so dr/dp = -r^3 p / D.
    bend = rate**3 * (pooled @ output)[:, None] / pooled.shape[1]
    toward = rate * output - bend * pooled
    pull = toward @ centred.T - (toward * pooled).sum(dim=1, keepdim=True)
    # The centring is symmetric: it takes the mean off the gradient as it did off the value.
    alpha = (toward - toward.mean(dim=1, keepdim=True)) @ head.value.weight
    return ClosedForm(attention.T, pull, alpha, rows[0], head.key.weight, None)


def _chosen(head: Head, codes: Tensor) -> Tensors:
    return tuple(row[codes] for row in head.rows())
