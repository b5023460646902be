"""Learning to weigh terms, cross-fitted: no encounter is read by a lexicon that saw its gold.

The encounters of train and tune are dealt into folds, a patient's (or an article's) into one. Those
of a fold are read by a lexicon and counts from the other folds; what comes out teaches the weights
of what is found (`weights`). The lexicon that ships is made from all of them. A network has seen
train, so only tune, where its logits are honest, teaches how far to trust it beside the terms.

Whoever calibrates on tune afterwards must not take the logits of the finished reader there, which
saw tune's gold: :attr:`Learned.tune` has them from terms and weights that are learned anew without
the encounter's fold, folds within folds. Two paths are left, both where a network is: the seven
weights of terms against the network come from other folds of tune, whose terms saw the encounter;
and a tagger's network is learned without one fold, not without two, so the weights that an
encounter is read by come from places of other folds that a tagger judged which saw the encounter.

Legend: N encounters, K codes, n codes of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from surecode.calibration.folds import folds_of
from surecode.codes.label_space import LabelSpace
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.hybrid.found import TABLES, Found, Terms, find
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.reader import TermReader, joint_features
from surecode.hybrid.tagger import Tagged, Tagger, tagged
from surecode.hybrid.titles import Near, Titles
from surecode.hybrid.weights import Ground, Weights
from surecode.hybrid.withholding import Withholding, withheld
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.scattered import ScatteredTerms
from surecode.lexicon.term import Term
from surecode.lexicon.terms_shipped import not_counted
from surecode.lexicon.terms_training import training_terms, words_of

FOLDS = 5
TaggerKind = Literal["none", "crf", "network"]
_FEWEST = 3  # folds within folds leave one to learn from


@dataclass(frozen=True)
class Learned:
    """The reader, and logits ``[K]`` of tune's encounters, by id, from what never saw them."""

    reader: TermReader
    tune: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class _Row:
    """What is said of an encounter of tune without a network: of candidates, and of all codes.

    ``gone`` are the columns of codes that are withheld.
    """

    encounter: Encounter
    fold: int
    named: Mapping[int, float]
    alone: NDArray[np.float64]
    gone: Sequence[int]


