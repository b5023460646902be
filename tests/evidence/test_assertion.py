from __future__ import annotations

import unicodedata
from datetime import date
from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from surecode.data.sources.synthetic import SPECIALTIES, generate
from surecode.data.sources.synthetic.generate import DEPARTMENTS
from surecode.errors import InputError
from surecode.evidence.assertion import Assertion, assertion
from surecode.evidence.assertion_codes import applies_to, fits
from surecode.evidence.language import language_of
from surecode.evidence.sections import sections

PLAIN = Assertion()
NEGATED = Assertion(polarity="negated")
UNCERTAIN = Assertion(certainty="uncertain")
HYPOTHETICAL = Assertion(certainty="hypothetical")
PAST = Assertion(time="historical")
FAMILY = Assertion(experiencer="family")


def meant(marked: str) -> Assertion:
    """The assertion of the mention between double square brackets."""
    before, rest = marked.split("[[")
    mention, after = rest.split("]]")
    text = before + mention + after
    return assertion(text, len(before), len(before) + len(mention), sections(text))


CASES = [
    # Scope ends at a sentence, a termination, a new statement.
    ("No fever. [[Cough]] since Monday.", PLAIN),
    ("No fever; [[cough]] since Monday.", PLAIN),
    ("No fever\nCough\n[[Rash]]", PLAIN),
    ("No fever,\n[[chills]] or rash", NEGATED),
    ("There is no evidence of acute\n[[pneumonia]].", NEGATED),
    ("He denies fever but has a [[cough]].", PLAIN),
    ("No effusion, however a [[nodule]] is seen.", PLAIN),
    ("No masses except a small [[cyst]].", PLAIN),
    ("Sin fiebre, aunque presenta [[tos]].", PLAIN),
    ("No tiene fiebre, pero [[tos]] seca.", PLAIN),
    ("No refiere fiebre ni [[disnea]].", NEGATED),
    ("Dr. Smith saw no [[rash]].", NEGATED),
    ("Cultivo negativo para S. aureus y [[E. coli]].", NEGATED),
    # Lists.
    ("no [[fever]], cough or chills", NEGATED),
    ("no fever, [[cough]] or chills", NEGATED),
    ("no fever, cough or [[chills]]", NEGATED),
    ("niega fiebre, tos o [[disnea]]", NEGATED),
    ("[[Fever]], chills and cough were denied.", NEGATED),
    # Phrases that only look like cues.
    ("No increase in the [[effusion]].", PLAIN),
    ("Not only [[pneumonia]] but also empyema.", PLAIN),
    ("Gram negative [[sepsis]].", PLAIN),
    ("Carcinoma no microcítico con [[metástasis]] óseas.", PLAIN),
    ("Sin embargo, [[fiebre]].", PLAIN),
    ("Sí presenta [[fiebre]].", PLAIN),
    # Two negations make a doubt, not a fact.
    ("Cannot exclude [[fracture]].", UNCERTAIN),
    ("[[Fracture]] is not excluded.", UNCERTAIN),
    ("No se puede descartar [[fractura]].", UNCERTAIN),
    ("Rule out [[fracture]].", UNCERTAIN),
    ("Para descartar [[fractura]].", UNCERTAIN),
    ("Se descarta [[fractura]].", NEGATED),
    ("Suspected gout, [[infection]] or trauma.", UNCERTAIN),
    ("Possible gout, [[hypertension]].", PLAIN),
    ("¿[[melanoma]]?", UNCERTAIN),
    ("No findings suspicious for [[metastasis]].", NEGATED),
    # If, risk, prevention.
    ("Return if [[fever]] develops.", HYPOTHETICAL),
    ("Si aparece [[fiebre]], consultar.", HYPOTHETICAL),
    (
        "DVT prophylaxis: heparin against [[thrombosis]]; prophylaxis of [[ulcer]]".replace(
            "[[thrombosis]]", "thrombosis"
        ),
        HYPOTHETICAL,
    ),
    # Past and family.
    ("History of [[stroke]].", PAST),
    ("[[Pneumonia]] 3 years ago.", PAST),
    ("Antecedentes de [[infarto]].", PAST),
    ("2-day history of [[cough]].", PLAIN),
    ("Mother had [[asthma]].", FAMILY),
    ("Mother reports [[cough]].", PLAIN),
    ("Madre con [[asma]].", FAMILY),
    ("La madre refiere [[tos]].", PLAIN),
    ("Family history: none. The patient has [[asthma]].", PLAIN),
    ("No family history of [[asthma]].", Assertion("negated", experiencer="family")),
    ("Father of two, [[heart attack]] last night.", PLAIN),
    ("Madre de dos hijos, con [[asma]] desde la infancia.", PLAIN),
    # Sections.
    ("FAMILY HISTORY:\n[[Asthma]].", FAMILY),
    ("PAST MEDICAL HISTORY:\n[[Asthma]].", PAST),
    ("PAST MEDICAL HISTORY:\n[[Asthma]], currently on inhalers.", PAST),
    ("PAST MEDICAL HISTORY:\nCurrently active [[asthma]].", PLAIN),
    ("Antecedentes familiares: [[asma]].", FAMILY),
    ("Antecedentes personales:\n[[asma]]", PAST),
    ("HISTORY OF PRESENT ILLNESS: [[asthma]].", PLAIN),
    # The head decides: phrases at the span's beginning count, those behind the head do not.
    ("There is [[no evidence of pneumothorax]].", NEGATED),
    ("[[history of breast cancer]]", PAST),
    ("[[fever, no cough]]", PLAIN),
    ("[[tumor ruled out by biopsy]]", NEGATED),
    ("No [[change in vision]].", NEGATED),
    ("[[no]]", PLAIN),
]


