"""Documents → pieces of about a sentence, and texts → unit embeddings.

A piece is a sentence or a line, and beside it each of its clauses, because a diagnosis between
commas drowns in the mean over a long sentence; with abbreviations, it is read in full as well.
Price: most text is embedded twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surecode.coder.build import build_network
from surecode.coder.encoder import load_tokenizer
from surecode.coder.heads.embed import embed_descriptions
from surecode.coder.network import Network
from surecode.data.windows import Windower
from surecode.encounter import Document, Span
from surecode.evidence.assertion import assertion
from surecode.evidence.sections import sections
from surecode.lexicon.abbreviations import spelled_out
from surecode.settings import AdapterSettings, EncoderSettings, HeadSettings

Rows = Mapping[str, NDArray[np.float32]]  # embeddings by their text

# A line's end, or a full stop, question mark or exclamation mark before white space and no digit.
_SENTENCE = re.compile(r"[\n\r]+|(?<=[.!?])\s+(?!\d)")
_CLAUSE = re.compile(
    r"\s*[,;:()]\s+|\s+(?:and|or|with|for|due to|y|o|con|por|debido a)\s+", re.IGNORECASE
)
_LONGEST = 40  # words of a piece; what is longer is cut in halves that overlap
# The adapter of a network that only embeds: there is none.
_PLAIN = AdapterSettings(
    kind="frozen",
    rank=1,
    alpha=1,
    dropout=0,
    target_modules="attention",
    layers=None,
    learning_rate=1,
)
_NO_HEAD = HeadSettings(kind="descriptions", projection=1, code_chunk=1)


def units(spans: Sequence[Span]) -> NDArray[np.int64]:
    """Of each piece the position of the sentence that it lies in, ``[S]``; its own for a sentence.

    Args:
        spans: as `pieces` gives them.
    """
    found = np.arange(len(spans))
    outer = -1
    for k in sorted(
        found.tolist(), key=lambda k: (spans[k].document_id, spans[k].start, -spans[k].end)
    ):
        if outer < 0 or not _inside(spans[k], spans[outer]):
            outer = k
        found[k] = outer
    return found


def _inside(span: Span, other: Span) -> bool:
    return (
        span.document_id == other.document_id and other.start <= span.start <= span.end <= other.end
    )


def doubtful(documents: Iterable[Document], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Which pieces speak against a code: negated, hypothetical or of the family; ``[S]``."""
    texts = {document.document_id: document.text for document in documents}
    found = {name: sections(text) for name, text in texts.items()}
    said = {
        s: assertion(texts[s.document_id], s.start, s.end, found[s.document_id]).contrary
        for s in dict.fromkeys(spans)
    }
    return np.array([said[s] for s in spans], dtype=np.bool_)


def pieces(documents: Iterable[Document]) -> list[Span]:
    """Sentences and clauses of documents, in reading order; none twice."""
    return [
        Span(document.document_id, start, end)
        for document in documents
        for start, end in sorted(set(_pieces(document.text)))
    ]


def readings(documents: Sequence[Document]) -> tuple[list[Span], list[str]]:
    """The pieces of documents and their texts, and behind them those with abbreviations in full.

    A piece stands once more for each way in which its abbreviations may be read
    (`surecode.lexicon.abbreviations`).
    """
    spans = pieces(documents)
    texts = texts_of(documents, spans)
    more = [
        (span, text)
        for span, written in zip(spans, texts, strict=True)
        for text in spelled_out(written)
    ]
    return [*spans, *(span for span, _ in more)], [*texts, *(text for _, text in more)]


def texts_of(documents: Iterable[Document], spans: Sequence[Span]) -> list[str]:
    """What stands at each span."""
    texts = {document.document_id: document.text for document in documents}
    return [texts[span.document_id][span.start : span.end] for span in spans]


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    for start, end in _split(text, _SENTENCE, 0, len(text)):
        yield from _cut(text, start, end)
        for first, last in _split(text, _CLAUSE, start, end):
            yield from _cut(text, first, last)


def _split(text: str, pattern: re.Pattern[str], start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    for gap in pattern.finditer(text, start, end):
        yield from _trimmed(text, at, gap.start())
        at = gap.end()
    yield from _trimmed(text, at, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The piece without white space around it, where it holds a letter."""
    piece = text[start:end]
    if any(character.isalpha() for character in piece):
        begin = start + len(piece) - len(piece.lstrip())
        yield begin, begin + len(piece.strip())


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    words = [match.span() for match in re.finditer(r"\S+", text[start:end])]
    for first in range(0, max(1, len(words) - _LONGEST // 2), _LONGEST // 2):
        last = min(first + _LONGEST, len(words)) - 1
        yield from _trimmed(text, start + words[first][0], start + words[last][1])


@dataclass(frozen=True)
class Embedder:
    """Texts → the mean state of their tokens by a base encoder, of length 1.

    Special tokens are left out of the mean, as in the descriptions' embeddings of the head: on
    wordings of ICD-10-CM that ranks a little better than with them.
    """

    network: Network
    windower: Windower
    padding_id: int
    encoder: str  # sha256 of the weights

    @classmethod
    def load(cls, settings: EncoderSettings) -> Embedder:
        """Without an adapter, whatever a coder has trained; raises `InputError`."""
        network, lock = build_network(settings, _PLAIN, _NO_HEAD, 1)
        tokenizer = load_tokenizer(settings)
        return cls(
            network.eval().requires_grad_(False),
            Windower(tokenizer, settings.window_length, settings.window_overlap),
            int(tokenizer.pad_token_id or 0),
            lock.sha256,
        )

    def __call__(self, texts: Sequence[str], known: Rows | None = None) -> NDArray[np.float32]:
        """``[n, D]`` for n texts; one that stands several times is embedded once.

        Args:
            texts: n texts.
            known: embeddings that are at hand, by their text; they are not made again.

        Raises:
            InputError: a text holds nothing that the tokenizer knows.
        """
        found = dict(known or {})
        if lacking := [text for text in dict.fromkeys(texts) if text not in found]:
            states, _ = embed_descriptions(
                self.network.encode, self.windower, self.padding_id, lacking
            )
            rows = states.numpy()
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
            found |= zip(lacking, rows, strict=True)
        width = self.network.encoder.config.hidden_size
        return np.array([found[text] for text in texts], dtype=np.float32).reshape(-1, width)
