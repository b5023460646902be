"""Learning to weigh terms, cross-fitted: no encounter is read by a lexicon that saw its gold.

The encounters of train and tune are dealt into folds, a patient's (or an article's) into one. Those
of a fold are read by a lexicon and counts from the other folds; what comes out trains the model of
the candidates. The lexicon that ships is made from all of them. A network has seen train, so only
tune, where its logits are honest, teaches how far to trust it beside the terms.

Whoever calibrates on tune afterwards must not take the logits of the finished reader there, which
saw tune's gold: :attr:`Learned.tune` has them from terms and models without the encounter's fold.
One path is left, as in all stacking with one level of folds: the others' features, on which such a
model is fitted, are read by terms that may come from the encounter.

Legend: N encounters, K codes, n codes of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from surecode.calibration.folds import folds_of
from surecode.codes.label_space import LabelSpace
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.hybrid.absent import Absent
from surecode.hybrid.candidates import TABLES, Candidates, Terms, candidates
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.reader import TermReader, by_terms, joint_features
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.scattered import ScatteredTerms
from surecode.lexicon.term import Term
from surecode.lexicon.terms_training import training_terms, words_of

FOLDS = 5


@dataclass(frozen=True)
class Learned:
    """The reader, and logits ``[K]`` of tune's encounters, by id, from what never saw them."""

    reader: TermReader
    tune: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class _Read:
    """One encounter with its candidates, the fold it is in and the terms that found them."""

    encounter: Encounter
    found: Candidates
    fold: int
    terms: Terms


@dataclass(frozen=True)
class _Weighed:
    """What is learned from all folds but one, for the encounters of that one."""

    model: LinearModel
    absent: Absent

    @classmethod
    def learn(cls, read: Sequence[_Read], fold: int) -> _Weighed:
        others = [one for one in read if one.fold != fold]
        return cls(_model(others), _absent(others))


def learn(
    train: Sequence[Encounter],
    tune: Sequence[Encounter],
    own: Iterable[Term],
    tables: Iterable[Term],
    space: LabelSpace,
    *,
    neural: Mapping[str, NDArray[np.floating]] | None = None,
    columns: Sequence[int] | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Learned:
    """Learn to weigh terms of train and tune.

    Args:
        train: what a network, if there is one, was trained on.
        tune: other encounters.
        own: terms of users.
        tables: terms of code tables.
        space: K codes.
        neural: a network's logits ``[n]`` of each encounter of tune, by id.
        columns: the places ``[n]`` of the network's codes in the label space.
        seed: of the folds.
        progress: show it.

    Raises:
        InputError: there are fewer patients than two, with a network also within tune, or no gold
            code anywhere.
    """
    encounters, own = [*train, *tune], list(own)
    table = Lexicon.build(tables).hashed()
    titles = ScatteredTerms(table, TABLES)

    def learned(some: Sequence[Encounter]) -> Terms:
        lexicon = Lexicon.build([*training_terms(some), *own], others=words_of(some)).hashed()
        return Terms.learn(some, lexicon, table, titles)

    if not any(encounter.code_set for encounter in encounters):
        raise InputError("lexicon: no encounter of train or tune has a code; give coded encounters")
    fold = folds_of([encounter.patient_id for encounter in encounters], FOLDS, seed)
    read = _cross_read(encounters, fold, learned, progress)
    reader = TermReader(learned(encounters), _model(read), _absent(read))
    of_tune = read[len(train) :]
    weighed = {k: _Weighed.learn(read, k) for k in sorted({one.fold for one in of_tune})}
    if neural is None:
        logits = {
            one.encounter.encounter_id: _alone(one, weighed[one.fold], space) for one in of_tune
        }
        return Learned(reader, logits)
    assert columns is not None  # a network has codes
    rows = [_joint_rows(one, weighed[one.fold], space, neural, columns) for one in of_tune]
    joint = LinearModel.fit(*_stacked(rows))
    if len(weighed) < 2:
        raise InputError(
            "hybrid: all encounters of tune are of one patient or fold; give tune more patients, "
            "or choose coder=lexicon"
        )
    by_fold = {}
    for k in weighed:
        apart = [row for other, row in zip(of_tune, rows, strict=True) if other.fold != k]
        by_fold[k] = LinearModel.fit(*_stacked(apart))
    logits = {}
    for one, (chosen, features, _, base) in zip(of_tune, rows, strict=True):
        base[chosen] = by_fold[one.fold](features)
        logits[one.encounter.encounter_id] = base.astype(np.float32)
    return Learned(replace(reader, joint=joint), logits)


def _cross_read(
    encounters: Sequence[Encounter],
    fold: NDArray[np.int64],
    learned: Callable[[Sequence[Encounter]], Terms],
    progress: bool,
) -> list[_Read]:
    """Every encounter's candidates by terms without its fold, in their order."""
    read: dict[int, _Read] = {}
    with tqdm(
        total=len(encounters), desc="terms", unit="encounter", disable=not progress, leave=False
    ) as shown:
        for k in sorted(set(fold.tolist())):
            terms = learned([encounters[i] for i in np.flatnonzero(fold != k).tolist()])
            for i in np.flatnonzero(fold == k).tolist():
                read[i] = _Read(encounters[i], candidates(encounters[i], terms), k, terms)
                shown.update()
    return [read[i] for i in range(len(encounters))]


def _absent(read: Sequence[_Read]) -> Absent:
    return Absent.learn(
        [one.found.codes for one in read],
        [one.encounter.code_set for one in read],
        [one.terms.statistics.known for one in read],
    )


def _model(read: Sequence[_Read]) -> LinearModel:
    """Features of candidates → whether they are gold."""
    some = [one for one in read if one.found.codes]
    if not some:
        raise InputError(
            "lexicon: no term is found in any encounter of train or tune; mark evidence in the "
            "encounters, or give terms (coder.terms, coder.tables)"
        )
    features = np.concatenate([one.found.features for one in some])
    right = [code in one.encounter.code_set for one in some for code in one.found.codes]
    return LinearModel.fit(features, right)


def _alone(one: _Read, weighed: _Weighed, space: LabelSpace) -> NDArray[np.float32]:
    logits = _base(one, weighed.absent, space)
    for column, odds in by_terms(one.found, weighed.model, space).items():
        logits[column] = odds
    return logits.astype(np.float32)


def _base(one: _Read, absent: Absent, space: LabelSpace) -> NDArray[np.float64]:
    return np.array(absent.log_odds(space.codes, one.terms.statistics), dtype=np.float64)


def _joint_rows(
    one: _Read,
    weighed: _Weighed,
    space: LabelSpace,
    neural: Mapping[str, NDArray[np.floating]],
    columns: Sequence[int],
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Columns, their features, whether they are gold, and the logits of all other columns."""
    base = _base(one, weighed.absent, space)
    lexical = by_terms(one.found, weighed.model, space)
    chosen, features = joint_features(
        lexical, base, space, neural[one.encounter.encounter_id], columns
    )
    right = np.array([space.codes[k] in one.encounter.code_set for k in chosen], dtype=bool)
    return chosen, features, right, base


def _stacked(
    rows: Sequence[
        tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]
    ],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.concatenate([row[1] for row in rows]), np.concatenate([row[2] for row in rows])