@pytest.mark.parametrize(("marked", "expected"), CASES)
def test_how_a_mention_is_meant(marked: str, expected: Assertion) -> None:
    assert meant(marked) == expected


# ---- properties ----------------------------------------------------------------------------------

TERMS = ["fever", "chest pain", "gout", "rash", "joint swelling"]
FRAMES = [
    ("There is no evidence of {}.", NEGATED),
    ("{} was ruled out.", NEGATED),
    ("Possible {}.", UNCERTAIN),
    ("Return if {} occurs.", HYPOTHETICAL),
    ("He has a history of {}.", PAST),
    ("Her mother had {}.", FAMILY),
    ("He complains of {}.", PLAIN),
    ("Se descarta {}.", NEGATED),
    ("Sospecha de {}.", UNCERTAIN),
    ("Acude por {}.", PLAIN),
]
FRAME = st.sampled_from(FRAMES)
TERM = st.sampled_from(TERMS)
SPANISH = {"Se descarta {}.", "Sospecha de {}.", "Acude por {}."}
PARAGRAPHS = {
    spanish: [frame.format("gout") for frame, _ in FRAMES if (frame in SPANISH) == spanish]
    for spanish in (False, True)
}


@given(FRAME, TERM, st.data())
def test_other_sentences_change_nothing(
    frame: tuple[str, Assertion], term: str, data: st.DataObject
) -> None:
    sentences = [*PARAGRAPHS[frame[0] in SPANISH], "Ok.", "- x"]
    before = data.draw(st.lists(st.sampled_from(sentences), max_size=4))
    after = data.draw(st.lists(st.sampled_from(sentences), max_size=4))
    head = "".join(f"{sentence}\n\n" for sentence in before)
    text = head + frame[0].format(term) + "".join(f"\n\n{sentence}" for sentence in after)
    start = text.index(term, len(head))
    assert assertion(text, start, start + len(term), sections(text)) == frame[1]


@given(FRAME, TERM)
def test_capitals_change_nothing(frame: tuple[str, Assertion], term: str) -> None:
    text = frame[0].format(term).upper()
    start = text.index(term.upper())
    assert assertion(text, start, start + len(term)) == frame[1]


@pytest.mark.parametrize(("frame", "expected"), FRAMES)
def test_a_long_document_around_it_changes_nothing(frame: str, expected: Assertion) -> None:
    filler = "Se curó la herida. " if frame in SPANISH else "The wound was dressed. "
    filler *= 2000
    text = filler + frame.format("gout") + " " + filler
    start = text.index("gout")
    assert assertion(text, start, start + 4) == expected


@given(
    st.lists(TERM, min_size=1, max_size=4, unique=True),
    st.sampled_from(["No {}.", "He denies {}.", "Sin {}.", "Niega {}.", "Negative for {}."]),
)
def test_every_item_of_a_negated_list_is_negated_in_any_order(terms: list[str], frame: str) -> None:
    conjunction = " o " if frame[0] == "S" or "Niega" in frame else " or "
    for order in permutations(terms):
        listed = ", ".join(order[:-1]) + (conjunction if order[1:] else "") + order[-1]
        text = frame.format(listed)
        for term in order:
            start = text.index(term)
            assert assertion(text, start, start + len(term)) == NEGATED


@given(st.text(max_size=120), st.integers(0, 120), st.integers(0, 120))
def test_any_span_of_any_text_has_an_assertion(text: str, start: int, length: int) -> None:
    assume(start <= len(text))
    result = assertion(text, start, min(len(text), start + length), sections(text))
    assert isinstance(result, Assertion)
    assert result.billable == (result == PLAIN)


