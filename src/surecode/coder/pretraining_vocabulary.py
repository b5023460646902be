"""More words for a tokenizer: those of the corpus that it cuts into many pieces.

An English vocabulary cuts Spanish into pieces, so that a window holds fewer words and the encoder
must put words together before it can read. A word that becomes a token of its own starts as the
mean of the embeddings of its pieces, which is what the encoder saw on average where it stood.

Words enter by the tokens that they save: how often they occur, times their pieces less one. Only
words of letters that stand in several documents enter: numbers and rare words could tell who a
patient is, and a vocabulary travels in every bundle.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers.models import WordPiece
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from surecode.coder.encoder import tokenizer_from
from surecode.coder.pretraining_settings import VocabularySettings
from surecode.coder.pretraining_windows import tokenize
from surecode.errors import InputError


@dataclass(frozen=True)
class NewWords:
    """Words that a tokenizer learns.

    Attributes:
        words: n words, the most useful first, as the tokenizer's normaliser leaves them.
        pieces: for each word the ids of the pieces that it was cut into.
        saved: tokens that each word saves in the texts that it was found in.
    """

    words: tuple[str, ...]
    pieces: tuple[tuple[int, ...], ...]
    saved: tuple[int, ...]


def find_words(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], settings: VocabularySettings
) -> NewWords:
    """The ``settings.extend`` words that save most tokens, or fewer where there are not so many.

    Raises:
        InputError: the tokenizer is no WordPiece tokenizer, or no word saves a token.
    """
    if not isinstance(tokenizer.backend_tokenizer.model, WordPiece):
        raise InputError(
            f"vocabulary.extend={settings.extend}: the encoder's tokenizer is no WordPiece "
            "tokenizer, and only those learn words; set vocabulary.extend=0"
        )
    occurrences: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    for text in texts:
        words = Counter(word for word in _words(tokenizer, text) if word.isalpha())
        occurrences += words
        documents.update(words.keys())
    known = tokenizer.get_vocab()
    often = sorted(
        word
        for word, count in documents.items()
        if count >= settings.minimum_documents and word not in known
    )
    unknown = tokenizer.unk_token_id
    found = [
        (occurrences[word] * (len(pieces) - 1), word, tuple(int(i) for i in pieces))
        for word, pieces in zip(often, tokenize(tokenizer, often), strict=True)
        if len(pieces) > 1 and unknown not in pieces
    ]
    if not found:
        raise InputError(
            f"vocabulary.extend={settings.extend}: no word in {settings.minimum_documents} or more "
            "documents is cut into pieces, so there is nothing to learn; set vocabulary.extend=0"
        )
    chosen = sorted(found, key=lambda item: (-item[0], item[1]))[: settings.extend]
    saved, words_found, pieces_found = zip(*chosen, strict=True)
    return NewWords(words_found, pieces_found, saved)


def with_words(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> PreTrainedTokenizerBase:
    """A tokenizer that has the words as tokens of their own, their ids after all others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer.save_pretrained(folder)
        file = folder / "tokenizer.json"
        content = json.loads(file.read_text("utf-8"))
        vocabulary = content["model"]["vocab"]
        first = len(tokenizer)
        vocabulary |= {word: first + place for place, word in enumerate(words)}
        file.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        # Older files hold the vocabulary a second time, which would win.
        (folder / "vocab.txt").unlink(missing_ok=True)
        extended = tokenizer_from(folder)
    assert len(extended) == first + len(words)
    return extended


@torch.no_grad()
def add_embeddings(encoder: PreTrainedModel, new: NewWords, first: int) -> None:
    """Give the encoder an embedding for each new word: the mean of its pieces' embeddings.

    Args:
        encoder: changed in place; its old embeddings stay as they are.
        new: the words.
        first: the id of the first of them.
    """
    size = max(int(encoder.get_input_embeddings().weight.shape[0]), first + len(new.words))
    encoder.resize_token_embeddings(size, mean_resizing=False)
    table = encoder.get_input_embeddings().weight
    for place, pieces in enumerate(new.pieces):
        table[first + place] = table[list(pieces)].mean(dim=0)


def tokens_per_word(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> float:
    """Tokens of texts over their words, which white space separates."""
    words = sum(len(text.split()) for text in texts)
    return sum(map(len, tokenize(tokenizer, texts))) / max(words, 1)


def _words(tokenizer: PreTrainedTokenizerBase, text: str) -> Iterator[str]:
    """Words as the tokenizer's model sees them: normalised, and cut at white space and signs."""
    backend = tokenizer.backend_tokenizer
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    if backend.pre_tokenizer is None:
        yield from text.split()
    else:
        yield from (word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text))
