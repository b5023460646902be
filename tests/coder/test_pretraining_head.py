from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    BertModel,
    ModernBertConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from surecode.coder.encoder import load_encoder
from surecode.coder.pretraining_head import build_masked_head
from surecode.settings import EncoderSettings

TINY: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "initializer_range": 0.3,
}
FREQUENCY = torch.tensor([0.0] * 5 + [1 / 45] * 45)


@pytest.mark.parametrize(
    "config",
    [
        BertConfig(**TINY),
        RobertaConfig(**TINY, bos_token_id=2, eos_token_id=3),
        XLMRobertaConfig(**TINY, bos_token_id=2, eos_token_id=3),
        ModernBertConfig(**TINY, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3),
    ],
    ids=lambda config: str(config.model_type),
)
def test_a_published_head_gives_the_scores_of_transformers(tmp_path: Path, config: Any) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = AutoModelForMaskedLM.from_config(config).eval()
        # Fresh biases are zero, and would hide that one was taken for another.
        for name, parameter in whole.named_parameters():
            if parameter.ndim == 1:
                torch.nn.init.normal_(parameter, mean=float("norm" in name.lower()), std=0.3)
    whole.save_pretrained(tmp_path)
    settings = EncoderSettings(
        name=str(tmp_path),
        source="hub",
        revision=None,
        sha256=None,
        window_length=16,
        window_overlap=0,
    )
    encoder, _ = load_encoder(settings)
    head, published = build_masked_head(encoder, tmp_path / "model.safetensors", FREQUENCY, 0)
    assert published
    ids = torch.tensor([[2, 7, 11, 49, 30, 3]])
    with torch.no_grad():
        states = encoder.eval()(ids).last_hidden_state
        own = head(states[0], encoder.get_input_embeddings().weight)
        expected = whole(ids).logits[0]
    torch.testing.assert_close(own, expected, atol=1e-4, rtol=1e-4)


def test_a_fresh_head_knows_how_frequent_tokens_are_and_nothing_else(
    tiny_encoder: Callable[[], BertModel], tmp_path: Path
) -> None:
    encoder = tiny_encoder()
    encoder.save_pretrained(tmp_path)
    tokens = encoder.config.vocab_size
    frequency = torch.zeros(tokens)
    frequency[5:15] = torch.arange(1.0, 11.0) / 55
    head, published = build_masked_head(encoder, tmp_path / "model.safetensors", frequency, 3)
    assert not published
    torch.testing.assert_close(head.bias[5:15].exp(), frequency[5:15])
    assert (head.bias[:5].exp() < 1e-3 * frequency[5] * 1.001).all()
    with torch.no_grad():
        guess = head(torch.zeros(1, 32), encoder.get_input_embeddings().weight).softmax(1)[0]
    # The state says nothing, so that the guess is the frequency, but for the rest of a vocabulary.
    torch.testing.assert_close(guess[5:15], frequency[5:15], atol=2e-3, rtol=0)
    again, _ = build_masked_head(encoder, tmp_path / "model.safetensors", frequency, 3)
    other, _ = build_masked_head(encoder, tmp_path / "model.safetensors", frequency, 4)
    assert torch.equal(again.dense.weight, head.dense.weight)
    assert not torch.equal(other.dense.weight, head.dense.weight)


def test_the_last_matrix_is_the_encoders_own(
    tiny_encoder: Callable[[], BertModel], tmp_path: Path
) -> None:
    """Scores are the states' products with the embeddings, and their gradient reaches them."""
    encoder = tiny_encoder()
    encoder.save_pretrained(tmp_path)
    tokens = encoder.config.vocab_size
    head, _ = build_masked_head(
        encoder, tmp_path / "model.safetensors", torch.full((tokens,), 1 / tokens), 0
    )
    assert sum(p.numel() for p in head.parameters()) == 32 * 32 + 32 + 2 * 32 + tokens
    table = encoder.get_input_embeddings().weight
    states = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    hidden = head.norm(torch.nn.functional.gelu(head.dense(states)))
    torch.testing.assert_close(head(states, table), hidden @ table.T + head.bias)
    head(states, table)[:, 9].sum().backward()
    assert table.grad is not None
    torch.testing.assert_close(table.grad[9], hidden.detach().sum(0))
    assert table.grad.count_nonzero(dim=1).nonzero().flatten().tolist() == [9]
