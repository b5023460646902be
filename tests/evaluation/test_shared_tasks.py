"""CodiEsp-D and -P, CANTEMIST-CODING and -NORM: the official rules, on examples and by oracle."""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.codes.systems import normalise
from surecode.data.sources import cantemist as corpus
from surecode.encounter import Code, Document, Encounter, Evidence, Span
from surecode.errors import InputError
from surecode.evaluation.cantemist import (
    METASTASIS,
    cantemist_coding,
    cantemist_norm,
    mentions_of,
    mentions_of_record,
)
from surecode.evaluation.codiesp import codiesp_score
from surecode.evaluation.codiesp_x import Reference
from surecode.evaluation.mention_score import MentionScore
from surecode.record import CodeDecision, DecisionRecord, Meaning, Place, Quote

DATA = Path(__file__).parents[2] / os.environ.get("SURECODE_DATA", "../shared/data")
TOY = DATA / "codiesp_scorer_example"


def cm(*values: str) -> list[Code]:
    return [Code("ICD-10-CM", value) for value in values]


def pcs(*values: str) -> list[Code]:
    return [Code("ICD-10-PCS", value) for value in values]


def morphology(*values: str) -> list[Code]:
    return [Code("ICD-O-3", value) for value in values]


# ---- CodiEsp -------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, list[Code]]:
    """The rows of a toy file; what is no code there (CODE6) becomes a code that no list has."""
    codes = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        document, value = line.split("\t")
        if value.startswith("CODE"):
            codes[document].append(Code("ICD-10-CM", value))
        else:
            codes[document].append(normalise("ICD-10-CM", value))
    return codes


@pytest.mark.skipif(not TOY.is_dir(), reason=f"the CodiEsp scorer's toy example is not at {TOY}")
def test_the_toy_example_of_the_official_scorer() -> None:
    gold, shown = _read(TOY / "gold" / "gs_D.tsv"), _read(TOY / "system" / "pred_D.tsv")
    ranked = [shown.get(document, []) for document in gold]
    named = {code for codes in ranked for code in codes}
    valid = {code for code in named if not code.value.startswith("CODE")}
    score = codiesp_score("D", list(gold.values()), ranked, ranked, valid=valid)
    assert score.mean_average_precision == pytest.approx(4 / 9)  # .444, as its README has it
    # By hand: gold 3 + 2 + 5 codes; shown and listed 5 + 0 + 4, of which 2 + 0 + 2 are gold.
    assert (score.true_positive, score.predicted, score.gold) == (4, 9, 10)
    assert (score.precision, score.recall) == (4 / 9, 4 / 10)
    assert score.f1 == pytest.approx(8 / 19)
    assert score.map_of_all == pytest.approx(4 / 9 * 2 / 3)


def test_each_subtrack_sees_its_own_codes_only() -> None:
    gold = [[*cm("I10", "R52"), *pcs("BW03ZZZ")], cm("C61")]
    ranked = [[*pcs("BW03ZZZ", "0DTJ4ZZ"), *cm("I10", "N20.0")], [*pcs("0DTJ"), *cm("C61")]]
    predicted = [[*pcs("BW03ZZZ"), *cm("I10")], ranked[1]]
    d = codiesp_score("D", gold, predicted, ranked)
    assert (d.true_positive, d.predicted, d.gold, d.encounters) == (2, 2, 3, 2)
    assert d.mean_average_precision == (1 / 2 + 1) / 2
    p = codiesp_score("P", gold, predicted, ranked)
    # The second document has no gold procedure: wrong in precision, not in the mean.
    assert (p.true_positive, p.predicted, p.gold) == (1, 2, 1)
    assert p.mean_average_precision == p.map_of_all == 1.0


def test_a_silent_coder_is_flattered_by_the_official_mean_only() -> None:
    score = codiesp_score("D", [cm("I10"), cm("R52")], [cm("I10"), []], [cm("I10"), []])
    assert (score.mean_average_precision, score.map_of_all) == (1.0, 0.5)
    assert score.recall == 0.5
    unranked = codiesp_score("D", [cm("I10")], [cm("I10")], None)
    assert (unranked.mean_average_precision, unranked.map_of_all, unranked.f1) == (None, None, 1.0)


