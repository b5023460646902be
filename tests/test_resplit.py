from __future__ import annotations

import math
import sys
from dataclasses import replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from surecode.calibration.targets import Losses, Target
from surecode.encounter import Code, Document, Encounter, Evidence, GoldCode, Span

SCRIPTS = str(Path(__file__).parents[1] / "scripts")
# The scripts import each other as Python finds them beside the one that is run.
sys.path.insert(0, SCRIPTS)
found_by: Any = import_module("resplit_candidates")
coder: Any = import_module("resplit_coder")
populations: Any = import_module("resplit_population")
designs: Any = import_module("resplit_designs")
real: Any = import_module("resplit_real")
sys.path.remove(SCRIPTS)

WORDS = ("tumor", "quiste", "nodulo", "fractura", "anemia", "ictus", "asma", "gota")


def note(name: str, words: list[str], gold: list[str] | None = None) -> Encounter:
    """A note that says each word in a sentence; gold are the words' own codes unless given."""
    text, evidence = "", []
    gold = sorted(set(words)) if gold is None else gold
    for mention, word in enumerate(words):
        start = len(text) + len("hay ")
        if word in gold:
            span = Span(name, start, start + len(word))
            evidence.append(Evidence(code(word), span, mention))
        text += f"hay {word} hoy. "
    codes = tuple(GoldCode(code(word), n) for n, word in enumerate(gold, 1))
    return Encounter(
        name,
        name,
        "oncology",
        "professional",
        "unknown",
        date(2020, 1, 1),
        (Document(name, "case_report", text),),
        codes,
        tuple(evidence),
    )


def code(word: str) -> Code:
    return Code("ICD-O-3", f"80{WORDS.index(word)}0/3")


