"""What the shared tasks print of a coder: micro scores of code sets and mean average precision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from surecode.encounter import Code
from surecode.evaluation.metrics import mean_average_precision, micro_of, set_counts


@dataclass(frozen=True, slots=True)
class CodingScore:
    """Micro precision, recall and F1 with their counts, and two mean average precisions.

    ``mean_average_precision`` is that of the official scorers, which leave encounters out for which
    a system ranks no code; ``map_of_all`` counts these as 0. None where no codes were ranked.
    Encounters without gold codes are in neither; codes predicted for them count as wrong.
    """

    precision: float
    recall: float
    f1: float
    mean_average_precision: float | None
    map_of_all: float | None
    true_positive: int
    predicted: int
    gold: int
    encounters: int


def coding_score(
    gold: Sequence[Collection[Code]],
    predicted: Sequence[Collection[Code]],
    ranked: Sequence[Sequence[Code]] | None,
    *,
    valid: Collection[Code] | None = None,
) -> CodingScore:
    """The score of N encounters.

    Args:
        gold: ``[N]`` code sets.
        predicted: ``[N]`` assigned code sets.
        ranked: ``[N]`` codes by falling probability, assigned or not; None leaves MAP out.
        valid: the codes that count among predicted and ranked ones; None keeps all. Gold codes
            outside of them stay, and cannot be found.

    Raises:
        InputError: there are no encounters, or the sequences differ in length.
    """
    if valid is not None:
        known = frozenset(valid)
        predicted = [known.intersection(codes) for codes in predicted]
    counts = set_counts(gold, predicted)
    scores = micro_of(counts)
    right = int(counts.true_positive.sum())
    official = of_all = None
    if ranked is not None:
        official = mean_average_precision(gold, ranked, valid=valid)
        of_all = mean_average_precision(gold, ranked, valid=valid, count_unanswered=True)
    return CodingScore(
        precision=scores.precision,
        recall=scores.recall,
        f1=scores.f1,
        mean_average_precision=official,
        map_of_all=of_all,
        true_positive=right,
        predicted=right + int(counts.false_positive.sum()),
        gold=right + int(counts.false_negative.sum()),
        encounters=len(gold),
    )


def keep_codes(
    code_sets: Sequence[Sequence[Code] | Collection[Code]],
    system: str,
    without: Collection[Code] = (),
) -> list[list[Code]]:
    """The codes of one system in each collection, in its order, without some of them."""
    dropped = frozenset(without)
    return [
        [code for code in codes if code.system == system and code not in dropped]
        for codes in code_sets
    ]