def test_a_gold_code_outside_of_the_list_stays_and_cannot_be_found() -> None:
    score = codiesp_score(
        "D", [cm("I10", "R52")], [cm("I10", "R52")], [cm("R52", "I10")], valid=cm("I10")
    )
    assert (score.true_positive, score.predicted, score.gold) == (1, 1, 2)
    assert score.mean_average_precision == 1 / 2  # R52 is dropped, and the ranks close up


pools = st.frozensets(st.sampled_from(cm("I10", "R52", "C61", "N20.0")))


@given(st.lists(st.tuples(pools, pools), min_size=1, max_size=8))
def test_counts_agree_with_a_join_of_tables(
    pairs: list[tuple[frozenset[Code], frozenset[Code]]],
) -> None:
    gold, shown = zip(*pairs, strict=True)
    score = codiesp_score("D", gold, shown, None)
    tables = [
        pd.DataFrame([(n, c.value) for n, codes in enumerate(sets) for c in codes]).reindex(
            columns=[0, 1]
        )
        for sets in (gold, shown)
    ]
    right = tables[0].merge(tables[1], on=[0, 1])
    assert (score.true_positive, score.predicted, score.gold) == (
        len(right),
        len(tables[1]),
        len(tables[0]),
    )


def test_uneven_input_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="1 gold and 2 predicted"):
        codiesp_score("D", [cm("I10")], [[], []], None)
    with pytest.raises(InputError, match="no encounters"):
        cantemist_coding([], [], None)


# ---- CANTEMIST -----------------------------------------------------------------------------------


def test_coding_by_hand_with_and_without_metastasis() -> None:
    gold = [morphology("8500/3", "8000/6"), morphology("8140/3", "8140/33"), []]
    ranked = [
        morphology("8000/6", "8010/3", "8500/3"),
        morphology("8140/33", "8000/6"),
        morphology("8000/1"),
    ]
    score = cantemist_coding(gold, ranked, ranked)
    assert (score.true_positive, score.predicted, score.gold) == (3, 6, 4)
    assert (score.precision, score.recall, score.f1) == (3 / 6, 3 / 4, 6 / 10)
    # (1 + 2/3)/2 and 1/2; the third document has no gold codes.
    assert score.mean_average_precision == pytest.approx((5 / 6 + 1 / 2) / 2)
    without = cantemist_coding(gold, ranked, ranked, metastasis=False)
    assert (without.true_positive, without.predicted, without.gold) == (2, 4, 3)
    # 8500/3 moves up to the second place.
    assert without.mean_average_precision == pytest.approx((1 / 2 + 1 / 2) / 2)


DUCTAL, LOBULAR = morphology("8500/3", "8520/3")
GOLD = [
    Reference("d1", DUCTAL, 10, 27),
    Reference("d1", METASTASIS, 40, 50),
    Reference("d2", LOBULAR, 0, 9),
    Reference("d2", DUCTAL, 30, 47),
]
SHOWN = [
    Reference("d1", DUCTAL, 10, 27),
    Reference("d1", METASTASIS, 40, 51),  # one character more
    Reference("d2", DUCTAL, 0, 9),  # another code ...
    Reference("d2", LOBULAR, 0, 9),  # ... and the right one at the same place
    Reference("d2", METASTASIS, 60, 70),
    Reference("d3", DUCTAL, 10, 27),  # a document of the gold without a mention
    Reference("d9", DUCTAL, 10, 27),  # no document of the gold
]


def test_norm_by_hand() -> None:
    documents = ["d1", "d2", "d3"]
    score = cantemist_norm(GOLD, SHOWN, documents=documents)
    assert score == MentionScore(2 / 5, 2 / 4, 4 / 9, 2, 5, 4)
    # Two codes at one place are two predictions.
    strict = cantemist_norm(GOLD, SHOWN, documents=documents, by="triple")
    assert strict == MentionScore(2 / 6, 2 / 4, 4 / 10, 2, 6, 4)
    without = cantemist_norm(GOLD, SHOWN, documents=documents, metastasis=False)
    assert (without.true_positive, without.predicted, without.gold) == (2, 3, 3)
    assert cantemist_norm(GOLD, SHOWN).predicted == 6
    assert cantemist_norm(GOLD, []) == MentionScore(0.0, 0.0, 0.0, 0, 0, 4)
    assert cantemist_norm(GOLD, [*GOLD, *GOLD]) == MentionScore(1.0, 1.0, 1.0, 4, 4, 4)