def learn(
    train: Sequence[Encounter],
    tune: Sequence[Encounter],
    own: Iterable[Term],
    tables: Iterable[Term],
    space: LabelSpace,
    *,
    neural: Mapping[str, NDArray[np.floating]] | None = None,
    columns: Sequence[int] | None = None,
    similar: Titles | None = None,
    withholding: Withholding | None = None,
    tagger: TaggerKind = "none",
    seed: int = 0,
    progress: bool = False,
) -> Learned:
    """Learn to weigh terms of train and tune.

    Args:
        train: what a network, if there is one, was trained on.
        tune: other encounters.
        own: terms of lists, shipped ones and users', and ambiguous words of rules of senses.
        tables: terms of code tables.
        space: K codes.
        neural: a network's logits ``[n]`` of each encounter of tune, by id.
        columns: the places ``[n]`` of the network's codes in the label space.
        similar: wordings to compare sentences with.
        withholding: what keeps a place from carrying a code; nothing by default.
        tagger: what kind is learned of what words people mark at all, if any.
        seed: of the folds, and of what a tagger's network starts from.
        progress: show it.

    Raises:
        InputError: there are fewer patients than three, with a network those of tune are in one
            fold, no encounter has a code, a tagger has no marks to learn from, or no term is found
            anywhere.
    """
    encounters, own = [*train, *tune], list(own)
    withholding = withholding or Withholding()
    given = [term for term in own if term.source == "user"]
    listed = [term for term in own if term.source != "user"]
    if not any(encounter.code_set for encounter in encounters):
        raise InputError("lexicon: no encounter of train or tune has a code; give coded encounters")
    if tagger != "none" and not any(encounter.evidence for encounter in encounters):
        raise InputError(
            "tagger: no encounter of train or tune has marked evidence; mark some, or set "
            "coder.tagger=none"
        )
    folds = _folds(encounters, seed)
    table = Lexicon.build(tables).hashed()
    titles = ScatteredTerms(table, TABLES)

    def learned(some: Sequence[Encounter]) -> Terms:
        counted = training_terms(some)
        all_terms = [*counted, *given, *not_counted(listed, counted)]
        lexicon = Lexicon.build(all_terms, others=words_of(some)).hashed()
        return Terms.learn(some, lexicon, table, titles)

    def taught(some: Sequence[Encounter]) -> Tagger | None:
        if tagger == "none":
            return None
        return Tagger.learn(some, network=tagger == "network", seed=seed)

    near = {} if similar is None else _near(encounters, similar, progress)
    with tqdm(
        total=len(encounters) * len(folds),
        desc="terms",
        unit="encounter",
        disable=not progress,
        leave=False,
    ) as shown:
        nested = tagger != "network"  # folds within folds would take three times as long
        wordings = [term for term in own if term.source != "sense"]
        read = _Read(folds, learned, taught, nested, shown.update, similar, near, wordings)
        if not any(
            found.beside or found.apart or found.titles for k in folds for found in read.found(k)
        ):
            raise InputError(
                "lexicon: no term is found in any encounter of train or tune; mark evidence in the "
                "encounters, or give terms (coder.terms, coder.tables, coder.wordings)"
            )
        weights = read.weights()
        # Where no encounter has a sentence to compare, nothing was learned of it.
        titles_read = None if weights.likeness is None else similar
        terms = replace(read.terms(), tagger=taught(encounters))
        reader = TermReader(terms, weights, titles=titles_read, withholding=withholding)
        inside = {encounter.encounter_id for encounter in tune}
        rows = [row for k in sorted(folds) for row in _rows(read, k, inside, space, withholding)]
    logits = {row.encounter.encounter_id: row.alone for row in rows}
    if neural is not None:
        assert columns is not None  # a network has codes
        joint, logits = _joined(rows, space, neural, columns)
        reader = replace(reader, joint=joint)
    for row in rows:
        name = row.encounter.encounter_id
        logits[name] = withheld(logits[name], row.gone)
    return Learned(reader, {name: some.astype(np.float32) for name, some in logits.items()})


class _Read:
    """Folds, read by terms without them; what is learned without some folds is kept."""

    def __init__(
        self,
        folds: Mapping[int, Sequence[Encounter]],
        learned: Callable[[Sequence[Encounter]], Terms],
        taught: Callable[[Sequence[Encounter]], Tagger | None],
        nested: bool,
        done: Callable[[], object],
        similar: Titles | None,
        near: Mapping[str, Near],
        listed: Sequence[Term],
    ) -> None:
        self.folds = folds
        self.near = near
        self._listed = listed
        self._described = None if similar is None else similar.similarity
        self._learned = learned
        self._taught = taught
        self._nested = nested
        self._done = done
        self._terms: dict[frozenset[int], Terms] = {}
        self._found: dict[int, list[Found]] = {}
        self._taggers: dict[frozenset[int], Tagger | None] = {}
        self._tagged: dict[int, list[Mapping[str, Tagged]]] = {}

    def terms(self, *without: int) -> Terms:
        """Terms of all folds but some."""
        key = frozenset(without)
        if key not in self._terms:
            self._terms[key] = self._learned(self._others(key))
        return self._terms[key]

    def tagged(self, k: int, *without: int) -> list[Mapping[str, Tagged]]:
        """What a tagger says of each encounter of a fold; none of it taught the tagger."""
        unseen = frozenset((k, *without)) if self._nested else frozenset((k,))
        if unseen not in self._taggers:
            self._taggers[unseen] = self._taught(self._others(unseen))
        tagger = self._taggers[unseen]
        if len(unseen) > 1:  # nobody asks for it again
            return [tagged(tagger, encounter) for encounter in self.folds[k]]
        if k not in self._tagged:
            self._tagged[k] = [tagged(tagger, encounter) for encounter in self.folds[k]]
        return self._tagged[k]

    def _others(self, without: Collection[int]) -> list[Encounter]:
        return [e for k, fold in self.folds.items() if k not in without for e in fold]

    def found(self, k: int, *without: int) -> list[Found]:
        """What is found in a fold by terms without it, and without some others."""
        if not without and k in self._found:
            return self._found[k]
        terms = self.terms(k, *without)
        found = []
        for encounter, seen in zip(self.folds[k], self.tagged(k, *without), strict=True):
            found.append(find(encounter, terms, seen))
            self._done()
        if not without:
            self._found[k] = found
        return found

    def weights(self, *without: int) -> Weights:
        """Weights from all folds but some."""
        found = [self.found(k, *without) for k in self.folds if k not in without]
        codes = () if self._described is None else self._described.codes
        return Weights.learn(found, codes, self.near, self._listed)

    def ground(self, weights: Weights, space: LabelSpace, k: int) -> Ground:
        """What counts without a fold say of a label space."""
        return weights.ground(space, self.terms(k).statistics, self._described)


