"""Marks: words around a place say whether it counts, and which variant of the code it is."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from surecode.encounter import Code, Encounter, Evidence, GoldCode, Span
from surecode.errors import InputError
from surecode.hybrid.candidates import FEATURES, candidates
from surecode.hybrid.found import Terms, find
from surecode.hybrid.marks import Marks
from surecode.hybrid.sites import Sites
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.term import Term
from surecode.lexicon.terms_training import training_terms

Build = Callable[..., Encounter]
STEMS = {"8140": "adenocarcinoma", "8500": "carcinoma ductal", "8070": "carcinoma epidermoide"}
UNSEEN = Code("ICD-O-3", "8070/32")


def _encounter(number: int, draw: random.Random, encounter_of: Build) -> Encounter:
    text, evidence = "Anamnesis. ", []
    for stem, words in STEMS.items():
        if draw.random() < 0.3:  # a heading is never marked
            text += f"Protocolo {words} del centro. "
        grade = draw.choice(["", "", "1", "2"])
        code = Code("ICD-O-3", f"{stem}/3{grade}")
        if code == UNSEEN:
            code, grade = Code("ICD-O-3", f"{stem}/3"), ""
        if not grade and draw.random() < 0.3:
            text, code = f"{text}Metastasis de ", Code("ICD-O-3", f"{stem}/6")
        else:
            text += "Presenta "
        span = Span("d0", len(text), len(text) + len(words))
        evidence.append(Evidence(code, span, len(evidence)))
        text += f"{words}{f' de alto grado {grade}' if grade else ''} en el control. "
    codes = sorted({item.code for item in evidence})
    return replace(
        encounter_of(text, encounter_id=f"e{number}"),
        patient_id=f"p{number}",
        codes=tuple(GoldCode(code, n) for n, code in enumerate(codes, start=1)),
        evidence=tuple(evidence),
    )


@pytest.fixture(scope="module")
def corpus(encounter_of: Build) -> list[Encounter]:
    draw = random.Random(0)
    return [_encounter(number, draw, encounter_of) for number in range(60)]


@pytest.fixture(scope="module")
def terms(corpus: list[Encounter]) -> Terms:
    lexicon = Lexicon.build(training_terms(corpus)).hashed()
    return Terms.learn(corpus, lexicon, Lexicon.build([]).hashed())


@pytest.fixture(scope="module")
def found(corpus: list[Encounter], terms: Terms) -> list[Sites]:
    return [Sites.of(find(encounter, terms)) for encounter in corpus]


@pytest.fixture(scope="module")
def marks(found: list[Sites]) -> Marks:
    learned = Marks.learn(found)
    assert learned is not None
    return learned


def likeliest(marks: Marks, found: Sites) -> Code:
    chances = {code: max(one.chance for one in some) for code, some in marks(found).items()}
    return max(chances, key=lambda code: chances[code])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Presenta carcinoma ductal en el control.", "8500/3"),
        ("Presenta carcinoma ductal de alto grado 2 en el control.", "8500/32"),
        ("Metastasis de adenocarcinoma en el control.", "8140/6"),
        ("Presenta carcinoma epidermoide de alto grado 2 en el control.", UNSEEN.value),
    ],
)
def test_words_beside_a_term_say_the_variant_even_one_never_seen(
    text: str, value: str, marks: Marks, terms: Terms, encounter_of: Build
) -> None:
    assert UNSEEN not in terms.lexicon.codes
    some = Sites.of(find(encounter_of(text), terms))
    assert likeliest(marks, some) == Code("ICD-O-3", value)
    proposed = candidates(some.found, marks(some))
    row = dict(
        zip(FEATURES, proposed.features[proposed.codes.index(Code("ICD-O-3", value))], strict=True)
    )
    assert row["composed, no term names it"] == (value == UNSEEN.value)
    assert row["largest share of the variant"] > 0.5
    place = proposed.places[proposed.codes.index(Code("ICD-O-3", value))][0]
    assert text[place.spans[0].start : place.spans[-1].end] in STEMS.values()


def test_what_people_never_mark_is_unlikely(
    marks: Marks, terms: Terms, encounter_of: Build
) -> None:
    text = "Protocolo adenocarcinoma del centro. Presenta adenocarcinoma en el control."
    found = marks(Sites.of(find(encounter_of(text), terms)))[Code("ICD-O-3", "8140/3")]
    chances = {one.place.spans[0].start: (one.chance, one.place.marked) for one in found}
    heading, said = sorted(chances)
    assert chances[heading][0] < 0.2 < 0.6 < chances[said][0]
    assert chances[heading][1] < chances[said][1]


def test_chances_are_probabilities_that_add_up(marks: Marks, found: list[Sites]) -> None:
    for some in found:
        for proposed in marks(some).values():
            for one in proposed:
                assert 0.0 <= one.chance <= one.stem <= 1.0
                assert one.chance == pytest.approx(one.stem * one.variant)
        by_place: dict[tuple[Span, ...], float] = {}
        for proposed in marks(some).values():
            for one in proposed:
                by_place[one.place.spans] = by_place.get(one.place.spans, 0.0) + one.variant
        assert all(total <= 1.0 + 1e-9 for total in by_place.values())


def test_the_gold_of_what_is_read_is_not_looked_at(marks: Marks, found: list[Sites]) -> None:
    for some in found[:10]:
        blind = Sites.of(
            replace(some.found, encounter=replace(some.found.encounter, codes=(), evidence=()))
        )
        assert marks(blind) == marks(some)


def test_without_marks_nothing_is_learned(found: list[Sites]) -> None:
    bare = [
        replace(s, found=replace(s.found, encounter=replace(s.found.encounter, evidence=())))
        for s in found
    ]
    assert Marks.learn(bare) is None
    assert Marks.learn([]) is None
    half = Marks.learn([*bare[:30], *found[30:]])
    assert half == Marks.learn(found[30:])  # what nobody marked is no evidence against


def test_there_and_back(marks: Marks, found: list[Sites]) -> None:
    text = json.dumps(marks.to_dict())
    again = Marks.from_dict(json.loads(text))
    assert again(found[0]) == marks(found[0])
    assert "carcinoma" not in text


@pytest.mark.parametrize(
    "change",
    [{"marked": {}}, {"exact": 3}, {"axes": []}, {"axes": {"ICD-10-CM": []}}]
    + [{"axes": {"ICD-O-3": axis}} for axis in ([{}, {}, {}], [{}], 3, [[], [], []])],
    ids=str,
)
def test_damaged_marks_are_refused_in_one_line(change: dict[str, Any], marks: Marks) -> None:
    with pytest.raises(InputError, match="run `surecode train` again") as caught:
        Marks.from_dict(marks.to_dict() | change)
    assert "\n" not in str(caught.value)


def test_a_code_of_a_term_with_a_value_that_nobody_marked_is_kept(
    marks: Marks, corpus: list[Encounter], encounter_of: Build
) -> None:
    own = Term("adenocarcinoma dudoso", Code("ICD-O-3", "8140/1"), "user", "user:x:1", 1.0, None, 0)
    lexicon = Lexicon.build([*training_terms(corpus), own]).hashed()
    terms = Terms.learn(corpus, lexicon, Lexicon.build([]).hashed())
    found = marks(Sites.of(find(encounter_of("Presenta adenocarcinoma dudoso."), terms)))
    best = max(found[own.code], key=lambda one: one.variant)
    assert best.variant == pytest.approx(1.0)
    assert best.place.rule == "user:x:1"


def test_sites_of_a_code_that_is_gold_without_a_mark_teach_nothing(found: list[Sites]) -> None:
    stem = Code("ICD-O-3", "8140/3")

    def without(one: Sites) -> Sites:
        encounter = one.found.encounter
        evidence = tuple(e for e in encounter.evidence if not e.code.value.startswith("8140"))
        codes = (*(c for c in encounter.codes if c.code != stem), GoldCode(stem, 99))
        encounter = replace(encounter, codes=codes, evidence=evidence)
        return replace(one, found=replace(one.found, encounter=encounter))

    half = Marks.learn([without(one) for one in found])
    assert half is not None
    # Had they been read as unmarked, nothing of the stem would be likely anywhere.
    assert max(p.stem for one in found for p in half(one).get(stem, [])) > 0.5