def official_norm(gold: list[Reference], shown: list[Reference]) -> tuple[int, int, int]:
    """The counts as ``cantemist_ner_norm.py`` makes them: a join on document and offsets."""
    place = ["document_id", "start", "end"]
    columns = [*place, "code"]
    right, left = (
        pd.DataFrame([(m.document_id, m.start, m.end, str(m.code)) for m in ms], columns=columns)
        for ms in (gold, shown)
    )
    both = left.merge(right, how="right", on=place, suffixes=("_pred", "_gs"))
    hits = int((both.code_pred == both.code_gs).sum())
    return hits, len(left.drop_duplicates(place)), len(right.drop_duplicates(place))


mentions = st.builds(
    Reference,
    st.sampled_from(["d1", "d2"]),
    st.sampled_from([DUCTAL, LOBULAR]),
    st.sampled_from([0, 5]),
    st.sampled_from([9, 10]),
)


@given(
    st.lists(mentions, max_size=8, unique_by=lambda m: (m.document_id, m.start, m.end)),
    st.lists(mentions, max_size=10, unique=True),
)
def test_norm_counts_as_the_official_script_where_a_gold_place_has_one_code(
    gold: list[Reference], shown: list[Reference]
) -> None:
    score = cantemist_norm(gold, shown)
    assert (score.true_positive, score.predicted, score.gold) == official_norm(gold, shown)
    strict = cantemist_norm(gold, shown, by="triple")
    assert strict.true_positive == score.true_positive
    assert strict.precision <= score.precision


def test_mentions_come_from_evidence_and_from_records() -> None:
    evidence = Evidence(DUCTAL, Span("d", 0, 9))
    encounter = Encounter(
        *("e", "p", "oncology", "professional", "x", date(2020, 1, 1)),
        documents=(Document("d", "note", "Carcinoma. Carcinoma."),),
        evidence=(evidence,),
    )
    assert mentions_of(encounter.evidence) == [Reference("d", DUCTAL, 0, 9)]
    meaning = Meaning("affirmed", "certain", "current", "patient")
    quote = Quote("d", 0, 9, "Carcinoma", 1.0, None, meaning, (Place("d", 11, 20),), False)
    code = CodeDecision(
        *("ICD-O-3", "8500/3", "third edition", None, 0.9, "neural", {}), (quote,), None, None
    )
    record = DecisionRecord(
        *("e", "oncology", {}, "assist", "review", (), (code,), 0.5, None, None, {}, {})
    )
    assert mentions_of_record(record) == [
        Reference("d", DUCTAL, 0, 9),
        Reference("d", DUCTAL, 11, 20),
    ]


def test_pieces_of_one_mention_are_one_and_two_places_of_one_term_are_two() -> None:
    meaning = Meaning("affirmed", "certain", "current", "patient")

    def quote(start: int, end: int, mention: int) -> Quote:
        return Quote("d", start, end, "x", 0.5, None, meaning, (), False, "training:1", mention)

    evidence = (quote(0, 9, 0), quote(15, 20, 0), quote(100, 110, 1))
    code = CodeDecision(
        *("ICD-O-3", "8500/3", "third edition", None, 0.9, "lexicon", {}), evidence, None, None
    )
    record = DecisionRecord(
        *("e", "oncology", {}, "assist", "review", (), (code,), 0.5, None, None, {}, {})
    )
    assert mentions_of_record(record) == [
        Reference("d", DUCTAL, 0, 20),
        Reference("d", DUCTAL, 100, 110),
    ]


@pytest.mark.skipif(
    not (DATA / "cantemist").is_dir(),
    reason="CANTEMIST is not in the folder that SURECODE_DATA names",
)
def test_the_gold_scores_itself_and_no_place_has_two_codes() -> None:
    encounters = [s.encounter for s in corpus.read(DATA) if s.official_split == "dev-set2"]
    gold = [m for encounter in encounters for m in mentions_of(encounter.evidence)]
    assert len({(m.document_id, m.start, m.end) for m in gold}) == len(gold) == 2660
    assert cantemist_norm(gold, gold) == MentionScore(1.0, 1.0, 1.0, 2660, 2660, 2660)
    sets = [encounter.code_set for encounter in encounters]
    score = cantemist_coding(sets, sets, [sorted(codes) for codes in sets])
    assert score.f1 == score.mean_average_precision == 1.0
