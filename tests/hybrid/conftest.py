"""A little corpus of annotated sentences, made from a seed, that terms can learn."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from surecode.codes.descriptions import wordings as official_wordings
from surecode.codes.label_space import LabelSpace
from surecode.config import compose_config, parse
from surecode.encounter import Code, Document, Encounter, Evidence, GoldCode, Span
from surecode.hybrid.found import Terms
from surecode.hybrid.learn import Learned, learn
from surecode.hybrid.sentences import Embedder
from surecode.hybrid.similarity import DescriptionSimilarity
from surecode.hybrid.tagger import Tagger
from surecode.hybrid.titles import Titles
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.terms_table import table_terms
from surecode.lexicon.terms_training import training_terms
from surecode.settings import Config

# Value, wordings and how often of 10 encounters, so that frequencies differ.
_WORDINGS = {
    "R50.9": (("fever", "high fever"), 6),
    "R05.9": (("cough", "dry cough"), 5),
    "I10": (("hypertension", "raised blood pressure"), 4),
    "J18.9": (("pneumonia",), 3),
    "M25.561": (("pain in right knee",), 2),
    "E11.9": (("diabetes mellitus type two",), 2),
}


def _encounter(number: int, draw: random.Random) -> Encounter:
    text = f"Visit {number}. "
    codes: list[Code] = []
    evidence: list[Evidence] = []
    for value, (wordings, often) in _WORDINGS.items():
        if draw.random() * 10 < often:
            wording, code = draw.choice(wordings), Code("ICD-10-CM", value)
            text += "The patient has "
            evidence.append(
                Evidence(
                    code, Span(f"e{number}-1", len(text), len(text) + len(wording)), len(codes)
                )
            )
            codes.append(code)
            text += f"{wording} today. "
        elif draw.random() < 0.2:
            text += f"There is no {draw.choice(wordings)}. "
        elif draw.random() < 0.2:  # said, and not coded
            text += f"We talked of {draw.choice(wordings)} at length. "
    if not codes or draw.random() < 0.2:  # a code that no words speak for
        codes.append(Code("ICD-10-CM", "Z00.00"))
    return Encounter(
        f"e{number}",
        f"p{number}",
        "medicine",
        "professional",
        "x",
        date(2026, 1, 1),
        (Document(f"e{number}-1", "note", text), Document(f"e{number}-2", "note", "Plan: rest.")),
        tuple(GoldCode(code, n) for n, code in enumerate(codes, start=1)),
        tuple(evidence),
    )


@pytest.fixture(scope="session")
def corpus() -> list[Encounter]:
    """40 encounters."""
    draw = random.Random(0)
    return [_encounter(number, draw) for number in range(40)]


@pytest.fixture(scope="session")
def space() -> LabelSpace:
    """Their codes, and one that has nothing but a title."""
    values = [*_WORDINGS, "Z00.00", "J45.909"]
    return LabelSpace(tuple(sorted(Code("ICD-10-CM", value) for value in values)))


@pytest.fixture(scope="session")
def terms(corpus: list[Encounter], space: LabelSpace) -> Terms:
    """Terms of the first thirty and of the tables."""
    lexicon = Lexicon.build(training_terms(corpus[:30])).hashed()
    return Terms.learn(corpus[:30], lexicon, Lexicon.build(table_terms(space.codes)).hashed())


@pytest.fixture(scope="session")
def titles(space: LabelSpace) -> Titles:
    """The wordings of the codes, embedded by the default encoder."""
    embed = Embedder.load(parse(Config, compose_config("run", ["specialty=radiology"])).encoder)
    texts = [official_wordings(code) for code in space.codes]
    similarity = DescriptionSimilarity.build(space.codes, texts, embed, embed.encoder)
    return Titles(similarity, embed)


@pytest.fixture(scope="session")
def kinds() -> tuple[str, ...]:
    """Tumours of `tumours`."""
    return ("adenocarcinoma", "carcinoma", "sarcoma", "linfoma", "melanoma", "glioma", "timoma")


@pytest.fixture(scope="session")
def tumours(encounter_of: Callable[..., Encounter], kinds: tuple[str, ...]) -> list[Encounter]:
    """40 encounters in Spanish whose mentions the words around tell, as they tell what is none."""
    draw = random.Random(0)
    return [_tumours(number, draw, encounter_of, kinds) for number in range(40)]


def _tumours(
    number: int,
    draw: random.Random,
    encounter_of: Callable[..., Encounter],
    kinds: tuple[str, ...],
) -> Encounter:
    code = Code("ICD-O-3", "8140/3")
    text, evidence = "Anamnesis.\n", []
    for _ in range(3):
        kind = draw.choice(kinds)
        words = f"{kind} {draw.choice(['pobremente diferenciado', 'de alto grado', ''])}".strip()
        if draw.random() < 0.3:
            text += f"Se explica el protocolo de {kind} del centro.\n"
        text += "El paciente presenta un "
        span = Span("d0", len(text), len(text) + len(words))
        evidence.append(Evidence(code, span, len(evidence)))
        text += f"{words} en el control.\n"
    return replace(
        encounter_of(text, encounter_id=f"e{number}"),
        patient_id=f"p{number}",
        codes=(GoldCode(code, 1),),
        evidence=tuple(evidence),
    )


@pytest.fixture(scope="session")
def tagger(tumours: list[Encounter]) -> Tagger:
    """A conditional random field that learned of `tumours`."""
    learned = Tagger.learn(tumours)
    assert learned is not None
    return learned


Learn = Callable[..., Learned]


@pytest.fixture(scope="session")
def learned_of(space: LabelSpace) -> Learn:
    """``learned_of(encounters, **more)``: the first two thirds are train, the others tune."""

    def build(encounters: list[Encounter], **more: object) -> Learned:
        cut = len(encounters) * 2 // 3
        tables = table_terms(space.codes)
        return learn(encounters[:cut], encounters[cut:], [], tables, space, **more)  # type: ignore[arg-type]

    return build


@pytest.fixture(scope="session")
def learned(corpus: list[Encounter], learned_of: Learn) -> Learned:
    """A reader of terms alone."""
    return learned_of(corpus)
