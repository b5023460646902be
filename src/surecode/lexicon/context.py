"""An ambiguous mention is decided by the words around it.

Naive Bayes over the codes C that one mention was annotated with: for a place with the content words
W within eight tokens,

    P(c | mention, W)  ∝  P(c | mention) Π_{w in W} (n(w, c) + 1) / (n(c) + V)

n(w, c) counts the places of the mention annotated with c that have w beside them, n(c) their sum
over w, V the different words beside the mention. Words never seen beside it say nothing. The mass
Σ_c P(c | mention) of a place stays: that nobody codes a mention is not decided here. Mentions whose
codes add up to more than one are coded twice, not ambiguous, and stay as they are.

**It does not help, so it is off unless asked for.** Of the annotated ambiguous places of held-out
folds of the train splits it picked the right code of fewer than the prior alone (`python
scripts/lexicon_measures.py --train`): CodiEsp diagnoses .730 of 126 places against .746, procedures
.758 of 186 against .769, CANTEMIST .852 of 54 against .870. A mention that is ambiguous has been
seen a few times, and eight words on either side are too many for that.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surecode.coder.hashed_words import hashes
from surecode.encounter import Code, Encounter, Span
from surecode.errors import InputError
from surecode.evidence.stop_words import StopWords
from surecode.lexicon.lexicon import Hit, Lexicon
from surecode.lexicon.stems import stem
from surecode.lexicon.tokens import Offsets, fold, pieces
from surecode.lexicon.wordings import spelling

ON = False  # what a setting should be by default
REACH = 8  # tokens on either side

_STOP_WORDS = StopWords.of("both")
_SILENT = _STOP_WORDS.trimmed | _STOP_WORDS.kept


@dataclass(frozen=True)
class Context:
    """Words beside ambiguous mentions; made by :meth:`fit`.

    Attributes:
        counts: rule of a term → normal form beside it → places of the mention that were annotated
            with the term's code.
        key: of the hashes, None where words are written as they are.
    """

    counts: Mapping[str, Mapping[str, int]]
    key: str | None = None

    @classmethod
    def fit(cls, encounters: Iterable[Encounter], lexicon: Lexicon) -> Context:
        """Count beside the annotated places of the mentions that a lexicon has several codes for.

        A place counts where the encounter's evidence is that very span.
        """
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for encounter in encounters:
            gold = _annotated(encounter)
            beside = _Beside(encounter, None)
            for span, hits in _ambiguous(lexicon.hits(encounter)):
                for hit in hits:
                    if hit.code in gold.get(span, ()):
                        counts[hit.rule].update(beside.words(span))
        plain = cls({rule: dict(sorted(counts[rule].items())) for rule in sorted(counts)})
        return plain if lexicon.key is None else plain.hashed(lexicon.key)

    def decide(self, encounter: Encounter, hits: Sequence[Hit]) -> list[Hit]:
        """The same hits in the same order, those of ambiguous places with another probability."""
        beside = _Beside(encounter, self.key)
        weighed: dict[tuple[int, str], Hit] = {}
        for span, ambiguous in _ambiguous(hits):
            known = [hit for hit in ambiguous if hit.rule in self.counts]
            if len(known) > 1:
                for hit, probability in zip(
                    known, self._weigh(known, beside.words(span)), strict=True
                ):
                    weighed[hit.place, hit.rule] = replace(hit, probability=probability)
        return [weighed.get((hit.place, hit.rule), hit) for hit in hits]

    def _weigh(self, hits: Sequence[Hit], words: Iterable[str]) -> list[float]:
        counts = [self.counts[hit.rule] for hit in hits]
        seen = set().union(*counts)
        totals = [sum(each.values()) + len(seen) for each in counts]
        logs = [math.log(hit.probability) for hit in hits]
        for word in sorted(seen.intersection(words)):
            logs = [
                log + math.log((each.get(word, 0) + 1) / total)
                for log, each, total in zip(logs, counts, totals, strict=True)
            ]
        weights = [math.exp(log - max(logs)) for log in logs]
        mass = sum(hit.probability for hit in hits)
        return [min(mass * weight / math.fsum(weights), 1.0) for weight in weights]

    # ---- hashes and files ------------------------------------------------------------------------

    def hashed(self, key: str = "surecode") -> Context:
        """The same without words, which are patient text, as `Lexicon.hashed`."""
        if self.key is not None:
            if self.key != key:
                raise InputError("context: hashed under another key already; fit it again")
            return self
        spelled = hashes({word for each in self.counts.values() for word in each}, key)
        return Context(
            {
                rule: dict(sorted((spelled[word], n) for word, n in each.items()))
                for rule, each in self.counts.items()
            },
            key,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; raises `InputError` unless :meth:`hashed`."""
        if self.key is None:
            raise InputError("context: it holds words of notes; write what hashed() gives")
        return {"key": self.key, "counts": {r: dict(each) for r, each in self.counts.items()}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Context:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        try:
            read = _File.model_validate_json(json.dumps(values, allow_nan=False))
        except (ValidationError, TypeError, ValueError):
            raise InputError(
                "context: damaged, it is not what to_dict() gave; fit it again"
            ) from None
        hashes((), read.key)
        return cls(read.counts, read.key)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: str
    counts: dict[
        Annotated[str, Field(min_length=1)],
        dict[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")], Annotated[int, Field(ge=1)]],
    ]


class _Beside:
    """The content words around places of one encounter."""

    def __init__(self, encounter: Encounter, key: str | None) -> None:
        self._texts = {document.document_id: document.text for document in encounter.documents}
        self._cut: dict[str, tuple[list[str], Offsets, Offsets]] = {}
        self._spell = spelling(key)

    def words(self, span: Span) -> set[str]:
        """Normal forms of the content words within `REACH` tokens of a span, as spelled."""
        name = span.document_id
        if name not in self._cut:
            self._cut[name] = pieces(self._texts[name])
        words, starts, _ = self._cut[name]
        first, last = np.searchsorted(starts, (span.start, span.end)).tolist()
        around = [*words[max(first - REACH, 0) : first], *words[last : last + REACH]]
        folded = {fold(word) for word in around if word[0].isalnum()}
        return {self._spell(stem(word)) for word in folded - _SILENT}


def _annotated(encounter: Encounter) -> dict[Span, set[Code]]:
    """The codes of each span that is a whole mention, from its first piece to its last."""
    mentions: defaultdict[tuple[Code, int], list[Span]] = defaultdict(list)
    for item in encounter.evidence:
        mentions[item.code, item.mention].append(item.span)
    found: defaultdict[Span, set[Code]] = defaultdict(set)
    for (code, _), spans in mentions.items():
        if len({span.document_id for span in spans}) == 1:
            start, end = min(span.start for span in spans), max(span.end for span in spans)
            found[Span(spans[0].document_id, start, end)].add(code)
    return found


def _ambiguous(hits: Iterable[Hit]) -> list[tuple[Span, list[Hit]]]:
    """The places where a mention of the train split stands for one of several codes."""
    places = []
    for _, group in groupby(hits, key=lambda hit: hit.place):
        several = [hit for hit in group if hit.source == "training"]
        if len(several) > 1 and math.fsum(hit.probability for hit in several) <= 1.0:
            places.append((several[0].span, several))
    return places
