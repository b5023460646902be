"""A dictionary with calibrated probabilities, cross-fitted: no document is scored by what saw it.

The documents are dealt into folds, cases of one article into one. For each fold k everything is
learned from the others: dictionary, logistic model of the candidates, temperature, cut,
confidence. What those learn from inside the others is cross-fitted once more: a document of fold j
has candidates from a dictionary without j and k, and probabilities from a logistic model without
the candidates of j. Letters: N documents, K codes that the other folds' gold contains.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from resplit_candidates import Lexicon, annotated_mentions, candidates
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from surecode.calibration.confidence_features import EncounterFacts
from surecode.calibration.folds import folds_of
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.coder.dictionary import tokens
from surecode.encounter import Code, Encounter

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Candidates = dict[Code, list[float]]
LogOdds = dict[int, dict[Code, float]]
# How far from 0 and 1 the logistic model's probabilities are kept, in log-odds.
LIMIT = 12.0


@dataclass(frozen=True)
class Corpus:
    """Documents, one per encounter, and the article that each comes from."""

    name: str
    encounters: tuple[Encounter, ...]
    articles: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Some documents with what their code sets are made from and compared with.

    ``rows`` `[N]` are their places in the corpus. Where ``gold`` `[N, K]` lacks a code because no
    other fold has it, ``outside`` `[N]` counts it.
    """

    rows: NDArray[np.intp]
    articles: tuple[str, ...]
    probabilities: Floats
    gold: Flags
    outside: NDArray[np.int64]
    facts: EncounterFacts


@dataclass(frozen=True)
class Fold:
    """``held``: the documents of one fold, scored without them. ``others``: to learn from."""

    held: Part
    others: Part


def cross_fit(corpus: Corpus, folds: int, seed: int) -> list[Fold]:
    """Calibrated probabilities of every document, once as ``held`` and otherwise as ``others``."""
    fold = folds_of(corpus.articles, folds, seed)
    n_words, unseen = _words(corpus, fold, folds)
    found = _candidates(corpus, n_words, fold, folds)
    parts = []
    for k in range(folds):
        held, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        scores = _log_odds(corpus, found, k, others, held)
        for j in sorted(set(fold[others].tolist())):
            scores |= _log_odds(
                corpus, found, k, others[fold[others] != j], others[fold[others] == j]
            )
        gold = [corpus.encounters[i].code_set for i in others]
        codes = sorted(frozenset().union(*gold))
        absent = absent_log_odds([scores[int(i)].keys() for i in others], gold, len(codes))
        logits, truth = _matrices(corpus, others, scores, codes, absent)
        calibrator = ProbabilityCalibrator.fit(logits, truth, kind="temperature")
        both = []
        for rows in (held, others):
            logits, truth = _matrices(corpus, rows, scores, codes, absent)
            n_gold = np.array([len(corpus.encounters[i].code_set) for i in rows], dtype=np.int64)
            nothing = np.zeros(len(rows), dtype=np.int64)
            facts = EncounterFacts(n_words[rows], unseen[rows, k], logits != absent, nothing)
            both.append(
                Part(
                    rows,
                    tuple(corpus.articles[i] for i in rows),
                    calibrator(logits),
                    truth,
                    n_gold - truth.sum(axis=1),
                    facts,
                )
            )
        parts.append(Fold(*both))
    return parts


def one_per_article(articles: Sequence[str], seed: int) -> NDArray[np.intp]:
    """Places, in order, of one document of each article, drawn at random."""
    members: dict[str, list[int]] = {}
    for row, article in enumerate(articles):
        members.setdefault(article, []).append(row)
    draw = np.random.default_rng(seed)
    chosen = [rows[draw.integers(len(rows))] for _, rows in sorted(members.items())]
    return np.array(sorted(chosen), dtype=np.intp)


