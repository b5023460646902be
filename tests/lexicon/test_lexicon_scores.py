import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.coder.dictionary import Dictionary
from surecode.data.sources import cantemist, codiesp
from surecode.encounter import Code, Document, Encounter, Evidence, Span
from surecode.evaluation import metrics
from surecode.evidence.assertion import Assertion
from surecode.lexicon.lexicon import Hit, Lexicon, Match
from surecode.lexicon.meaning import said, usable
from surecode.lexicon.scores import WORTH, scores
from surecode.lexicon.term import Term
from surecode.lexicon.terms_training import training_terms, words_of

DATA = Path(__file__).parents[2] / os.environ.get("SURECODE_DATA", "../shared/data")
HEART, KIDNEY, FEVER = (Code("ICD-10-CM", value) for value in ("I50.9", "N18.9", "R50.9"))
PLAIN = Assertion()


def encounter(*texts: str, mark: tuple[Code, str] | None = None) -> Encounter:
    documents = tuple(Document(str(n), "note", text) for n, text in enumerate(texts))
    evidence: Sequence[Evidence] = ()
    if mark:
        start = texts[0].index(mark[1])
        evidence = [Evidence(mark[0], Span("0", start, start + len(mark[1])))]
    return Encounter(
        "e", "p", "m", "facility", "x", date(2026, 1, 1), documents, (), tuple(evidence)
    )


def hit(code: Code, p: float, rule: str, match: Match = "exact", place: int = 0) -> Hit:
    return Hit(code, Span("0", place, place + 1), place, "training", rule, match, p, 1, 1)


# ---- meaning -------------------------------------------------------------------------------------


def test_what_is_said_of_each_hit() -> None:
    fever = Term("fiebre", FEVER, "training", "r", 0.5, None, 1)
    other = Term("fiebre", HEART, "training", "s", 0.4, None, 1)
    one = encounter(
        "El paciente no presenta fiebre. Hoy tiene fiebre de 39.",
        "Antecedentes familiares:\nmadre con fiebre.",
    )
    hits = Lexicon.build([fever, other]).hits(one)
    meant = said(one, hits)
    assert len(meant) == len(hits) == 6
    assert [(m.polarity, m.experiencer) for m in meant[::2]] == [
        ("negated", "patient"),
        ("affirmed", "patient"),
        ("affirmed", "family"),
    ]
    assert meant[::2] == meant[1::2]  # hits of one place are meant alike
    assert [usable(m) for m in meant[::2]] == [False, True, False]
    assert said(one, []) == []


def test_what_is_uncertain_or_past_is_usable_and_what_is_hypothetical_is_not() -> None:
    assert usable(PLAIN)
    assert usable(replace(PLAIN, certainty="uncertain", time="historical"))
    assert not usable(replace(PLAIN, certainty="hypothetical"))


# ---- scores --------------------------------------------------------------------------------------


def test_different_terms_add_up_and_the_same_term_counts_once() -> None:
    hits = [
        hit(HEART, 0.5, "a"),
        hit(KIDNEY, 0.9, "b", place=1),
        hit(HEART, 0.4, "c", place=2),
        hit(HEART, 0.5, "a", place=3),
        hit(FEVER, 0.6, "d", "typo", place=4),
        hit(FEVER, 0.2, "d", place=5),
    ]
    found = scores(hits, [PLAIN] * 6)
    assert found == pytest.approx(
        {
            HEART: 1 - (1 - 0.5) * (1 - 0.4),
            KIDNEY: 0.9,
            FEVER: max(0.6 * WORTH["typo"], 0.2),
        }
    )
    assert list(found) == [HEART, KIDNEY, FEVER]


def test_what_is_not_usable_does_not_count_unless_all_does() -> None:
    hits = [hit(HEART, 0.5, "a"), hit(HEART, 0.4, "c", place=1), hit(FEVER, 0.3, "d", place=2)]
    no = replace(PLAIN, polarity="negated")
    assert scores(hits, [no, PLAIN, no]) == pytest.approx({HEART: 0.4})
    assert scores(hits, None) == pytest.approx({HEART: 0.7, FEVER: 0.3})
    with pytest.raises(ValueError, match="zip"):
        scores(hits, [PLAIN])


codes = st.sampled_from([HEART, KIDNEY, FEVER])
drawn_hits = st.lists(
    st.builds(
        hit,
        codes,
        st.floats(0.01, 1.0),
        st.sampled_from("abc"),
        st.sampled_from(list(WORTH)),
        st.integers(0, 5),
    ),
    max_size=8,
)


@given(drawn_hits, st.randoms())
def test_a_score_is_a_probability_no_hit_lowers_and_no_order_changes(
    hits: Any, random: Any
) -> None:
    found = scores(hits, None)
    assert set(found) == {one.code for one in hits}
    for code, p in found.items():
        best = max(one.probability * WORTH[one.match] for one in hits if one.code == code)
        assert best - 1e-12 <= p <= 1.0
    for kept in range(len(hits)):
        for code, p in scores(hits[:kept], None).items():
            assert p <= found[code] + 1e-12
    shuffled = random.sample(hits, len(hits))
    assert scores(shuffled, None) == pytest.approx(found)


# ---- real documents ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("corpus", "options", "train", "held_out", "cut", "least"),
    [
        (codiesp, {"kinds": ["diagnosis"]}, "train", "dev", 0.35, {"f1": 0.665, "map": 0.515}),
        (codiesp, {"kinds": ["procedure"]}, "train", "dev", 0.227, {"f1": 0.535, "map": 0.52}),
        (cantemist, {}, "train-set", "dev-set2", 0.35, {"f1": 0.76, "map": 0.685}),
    ],
    ids=["codiesp-diagnoses", "codiesp-procedures", "cantemist"],
)
def test_a_lexicon_ranks_real_documents_better_than_the_dictionary(
    corpus: Any, options: Any, train: Any, held_out: Any, cut: Any, least: Any
) -> None:
    name = corpus.__name__.rpartition(".")[2]
    if not (DATA / name).is_dir():
        pytest.skip(f"the {name} documents are not at {DATA}")
    sourced = list(corpus.read(DATA, **options))
    learned = [s.encounter for s in sourced if s.official_split == train]
    encounters = [s.encounter for s in sourced if s.official_split == held_out]
    lexicon = Lexicon.build(training_terms(learned), others=words_of(learned))
    hits = [lexicon.hits(one) for one in encounters]
    hashed = Lexicon.from_dict(json.loads(json.dumps(lexicon.hashed().to_dict())))
    assert [hashed.hits(one) for one in encounters] == hits
    scored = [scores(of_one, None) for of_one in hits]
    ranked = [sorted(of, key=lambda code: (-of[code], code)) for of in scored]
    gold = [one.code_set for one in encounters]
    assigned = [[code for code, p in of.items() if p >= cut] for of in scored]
    assert metrics.micro(gold, assigned).f1 >= least["f1"]
    ranking = metrics.mean_average_precision(gold, ranked)
    assert ranking >= least["map"]
    dictionary = Dictionary.fit(learned)
    baseline = [dictionary.code(one) for one in encounters]
    assert ranking > metrics.mean_average_precision(gold, baseline)