def _near(encounters: Sequence[Encounter], similar: Titles, progress: bool) -> dict[str, Near]:
    """How near encounters come to wordings, told by their text alone, whatever terms and folds.

    Their pieces and what these were embedded as are let go.
    """
    found = {}
    for one in tqdm(
        encounters, desc="sentences", unit="encounter", disable=not progress, leave=False
    ):
        near = similar.near(one)
        if near is not None:
            found[one.encounter_id] = Near(near.placed, near.rank)
    return found


def _folds(encounters: Sequence[Encounter], seed: int) -> dict[int, list[Encounter]]:
    folds: dict[int, list[Encounter]] = {}
    numbers = folds_of([encounter.patient_id for encounter in encounters], FOLDS, seed)
    for encounter, k in zip(encounters, numbers.tolist(), strict=True):
        folds.setdefault(k, []).append(encounter)
    if len(folds) < _FEWEST:
        raise InputError(
            f"lexicon: train and tune have fewer patients than {_FEWEST}; give encounters of more"
        )
    return dict(sorted(folds.items()))


def _rows(
    read: _Read,
    k: int,
    tune: frozenset[str] | set[str],
    space: LabelSpace,
    withholding: Withholding,
) -> list[_Row]:
    """Tune's encounters of a fold, by terms and weights from all other folds."""
    some = [found for found in read.found(k) if found.encounter.encounter_id in tune]
    if not some:
        return []
    weights = read.weights(k)
    ground = read.ground(weights, space, k)
    rows = []
    for found in some:
        proposed, near = weights.candidates(found), read.near.get(found.encounter.encounter_id)
        named, alone = weights.alone(proposed, ground, near)
        gone = withholding.columns(found.encounter, proposed, space)
        rows.append(_Row(found.encounter, k, named, alone, gone))
    return rows


def _joined(
    rows: Sequence[_Row],
    space: LabelSpace,
    neural: Mapping[str, NDArray[np.floating]],
    columns: Sequence[int],
) -> tuple[LinearModel, dict[str, NDArray[np.float64]]]:
    """The model of terms and network, and tune's logits by models without the fold."""
    present = sorted({row.fold for row in rows})
    if len(present) < 2:
        raise InputError(
            "hybrid: all encounters of tune are of one patient or fold; give tune more patients, "
            "or choose coder=lexicon"
        )
    joined = []
    for row in rows:
        chosen, features = joint_features(
            row.named, row.alone, space, neural[row.encounter.encounter_id], columns
        )
        right = np.array([space.codes[k] in row.encounter.code_set for k in chosen], dtype=bool)
        joined.append((row, chosen, features, right))

    def fit(without: int | None) -> LinearModel:
        some = [one for one in joined if one[0].fold != without]
        return LinearModel.fit(
            np.concatenate([one[2] for one in some]), np.concatenate([one[3] for one in some])
        )

    by_fold = {k: fit(k) for k in present}
    logits = {}
    for row, chosen, features, _ in joined:
        all_codes = row.alone.copy()
        all_codes[chosen] = by_fold[row.fold](features)
        logits[row.encounter.encounter_id] = all_codes
    return fit(None), logits
