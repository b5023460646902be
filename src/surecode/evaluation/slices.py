"""Scores of parts of a report: by how often a code stands in train, by specialty, by language.

Two ways to cut. *By code*: of all code sets and rankings only the codes of one part are kept, so
precision goes by the predicted code's part, recall by the gold code's, and mean average precision
is that of a coder which is asked for the codes of that part alone (ranks close up). *By encounter*:
the encounters of one part are scored as they are. Mean average precision counts encounters for
which nothing is ranked as 0, unlike the official scorers, so that parts compare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from surecode.encounter import Code, Encounter
from surecode.evaluation.coding_score import coding_score
from surecode.lexicon.documents import document_language

CodeSets = Sequence[Collection[Code]]
Rankings = Sequence[Sequence[Code]]

# The part's name and the smallest number of training encounters in it.
FREQUENCIES: tuple[tuple[str, int], ...] = (("0", 0), ("1-4", 1), ("5-19", 5), ("20+", 20))


@dataclass(frozen=True, slots=True)
class Slice:
    """One part: its name, encounters with a gold code in it, codes counted, and scores.

    ``mean_average_precision`` is None where no codes were ranked. A ratio without a denominator
    is 0.
    """

    name: str
    encounters: int
    gold: int
    predicted: int
    precision: float
    recall: float
    f1: float
    mean_average_precision: float | None


def train_counts(encounters: Iterable[Encounter]) -> Counter[Code]:
    """In how many training encounters each code stands."""
    return Counter(code for encounter in encounters for code in encounter.code_set)


def frequency(count: int) -> str:
    """The part of a code that stands in ``count`` training encounters."""
    return next(name for name, least in reversed(FREQUENCIES) if count >= least)


def by_frequency(
    gold: CodeSets, predicted: CodeSets, ranked: Rankings | None, counts: Mapping[Code, int]
) -> list[Slice]:
    """One slice for each of `FREQUENCIES`, in their order; ``counts`` as `train_counts` gives."""
    return by_code(
        gold,
        predicted,
        ranked,
        lambda code: frequency(counts.get(code, 0)),
        [name for name, _ in FREQUENCIES],
    )


def by_code(
    gold: CodeSets,
    predicted: CodeSets,
    ranked: Rankings | None,
    part_of: Callable[[Code], str],
    names: Sequence[str],
) -> list[Slice]:
    """One slice for each name: the codes whose part it is, in all N encounters.

    Raises `InputError` if there are no encounters or the sequences differ in length.
    """

    def keep(code_sets: Rankings | CodeSets, name: str) -> list[list[Code]]:
        return [[code for code in codes if part_of(code) == name] for codes in code_sets]

    return [
        _slice(
            name,
            keep(gold, name),
            keep(predicted, name),
            None if ranked is None else keep(ranked, name),
        )
        for name in names
    ]


def by_group(
    gold: CodeSets, predicted: CodeSets, ranked: Rankings | None, groups: Sequence[str]
) -> list[Slice]:
    """One slice for each group of encounters, the largest first.

    Args:
        gold: ``[N]`` code sets.
        predicted: ``[N]`` assigned code sets.
        ranked: ``[N]`` codes by falling probability; None leaves MAP out.
        groups: ``[N]`` each encounter's group, such as its specialty.
    """
    members = sorted(Counter(groups).items(), key=lambda item: (-item[1], item[0]))
    slices = []
    for name, _ in members:
        rows = [row for row, group in enumerate(groups) if group == name]
        slices.append(
            _slice(
                name,
                [gold[row] for row in rows],
                [predicted[row] for row in rows],
                None if ranked is None else [ranked[row] for row in rows],
            )
        )
    return slices


def language(encounter: Encounter) -> str:
    """The language of most of an encounter's documents, by their stop words: en, es, or
    ``unknown``.
    """
    votes = Counter(document_language(d.text) for d in encounter.documents)
    named = sorted((-count, name) for name, count in votes.items() if name is not None)
    return named[0][1] if named else "unknown"


def _slice(
    name: str,
    gold: Sequence[Collection[Code]],
    predicted: Sequence[Collection[Code]],
    ranked: Rankings | None,
) -> Slice:
    score = coding_score(gold, predicted, ranked)
    return Slice(
        name=name,
        encounters=sum(bool(codes) for codes in gold),
        gold=score.gold,
        predicted=score.predicted,
        precision=score.precision,
        recall=score.recall,
        f1=score.f1,
        mean_average_precision=score.map_of_all,
    )
