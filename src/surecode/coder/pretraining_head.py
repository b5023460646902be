"""From token states to the masked tokens: BERT's head, whose last matrix is the encoder's own.

``scores = W · norm(gelu(A · state + a)) + b``, with W the embeddings of the tokens (Devlin et al.
2019; tying: Press and Wolf 2017, arXiv 1608.05859). An encoder that was published with such a head
keeps it; the other encoders, MiniLM among them, get a fresh one that knows how frequent each token
is and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.functional import gelu, linear
from transformers import PreTrainedModel

# How published heads are named: dense, norm, bias of the decoder. All of them use GELU.
_PUBLISHED = (
    ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions"),
    ("lm_head.dense", "lm_head.layer_norm", "lm_head"),  # RoBERTa and its kin
    ("head.dense", "head.norm", "decoder"),  # ModernBERT
)


class MaskedHead(nn.Module):
    """Scores of every token of the vocabulary for states ``[M, D]``.

    The embeddings are handed over at every call, so that there is one copy of them.
    """

    def __init__(self, width: int, embedding: int, tokens: int, epsilon: float = 1e-12) -> None:
        super().__init__()
        self.dense = nn.Linear(width, embedding)
        self.norm = nn.LayerNorm(embedding, eps=epsilon)
        self.bias = nn.Parameter(torch.zeros(tokens))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """``[M, V]`` from states ``[M, D]`` and embeddings ``[V, E]``."""
        return linear(self.norm(gelu(self.dense(states))), embeddings, self.bias)

    @torch.no_grad()
    def start_at(self, frequency: Tensor) -> None:
        """Begin with the logarithm of how frequent each token is, ``[V]``.

        A token that never occurs counts as one occurrence in 1,000 of the rarest that does.
        """
        least = float(frequency[frequency > 0].min()) / 1000
        self.bias.copy_(frequency.clamp(min=least).log())


def build_masked_head(
    encoder: PreTrainedModel, weights: Path, frequency: Tensor, seed: int
) -> tuple[MaskedHead, bool]:
    """The head of an encoder, and whether it was published with it.

    Args:
        encoder: the encoder, its vocabulary of its own size or already extended.
        weights: the file of published weights.
        frequency: ``[V]`` how frequent each token is in the texts to learn from.
        seed: of a fresh head's weights.
    """
    config = encoder.config
    tokens, embedding = _table(encoder).shape
    epsilon = float(getattr(config, "layer_norm_eps", getattr(config, "norm_eps", 1e-12)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = MaskedHead(int(config.hidden_size), embedding, tokens, epsilon)
        nn.init.normal_(head.dense.weight, std=float(getattr(config, "initializer_range", 0.02)))
        nn.init.zeros_(head.dense.bias)
    head.start_at(frequency)
    published = _published(weights, head)
    if published is None:
        return head, False
    with torch.no_grad():
        for name, parameter in head.named_parameters():
            found = published.get(name)
            if name == "bias":
                # Tokens that were added have no published bias and keep their frequency's.
                known = torch.zeros(0) if found is None else found[:tokens]
                parameter[: len(known)].copy_(known)
            elif found is None:
                parameter.zero_()
            else:
                parameter.copy_(found)
    return head, True


def _table(encoder: PreTrainedModel) -> Tensor:
    table: Tensor = encoder.get_input_embeddings().weight
    return table


def _published(weights: Path, head: MaskedHead) -> Mapping[str, Tensor] | None:
    """A published head's weights under our names; None where there is none that fits."""
    with safe_open(weights, framework="pt") as file:
        names = set(file.keys())
        for dense, norm, decoder in _PUBLISHED:
            sources = {
                "dense.weight": f"{dense}.weight",
                "dense.bias": f"{dense}.bias",
                "norm.weight": f"{norm}.weight",
                "norm.bias": f"{norm}.bias",
                "bias": f"{decoder}.bias",
            }
            if not {sources["dense.weight"], sources["norm.weight"]} <= names:
                continue
            found = {
                name: file.get_tensor(source).float()
                for name, source in sources.items()
                if source in names
            }
            if found["dense.weight"].shape == head.dense.weight.shape:
                return found
    return None
