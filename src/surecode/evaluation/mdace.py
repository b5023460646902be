r"""The four F1 scores of MDACE: of spans or of tokens, where they stand or anywhere.

Cheng et al. 2023 (ACL, long.416; ``mdace/metrics.py`` of 3mcloud/MDACE). Every score is
micro, over sets of one code and one document: what is given twice counts once.
*Position-independent* means that the same words elsewhere in the document are as good. Their tokens
are runs of ``\w``, lower case, without numbers above 10.

A gold mention of several pieces is several spans here, since a shown span is always one piece.
MDACE also counts spans of codes that the document does not have: give pairs of such codes
(`pairs_of` with ``codes_without_gold``) for its own figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from string import punctuation, whitespace
from typing import NamedTuple

from surecode.encounter import Span
from surecode.errors import InputError
from surecode.evaluation.evidence_pairs import EvidencePair
from surecode.evaluation.metrics import Scores, micro

_TOKEN = re.compile(r"\w+")
_BETWEEN = punctuation + whitespace
_TRIM_LEFT, _TRIM_RIGHT = "-.,/ \n\t)", "-.,/ \n\t("


class Quoted(NamedTuple):
    """A span by the place of its first character and its words."""

    document_id: str
    start: int
    quote: str


@dataclass(frozen=True, slots=True)
class MdaceScores:
    """Precision, recall and F1 of the four comparisons."""

    exact_span: Scores
    independent_span: Scores
    exact_token: Scores
    independent_token: Scores


def mdace_scores(pairs: Iterable[EvidencePair], *, clean: bool = False) -> MdaceScores:
    """All four scores; 0 where nothing is shown or nothing is gold.

    Args:
        pairs: with the texts of their documents.
        clean: join spans with only signs between them, then trim signs at the ends, gold and
            shown (``--merge-adjacent --trim-annotations`` of MDACE).

    Raises:
        InputError: there is no pair, or a pair's words came without texts.
    """
    sides = [(_quotes(p, chain(*p.gold), clean), _quotes(p, p.shown, clean)) for p in pairs]
    if not sides:
        raise InputError("MDACE scores: no pair of encounter and code; give at least one")

    def scores(key: Callable[[list[Quoted]], Iterator[Hashable]]) -> Scores:
        return micro([set(key(gold)) for gold, _ in sides], [set(key(shown)) for _, shown in sides])

    return MdaceScores(
        exact_span=scores(iter),
        independent_span=scores(_anywhere),
        exact_token=scores(_tokens),
        independent_token=scores(lambda quotes: _anywhere(_tokens(quotes))),
    )


def trim(span: Quoted) -> Quoted:
    """The span without the signs and white space at its ends, which may leave no character."""
    left = span.quote.lstrip(_TRIM_LEFT)
    start = span.start + len(span.quote) - len(left)
    return Quoted(span.document_id, start, left.rstrip(_TRIM_RIGHT))


def merge(spans: Iterable[Span], texts: dict[str, str]) -> list[Span]:
    """Spans of one code, with those joined that have nothing but signs between them."""
    merged: list[Span] = []
    for span in sorted(spans):
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.document_id == span.document_id
            and not texts[span.document_id][last.end : span.start].strip(_BETWEEN)
        ):
            # MDACE takes the end of the later span even where it ends before the earlier one.
            merged[-1] = Span(last.document_id, last.start, max(last.end, span.end))
        else:
            merged.append(span)
    return merged


def _quotes(pair: EvidencePair, spans: Iterable[Span], clean: bool) -> list[Quoted]:
    texts = dict(pair.words.texts)
    found = list(spans)
    missing = {span.document_id for span in found} - texts.keys()
    if missing:
        raise InputError(
            f"MDACE scores: the text of document {min(missing)} is missing; "
            "make the words with EncounterWords.of"
        )
    joined = merge(found, texts) if clean else found
    quotes = [Quoted(s.document_id, s.start, texts[s.document_id][s.start : s.end]) for s in joined]
    return [one for one in map(trim, quotes) if one.quote] if clean else quotes


def _tokens(quotes: Iterable[Quoted]) -> Iterator[Quoted]:
    for document_id, start, quote in quotes:
        for match in _TOKEN.finditer(quote):
            word = match.group()
            if not (word.isdecimal() and int(word) > 10):
                yield Quoted(document_id, start + match.start(), word)


def _anywhere(quotes: Iterable[Quoted]) -> Iterator[tuple[str, str]]:
    return ((document_id, quote.lower()) for document_id, _, quote in quotes)
