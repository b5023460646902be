from datetime import date
from pathlib import Path
from typing import Any

import pytest

from surecode.encounter import Code, Document, Encounter, Evidence, Span
from surecode.errors import InputError
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.terms_table import pcs_terms, table_terms, wordings
from surecode.lexicon.terms_training import training_terms
from surecode.lexicon.terms_user import read_term_list

DAY = date(2026, 1, 15)
FAILURE, FEVER, PRESSURE = (Code("ICD-10-CM", v) for v in ("I50.9", "R50.9", "I10"))


# ---- mentions of the train split -----------------------------------------------------------------


def encounter(text: str, *marks: tuple[Code, str]) -> Encounter:
    evidence = tuple(
        Evidence(code, Span("0", text.index(piece), text.index(piece) + len(piece)), n)
        for n, (code, pieces) in enumerate(marks)
        for piece in pieces.split("|")
    )
    documents = (Document("0", "note", text),)
    return Encounter("e", "p", "m", "facility", "x", DAY, documents, (), evidence)


def test_a_mention_has_the_dictionary_s_probability_and_how_often_it_was_annotated() -> None:
    train = [
        encounter("Fiebre alta", (FEVER, "Fiebre")),
        encounter("con fiebre", (FEVER, "fiebre"), (PRESSURE, "fiebre")),
        encounter("sin fiebre"),
    ]
    terms = training_terms(train)
    # Annotated 2 and 1 times of 3, shrunken by one occurrence more.
    assert [(t.text, t.code, t.probability, t.count) for t in terms] == [
        ("fiebre", FEVER, 2 / 4, 2),
        ("fiebre", PRESSURE, 1 / 4, 1),
    ]
    assert [t.code for t in training_terms(train, minimum=0.5)] == [FEVER]
    assert {(t.source, t.language) for t in terms} == {("training", None)}
    with pytest.raises(InputError, match="minimum"):
        training_terms(train, minimum=0.0)


def test_a_discontinuous_mention_is_read_joined_and_whole() -> None:
    terms = training_terms([encounter("mama muy roja", (FEVER, "mama|roja"))])
    assert sorted(t.text for t in terms) == ["mama muy roja", "mama roja"]
    assert [t.count for t in terms] == [1, 1]


def test_the_rule_of_a_mention_is_stable_and_does_not_tell_it() -> None:
    one, again = (training_terms([encounter("tos", (FEVER, "tos"))])[0] for _ in range(2))
    other = training_terms([encounter("tos", (PRESSURE, "tos"))])[0]
    assert one.rule == again.rule != other.rule
    kind, _, digits = one.rule.partition(":")
    assert kind == "training"
    assert len(digits) == 8
    assert int(digits, 16) >= 0


def test_marks_alone_are_no_term() -> None:
    assert training_terms([encounter("a + b", (FEVER, "+"))]) == []


# ---- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Heart failure, unspecified", {"Heart failure, unspecified", "Heart failure"}),
        (
            "Essential (primary) hypertension",
            {"Essential (primary) hypertension", "Essential hypertension"},
        ),
        (
            "Unspecified atrial fibrillation",
            {"Unspecified atrial fibrillation", "atrial fibrillation"},
        ),
        ("Asthma NOS", {"Asthma NOS", "Asthma"}),
        (
            "Pain, not elsewhere classified, unspecified",
            {
                "Pain, not elsewhere classified, unspecified",
                "Pain, not elsewhere classified",
                "Pain",
            },
        ),
        (
            "Fever; pyrexia NOS",
            {"Fever; pyrexia NOS", "Fever; pyrexia", "Fever", "pyrexia NOS", "pyrexia"},
        ),
        ("Gastritis (acute; chronic)", {"Gastritis (acute; chronic)", "Gastritis"}),
        (
            "Fracture of navicular [scaphoid] bone",
            {"Fracture of navicular [scaphoid] bone", "Fracture of navicular bone"},
        ),
        ("Reflux disease [GERD]", {"Reflux disease [GERD]", "Reflux disease", "GERD"}),
    ],
)
def test_a_title_gives_its_wordings(text: str, expected: Any) -> None:
    assert wordings(text)[0] == text
    assert set(wordings(text)) == expected


