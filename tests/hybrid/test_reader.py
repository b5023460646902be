"""From candidates and a network's logits to one logit for each code; JSON there and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from surecode.bundle.grow_terms import grown_terms
from surecode.codes.label_space import LabelSpace
from surecode.encounter import Code, Document, Encounter
from surecode.errors import InputError
from surecode.hybrid.found import find
from surecode.hybrid.learn import Learned, learn
from surecode.hybrid.likeness import FEATURES, Likeness
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.reader import JOINT, TermReader, joint_features
from surecode.hybrid.titles import Titles
from surecode.hybrid.weights import Weights
from surecode.hybrid.withholding import Withholding
from surecode.lexicon.term import Term
from surecode.lexicon.terms_shipped import shipped_terms

FEVER = Code("ICD-10-CM", "R50.9")


def joint(bias: float = 0.0, **weights: float) -> LinearModel:
    """Features as they are, with these weights by place."""
    row = tuple(weights.get(f"w{n}", 0.0) for n in range(len(JOINT)))
    return LinearModel((0.0,) * len(JOINT), (1.0,) * len(JOINT), row, bias)


def drawn(number: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=number) * 3


def test_terms_alone_candidates_by_the_model_and_others_by_frequency(
    corpus: list[Encounter], learned: Learned, space: LabelSpace
) -> None:
    reader = learned.reader
    absent = reader.ground(space).absent
    for encounter in corpus[:8]:
        reading = reader(encounter, space)
        found = reader.weights.candidates(find(encounter, reader.terms))
        odds = reader.weights.model(found.features)
        expected = absent.copy()
        for code, value in zip(found.codes, odds, strict=True):
            expected[space.index(code)] = value
        np.testing.assert_array_equal(reading.logits, expected.astype(np.float32))
        np.testing.assert_array_equal(reading.alone, expected)
        assert set(reading.places) == {space.index(c) for c in found.codes}


def test_with_no_weight_on_the_network_the_order_is_that_of_the_terms(
    corpus: list[Encounter], learned: Learned, space: LabelSpace
) -> None:
    alone = learned.reader
    both = replace(alone, joint=joint(w0=0.7, bias=-0.1))
    columns = np.arange(len(space), dtype=np.intp)
    for seed, encounter in enumerate(corpus[:12]):
        terms = alone(encounter, space).logits
        joined = both(encounter, space, drawn(len(space), seed), columns).logits
        np.testing.assert_allclose(joined, np.clip(0.7 * terms - 0.1, -12, 12), atol=1e-5)
        assert (np.argsort(joined, kind="stable") == np.argsort(terms, kind="stable")).all()


def test_with_no_weight_on_terms_it_is_the_networks(
    corpus: list[Encounter], learned: Learned, space: LabelSpace
) -> None:
    both = replace(learned.reader, joint=joint(w2=1.0))
    neural = drawn(len(space)).clip(-11, 11)
    reading = both(corpus[0], space, neural, np.arange(len(space), dtype=np.intp))
    np.testing.assert_allclose(reading.logits, neural, atol=1e-6)


def test_a_code_that_neither_knows_has_its_absent_odds(
    corpus: list[Encounter], learned: Learned, space: LabelSpace
) -> None:
    both = replace(learned.reader, joint=joint(w0=0.5, w2=0.5, bias=1.0))
    columns = np.array([1, 4], dtype=np.intp)
    compared = 0
    for encounter in corpus[:10]:
        reading = both(encounter, space, np.array([2.0, -1.0]), columns)
        unknown = sorted(set(range(len(space))) - {1, 4} - set(reading.places))
        np.testing.assert_array_equal(
            reading.logits[unknown], both.ground(space).absent[unknown].astype(np.float32)
        )
        compared += len(unknown)
    assert compared > 20


def test_joint_features_by_hand() -> None:
    codes = [Code("ICD-10-CM", value) for value in ("I10", "R05.8", "R05.9", "R50.9")]
    space, alone = LabelSpace(tuple(codes)), np.array([-4.0, 0.5, 2.0, -7.0])
    chosen, rows = joint_features(
        {1: 0.5, 2: 2.0}, alone, space, np.array([-3.0, 1.0]), np.array([0, 2], dtype=np.intp)
    )
    assert chosen.tolist() == [0, 1, 2]
    assert rows.tolist() == [
        [-4.0, 0.0, -3.0, -2.0, 12.0, 1.0, -6.0],
        [0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 2.0],
        [2.0, 1.0, 1.0, 1.0, 2.0, 1.0, 0.5],
    ]
    none, empty = joint_features({}, alone, space, np.array([]), np.array([], dtype=np.intp))
    assert (none.shape, empty.shape) == ((0,), (0, len(JOINT)))


def test_candidates_outside_of_the_label_space_are_left_out(
    encounter_of: Callable[..., Encounter], learned: Learned, space: LabelSpace
) -> None:
    small = LabelSpace(tuple(code for code in space.codes if code != FEVER))
    encounter = encounter_of("The patient has high fever today. The patient has cough today.")
    assert space.index(FEVER) in learned.reader(encounter, space).places
    reading = learned.reader(encounter, small)
    assert {small.codes[k] for k in reading.places} == {Code("ICD-10-CM", "R05.9")}
    assert reading.logits.shape == (len(small),)


def test_absent_odds_are_those_of_the_label_space_that_is_asked_for(
    learned: Learned, space: LabelSpace
) -> None:
    small = LabelSpace(space.codes[:3])
    assert learned.reader.ground(space).absent.shape == (len(space),)
    np.testing.assert_array_equal(
        learned.reader.ground(small).absent, learned.reader.ground(space).absent[:3]
    )


def test_there_and_back(corpus: list[Encounter], learned: Learned, space: LabelSpace) -> None:
    columns = np.array([0, 2], dtype=np.intp)
    for reader in (learned.reader, replace(learned.reader, joint=joint(w0=0.3, w2=1 / 3))):
        text = json.dumps(reader.to_dict())
        again = TermReader.from_dict(json.loads(text))
        assert json.dumps(again.to_dict()) == text
        for encounter in corpus[:10]:
            first = reader(encounter, space, drawn(2), columns)
            second = again(encounter, space, drawn(2), columns)
            assert first.logits.tobytes() == second.logits.tobytes()
            assert first.places == second.places


def test_the_file_holds_no_words_of_notes(learned: Learned) -> None:
    text = json.dumps({k: v for k, v in learned.reader.to_dict().items() if k != "weights"})
    text += json.dumps(
        {k: v for k, v in learned.reader.weights.to_dict().items() if k != "features"}
    )
    for word in ("fever", "cough", "hypertension", "pneumonia", "knee", "diabetes"):
        assert word not in text


CHANGES: list[dict[str, Any]] = [
    {"weights": {"features": ["another"]}},
    {"lexicon": {}},
    {"tables": None},
    {"statistics": []},
    {"weights": 3},
    {"joint": {"mean": [1.0]}},
    {"joint": 3},
    {"tagger": 3},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_damaged_reader_is_refused_in_one_line(change: dict[str, Any], learned: Learned) -> None:
    with pytest.raises(InputError) as caught:
        TermReader.from_dict(learned.reader.to_dict() | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["lexicon", "tables", "statistics", "weights", "joint", "tagger"])
def test_a_reader_with_a_part_missing_is_refused(name: str, learned: Learned) -> None:
    values = learned.reader.to_dict()
    del values[name]
    with pytest.raises(InputError, match="terms: damaged; run `surecode train` again"):
        TermReader.from_dict(values)
    with pytest.raises(InputError, match="terms: damaged"):
        TermReader.from_dict([])


@pytest.mark.parametrize(
    "change",
    [
        {"features": []},
        {"senses": "0"},
        {"marks": {}},
        {"marks": 3},
        {"model": {"mean": []}},
        {"absent": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_damaged_weights_are_refused_in_one_line(change: dict[str, Any], learned: Learned) -> None:
    good = learned.reader.weights.to_dict()
    assert Weights.from_dict(json.loads(json.dumps(good))) == learned.reader.weights
    with pytest.raises(InputError, match="run `surecode train` again") as caught:
        Weights.from_dict(good | change)
    assert "\n" not in str(caught.value)
    for name in good:
        with pytest.raises(InputError, match="run `surecode train` again"):
            Weights.from_dict({key: value for key, value in good.items() if key != name})


ASTHMA, HEADACHE = Code("ICD-10-CM", "J45.909"), Code("ICD-10-CM", "R51.9")


@pytest.fixture(scope="module")
def similar(corpus: list[Encounter], learned_of: Callable[..., Learned], titles: Titles) -> Learned:
    """A reader that compares sentences with wordings as well."""
    return learned_of(corpus, similar=titles)


def test_nothing_is_said_of_a_code_that_nobody_ever_coded_where_all_codes_were_known(
    similar: Learned, space: LabelSpace, encounter_of: Callable[..., Encounter]
) -> None:
    column = space.index(ASTHMA)
    note = encounter_of("The patient suffers from severe asthmatic attacks.")
    other = encounter_of("The patient broke an arm while skating.")
    near, far = (similar.reader(one, space).alone[column] for one in (note, other))
    assert near == far
    # Asked of a code that was added it speaks, and the more the nearer a sentence comes.
    grown = grown_terms(similar.reader, [HEADACHE], ["Headache, unspecified"])
    larger = LabelSpace(tuple(sorted([*space.codes, HEADACHE])))
    aching = encounter_of("Her head aches badly since the morning.")
    near, far = (grown(one, larger).alone[larger.index(HEADACHE)] for one in (aching, other))
    assert near > far + 1.0


def test_the_sentence_that_makes_a_code_likely_is_quoted(
    similar: Learned, space: LabelSpace, encounter_of: Callable[..., Encounter]
) -> None:
    likeness = Likeness(None, None, LinearModel(*_plain(5.0)))
    weights = replace(similar.reader.weights, likeness=likeness)
    reading = replace(similar.reader, weights=weights)(
        encounter_of("He rests. The patient suffers from severe asthmatic attacks."), space
    )
    (place,) = reading.places[space.index(ASTHMA)]
    assert (place.match, place.rule) == ("similar", "ICD-10-CM:J45.909:similar")
    assert place.spans[0].start == len("He rests. ")
    assert place.probability == pytest.approx(1 / (1 + np.exp(-5.0)))


def _plain(bias: float) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...], float]:
    count = len(FEATURES)
    return (0.0,) * count, (1.0,) * count, (0.0,) * count, bias


def test_where_no_document_is_english_nothing_is_compared(
    corpus: list[Encounter], space: LabelSpace, titles: Titles
) -> None:
    text = "El paciente fue visto en la consulta por los síntomas que se citan y no tiene fiebre."
    spanish = [
        replace(one, documents=(Document("d", "note", f"{text} {n}"),), evidence=())
        for n, one in enumerate(corpus)
    ]
    own = [Term("fiebre", FEVER, "user", "user:own:1", 0.5, None, 0)]
    cut = len(spanish) * 2 // 3
    learned = learn(spanish[:cut], spanish[cut:], own, [], space, similar=titles)
    assert learned.reader.titles is None
    assert learned.reader.is_whole


def test_codes_that_are_added_are_compared_as_well(
    similar: Learned, space: LabelSpace, encounter_of: Callable[..., Encounter]
) -> None:
    grown = grown_terms(similar.reader, [HEADACHE], ["Headache, unspecified"])
    larger = LabelSpace(tuple(sorted([*space.codes, HEADACHE])))
    note = encounter_of("Her head aches badly since the morning.")
    assert HEADACHE not in grown.weights.candidates(find(note, grown.terms)).codes
    before, after = similar.reader(note, space).alone, grown(note, larger).alone
    assert after[larger.index(HEADACHE)] > after[larger.index(ASTHMA)]
    for code in space.codes:  # those that somebody coded stay as they were
        if code != ASTHMA:
            assert after[larger.index(code)] == before[space.index(code)]
    assert grown.is_whole
    assert not replace(grown, titles=None).is_whole


def test_codes_that_are_added_have_the_wordings_of_the_lists_that_are_looked_for(
    corpus: list[Encounter], space: LabelSpace, learned: Learned
) -> None:
    embolism = Code("ICD-10-CM", "I26.99")

    def listed(reader: TermReader) -> set[tuple[Code, str | None]]:
        some = reader.terms.lexicon.wordings
        return {(one.code, one.language) for one in some if one.source == "shipped"}

    grown = grown_terms(learned.reader, [embolism], ["Other pulmonary embolism"])
    assert listed(grown) == set()
    own = shipped_terms({"ICD-10-CM"}, {"es"}, frozenset({FEVER}))
    cut = len(corpus) * 2 // 3
    spanish = learn(corpus[:cut], corpus[cut:], own, [], space).reader
    assert listed(spanish) == {(FEVER, "es")}
    grown = grown_terms(spanish, [embolism], ["Other pulmonary embolism"])
    assert listed(grown) == {(FEVER, "es"), (embolism, "es")}
    deciding = replace(spanish, withholding=Withholding(senses=True))
    grown = grown_terms(deciding, [embolism], ["Other pulmonary embolism"])
    sources = {one.source for one in grown.terms.lexicon.wordings if one.code == embolism}
    assert sources == {"shipped", "sense"}


def test_a_wording_that_annotators_used_is_as_likely_as_they_used_it(
    corpus: list[Encounter], space: LabelSpace
) -> None:
    own = [
        Term("fever", FEVER, "shipped", "R50.9:en:1", 0.5, "en", 0),
        Term("febrile", FEVER, "shipped", "R50.9:en:2", 0.5, "en", 0),
    ]
    cut = len(corpus) * 2 // 3
    terms = learn(corpus[:cut], corpus[cut:], own, [], space).reader.terms
    rules = {one.rule for one in terms.lexicon.wordings if one.source == "shipped"}
    assert rules == {"R50.9:en:2"}
