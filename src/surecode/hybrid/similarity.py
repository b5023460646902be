"""How near a note's sentences come to the wordings of codes: cosines of embeddings.

Nothing is trained, so a code is ranked as soon as its description is embedded. A sentence encoder
such as the default MiniLM (Reimers and Gurevych 2019, arXiv 1908.10084) puts paraphrases side by
side. A code has one row for each of its wordings, title, inclusion terms and those of lists, and
the best counts: a mean over all wordings is near none.

Price: a sentence says what is talked of, not whether it is denied; who reads cosines must look at
the meaning of the sentence (`surecode.evidence.assertion`) as well.

Legend: K codes, R rows (wordings of all codes), S sentences, D width of the embeddings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from surecode.codes.systems import parse
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.files import write_bytes

SCHEMA = "surecode.description_similarity/1"
# In cosine: what a place behind the first costs, and a sentence that is negated or of the family.
PLACE, DOUBT = 0.2, 0.3
_REMEDY = "build it anew from the codes' descriptions"
# Most cosines held at a time: 64 MB in float32.
_CHUNK = 1 << 24


def ranked(score: NDArray[np.floating]) -> NDArray[np.int64]:
    """The rank of each of K scores ``[K]``, from 0 for the largest; equal ones in their order."""
    rank = np.empty(len(score), dtype=np.int64)
    rank[np.argsort(-score, kind="stable")] = np.arange(len(score))
    return rank


@dataclass(frozen=True)
class Similar:
    """Of each code the sentence that comes nearest to one of its wordings, and how near."""

    sentence: NDArray[np.int64]  # [K]
    cosine: NDArray[np.float32]  # [K], in [-1, 1]


@dataclass(frozen=True)
class Placed:
    """Of each code the sentence that speaks for it most, and its place among that one's codes."""

    sentence: NDArray[np.int64]  # [K]
    cosine: NDArray[np.float32]  # [K]
    place: NDArray[np.int64]  # [K], 0 for the nearest code of the sentence
    score: NDArray[np.float32]  # [K]: cosine, less what place and doubt cost

    def followed_by(self, more: Placed) -> Placed:
        """These codes as they are, and those of ``more`` that come behind them."""
        n = len(self.score)
        return Placed(
            np.concatenate([self.sentence, more.sentence[n:]]),
            np.concatenate([self.cosine, more.cosine[n:]]),
            np.concatenate([self.place, more.place[n:]]),
            np.concatenate([self.score, more.score[n:]]),
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A code that an encounter may need, and the sentence that speaks for it."""

    code: Code
    cosine: float
    sentence: int


@dataclass(frozen=True, eq=False)
class DescriptionSimilarity:
    """Unit embeddings of codes' wordings.

    Args:
        codes: K codes, all different; the order of every result.
        embeddings: ``[R, D]`` float32, each row of length 1.
        owner: ``[R]`` int64, position of the code that the row words; ascending, no code left out.
        encoder: sha256 of the weights that made the embeddings; those of sentences must be made by
            the same.
        first: how many codes were there before others joined; all of them by default.
    """

    codes: tuple[Code, ...]
    embeddings: NDArray[np.float32]
    owner: NDArray[np.int64]
    encoder: str
    first: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", self.first or len(self.codes))
        if not 0 < self.first <= len(self.codes):
            raise InputError("similarity: more codes came first than there are; build it anew")
        embeddings, owner = self.embeddings, self.owner
        if len(set(self.codes)) != len(self.codes):
            raise InputError("similarity: a code stands twice; name each once")
        if embeddings.ndim != 2 or embeddings.dtype != np.float32 or len(embeddings) != len(owner):
            raise InputError("similarity: embeddings are no [R, D] of float32 with R owners")
        steps = np.diff(owner, prepend=-1)
        if not (owner.size and (steps >= 0).all() and (steps <= 1).all()):
            raise InputError("similarity: rows are out of order or a code has none; sort them")
        if owner[-1] != len(self.codes) - 1:
            raise InputError("similarity: a code has no wording; leave it out or describe it")
        lengths = np.linalg.norm(embeddings, axis=1)
        if not np.allclose(lengths, 1, atol=1e-4):  # false for NaN, too
            raise InputError("similarity: an embedding is not of length 1; normalise all of them")

    @classmethod
    def build(
        cls,
        codes: Sequence[Code],
        wordings: Sequence[Sequence[str]],
        embed: Callable[[Sequence[str]], NDArray[np.float32]],
        encoder: str,
    ) -> DescriptionSimilarity:
        """Embed the wordings of codes.

        Args:
            codes: K codes.
            wordings: of each code, at least one.
            embed: texts → ``[n, D]`` unit rows, such as `surecode.hybrid.sentences.Embedder`.
            encoder: sha256 of the weights behind ``embed``.
        """
        if bare := [code for code, texts in zip(codes, wordings, strict=True) if not texts]:
            raise InputError(f"similarity: {bare[0]} has no wording; leave it out or describe it")
        owner = np.repeat(np.arange(len(codes)), [len(texts) for texts in wordings])
        rows = embed([text for texts in wordings for text in texts])
        return cls(tuple(codes), rows, owner.astype(np.int64), encoder)

    def __len__(self) -> int:
        return len(self.codes)

    def similar(self, sentences: NDArray[np.float32]) -> Similar:
        """The nearest sentence of each code, exact: every product is computed.

        Among equal cosines the first sentence counts.

        Args:
            sentences: ``[S, D]`` unit rows by the same encoder, S at least 1.

        Raises:
            InputError: there is no sentence, or the width is another.
        """
        if sentences.ndim != 2 or sentences.shape[1] != self.embeddings.shape[1]:
            raise InputError(
                f"similarity: sentences are {list(sentences.shape)}, descriptions are "
                f"{self.embeddings.shape[1]} wide; embed both by one encoder"
            )
        if not len(sentences):
            raise InputError("similarity: the encounter has no sentence; check its text")
        rows = len(self.owner)
        best, where = np.empty(rows, np.float32), np.empty(rows, np.int64)
        step = max(1, _CHUNK // len(sentences))
        for start in range(0, rows, step):
            piece = slice(start, start + step)
            cosines = self.embeddings[piece] @ sentences.T  # [r, S]
            where[piece] = cosines.argmax(axis=1)
            best[piece] = np.take_along_axis(cosines, where[piece, None], axis=1)[:, 0]
        starts = np.flatnonzero(np.diff(self.owner, prepend=-1))
        cosine = np.maximum.reduceat(best, starts)
        # Of the wordings that reach the maximum, the earliest sentence.
        reached = best == cosine[self.owner]
        sentence = np.minimum.reduceat(np.where(reached, where, len(sentences)), starts)
        return Similar(sentence, cosine)

    def candidates(self, sentences: NDArray[np.float32], n: int) -> list[Candidate]:
        """The n nearest codes, nearest first; equal ones in the order of the codes."""
        found = self.similar(sentences)
        n = min(n, len(self))
        if n <= 0:
            return []
        # Everything as near as the n-th, for a partition breaks ties as it likes.
        least = np.partition(found.cosine, len(self) - n)[len(self) - n]
        among = np.flatnonzero(found.cosine >= least)
        order = among[np.lexsort((among, -found.cosine[among]))][:n]
        return [
            Candidate(self.codes[k], float(found.cosine[k]), int(found.sentence[k]))
            for k in order.tolist()
        ]

    def placed(
        self,
        sentences: NDArray[np.float32],
        unit: NDArray[np.int64] | None = None,
        doubt: NDArray[np.bool_] | None = None,
    ) -> Placed:
        """As `similar`, but a sentence's second choices count less than another's first.

        A sentence that says a code outright is nearly as near to the code's siblings, which would
        fill the head of the ranking before the first code of a sentence that paraphrases. So a
        code's place p among the codes of a sentence, from 0, costs ``PLACE log(1 + p)``, and a
        sentence in doubt ``DOUBT``, which keeps it behind the others without losing it.

        Args:
            sentences: ``[S, D]`` unit rows.
            unit: ``[S]``, which rows are pieces of one sentence: their codes share one order, and
                a code counts where the piece that is nearest to it lies. Default: each is its own.
            doubt: ``[S]``, whether the row is negated or of the family; none by default.

        Raises:
            InputError: as `similar`, or ``unit`` or ``doubt`` is of another length.
        """
        self.similar(sentences[:1])  # the checks
        count = len(sentences)
        unit = np.arange(count) if unit is None else unit
        doubt = np.zeros(count, np.bool_) if doubt is None else doubt
        if len(unit) != count or len(doubt) != count:
            raise InputError(
                f"similarity: {count} sentences, {len(unit)} units and {len(doubt)} doubts; "
                "give one of each for every sentence"
            )
        codes = len(self)
        best = Placed(
            np.zeros(codes, np.int64),
            np.zeros(codes, np.float32),
            np.zeros(codes, np.int64),
            np.full(codes, -np.inf, np.float32),
        )
        starts = np.flatnonzero(np.diff(self.owner, prepend=-1))
        for rows, cosines in self._cosines(sentences, unit, starts):
            values = cosines - np.float32(DOUBT) * doubt[rows, None]
            chosen = values.argmax(axis=0)
            value = values.max(axis=0)
            place = ranked(value)
            score = (value - PLACE * np.log1p(place)).astype(np.float32)
            better = score > best.score
            best.score[better] = score[better]
            best.place[better] = place[better]
            best.sentence[better] = rows[chosen][better]
            best.cosine[better] = np.take_along_axis(cosines, chosen[None], axis=0)[0][better]
        return best

    def _cosines(
        self, sentences: NDArray[np.float32], unit: NDArray[np.int64], starts: NDArray[np.intp]
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Of each unit its pieces ``[r]``, and their cosines to each code's nearest wording.

        Cosines are ``[r, K]``. Several units are compared at once, as the wordings are many more
        than the pieces.
        """
        most = max(1, _CHUNK // len(self.owner))
        by_unit = [np.flatnonzero(unit == one) for one in dict.fromkeys(unit.tolist())]
        while by_unit:
            together = [by_unit.pop(0)]
            while by_unit and sum(map(len, together)) + len(by_unit[0]) <= most:
                together.append(by_unit.pop(0))
            products = sentences[np.concatenate(together)] @ self.embeddings.T
            at = 0
            for rows in together:
                part = products[at : at + len(rows)]
                yield rows, np.maximum.reduceat(part, starts, axis=1)
                at += len(rows)

    def joined(self, other: DescriptionSimilarity) -> DescriptionSimilarity:
        """These codes and those of ``other`` behind them: a release's new codes, say.

        Raises:
            InputError: both know a code, or another encoder made the embeddings.
        """
        if self.encoder != other.encoder:
            raise InputError("similarity: two encoders made the embeddings; use one for both")
        return DescriptionSimilarity(
            (*self.codes, *other.codes),
            np.concatenate([self.embeddings, other.embeddings]),
            np.concatenate([self.owner, other.owner + len(self)]),
            self.encoder,
            self.first,
        )

    def before(self) -> DescriptionSimilarity:
        """Only the codes that were there before others joined."""
        if self.first == len(self):
            return self
        rows = int(np.searchsorted(self.owner, self.first))
        return DescriptionSimilarity(
            self.codes[: self.first], self.embeddings[:rows], self.owner[:rows], self.encoder
        )

    def write(self, path: Path) -> None:
        """Write safetensors; the file appears whole or not at all."""
        codes = [str(code) for code in self.codes]
        about = {
            "schema": SCHEMA,
            "codes": codes,
            "encoder": self.encoder,
            "first": self.first,
        }
        tensors: dict[str, NDArray[Any]] = {
            "embeddings": np.ascontiguousarray(self.embeddings),
            "owner": self.owner,
        }
        # One entry: the library writes several in any order, and a file must have one hash.
        write_bytes(path, save(tensors, {"about": json.dumps(about)}))

    @classmethod
    def read(cls, path: Path) -> DescriptionSimilarity:
        """Read what `write` wrote; raises `InputError` where it is absent or damaged."""
        if not path.is_file():
            raise InputError(f"{path}: not found; {_REMEDY}")
        try:
            with safe_open(path, framework="numpy") as file:
                about = json.loads((file.metadata() or {})["about"])
                tensors = {name: file.get_tensor(name) for name in ("embeddings", "owner")}
            if about["schema"] != SCHEMA:
                raise KeyError("schema")
            codes = tuple(parse(text) for text in about["codes"])
            return cls(
                codes,
                tensors["embeddings"],
                tensors["owner"],
                about["encoder"],
                int(about["first"]),
            )
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError):
            raise InputError(f"{path}: is damaged; {_REMEDY}") from None
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
