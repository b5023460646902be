from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import BertModel, PreTrainedTokenizerBase

from surecode.coder.heads.embed import embed_descriptions
from surecode.data.batches import Batch
from surecode.data.windows import Windower
from surecode.errors import InputError

TEXTS = ["fever", None, "pain of the chest", "no cough", "chest pain with fever " * 9, None]


class Encoder:
    """The tiny encoder as `Network.encode` has it; it keeps the batches that it was given."""

    def __init__(self, model: BertModel) -> None:
        self.model = model
        self.batches: list[Batch] = []

    def __call__(self, batch: Batch) -> Tensor:
        self.batches.append(batch)
        states = self.model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask
        ).last_hidden_state
        return states.flatten(0, 1)[batch.content]


@pytest.fixture
def encoder(tiny_encoder: Callable[[], BertModel]) -> Encoder:
    return Encoder(tiny_encoder())


def test_an_embedding_is_the_mean_state_of_the_descriptions_tokens(
    encoder: Encoder, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    embeddings, described = embed_descriptions(encoder, Windower(tiny_tokenizer, 32), 0, TEXTS[:4])
    assert described.tolist() == [True, False, True, True]
    assert not embeddings.requires_grad
    for row, text in zip(embeddings, TEXTS[:4], strict=True):
        if text is None:
            assert (row == 0).all()
            continue
        encoded = tiny_tokenizer(text, return_tensors="pt")
        states = encoder.model(**encoded).last_hidden_state[0, 1:-1]  # without [CLS] and [SEP]
        torch.testing.assert_close(row, states.mean(dim=0), atol=1e-5, rtol=1e-5)


def test_batches_keep_to_their_budget_and_change_nothing(
    encoder: Encoder, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    whole, _ = embed_descriptions(encoder, Windower(tiny_tokenizer, 16), 0, TEXTS)
    assert len(encoder.batches) == 1
    encoder.batches.clear()
    cut, _ = embed_descriptions(encoder, Windower(tiny_tokenizer, 16), 0, TEXTS, batch_tokens=16)
    assert len(encoder.batches) > 2
    alone = [batch for batch in encoder.batches if batch.input_ids.numel() > 16]
    assert all(len(batch.tokens) == 1 for batch in alone)
    assert len(alone) == 1  # the long description, in windows
    torch.testing.assert_close(cut, whole, atol=1e-5, rtol=1e-5)


def test_without_any_description_the_rows_are_empty(
    encoder: Encoder, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    embeddings, described = embed_descriptions(
        encoder, Windower(tiny_tokenizer, 32), 0, [None, None]
    )
    assert embeddings.tolist() == torch.zeros(2, 32).tolist()
    assert not described.any()


def test_a_description_without_a_word_is_refused(
    encoder: Encoder, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(InputError, match="description 2"):
        embed_descriptions(encoder, Windower(tiny_tokenizer, 32), 0, ["fever", None, " . "])