def absent_log_odds(
    found: Sequence[Collection[Code]], gold: Sequence[Collection[Code]], codes: int
) -> float:
    """Log-odds that a code is gold in a document where it is no candidate: one for all codes.

    From N documents' candidates and gold, ``codes`` codes in all; half a pair is added to both
    sides.
    """
    missed = sum(len(set(truth) - set(some)) for some, truth in zip(found, gold, strict=True))
    pairs = len(found) * codes - sum(map(len, found))
    return math.log((missed + 0.5) / (pairs - missed + 0.5))


def _candidates(
    corpus: Corpus, n_words: NDArray[np.int64], fold: NDArray[np.int64], folds: int
) -> dict[tuple[int, int], Candidates]:
    """(document, k) → candidates from a dictionary without the document's fold and fold k.

    The dictionary without folds j and k serves the documents of j where k is held, and of k where
    j is.
    """
    annotated = [annotated_mentions(encounter) for encounter in corpus.encounters]
    found = {}
    for j in range(folds):
        for k in range(j, folds):
            left_out = (fold == j) | (fold == k)
            learn = np.flatnonzero(~left_out)
            lexicon = Lexicon.fit(
                [corpus.encounters[i] for i in learn], [annotated[i] for i in learn]
            )
            for row in np.flatnonzero(left_out):
                other = k if fold[row] == j else j
                found[int(row), other] = candidates(
                    corpus.encounters[row], int(n_words[row]), lexicon
                )
    return found


def _words(corpus: Corpus, fold: NDArray[np.int64], folds: int) -> tuple[NDArray[np.int64], Floats]:
    """Words of each document `[D]`, and their share that no document outside both the document's
    own fold and fold k contains `[D, folds]`.
    """
    words = [
        [w for d in encounter.documents for w in tokens(d.text)[0] if w.isalnum()]
        for encounter in corpus.encounters
    ]
    contained = [{w for i in np.flatnonzero(fold == k) for w in words[i]} for k in range(folds)]
    unseen = np.zeros((len(words), folds))
    for k in range(folds):
        for j in range(folds):
            known = set().union(*(contained[f] for f in range(folds) if f not in (j, k)))
            for row in np.flatnonzero(fold == j):
                unseen[row, k] = sum(w not in known for w in words[row]) / max(len(words[row]), 1)
    return np.array([len(some) for some in words], dtype=np.int64), unseen


def _log_odds(
    corpus: Corpus,
    found: Mapping[tuple[int, int], Candidates],
    k: int,
    learn: NDArray[np.intp],
    score: NDArray[np.intp],
) -> LogOdds:
    """Log-odds of the candidates of documents ``score``, by a logistic model of ``learn``'s."""
    features = [values for i in learn for values in found[int(i), k].values()]
    right = [c in corpus.encounters[i].code_set for i in learn for c in found[int(i), k]]
    model: Pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(np.array(features), np.array(right))
    scores: LogOdds = {}
    for i in score:
        some = found[int(i), k]
        odds = model.decision_function(np.array(list(some.values()))) if some else []
        scores[int(i)] = dict(zip(some, np.clip(odds, -LIMIT, LIMIT).tolist(), strict=True))
    return scores


def _matrices(
    corpus: Corpus, rows: NDArray[np.intp], scores: LogOdds, codes: Sequence[Code], absent: float
) -> tuple[Floats, Flags]:
    """Logits and gold `[N, K]`; a code that is no candidate has the logit ``absent``."""
    place = {code: column for column, code in enumerate(codes)}
    logits = np.full((len(rows), len(codes)), absent)
    gold = np.zeros((len(rows), len(codes)), dtype=bool)
    for at, row in enumerate(rows):
        for code, value in scores[int(row)].items():
            # A mention's code that no gold of these documents has cannot be assigned.
            if code in place:
                logits[at, place[code]] = value
        gold[at, [place[c] for c in corpus.encounters[row].code_set if c in place]] = True
    return logits, gold
