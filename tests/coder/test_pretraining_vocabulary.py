from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from surecode.coder.encoder import tokenizer_from
from surecode.coder.pretraining_settings import VocabularySettings
from surecode.coder.pretraining_vocabulary import (
    NewWords,
    add_embeddings,
    find_words,
    tokens_per_word,
    with_words,
)
from surecode.errors import InputError

# fiebre 6 letters = 6 pieces, dolor 5, tos 3 of the tiny vocabulary; chest is one word of it.
TEXTS = ["fiebre tos chest", "Fiebre, fiebre y dolor", "dolor dolor dolor tos", "tos x9y9z9 a1b2"]


def settings_of(extend: int, minimum_documents: int = 1) -> VocabularySettings:
    return VocabularySettings(extend=extend, minimum_documents=minimum_documents)


def test_words_are_chosen_by_the_tokens_that_they_save(
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    found = find_words(tiny_tokenizer, TEXTS, settings_of(10))
    # dolor 4 times 4, fiebre 3 times 5, tos 3 times 2; y is a token, numbers never are words.
    assert found.words == ("dolor", "fiebre", "tos")
    assert found.saved == (16, 15, 6)
    pieces = tiny_tokenizer("tos", add_special_tokens=False)["input_ids"]
    assert list(found.pieces[2]) == pieces
    assert find_words(tiny_tokenizer, TEXTS, settings_of(1)).words == ("dolor",)


def test_a_word_of_too_few_documents_stays_out(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    assert find_words(tiny_tokenizer, TEXTS, settings_of(10, 3)).words == ("tos",)
    texts = [*TEXTS, *["gutierrez " * 500]]
    assert "gutierrez" not in find_words(tiny_tokenizer, texts, settings_of(10, 2)).words


def test_what_would_be_saved_is_saved(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    found = find_words(tiny_tokenizer, TEXTS, settings_of(10))
    extended = with_words(tiny_tokenizer, found.words)
    words = sum(len(text.split()) for text in TEXTS)
    before, after = (tokens_per_word(t, TEXTS) for t in (tiny_tokenizer, extended))
    assert (before - after) * words == pytest.approx(sum(found.saved))


@given(
    st.lists(st.sampled_from(["fever", "dolor", "fiebre", "tos", "toser", "x", "."]), max_size=9)
)
def test_a_new_word_is_one_token_and_every_other_as_before(
    tiny_tokenizer: PreTrainedTokenizerBase,
    extended: PreTrainedTokenizerBase,
    words: list[str],
) -> None:
    text = " ".join(words)
    own = extended.tokenize(text)
    expected = [
        piece
        for word in words
        for piece in (
            [word]
            if word in ("dolor", "fiebre", "tos")
            else ["tos", "##e", "##r"]  # a new word also begins longer ones
            if word == "toser"
            else tiny_tokenizer.tokenize(word)
        )
    ]
    assert own == expected


@pytest.fixture(scope="module")
def extended(tiny_tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    return with_words(tiny_tokenizer, ["dolor", "fiebre", "tos"])


def test_an_extended_tokenizer_survives_its_files(
    tiny_tokenizer: PreTrainedTokenizerBase, extended: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    extended.save_pretrained(tmp_path)
    back = tokenizer_from(tmp_path)
    first = len(tiny_tokenizer)
    assert len(back) == first + 3
    assert back("Dolor fiebre fever")["input_ids"] == extended("Dolor fiebre fever")["input_ids"]
    assert back("dolor", add_special_tokens=False)["input_ids"] == [first]
    assert back.all_special_ids == tiny_tokenizer.all_special_ids


def test_a_new_embedding_is_the_mean_of_its_pieces_and_the_old_ones_stay(
    tiny_encoder: Callable[[], BertModel],
) -> None:
    encoder = tiny_encoder()
    old = encoder.get_input_embeddings().weight.detach().clone()
    first = len(old)
    # The second is made of the first, as a word of pieces that were added might be.
    add_embeddings(encoder, NewWords(("ab", "abc"), ((5, 6), (7, 8, 9)), (1, 1)), first)
    table = encoder.get_input_embeddings().weight.detach()
    assert table.shape == (first + 2, 32)
    assert encoder.config.vocab_size == first + 2
    assert torch.equal(table[:first], old)
    for row, pieces in ((first, (5, 6)), (first + 1, (7, 8, 9))):
        for place in range(32):
            total = sum((Fraction(float(old[p, place])) for p in pieces), Fraction())
            exact = total / len(pieces)
            # Within a rounding or two of the exact mean in single precision.
            largest = max(abs(float(old[p, place])) for p in pieces)
            assert abs(Fraction(float(table[row, place])) - exact) <= 2 * 2**-23 * largest
    with torch.no_grad():
        states = encoder(torch.tensor([[2, first, first + 1, 3]])).last_hidden_state
    assert torch.isfinite(states).all()


def test_spare_rows_of_the_table_are_used_before_it_grows(
    tiny_encoder: Callable[[], BertModel],
) -> None:
    encoder = tiny_encoder()
    rows = len(encoder.get_input_embeddings().weight)
    expected = encoder.get_input_embeddings().weight[[5, 6]].mean(dim=0).detach().clone()
    add_embeddings(encoder, NewWords(("ab",), ((5, 6),), (1,)), rows - 4)
    table = encoder.get_input_embeddings().weight
    assert len(table) == rows
    assert torch.equal(table[rows - 4], expected)


@pytest.mark.parametrize("texts", [["fever cough pain"], ["dolor"], ["x9y9 12 %"]])
def test_a_vocabulary_is_not_extended_for_nothing(
    tiny_tokenizer: PreTrainedTokenizerBase, texts: list[str]
) -> None:
    with pytest.raises(InputError, match=r"^vocabulary\.extend=5: no word .* set vocab") as error:
        find_words(tiny_tokenizer, texts, settings_of(5, 2))
    assert "\n" not in str(error.value)
    assert "dolor" not in str(error.value)


def test_only_wordpiece_learns_words() -> None:
    backend = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "ab": 2}, merges=[("a", "b")]))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="a", pad_token="a")
    with pytest.raises(InputError, match=r"no WordPiece tokenizer.*set vocabulary\.extend=0"):
        find_words(tokenizer, TEXTS, settings_of(5))
