from __future__ import annotations

import os
from collections import Counter
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.data.sources import codiesp
from surecode.data.sources.text_files import read_rows
from surecode.encounter import Code, Document, Encounter, Evidence, Span
from surecode.evaluation.codiesp_x import (
    Reference,
    codiesp_x,
    gold_references,
    references,
)
from surecode.evaluation.mention_score import MentionScore
from surecode.record import Meaning, Quote

DATA = Path(__file__).parents[2] / os.environ.get("SURECODE_DATA", "../shared/data")
TOY = DATA / "codiesp_scorer_example"


def score(gold: list[tuple], predicted: list[tuple], **options) -> MentionScore:
    return codiesp_x(
        [Reference(*row) for row in gold], [Reference(*row) for row in predicted], **options
    )


def listed(offsets: str) -> tuple[int, int]:
    """From the first number of a gold row to its last, as the official script reads it."""
    return int(offsets.split(" ", 1)[0]), int(offsets.split(" ")[-1])


@pytest.mark.skipif(
    not TOY.is_dir(), reason="the scorer's example is not in the folder that SURECODE_DATA names"
)
def test_the_official_example():
    gold = [
        Reference(name, code, *listed(offsets))
        for _, (name, _, code, _, offsets) in read_rows(TOY / "gold" / "gs_X.tsv", columns=5)
    ]
    predicted = [
        Reference(name, code, *listed(offsets))
        for _, (name, offsets, _, code) in read_rows(TOY / "system" / "pred_X.tsv", columns=4)
    ]
    # Its list of codes is in lower case, so that S43.40 and CODE4 are dropped.
    valid = {r.code for r in [*gold, *predicted] if r.code == r.code.lower()}
    result = codiesp_x(gold, predicted, valid=valid)
    assert (result.true_positive, result.predicted, result.gold) == (7, 11, 13)
    printed = [round(value, 3) for value in (result.precision, result.recall, result.f1)]
    assert printed == [0.636, 0.538, 0.583]


def test_an_example_by_hand():
    gold = [
        ("d1", "i10", 100, 112),
        ("d1", "i10", 300, 312),  # a second place of the same code
        ("d1", "e11.9", 200, 220),
        ("d2", "r52", 0, 5),
        ("d2", "c61", 50, 60),
        ("d2", "z99", 70, 80),  # never predicted
    ]
    predicted = [
        ("d1", "i10", 0, 4),
        ("d1", "i10", 295, 322),  # contains the second place, 5 and 10 to spare
        ("d1", "e11.9", 200, 219),  # one character too short
        ("d2", "r52", 0, 16),  # 11 to spare
        ("d2", "c61", 40, 60),
        ("d2", "A00", 0, 5),  # a code that the document does not have
        ("d3", "c61", 50, 60),  # a document without gold
    ]
    result = score(gold, predicted)
    assert result == MentionScore(2 / 6, 2 / 5, 4 / 11, 2, 6, 5)
    lower = score(gold, predicted, valid={"i10", "e11.9", "r52", "c61"})
    assert (lower.true_positive, lower.predicted, lower.gold) == (2, 5, 5)
    assert score(gold, predicted, slack=11).true_positive == 3
    assert score(gold, predicted, slack=0).true_positive == 0


def pandas_score(gold: list[tuple], predicted: list[tuple]) -> tuple[int, int, int]:
    """The counts by joining two tables on document and code, as the official script does."""
    unit = ["document", "code"]
    right = pd.DataFrame(gold, columns=[*unit, "start", "end"])
    left = pd.DataFrame(predicted, columns=[*unit, "start", "end"])
    both = left.merge(right, on=unit, suffixes=("_shown", "_gold"))
    before, after = both.start_gold - both.start_shown, both.end_shown - both.end_gold
    hits = both[before.between(0, 10) & after.between(0, 10)]
    return tuple(len(table.drop_duplicates(unit)) for table in (hits, left, right))