def notes(n: int, seed: int) -> list[Encounter]:
    """Notes whose annotators pass over one word in five."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(n):
        words = [WORDS[i] for i in draw.integers(len(WORDS), size=3)]
        gold = sorted({word for word in words if draw.random() < 0.8})
        made.append(note(f"note {number:03d}", words, gold))
    return made


def corpus_of(encounters: list[Encounter]) -> Any:
    names = tuple(encounter.encounter_id for encounter in encounters)
    return coder.Corpus("made up", tuple(encounters), names)


def lexicon_of(encounters: list[Encounter]) -> Any:
    return found_by.Lexicon.fit(encounters, [found_by.annotated_mentions(e) for e in encounters])


def documents(confidence: Any, right: Any, level: float = 0.9, eligible: Any = None) -> Any:
    """Documents of one code each under the target exact."""
    right = np.asarray(right, dtype=bool)
    return populations.Population(
        Target("exact", level, 0.1),
        tuple(f"document {i}" for i in range(len(right))),
        np.asarray(confidence, dtype=float),
        Losses.of_correct(right),
        np.ones(len(right), dtype=bool) if eligible is None else np.asarray(eligible),
        right.astype(np.int64),
        np.ones(len(right), dtype=np.int64),
    )


# ---- candidates ----------------------------------------------------------------------------------


def test_candidates_are_the_codes_of_annotated_mentions_and_one_row_each() -> None:
    lexicon = lexicon_of([note("a", ["tumor", "quiste"]), note("b", ["tumor", "asma"])])
    found = found_by.candidates(note("c", ["tumor", "gota", "tumor"]), 9, lexicon)
    assert set(found) == {code("tumor")}
    row = dict(zip(found_by.FEATURES, found[code("tumor")], strict=True))
    # Annotated twice in two occurrences: 2 / (2 + 1), one occurrence without the code added.
    assert row["logit of P(code | mention), its likeliest mention"] == pytest.approx(
        found_by.logit(2 / 3)
    )
    assert row["log hits"] == pytest.approx(math.log1p(2))
    assert row["log times that the likeliest mention was annotated with the code"] == (
        pytest.approx(math.log1p(2))
    )
    assert row["log documents with the code"] == pytest.approx(math.log1p(2))
    assert row["entropy of the likeliest mention's codes"] == 0.0
    assert row["log words of the document"] == pytest.approx(math.log(9))


def test_candidates_do_not_read_the_gold_of_the_document() -> None:
    lexicon = lexicon_of(notes(30, 1))
    told = note("c", ["tumor", "gota"])
    blank = replace(told, codes=(), evidence=())
    assert found_by.candidates(told, 6, lexicon) == found_by.candidates(blank, 6, lexicon)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("no se observa ", True),
        ("Sin signos de ", True),
        ("se observa ", False),
        ("no hay fiebre. Presenta ", False),
        ("nodulo: ", False),
        ("", False),
    ],
)
def test_a_negation_counts_inside_its_own_sentence(before: str, expected: bool) -> None:
    assert found_by.negated(before) is expected


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6))
def test_entropy_lies_between_one_code_and_all_alike(weights: list[float]) -> None:
    assert -1e-12 <= found_by.entropy(weights) <= math.log(len(weights)) + 1e-12


# ---- the cross-fitted coder ----------------------------------------------------------------------


def test_no_document_is_scored_by_what_saw_its_gold() -> None:
    encounters = notes(60, 2)
    before = next(f for f in coder.cross_fit(corpus_of(encounters), 4, 0) if 7 in f.held.rows)
    # The texts stay; gold and evidence of the document's whole fold become something else.
    other = note("other", ["ictus", "asma"]).codes
    changed = [
        replace(encounter, codes=other, evidence=()) if i in before.held.rows else encounter
        for i, encounter in enumerate(encounters)
    ]
    after = next(f for f in coder.cross_fit(corpus_of(changed), 4, 0) if 7 in f.held.rows)
    assert np.array_equal(after.held.rows, before.held.rows)
    assert not np.array_equal(after.held.gold, before.held.gold)
    assert np.array_equal(after.held.probabilities, before.held.probabilities)
    target = Target("exact", 0.9, 0.1)
    cuts = [populations.fit_cut(f.others, target, "exact match") for f in (before, after)]
    assert cuts[0] == cuts[1]
    confidences = [
        populations._confidence(f, cut, target)
        for f, cut in zip((before, after), cuts, strict=True)
    ]
    assert np.array_equal(*confidences)


def test_every_document_is_held_once_and_every_gold_code_is_counted() -> None:
    encounters = notes(40, 3)
    folds = coder.cross_fit(corpus_of(encounters), 4, 0)
    rows = np.concatenate([fold.held.rows for fold in folds])
    assert sorted(rows.tolist()) == list(range(40))
    for fold in folds:
        assert not set(fold.held.rows) & set(fold.others.rows)
        counted = fold.held.gold.sum(axis=1) + fold.held.outside
        assert counted.tolist() == [len(encounters[i].code_set) for i in fold.held.rows]
        assert (fold.held.probabilities > 0).all()
        assert (fold.held.probabilities < 1).all()


def test_a_code_that_only_its_own_fold_knows_is_counted_as_missed() -> None:
    encounters = [e for e in notes(60, 2) if code("gota") not in e.code_set]
    encounters.append(note("odd", ["gota"]))
    last = len(encounters) - 1
    (fold,) = [f for f in coder.cross_fit(corpus_of(encounters), 4, 0) if last in f.held.rows]
    at = fold.held.rows.tolist().index(last)
    assert fold.held.outside[at] == 1
    assert not fold.held.gold[at].any()
    assert fold.held.outside.sum() == 1


def test_articles_are_never_parted_by_folds() -> None:
    encounters = notes(40, 4)
    articles = tuple(f"article {i // 4}" for i in range(40))
    folds = coder.cross_fit(coder.Corpus("made up", tuple(encounters), articles), 3, 0)
    for fold in folds:
        assert not set(fold.held.articles) & set(fold.others.articles)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 99))
def test_one_document_of_each_article_is_drawn(articles: list[int], seed: int) -> None:
    names = [f"article {i}" for i in articles]
    rows = coder.one_per_article(names, seed)
    assert sorted(names[i] for i in rows) == sorted(set(names))
    assert np.array_equal(rows, np.sort(rows))


def test_absent_codes_have_their_measured_log_odds() -> None:
    one, two = code("tumor"), code("asma")
    found: list[set[Code]] = [{one}, set()]
    # 2 documents of 4 codes, one pair found; of the 7 others one is gold.
    odds = coder.absent_log_odds(found, [{one, two}, set()], 4)
    assert odds == pytest.approx(math.log(1.5 / 6.5))


# ---- cut and confidence --------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.8, 0.9]), st.booleans()), min_size=1),
    st.sampled_from([0.5, 0.75, 0.9]),
)
def test_the_precise_cut_is_the_smallest_that_reaches_the_level(
    pairs: list[tuple[float, bool]], level: float
) -> None:
    p, right = np.array([[v for v, _ in pairs]]), np.array([[r for _, r in pairs]])
    reached = [c for c in sorted(set(p.ravel())) if right[p >= c].mean() >= level]
    expected = reached[0] if reached else p.max()
    assert populations.precise_cut(p, right, level) == expected


def test_errors_to_spare_are_those_allowed_less_those_expected() -> None:
    p = np.array([[0.9, 0.8, 0.3], [0.99, 0.2, 0.1], [0.5, 0.5, 0.5]])
    assigned = p >= 0.7
    # Allowed .1 per code; expected .1 + .2, .01 and none.
    assert populations.errors_to_spare(p, assigned, 0.9) == pytest.approx([-0.1, 0.09, 0.0])


# ---- thresholds and judges -----------------------------------------------------------------------

samples = st.lists(
    st.tuples(st.sampled_from([0.1, 0.4, 0.6, 0.9]), st.booleans(), st.booleans()),
    min_size=30,
    max_size=120,
)


@settings(max_examples=60)
@given(samples, st.sampled_from([0.5, 0.8, 0.9]))
def test_the_empirical_threshold_is_the_most_lenient_that_looks_good(
    rows: list[tuple[float, bool, bool]], level: float
) -> None:
    score, right, eligible = (np.array(column) for column in zip(*rows, strict=True))
    made = documents(score, right, level, eligible)

    def looks_good(threshold: float) -> bool:
        chosen = eligible & (score >= threshold)
        errors = int((~right[chosen]).sum())
        return bool(chosen.sum() >= designs.FEWEST and errors <= (1 - level) * chosen.sum() + 1e-9)

    good = [t for t in sorted(set(score[eligible])) if looks_good(t)]
    assert designs.empirical_threshold(made, made) == (good[0] if good else None)


@settings(max_examples=60)
@given(samples)
def test_what_is_possible_is_the_best_of_all_thresholds(
    rows: list[tuple[float, bool, bool]],
) -> None:
    score, right, eligible = (np.array(column) for column in zip(*rows, strict=True))
    shares = [0.0]
    for threshold in score:
        chosen = eligible & (score >= threshold)
        if chosen.any() and (~right[chosen]).sum() <= 0.1 * chosen.sum() + 1e-9:
            shares.append(chosen.mean())
    assert designs.possible(documents(score, right, 0.9, eligible)) == max(shares)


def test_a_verdict_counts_all_documents_for_the_share_and_the_automated_for_the_metric() -> None:
    eligible = [True, True, True, False]
    made = documents([0.9, 0.8, 0.1, 0.9], [True, False, True, True], 0.5, eligible)
    verdict = designs.judge(made, 0.8)
    assert (verdict.automated, verdict.metric, verdict.recall) == (0.5, 0.5, 0.5)
    assert not verdict.broken  # exactly the level is no broken promise
    assert designs.judge(replace(made, target=Target("exact", 0.51, 0.1)), 0.8).broken


def test_without_a_threshold_or_an_automated_document_nothing_is_broken() -> None:
    made = documents([0.2, 0.3], [False, False])
    for threshold, certified in ((None, False), (0.9, True)):
        verdict = designs.judge(made, threshold)
        assert (verdict.certified, verdict.automated, verdict.broken) == (certified, 0.0, False)
        assert verdict.metric is None


def test_a_resplit_parts_the_documents_and_is_the_same_again() -> None:
    draw = np.random.default_rng(5)
    made = documents(draw.random(300), draw.random(300) < 0.97, 0.9)
    seed = (0, 1)
    tune = designs.tune_of(made, seed)
    assert len(tune) == 60
    again, outside = designs._cut(made, np.random.default_rng(seed))
    assert again.encounter_ids == tune.encounter_ids
    assert sorted((*again.encounter_ids, *outside.encounter_ids)) == sorted(made.encounter_ids)
    assert designs.resplit(made, seed) == designs.resplit(made, seed)
    assert designs.resplit(made, seed).halves.certified


@pytest.mark.slow
def test_known_truth_shows_a_kept_promise_and_an_unkept_one() -> None:
    # Confidence says nothing and every threshold misses the level by a hair: the hardest case.
    draw = np.random.default_rng(6)
    n = 1000
    made = documents(draw.random(n), np.arange(n) >= 101, 0.9)
    found = [designs.resplit(made, (1, i)) for i in range(400)]
    kept = sum(r.resampled.broken for r in found)
    unkept = sum(r.empirical_resampled.broken for r in found)
    assert binomtest(kept, 400, 0.1, alternative="greater").pvalue > 0.001
    assert binomtest(unkept, 400, 0.25, alternative="greater").pvalue < 0.001


# ---- the table -----------------------------------------------------------------------------------


def test_a_share_of_resplits_comes_with_its_exact_interval() -> None:
    verdicts = [
        designs.Verdict(True, 0.5, 0.9, 0.8, broken) for broken in [True] * 2 + [False] * 18
    ]
    low, high = binomtest(2, 20).proportion_ci(method="exact")
    assert real.broken_share(verdicts) == f"0.100 [{low:.3f}, {high:.3f}]"
    assert real.automated_share(verdicts) == "0.500 ± 0.000"
    assert real.automated_metric([*verdicts, designs.judge(documents([0.1], [True]), None)]) == (
        "0.900 / 0.800"
    )
