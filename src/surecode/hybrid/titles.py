"""What an encounter's sentences say of codes by their wordings alone, whether a term stands or not.

Wordings are those of the tables and of the English lists that ship, so only documents that are not
known to be in another language are read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surecode.encounter import Code, Document, Encounter, Span
from surecode.hybrid.sentences import Embedder, Rows, doubtful, readings, units
from surecode.hybrid.similarity import DescriptionSimilarity, Placed, ranked
from surecode.lexicon.documents import document_language
from surecode.lexicon.term import Term
from surecode.lexicon.tokens import fold


@dataclass(frozen=True)
class Near:
    """How near an encounter comes to each of M described codes.

    ``rank`` ``[M]`` orders codes by their scores, from 0. Of codes that were there before others
    joined, place and rank are those among themselves, so that more codes change nothing for them.
    ``spans`` are the encounter's pieces, one for each of their readings, which ``placed`` counts,
    and ``rows`` the embeddings of readings by their text.
    """

    placed: Placed
    rank: NDArray[np.int64]
    spans: Sequence[Span] = ()
    rows: Rows = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Titles:
    """The wordings of M codes, and what embeds sentences as it embedded them."""

    similarity: DescriptionSimilarity
    embed: Embedder

    @property
    def codes(self) -> tuple[Code, ...]:
        """The M codes."""
        return self.similarity.codes

    def near(self, encounter: Encounter, rows: Rows | None = None) -> Near | None:
        """Read an encounter; None where it has no sentence in English.

        Args:
            encounter: its gold is not looked at.
            rows: embeddings by text, which are not made again: those of the encounter before words
                were deleted from it.
        """
        documents = [one for one in encounter.documents if is_english(one)]
        if not documents:
            return None
        spans, texts = readings(documents)
        if not spans:
            return None
        sentences = self.embed(texts, rows)
        how = (sentences, units(spans), doubtful(documents, spans))
        placed = self.similarity.placed(*how)
        rank = ranked(placed.score)
        if self._before is not self.similarity:
            first = self._before.placed(*how)
            placed = first.followed_by(placed)
            rank[: len(self._before)] = ranked(first.score)
        return Near(placed, rank, spans, dict(zip(texts, sentences, strict=True)))

    @cached_property
    def _before(self) -> DescriptionSimilarity:
        return self.similarity.before()

    def with_codes(self, codes: Sequence[Code], wordings: Sequence[Sequence[str]]) -> Titles:
        """These and more codes, each with at least one wording."""
        more = DescriptionSimilarity.build(codes, wordings, self.embed, self.similarity.encoder)
        return replace(self, similarity=self.similarity.joined(more))


def english_wordings(terms: Iterable[Term]) -> dict[Code, list[str]]:
    """Of each code the wordings that English lists that ship give it."""
    found: defaultdict[Code, list[str]] = defaultdict(list)
    for term in terms:
        if term.source == "shipped" and term.language == "en":
            found[term.code].append(term.text)
    return dict(found)


def different(texts: Iterable[str]) -> list[str]:
    """Texts, those left out that differ from an earlier one by case and accents alone."""
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(fold(text), text)
    return list(found.values())


def is_english(document: Document) -> bool:
    """Whether a document is English, or too short to tell."""
    return document_language(document.text) in ("en", None)
