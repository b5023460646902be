"""The October drill: its codes, its wordings, its notes and how it counts."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import simple_icd_10_cm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from october_coder import AFTER, Notes, Size, choose_codes, write_notes
from october_drill import drill
from october_notes import Written, note
from october_ranking import HELD_OUT, added_alone, choose_cut, f1_with_added, ranks, recall
from october_wordings import Wording, edited, verbatim, words_of, written

from surecode.codes.label_space import LabelSpace
from surecode.codes.releases import valid_codes
from surecode.encounter import Code
from surecode.evaluation.metrics import micro

SIZE = Size(train=30, tune=10, calibrate=10, test=60, rehearsal=40)
A, B, C, D = (Code("ICD-10-CM", value) for value in ("I10", "I1A.0", "J90", "R05.9"))


@pytest.fixture(scope="module")
def notes() -> Notes:
    return write_notes(choose_codes(SIZE, 7), SIZE, 7)


def test_codes_are_apart_and_valid_when_they_are_said_to_be() -> None:
    codes = choose_codes(SIZE, 7)
    was, now = (valid_codes("ICD-10-CM", release) for release in ("FY2021", "FY2026"))
    assert was is not None
    assert now is not None
    old, held, added = ({c.value for c in part} for part in (codes.old, codes.held, codes.added))
    assert (len(old), len(held), len(added)) == (SIZE.old, SIZE.held, 2_510)
    assert not old & held
    assert old | held <= was & now
    assert added == now - was
    assert choose_codes(SIZE, 7) == codes != choose_codes(SIZE, 8)


def official(code: Code) -> list[str]:
    terms = simple_icd_10_cm.get_inclusion_term(code.value)
    return [words_of(text) for text in (simple_icd_10_cm.get_description(code.value), *terms)]


def test_no_hand_written_wording_holds_an_official_one() -> None:
    codes = choose_codes(SIZE, 7)
    assert set(written()) <= set(codes.added)
    assert len(written()) >= 200
    assert sum(map(len, written().values())) >= 300
    titles = {code: official(code)[0] for code in written()}
    for code, texts in written().items():
        assert [text for text in texts if titles[code] in words_of(text)] == []
        assert len(set(texts)) == len(texts)


def test_an_edited_wording_is_none_of_the_tables() -> None:
    rng = random.Random(3)
    for code in rng.sample(choose_codes(SIZE, 7).added, 150):
        assert words_of(verbatim(code).text) == official(code)[0]
        for _ in range(3):
            text = edited(code, rng).text
            assert words_of(text) not in official(code)
            assert words_of(text)


def test_gold_is_what_a_note_affirms_and_evidence_quotes_it(notes: Notes) -> None:
    for item in (*notes.learning, *notes.old, *notes.rehearsal, *notes.new):
        encounter = item.encounter
        assert encounter.code_set == {wording.code for wording in item.wordings}
        assert len(encounter.evidence) == len(item.wordings)
        for found in encounter.evidence:
            quote = encounter.documents[0].text[found.span.start : found.span.end]
            texts = [w.text for w in item.wordings if w.code == found.code]
            assert quote.casefold() in {text.casefold() for text in texts}


def test_what_is_denied_is_in_the_text_and_not_in_the_gold() -> None:
    rng = random.Random(0)
    said, denied = Wording(A, "high blood pressure", "edited"), Wording(C, "effusion", "edited")
    found = note("n", [said], [denied], AFTER, rng)
    assert found.encounter.code_set == {A}
    assert "effusion" in found.encounter.documents[0].text.casefold()
    assert [item.code for item in found.encounter.evidence] == [A]


def test_new_notes_are_many_and_of_every_kind(notes: Notes) -> None:
    added = set(choose_codes(SIZE, 7).added)
    assert len(notes.new) >= 300
    needed = [w for n in notes.new for w in n.wordings if w.code in added]
    assert len({w.code for w in needed}) >= 150
    assert all(n.encounter.code_set & added for n in notes.new)
    share = {
        kind: sum(w.kind == kind for w in needed) / len(needed)
        for kind in ("verbatim", "edited", "written")
    }
    assert share["written"] > 0.4
    assert min(share.values()) > 0.15
    assert not any(n.encounter.code_set & added for n in (*notes.learning, *notes.old))
    held = set(choose_codes(SIZE, 7).held)
    assert not any(n.encounter.code_set & held for n in (*notes.learning, *notes.old, *notes.new))


def test_the_same_seed_gives_the_same_notes(notes: Notes) -> None:
    again = write_notes(choose_codes(SIZE, 7), SIZE, 7)
    assert [n.encounter for n in again.new] == [n.encounter for n in notes.new]
    assert [n.encounter for n in again.old] == [n.encounter for n in notes.old]


# ---- counting ------------------------------------------------------------------------------------

SPACE = LabelSpace((A, B, C, D))


def saying(*wordings: Wording) -> Written:
    return note("n", wordings, [], AFTER, random.Random(1))


def test_ranks_by_hand() -> None:
    rows = [saying(Wording(B, "resistant pressure", "written"), Wording(A, "pressure", "verbatim")),
            saying(Wording(D, "coughs", "edited"))]  # fmt: skip
    scores = np.array([[0.9, 0.5, 0.5, 0.1], [0.2, 0.3, 0.4, 0.3]], np.float32)
    found = ranks(rows, SPACE, scores, {B, D})
    assert found["written"].tolist() == [1]  # equal to C, which comes later
    assert found["edited"].tolist() == [2]  # behind C, and behind B which comes earlier
    assert sorted(found["all"].tolist()) == [1, 2]
    assert "verbatim" not in found  # A is no added code
    assert recall(found)["all"] == {"codes": 2, "@1": 0.0, "@10": 1.0, "@50": 1.0}
    assert set(found) <= {"written", "edited", HELD_OUT, "all"}


@given(arrays.arrays(np.float32, (3, 4), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75])))
def test_the_chosen_cut_is_as_good_as_any(scores: np.ndarray) -> None:
    rows = [
        saying(Wording(B, "b", "edited"), Wording(A, "a", "edited")),
        saying(Wording(D, "d", "edited")),
        saying(Wording(A, "a", "edited")),
    ]
    # Ties are broken apart: a cut takes all of equal scores or none.
    scores = scores + np.arange(12, dtype=np.float32).reshape(3, 4) / 1000
    cut = choose_cut(rows, SPACE, scores, {B, D})
    best = max(added_alone(rows, SPACE, scores, float(c), {B, D}).f1 for c in scores.ravel())
    assert added_alone(rows, SPACE, scores, cut, {B, D}).f1 == pytest.approx(best)


def test_added_codes_count_as_errors_on_old_notes() -> None:
    rows = [saying(Wording(A, "a", "edited")), saying(Wording(C, "c", "edited"))]
    scores = np.array([[0, 0.9, 0, 0], [0, 0, 0.9, 0.2]], np.float32)
    plain = f1_with_added(rows, [{A}, {C}], SPACE, scores, 2.0, {B, D})
    assert plain.f1 == 1
    worse = f1_with_added(rows, [{A}, {C}], SPACE, scores, 0.5, {B, D})
    assert worse == micro([{A}, {C}], [{A, B}, {C}])


@pytest.mark.slow
def test_a_small_drill_runs_through(tmp_path: Path) -> None:
    size = Size(old=30, held=15, train=40, tune=12, calibrate=12, test=12, rehearsal=8, new=12)
    figures = drill(tmp_path, size, 3, ["trainer.epochs=1"])
    assert figures["old"]["change"] == 0
    assert figures["old"]["largest_difference_of_logits"] < 1e-4
    assert figures["codes"]["added"] == 2_510
    assert figures["recall"]["joined"]["all"]["codes"] >= 12
    assert figures["goals"]["change on old codes within 0.2 points"] is True
    assert figures["recall"]["placed"]["verbatim"]["@50"] > 0.5