def test_terms_of_the_table_name_title_and_inclusion() -> None:
    terms = table_terms([FAILURE, PRESSURE, Code("ICD-10-PCS", "0DTJ4ZZ"), FAILURE])
    rules = {t.text: t.rule for t in terms if t.code == FAILURE}
    assert rules["Heart failure"] == "ICD-10-CM:I50.9:title"
    assert rules["Congestive heart failure"] == "ICD-10-CM:I50.9:inclusion:3"
    assert {t.code for t in terms} == {FAILURE, PRESSURE}
    assert {t.language for t in terms} == {"en"}
    assert {t.source for t in terms} == {"title", "inclusion"}
    one = encounter("The patient has congestive heart failure and is in the ward with a cough")
    assert [(h.code, h.length) for h in Lexicon.build(terms).hits(one)] == [(FAILURE, 3)]


@pytest.mark.parametrize(("codes", "share"), [(1, 1.0), (2, 0.5), (4, 0.25), (5, None)])
def test_codes_share_a_wording_and_too_many_lose_it(tmp_path: Path, codes: Any, share: Any) -> None:
    path = tmp_path / "icd10pcs.csv"
    rows = [f'0DTJ4Z{n},1,"Resection {"abcde"[n]} [GERD]"' for n in range(codes)]
    header = "icd10pcs_code,valid_billing_code,icd10pcs_long_description"
    path.write_text("\n".join([header, *rows]))
    terms = pcs_terms(path)
    own = {t.probability for t in terms if t.text.startswith("Resection a")}
    shared = [t.probability for t in terms if t.text == "GERD"]
    assert len(own) == 1
    assert shared == ([own.pop() * share] * codes if share else [])


def test_titles_of_procedures_come_from_a_table(tmp_path: Path) -> None:
    path = tmp_path / "icd10pcs.csv"
    path.write_text(
        "order_number,icd10pcs_code,valid_billing_code,icd10pcs_long_description\n"
        '1,0DT,0.0,"Gastrointestinal System, Resection"\n'
        '2,0DTJ4ZZ,1.0,"Resection of Appendix, Percutaneous Endoscopic Approach"\n'
        '3,0DTJ0ZZ,1.0,"Resection of Appendix, Open Approach"\n'
    )
    terms = pcs_terms(path)
    assert [(str(t.code), t.rule) for t in terms] == [
        ("ICD-10-PCS:0DTJ4ZZ", "ICD-10-PCS:0DTJ4ZZ:title"),
        ("ICD-10-PCS:0DTJ0ZZ", "ICD-10-PCS:0DTJ0ZZ:title"),
    ]
    (only,) = pcs_terms(path, {Code("ICD-10-PCS", "0DTJ0ZZ")})
    assert only.text == "Resection of Appendix, Open Approach"
    path.write_text("icd10pcs_code,title\n0DT,x\n")
    with pytest.raises(InputError, match="valid_billing_code is missing"):
        pcs_terms(path)
    path.write_text(
        "icd10pcs_code,valid_billing_code,icd10pcs_long_description\nI10,1,Hypertension\n"
    )
    with pytest.raises(InputError, match="row 1: code 'I10' is no ICD-10-PCS code"):
        pcs_terms(path)
    with pytest.raises(InputError, match="cannot be read"):
        pcs_terms(tmp_path / "absent.csv")


# ---- a user's list -------------------------------------------------------------------------------


