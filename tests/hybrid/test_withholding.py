"""Codes that an encounter only denies, or whose words mean something else there, withheld."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from surecode.codes.label_space import LabelSpace
from surecode.encounter import Code, Document, Encounter, Span
from surecode.errors import InputError
from surecode.evidence.assertion import Assertion
from surecode.hybrid.candidates import Candidates
from surecode.hybrid.found import find
from surecode.hybrid.learn import Learned, learn
from surecode.hybrid.place import Place
from surecode.hybrid.reader import TermReader
from surecode.hybrid.withholding import WITHHELD, Withholding, withheld
from surecode.lexicon.terms_senses import sense_terms

FEVER, COUGH = Code("ICD-10-CM", "R50.9"), Code("ICD-10-CM", "R05.9")
AFFIRMED, DENIED = Assertion(), Assertion(polarity="negated")
FAMILY = Assertion(experiencer="family")


def note(corpus: list[Encounter], text: str) -> Encounter:
    return replace(corpus[0], documents=(Document("n", "note", text),), codes=(), evidence=())


@pytest.fixture(scope="module")
def withholding(corpus: list[Encounter], learned_of: Callable[..., Learned]) -> Learned:
    return learned_of(corpus, withholding=Withholding(denied=True))


def test_a_code_that_is_only_denied_is_withheld_and_no_other(
    corpus: list[Encounter], learned: Learned, withholding: Learned, space: LabelSpace
) -> None:
    fever, cough = space.index(FEVER), space.index(COUGH)
    for text, gone in (
        ("The patient has a dry cough today. There is no fever.", True),
        ("The patient has a dry cough today. The patient has fever today.", False),
        ("There is no fever today, and no cough. The patient has fever and cough at home.", False),
    ):
        plain = learned.reader(note(corpus, text), space)
        strict = withholding.reader(note(corpus, text), space)
        assert strict.logits[cough] == plain.logits[cough]
        assert plain.logits[fever] > WITHHELD
        assert strict.logits[fever] == (WITHHELD if gone else plain.logits[fever])
        assert np.float32(strict.alone[fever]) == strict.logits[fever]


def test_tune_s_logits_are_withheld_as_the_reader_s(
    corpus: list[Encounter], learned: Learned, withholding: Learned, space: LabelSpace
) -> None:
    changed = 0
    by_id = {encounter.encounter_id: encounter for encounter in corpus}
    for name, logits in withholding.tune.items():
        found = withholding.reader.weights.candidates(find(by_id[name], withholding.reader.terms))
        columns = Withholding(denied=True).columns(by_id[name], found, space)
        gone = np.flatnonzero(logits == np.float32(WITHHELD)).tolist()
        # A fold's own terms may lack a term of the whole; what is found by both is denied by both.
        assert set(gone) <= set(columns)
        kept = np.setdiff1d(np.arange(len(space)), gone)
        assert (logits[kept] == learned.tune[name][kept]).all()
        changed += len(gone)
    assert changed > 3


def test_it_is_kept_with_the_reader(withholding: Learned, learned: Learned) -> None:
    for reader, expected in ((withholding.reader, True), (learned.reader, False)):
        again = TermReader.from_dict(reader.to_dict())
        assert again.withholding == Withholding(denied=expected)
    with pytest.raises(InputError, match="damaged"):
        Withholding.from_dict({"denied": True})


def test_what_a_family_history_and_procedures_are_carried_by() -> None:
    space = LabelSpace(
        tuple(
            sorted(
                (
                    Code("ICD-10-CM", "I10"),
                    Code("ICD-10-CM", "J45.909"),
                    Code("ICD-10-CM", "Z80.0"),
                    Code("ICD-10-PCS", "0DTJ"),
                )
            )
        )
    )
    said = {"I10": (DENIED, FAMILY), "J45.909": (DENIED, AFFIRMED), "Z80.0": (FAMILY,)}

    def places(code: Code) -> tuple[Place, ...]:
        some = said.get(code.value, (DENIED,))
        return tuple(Place((), "training", "r", "exact", 0.5, meant, 0.5) for meant in some)

    outside = Code("ICD-10-CM", "E11.9")
    codes = (*space.codes, outside)
    proposed = Candidates(codes, np.zeros((5, 0)), tuple(places(code) for code in codes))
    documents = (Document("n", "note", "nothing"),)
    encounter = Encounter("e", "p", "mixed", "professional", "none", date(2026, 1, 1), documents)
    expected = [space.index(Code("ICD-10-CM", "I10"))]
    assert Withholding(denied=True).columns(encounter, proposed, space) == expected
    assert Withholding().columns(encounter, proposed, space) == []
    logits = np.arange(4.0)
    assert withheld(logits, [1]).tolist() == [0.0, WITHHELD, 2.0, 3.0]
    assert logits.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_code_whose_word_means_something_else_everywhere_is_withheld(
    corpus: list[Encounter],
) -> None:
    code = Code("ICD-10-CM", "I44.2")
    space = LabelSpace((code,))
    heart = "Complete heart block with a pacemaker."
    nerve = "Femoral nerve block with ropivacaine."

    def columns(text: str, withholding: Withholding) -> list[int]:
        encounter = note(corpus, text)
        starts = [n for n in range(len(text)) if text.startswith("block", n)]
        some = tuple(
            Place((Span("n", n, n + 5),), "training", "r", "exact", 0.5, AFFIRMED, 0.5)
            for n in starts
        )
        return withholding.columns(encounter, Candidates((code,), np.zeros((1, 0)), (some,)), space)

    assert columns(nerve, Withholding(senses=True)) == [0]
    assert columns(heart, Withholding(senses=True)) == []
    assert columns(f"{heart} {nerve}", Withholding(senses=True)) == []
    assert columns(nerve, Withholding(denied=True)) == []


def test_rules_that_decide_propose_a_word_and_go_with_the_bundle(
    corpus: list[Encounter], space: LabelSpace
) -> None:
    fibrillation = Code("ICD-10-CM", "I48.91")
    wider = LabelSpace(tuple(sorted({*space.codes, fibrillation})))
    own = sense_terms({"ICD-10-CM"}, {"en"}, {fibrillation})
    withholding = Withholding(denied=True, senses=True)
    cut = len(corpus) * 2 // 3
    reader = learn(corpus[:cut], corpus[cut:], own, [], wider, withholding=withholding).reader
    again = TermReader.from_dict(json.loads(json.dumps(reader.to_dict())))
    column = wider.index(fibrillation)
    heart = note(corpus, "The pulse is irregular, AF on the ECG, and apixaban was begun.")
    bare = note(corpus, "The patient says that she has had AF for years.")
    denied = note(corpus, "There is no AF on the ECG, the pulse is regular on apixaban.")
    for one in (reader, again):
        read = one(heart, wider)
        assert {place.source for place in read.places[column]} == {"sense"}
        assert read.logits[column] > one(bare, wider).logits[column]
        assert column not in one(bare, wider).places
        assert one(denied, wider).logits[column] == WITHHELD
    assert reader(heart, wider).logits.tobytes() == again(heart, wider).logits.tobytes()