rows = st.lists(
    st.tuples(
        st.sampled_from(["d1", "d2", "d3"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([0, 1, 10, 11, 20]),
        st.sampled_from([30, 31, 40, 41]),
    ),
    max_size=12,
)


@given(rows, rows)
def test_counts_agree_with_a_join_of_tables(gold, predicted):
    result = score(gold, predicted)
    assert (result.true_positive, result.predicted, result.gold) == pandas_score(gold, predicted)
    if result.true_positive:
        mean = 2 * result.precision * result.recall / (result.precision + result.recall)
        assert result.f1 == pytest.approx(mean)


@given(rows, rows, st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(gold, predicted, random):
    shuffled = random.sample(predicted, len(predicted))
    assert score([*gold, *gold], [*shuffled, *predicted]) == score(gold, predicted)


@given(rows, rows)
def test_more_spans_of_a_predicted_code_never_hurt(gold, predicted):
    before = score(gold, predicted)
    more = [(name, code, 0, 41) for name, code, _, _ in predicted]
    after = score(gold, predicted + more)
    assert after.predicted == before.predicted
    assert after.true_positive >= before.true_positive
    assert score(gold, predicted, slack=40).true_positive >= before.true_positive


@given(rows)
def test_gold_itself_is_perfect_and_silence_is_zero(gold):
    perfect, silent = score(gold, gold), score(gold, [])
    assert perfect.f1 == perfect.precision == perfect.recall == (1 if gold else 0)
    assert (silent.f1, silent.precision, silent.recall) == (0, 0, 0)


def test_a_mention_in_pieces_is_one_hull():
    code = Code("ICD-10-CM", "S42.90X")
    encounter = Encounter(
        encounter_id="e",
        patient_id="p",
        specialty="urology",
        setting="professional",
        payer="unknown",
        date_of_service=date(2026, 1, 1),
        documents=(Document("d", "note", "x" * 60),),
        evidence=(
            Evidence(code, Span("d", 10, 14), mention=0),
            Evidence(code, Span("d", 20, 26), mention=0),
            Evidence(code, Span("d", 40, 44), mention=1),
            Evidence(code, Span("d", 30, 33), mention=1),
        ),
    )
    hulls = gold_references(encounter, as_listed=False)
    assert hulls == [Reference("d", code, 10, 26), Reference("d", code, 30, 44)]
    # Listed out of order, a mention ends before it starts, and nothing finds it.
    official = gold_references(encounter)
    assert official == [Reference("d", code, 10, 26), Reference("d", code, 40, 33)]
    shown = references(
        code,
        [
            Quote(
                "d",
                28,
                50,
                "",
                1.0,
                None,
                Meaning("affirmed", "certain", "current", "patient"),
                (),
                False,
            )
        ],
    )
    assert codiesp_x(hulls, shown).true_positive == 1
    assert codiesp_x(official, shown).true_positive == 0


@pytest.mark.skipif(
    not (DATA / "codiesp").is_dir(), reason="CodiEsp is not in the folder that SURECODE_DATA names"
)
@pytest.mark.parametrize(
    ("split", "units", "reachable", "disordered"),
    [("train", 7189, 7147, 65), ("dev", 3494, 3476, 33)],
)
def test_encounters_give_the_references_of_the_published_files(split, units, reachable, disordered):
    published = Counter(
        (name, *listed(offsets))
        for _, (name, _, _, _, offsets) in read_rows(
            DATA / "codiesp" / split / f"{split}X.tsv", columns=5
        )
    )
    encounters = [s.encounter for s in codiesp.read(DATA) if s.official_split == split]
    gold = [r for encounter in encounters for r in gold_references(encounter)]
    assert Counter((r.document_id, r.start, r.end) for r in gold) == published
    hulls = [r for one in encounters for r in gold_references(one, as_listed=False)]
    assert sum(a != b for a, b in zip(gold, hulls, strict=True)) == disordered
    best = codiesp_x(gold, hulls)
    assert (best.true_positive, best.predicted, best.gold) == (reachable, units, units)