def listed(
    tmp_path: Path, *lines: str, header: str = "system,value,term,language,probability"
) -> Path:
    path = tmp_path / "cardiology.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_user_s_list_is_read(tmp_path: Path) -> None:
    path = listed(
        tmp_path,
        "ICD-10-CM,i509,insuficiencia cardíaca,ES,0.9",
        "",
        'ICD-10-CM,I10,"presión alta, crónica",,',
        'ICD-10-CM,I10,"Presión alta, cronica",,',
    )
    assert [
        (t.text, t.code, t.source, t.rule, t.probability, t.language, t.count)
        for t in read_term_list(path, DAY)
    ] == [
        ("insuficiencia cardíaca", FAILURE, "user", "user:cardiology:2", 0.9, "es", 0),
        ("presión alta, crónica", PRESSURE, "user", "user:cardiology:4", 1.0, None, 0),
    ]
    short = listed(tmp_path, "ICD-10-CM,I10,HTA", header="system,value,term")
    assert [t.text for t in read_term_list(short, DAY)] == ["HTA"]


def test_a_term_may_stand_for_several_codes_that_give_probabilities(tmp_path: Path) -> None:
    path = listed(tmp_path, "ICD-10-CM,I50.9,IC,,0.7", "ICD-10-CM,I10,ic,,0.2")
    assert [(t.code, t.probability) for t in read_term_list(path, DAY)] == [
        (FAILURE, 0.7),
        (PRESSURE, 0.2),
    ]
    apart = listed(tmp_path, "ICD-10-CM,I50.9,IC,en,", "ICD-10-CM,I10,IC,es,")
    assert len(read_term_list(apart, DAY)) == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["ICD-10-CM,I10,x1,,", "ICD-10-CM,I99.99,fiebre,,"], "line 3, term 'fiebre': code I99.99"),
        (["ICD-10-CM,?,fiebre,,"], "line 2, term 'fiebre': code"),
        (["ICD-99,I10,fiebre,,"], "line 2, term 'fiebre': code system 'ICD-99' is unknown"),
        (["ICD-10-CM,I10, ,,"], "line 2, term '': the term is empty"),
        (["ICD-10-CM,I10,--,,"], "line 2, term '--': the term is empty"),
        (["ICD-10-CM,I10,fiebre,fr,"], "line 2, term 'fiebre': language 'fr' is unknown"),
        (["ICD-10-CM,I10,fiebre,,2"], "line 2, term 'fiebre': probability '2'"),
        (["ICD-10-CM,I10,fiebre,,nan"], "line 2, term 'fiebre': probability 'nan'"),
        (["ICD-10-CM,I10,fiebre,,x"], "line 2, term 'fiebre': probability 'x'"),
        (
            ["ICD-10-CM,I10,fiebre,,", "ICD-10-CM,R50.9,Fiebre,,"],
            "line 3, term 'Fiebre': it stands for ICD-10-CM:I10 in line 2",
        ),
        (
            ["ICD-10-CM,I10,fiebre,,0.5", "ICD-10-CM,R50.9,Fiebre,,"],
            "line 3, term 'Fiebre': it stands for ICD-10-CM:I10 in line 2",
        ),
        (
            ["ICD-10-CM,I10,fiebre,,0.5", "ICD-10-CM,I10,Fiebre,,0.6"],
            "line 3, term 'Fiebre': ICD-10-CM:I10 stands in line 2 with another probability",
        ),
        (["ICD-10-CM,I10,fiebre"], "line 2: 3 cells where the header has 5"),
        (['ICD-10-CM,I10,"fiebre'], "no CSV"),
    ],
)
def test_a_bad_line_is_named_with_its_term(tmp_path: Path, lines: list[str], message: str) -> None:
    path = listed(tmp_path, *lines)
    with pytest.raises(InputError) as caught:
        read_term_list(path, DAY)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "cardiology.csv" in str(caught.value)


@pytest.mark.parametrize(
    "header", ["", "system,value", "system,value,term,more", "system,value,term,term"]
)
def test_a_header_that_does_not_name_the_columns_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputError, match="first line"):
        read_term_list(listed(tmp_path, header=header), DAY)


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_term_list(tmp_path / "absent.csv", DAY)
    (tmp_path / "latin.csv").write_bytes(
        "system,value,term\nICD-10-CM,I10,presión".encode("latin-1")
    )
    with pytest.raises(InputError, match="not UTF-8"):
        read_term_list(tmp_path / "latin.csv", DAY)
