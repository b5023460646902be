from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.evidence.sections import Section, section_of, sections

HEADINGS = [
    ("IMPRESSION", "assessment"),
    ("Assessment and Plan", "assessment"),
    ("POSTOPERATIVE DIAGNOSIS", "assessment"),
    ("Juicio clínico", "assessment"),
    ("Juicio Diagnóstico", "assessment"),
    ("Diagnóstico", "assessment"),
    ("Family History", "family"),
    ("FAMILY MEDICAL HISTORY", "family"),
    ("FHx", "family"),
    ("Antecedentes familiares", "family"),
    ("PAST MEDICAL HISTORY", "history"),
    ("PAST SURGICAL HISTORY", "history"),
    ("PMH", "history"),
    ("Antecedentes personales", "history"),
    ("Antecedentes", "history"),
    ("HISTORY OF PRESENT ILLNESS", "other"),
    ("HISTORY", "other"),
    ("Motivo de consulta", "other"),
    ("Anamnesis", "other"),
    ("Enfermedad actual", "other"),
    ("FINDINGS", "findings"),
    ("Physical Examination", "findings"),
    ("Exploración física", "findings"),
    ("Pruebas complementarias", "findings"),
    ("ASSESSMENT/DX", "assessment"),
    ("PLAN", "plan"),
    ("Recomendaciones", "plan"),
    ("PROCEDURE IN DETAIL", "procedure"),
    ("Intervención quirúrgica", "procedure"),
    ("ALLERGIES", "allergies"),
    ("Alergias medicamentosas", "allergies"),
    ("DISCHARGE MEDICATIONS", "medication"),
    ("Tratamiento habitual", "medication"),
    ("SOCIAL HISTORY", "social"),
    ("Hábitos tóxicos", "social"),
]

# Pieces that headings are made of, so that random texts have many near misses.
PIECES = st.sampled_from(
    [
        "Family History",
        "PMH",
        "Plan",
        "Xx yy",
        "Antecedentes familiares",
        "Mother",
        "ÍNDICE",
        ":",
        *(
            "\n",
            "\n\n",
            "\r\n",
            "\t",
            ". ",
            "- ",
            "1) ",
            "no fever",
            "é",
            "e\u0301",
            "http://x",
            "12:30",
        ),
    ]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join))


@pytest.mark.parametrize(("name", "kind"), HEADINGS)
@pytest.mark.parametrize(
    "layout", ["{}: something", "{}\nsomething", "before\n\n- {} :\nsomething"]
)
def test_a_known_heading_has_its_kind(name: str, kind: str, layout: str) -> None:
    text = layout.format(name)
    (found,) = sections(text)
    assert (found.name, found.kind) == (name, kind)
    assert text[found.start : found.end].strip() == "something"
    assert text[found.heading_start : found.heading_end] == name


@given(TEXTS)
def test_sections_are_disjoint_inside_the_text_and_in_reading_order(text: str) -> None:
    found = sections(text)
    ends = [0]
    for section in found:
        assert ends[-1] <= section.heading_start < section.heading_end <= section.start
        assert section.start <= section.end <= len(text)
        assert section.name == text[section.heading_start : section.heading_end]
        ends.append(section.end)


@given(TEXTS, st.integers(0, 220))
def test_a_place_belongs_to_the_section_whose_body_holds_it(text: str, start: int) -> None:
    found = sections(text)
    holders = [section for section in found if section.start <= start < section.end]
    assert section_of(found, start) == (holders[0] if holders else None)
    assert len(holders) <= 1


@pytest.mark.parametrize("text", ["", "\n", "no heading at all", "it was 12:30 then", "a: b"])
def test_a_text_without_headings_has_no_sections(text: str) -> None:
    assert sections(text) == []


def test_decomposed_accents_change_nothing_but_the_offsets() -> None:
    text = "Juicio clínico: neumonía\nExploración física: normal\nÚltimo día: alta"
    decomposed = unicodedata.normalize("NFD", text)
    assert len(decomposed) > len(text)
    found, other = sections(text), sections(decomposed)
    assert [section.kind for section in other] == [section.kind for section in found]
    assert [unicodedata.normalize("NFC", section.name) for section in other] == [
        section.name for section in found
    ]
    bodies = [decomposed[section.start : section.end].strip() for section in other]
    assert [unicodedata.normalize("NFC", body) for body in bodies] == ["neumonía", "normal", "alta"]


def test_an_unknown_name_needs_a_colon_or_capitals() -> None:
    assert section_kind("Gammagrafía renal: quiste", "quiste") == "other"
    assert section_kind("BONE SCAN\nlesion", "lesion") == "other"
    assert sections("Gammagrafía renal\nquiste") == []


def test_relatives_are_lines_of_the_family_history() -> None:
    text = "Family History:\nMother: asthma\nPaternal uncle: gout\nPlan: rest"
    assert [section.kind for section in sections(text)] == ["family", "plan"]
    assert section_kind(text, "gout") == "family"


def test_an_unknown_name_below_a_section_is_a_part_of_it() -> None:
    text = "PAST MEDICAL HISTORY:\nCardiac: infarction\nRenal: stones\n\nNeurology note: seizure"
    assert section_kind(text, "infarction") == "history"
    assert section_kind(text, "stones") == "history"
    assert section_kind(text, "seizure") == "other"


def test_the_letters_of_soap_are_headings() -> None:
    text = "S: cough\nFHx: gout\nO: clear\nA: 1. asthma.\nP: rest"
    kinds = [section.kind for section in sections(text)]
    assert kinds == ["other", "family", "findings", "assessment", "plan"]


def test_a_heading_as_loud_as_the_one_above_begins_something_new() -> None:
    text = "PAST MEDICAL HISTORY: gout\nBONE SCAN: metastasis"
    assert section_kind(text, "gout") == "history"
    assert section_kind(text, "metastasis") == "other"


def test_a_heading_with_text_on_its_line_ends_with_the_paragraph() -> None:
    text = "Antecedentes familiares: padre con gota.\nMadre sana.\n\nConsulta por fiebre."
    assert section_kind(text, "gota") == section_kind(text, "Madre sana") == "family"
    assert section_kind(text, "fiebre") is None
    alone = "Antecedentes familiares\nPadre con gota.\n\nMadre con asma."
    assert section_kind(alone, "asma") == "family"


def test_known_headings_are_found_inside_a_line() -> None:
    text = "He has a cough. FAMILY HISTORY: gout. SOCIAL HISTORY: smokes. ALLERGIES: none"
    assert [section.kind for section in sections(text)] == ["family", "social", "allergies"]
    assert section_kind(text, "cough") is None


def section_kind(text: str, word: str) -> str | None:
    found: Section | None = section_of(sections(text), text.index(word))
    return found.kind if found else None
