"""The scores of CANTEMIST-CODING and CANTEMIST-NORM, IberLEF 2020.

What ``cantemist_coding.py``, ``comp_f1_diag_proc.py`` and ``cantemist_ner_norm.py`` of
TeMU-BSC/cantemist-evaluation-library compute (Miranda-Escalada et al. 2020, CEUR 2664, overview).
Their rules:

- CODING is scored as CodiEsp-D is, see `surecode.evaluation.codiesp`;
- the organisers print every figure with and without 8000/6 (metastasis), the most frequent code,
  which is nearly free; their script for precision, recall and F1 leaves it out of gold and
  predictions, the one for mean average precision keeps it. So ``metastasis`` is for the caller to
  name beside the figure;
- NORM asks for places: a mention is right if it has the document, both offsets and the code of a
  gold mention; one character more or less is wrong;
- NORM counts predicted and gold *places*, not codes: two codes at one place are one prediction,
  right if either is. ``by="triple"`` counts every code that a place is given.

Predictions for documents outside of the gold's are left out by both. CANTEMIST has no mention in
pieces and no place with two codes (train-set, dev-set1 and dev-set2).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from surecode.encounter import Code, Evidence
from surecode.evaluation.codiesp_x import Reference, references
from surecode.evaluation.coding_score import CodingScore, coding_score, keep_codes
from surecode.evaluation.mention_score import MentionScore
from surecode.record import DecisionRecord, Quote

SYSTEM = "ICD-O-3"
METASTASIS = Code(SYSTEM, "8000/6")


def cantemist_coding(
    gold: Sequence[Collection[Code]],
    predicted: Sequence[Collection[Code]],
    ranked: Sequence[Sequence[Code]] | None,
    *,
    valid: Collection[Code] | None = None,
    metastasis: bool = True,
) -> CodingScore:
    """The score of N encounters.

    Args:
        gold: ``[N]`` code sets.
        predicted: ``[N]`` assigned code sets.
        ranked: ``[N]`` codes by falling probability; None leaves MAP out.
        valid: the track's list of codes; None keeps all.
        metastasis: False leaves 8000/6 out of all three.

    Raises:
        InputError: there are no encounters, or the sequences differ in length.
    """
    without = () if metastasis else (METASTASIS,)
    return coding_score(
        keep_codes(gold, SYSTEM, without),
        keep_codes(predicted, SYSTEM, without),
        None if ranked is None else keep_codes(ranked, SYSTEM, without),
        valid=valid,
    )


def cantemist_norm(
    gold: Iterable[Reference],
    predicted: Iterable[Reference],
    *,
    documents: Collection[str] | None = None,
    metastasis: bool = True,
    by: Literal["place", "triple"] = "place",
) -> MentionScore:
    """The score of mentions.

    Args:
        gold: mentions with their codes.
        predicted: mentions with their codes; the same one twice counts once.
        documents: the gold's documents, those without a mention as well; None keeps all.
        metastasis: False leaves mentions of 8000/6 out of both.
        by: ``place`` counts as the official script does, ``triple`` counts codes of places.
    """
    wanted, shown = set(gold), set(predicted)
    if documents is not None:
        inside = frozenset(documents)
        shown = {mention for mention in shown if mention.document_id in inside}
    if not metastasis:
        wanted, shown = (
            {mention for mention in mentions if mention.code != METASTASIS}
            for mentions in (wanted, shown)
        )
    right = wanted & shown
    if by == "triple":
        return MentionScore.of(len(right), len(shown), len(wanted))
    return MentionScore.of(*(len(_places(mentions)) for mentions in (right, shown, wanted)))


def mentions_of(evidence: Iterable[Evidence]) -> list[Reference]:
    """Spans with their codes as mentions, such as gold evidence or `Dictionary.mentions`."""
    return [
        Reference(item.span.document_id, item.code, item.span.start, item.span.end)
        for item in evidence
    ]


def mentions_of_record(record: DecisionRecord) -> list[Reference]:
    """The quotes of a decision record and the other places of the same words, with their codes.

    The pieces of one mention are one, from the first to the last.
    """
    found: list[Reference] = []
    for each in record.codes:
        code = Code(each.system, each.value)
        pieces: dict[tuple[str, int], list[Quote]] = {}
        for quote in each.evidence:
            pieces.setdefault((quote.document_id, quote.mention), []).append(quote)
        for (document, _), quotes in pieces.items():
            first, last = min(q.start for q in quotes), max(q.end for q in quotes)
            found.append(Reference(document, code, first, last))
            found += [m for quote in quotes for m in references(code, quote.mentions)]
    return list(dict.fromkeys(found))


def _places(mentions: Iterable[Reference]) -> set[tuple[str, int, int]]:
    return {(mention.document_id, mention.start, mention.end) for mention in mentions}