@given(st.lists(st.sampled_from(["the", "wound", "knee", "left", "pain", ",", "and"]), min_size=1))
def test_without_a_cue_a_mention_is_plain(words: list[str]) -> None:
    text = " ".join(words)
    assert assertion(text, 0, len(text)) == PLAIN


@pytest.mark.parametrize(
    ("text", "mention"),
    [("Se descartó fístula.", "fístula"), ("No se observó lesión.", "lesión")],
)
def test_decomposed_accents_change_nothing(text: str, mention: str) -> None:
    text, mention = (unicodedata.normalize("NFD", each) for each in (text, mention))
    start = text.index(mention)
    assert assertion(text, start, start + len(mention)) == NEGATED


# ---- what follows from it ------------------------------------------------------------------------


def test_only_a_plain_mention_is_billable_and_the_past_is_not_contrary() -> None:
    assert PLAIN.billable
    assert not PLAIN.contrary
    others = (NEGATED, UNCERTAIN, HYPOTHETICAL, PAST, FAMILY)
    assert not any(each.billable for each in others)
    assert [each.contrary for each in others] == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("ICD-10-CM", True),
        ("ICD-O-3", True),
        ("ICD-10-PCS", False),
        ("CPT", False),
        ("HCPCS", False),
    ],
)
def test_negation_matters_for_diagnoses_only(system: str, expected: bool) -> None:
    assert applies_to(system) is expected
    assert fits(NEGATED, system, "71046") is not expected
    assert fits(PLAIN, system, "71046")


def test_an_unknown_system_is_refused() -> None:
    with pytest.raises(InputError, match="unknown"):
        applies_to("ICD-11")
    with pytest.raises(InputError, match="unknown"):
        fits(PLAIN, "ICD-11", "CA40")


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        ("J18.9", [PLAIN, UNCERTAIN, PAST]),
        ("Z80.3", [PLAIN, UNCERTAIN, HYPOTHETICAL, PAST, FAMILY]),
        ("Z85.3", [PLAIN, UNCERTAIN, PAST]),
        ("Z12.11", [PLAIN, NEGATED, UNCERTAIN, HYPOTHETICAL, PAST]),
        ("Z90.710", [PLAIN, NEGATED, UNCERTAIN, HYPOTHETICAL, PAST]),
    ],
)
def test_which_assertions_carry_a_code(value: str, carried: list[Assertion]) -> None:
    everything = [PLAIN, NEGATED, UNCERTAIN, HYPOTHETICAL, PAST, FAMILY]
    assert [each for each in everything if fits(each, "ICD-10-CM", value)] == carried


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The patient was seen in the clinic and has a cough.", "en"),
        ("El paciente acude a la consulta por tos y fiebre.", "es"),
        ("Gout", None),
        ("", None),
    ],
)
def test_the_language_around_a_place(text: str, expected: str | None) -> None:
    assert language_of(text, 0) == expected


# ---- synthetic notes, whose truth is known -------------------------------------------------------


@pytest.mark.parametrize("specialty", SPECIALTIES)
def test_what_a_synthetic_note_is_coded_for_is_never_contrary(specialty: str) -> None:
    notes = generate(
        specialty=specialty,
        encounters=150,
        seed=5,
        difficulty=0.5,
        typo_rate=0.0,
        start=date(2025, 10, 1),
        end=date(2026, 9, 30),
    )
    judged = 0
    for encounter in notes:
        for item in encounter.evidence:
            text = encounter.text(item.span.document_id)
            found = assertion(text, item.span.start, item.span.end, sections(text))
            assert fits(found, item.code.system, item.code.value), encounter.encounter_id
            judged += applies_to(item.code.system)
    assert judged > 150


DISTRACTIONS = [
    (kind, frame)
    for department in DEPARTMENTS.values()
    for kind in ("denied", "negated", "historical", "family", "uncertain")
    for frame in getattr(department.distractions, kind)
]


@pytest.mark.parametrize("term", ["gout", "chronic kidney disease"])
@pytest.mark.parametrize(("kind", "frame"), sorted(set(DISTRACTIONS)))
def test_what_distracts_in_a_synthetic_note_is_seen_through(
    kind: str, frame: str, term: str
) -> None:
    text = frame.format(m=term, M=term.capitalize())
    start = text.lower().index(term)
    found = assertion(text, start, start + len(term), sections(text))
    right = {
        "denied": found.polarity == "negated",
        "negated": found.polarity == "negated",
        "historical": found.time == "historical",
        "family": found.experiencer == "family",
        "uncertain": found.certainty != "certain",
    }
    assert right[kind]
