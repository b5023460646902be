"""How well each way to attribute finds what people marked: rows of the table of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from evidence_coder import Explained, Way
from evidence_intervals import (
    Figure,
    Interval,
    average_precision_figure,
    difference,
    f1_figure,
    interval,
)

from surecode.coder.dictionary import Dictionary
from surecode.coding import Coder
from surecode.encounter import Code, Encounter, Span
from surecode.evaluation.codiesp_x import codiesp_x, gold_references, references
from surecode.evaluation.evidence_pairs import EncounterWords, EvidencePair, pairs_of, spans_of
from surecode.evaluation.mention_score import MentionScore
from surecode.evaluation.plausibility import Plausibility, plausibility, word_counts
from surecode.evaluation.word_ranking import positive_shares, word_ranking

WAYS = (
    Way("head", "head"),
    Way("attention", "attention"),
    Way("input_x_gradient", "input_x_gradient"),
    Way("attingrad", "attingrad"),
    Way("attingrad, all", "attingrad", mass_left_out=0.0, policy_of="attingrad"),
    Way("random", "random", policy_of="head"),
)
SLOW = (
    Way("integrated_gradients", "integrated_gradients", 0.0, policy_of="input_x_gradient"),
    Way("occlusion", "occlusion", policy_of="head"),
)

Groups = Sequence[Sequence[EvidencePair]]  # pairs by encounter


@dataclass(frozen=True)
class Row:
    """One way over the same pairs as the others of its table."""

    name: str
    figures: Plausibility
    f1: Interval
    auprc: Interval | None
    against_first: Interval | None  # F1 less that of the first row


def shown_pairs(coder: Coder, one: Explained) -> list[EvidencePair]:
    """The pairs of an encounter's codes with gold evidence, with spans and scores of words."""
    encounter = one.coded.encounter
    names = [document.document_id for document in encounter.documents]
    words = EncounterWords.of({d.document_id: d.text for d in encounter.documents})
    codes = one.codes(coder)
    return pairs_of(
        encounter,
        {code: spans_of(spans, names) for code, spans in zip(codes, one.spans, strict=True)},
        set(codes),
        {code: words.scores(scored) for code, scored in zip(codes, one.words, strict=True)},
    )


def dictionary_pairs(dictionary: Dictionary, encounter: Encounter) -> list[EvidencePair]:
    """The pairs of the dictionary's own codes; all places of a code are its evidence."""
    shown = dictionary_spans(dictionary, encounter)
    return pairs_of(encounter, shown, set(shown))


def dictionary_spans(dictionary: Dictionary, encounter: Encounter) -> dict[Code, list[Span]]:
    """Code → the places that the dictionary read it from."""
    shown: dict[Code, list[Span]] = {}
    for item in dictionary.mentions(encounter):
        shown.setdefault(item.code, []).append(item.span)
    return shown


def shared(
    coder: Coder, found: Sequence[Explained], dictionary: Dictionary
) -> tuple[list[list[EvidencePair]], list[list[EvidencePair]]]:
    """Pairs of the codes that coder and dictionary both assign, by the one and by the other."""
    ours, theirs = [], []
    for one in found:
        encounter = one.coded.encounter
        spans = dictionary_spans(dictionary, encounter)
        gold = {item.code for item in encounter.evidence}
        codes = [code for code in one.codes(coder) if code in gold]
        both = [code for code in codes if code in spans]
        pairs = dict(zip(codes, shown_pairs(coder, one), strict=True))
        ours.append([pairs[code] for code in both])
        theirs.append(pairs_of(encounter, {code: spans[code] for code in both}, set(both)))
    return ours, theirs


def rows(groups: Mapping[str, Groups], seed: int) -> list[Row]:
    """Rows over the same encounters; every difference is to the first row, under the same draws."""
    made: list[Row] = []
    first: Figure | None = None
    for name, by_encounter in groups.items():
        pairs = [pair for one in by_encounter for pair in one]
        f1 = f1_figure([encounter_counts(one) for one in by_encounter])
        auprc = None
        if all(pair.scores is not None for pair in pairs):
            ranking = pooled(by_encounter)
            auprc = interval(ranking, len(by_encounter), seed=seed)
            # The figure of the library, or this table would have one of its own.
            assert abs(auprc.value - word_ranking(pairs).auprc) < 1e-9
        against = None
        if first is not None:
            against = interval(difference(f1, first), len(by_encounter), seed=seed)
        made.append(
            Row(
                name,
                plausibility(pairs),
                interval(f1, len(by_encounter), seed=seed),
                auprc,
                against,
            )
        )
        first = first or f1
    return made


def encounter_counts(pairs: Sequence[EvidencePair]) -> tuple[int, int, int]:
    """Words right, shown and gold of one encounter's pairs with gold evidence."""
    kept = [pair for pair in pairs if pair.gold_words]
    counts = word_counts(kept)
    right = int(counts.true_positive.sum())
    return right, right + int(counts.false_positive.sum()), right + int(counts.false_negative.sum())


def pooled(groups: Groups) -> Figure:
    """Average precision over the words of all pairs, as `word_ranking` pools them."""
    owner, gold, shares = [], [], []
    for number, pairs in enumerate(groups):
        for pair in pairs:
            if not pair.gold_words or pair.scores is None:
                continue
            owner.append(np.full(len(pair.words), number))
            gold.append(np.isin(np.arange(len(pair.words)), sorted(pair.gold_words)))
            shares.append(positive_shares(pair.scores))
    return average_precision_figure(
        np.concatenate(owner), np.concatenate(gold), np.concatenate(shares)
    )


def track_score(coder: Coder, found: Sequence[Explained]) -> MentionScore:
    """CodiEsp-X of all assigned codes; every mention of a span is one that was given."""
    gold, predicted = [], []
    for one in found:
        encounter = one.coded.encounter
        names = [document.document_id for document in encounter.documents]
        gold += gold_references(encounter)
        for code, spans in zip(one.codes(coder), one.spans, strict=True):
            places = [Span(names[d], start, end) for s in spans for d, start, end in s.places]
            predicted += references(code, places)
    return codiesp_x(gold, predicted)


def dictionary_track_score(dictionary: Dictionary, encounters: Sequence[Encounter]) -> MentionScore:
    """CodiEsp-X of the dictionary's codes and places."""
    gold, predicted = [], []
    for encounter in encounters:
        gold += gold_references(encounter)
        for code, spans in dictionary_spans(dictionary, encounter).items():
            predicted += references(code, spans)
    return codiesp_x(gold, predicted)
