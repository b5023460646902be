import json
from datetime import date
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.coder.dictionary import Dictionary
from surecode.encounter import Code, Document, Encounter, Evidence, Span
from surecode.errors import InputError
from surecode.lexicon.documents import check_language
from surecode.lexicon.lexicon import Hit, Lexicon
from surecode.lexicon.term import Source, Term
from surecode.lexicon.terms_training import training_terms, words_of

A, B, C = (Code("ICD-10-CM", value) for value in ("C50.919", "I10", "R50.9"))
ENGLISH = "The patient was seen in the clinic and she has a history of "
SPANISH = "El paciente fue visto en la consulta y su historia es la de "


def term(text: str, code: Code = A, source: Source = "training", **more: Any) -> Term:
    rule = more.pop("rule", f"{source}:{text}")
    given = {"probability": 0.5, "language": None, "count": 3} | more
    return Term(text, code, source, rule, given["probability"], given["language"], given["count"])


def encounter(*texts: str, evidence: tuple[Evidence, ...] = ()) -> Encounter:
    documents = tuple(Document(str(n), "note", text) for n, text in enumerate(texts))
    return Encounter(
        "e", "p", "medicine", "facility", "x", date(2026, 1, 1), documents, (), evidence
    )


def found(lexicon: Lexicon, *texts: str) -> list[tuple[Code, str, str]]:
    one = encounter(*texts)
    return [(hit.code, quote(one, hit), hit.match) for hit in lexicon.hits(one)]


def quote(one: Encounter, hit: Hit) -> str:
    return one.text(hit.span.document_id)[hit.span.start : hit.span.end]


def test_a_term_is_found_in_any_case_accent_and_spacing() -> None:
    lexicon = Lexicon.build([term("neoplasia gástrica")])
    text = "Diagnóstico: NEOPLASIA \r\n GA\u0301STRICA, estable"
    assert found(lexicon, text) == [(A, "NEOPLASIA \r\n GA\u0301STRICA", "exact")]


def test_a_hit_says_where_it_comes_from() -> None:
    lexicon = Lexicon.build([term("fiebre alta", C, count=7, probability=0.25, rule="r")])
    assert lexicon.hits(encounter("nada", "con fiebre alta")) == [
        Hit(C, Span("1", 4, 15), 0, "training", "r", "exact", 0.25, 7, 2)
    ]


def test_plural_and_gender_are_inflected_and_exact_terms_of_the_source_hide_them() -> None:
    lexicon = Lexicon.build([term("lesión renal derecha"), term("lesiones renales", B)])
    assert found(lexicon, "lesiones renales derechas") == [
        (A, "lesiones renales derechas", "inflected")
    ]
    both = lexicon.with_terms([term("lesión renal", C), term("lesión renal", A, "user")])
    assert found(both, "lesiones renales") == [
        (A, "lesiones renales", "inflected"),
        (B, "lesiones renales", "exact"),
    ]


@pytest.mark.parametrize("text", ["cáncer de mama", "mama, cáncer", "cáncer mama", "mama: cáncer"])
def test_two_words_may_stand_in_another_order_with_small_words_between(text: str) -> None:
    lexicon = Lexicon.build([term("cáncer de mama")])
    expected = {"cáncer de mama": "exact", "mama: cáncer": None}.get(text, "order")
    assert found(lexicon, f"hay {text} ya") == ([(A, text, expected)] if expected else [])


def test_up_to_four_content_words_in_every_order_and_no_more() -> None:
    words = ["dolor", "agudo", "rodilla", "izquierda", "intenso"]
    for length in (2, 3, 4, 5):
        lexicon = Lexicon.build([term(" ".join(words[:length]))])
        for order in permutations(words[:length]):
            matches = [match for *_, match in found(lexicon, f"hay {' de '.join(order)} ya")]
            assert matches == ([] if length == 5 else ["order"])
        assert [m for *_, m in found(lexicon, " ".join(words))][:1] == ["exact"]
    assert found(Lexicon.build([term("dolor agudo")]), "agudo agudo, dolor. agudo") == [
        (A, "agudo, dolor", "order")
    ]


def test_a_typing_error_is_read_as_the_one_word_that_it_may_be() -> None:
    lexicon = Lexicon.build([term("neumonía lobar"), term("lobar grave", B)])
    assert found(lexicon, "una neumonai lobar") == [(A, "neumonai lobar", "typo")]
    assert found(lexicon, "una neumoai lobar") == []
    twins = Lexicon.build([term("hematoma"), term("hepatoma", B)])
    assert found(twins, "un hetatoma") == []
    assert found(twins, "un hepatoma") == [(B, "hepatoma", "exact")]
    assert found(twins, "un hemtoma") == [(A, "hemtoma", "typo")]


def test_a_word_that_is_known_is_no_misspelling() -> None:
    assert found(Lexicon.build([term("disfonía")]), "disponía") == [(A, "disponía", "typo")]
    assert found(Lexicon.build([term("disfonía")], others=["Disponía"]), "disponía") == []
    assert words_of([encounter("El médico disponía"), encounter("Disponía DISPONIA")]) == {
        "disponia"
    }


def test_the_longest_term_of_all_sources_wins_and_none_is_nested() -> None:
    lexicon = Lexicon.build(
        [term("diabetes"), term("diabetes con nefropatía", B, "title"), term("nefropatía", C)]
    )
    assert found(lexicon, "diabetes con nefropatía, diabetes con nefropatia") == [
        (B, "diabetes con nefropatía", "exact"),
        (B, "diabetes con nefropatia", "exact"),
    ]
    assert [code for code, *_ in found(lexicon, "nefropatía con diabetes")] == [B]
    assert [code for code, *_ in found(lexicon, "nefropatía y diabetes")] == [C, A]


def test_codes_of_one_place_share_it_the_likeliest_first_and_each_once() -> None:
    lexicon = Lexicon.build(
        [
            term("fiebre", A, probability=0.2),
            term("fiebre", B, probability=0.6),
            term("fiebre", B, "user", probability=0.9),
        ]
    )
    hits = lexicon.hits(encounter("fiebre, y fiebre"))
    assert [(hit.place, hit.code, hit.probability) for hit in hits] == [
        (0, B, 0.9),
        (0, A, 0.2),
        (1, B, 0.9),
        (1, A, 0.2),
    ]


def test_terms_with_a_language_are_for_documents_of_it_and_of_none() -> None:
    lexicon = Lexicon.build(
        [
            term("hypertension", B, "title", language="en"),
            term("tension", A, language=None),
            term("fiebre", C, language="es"),
        ]
    )
    text = "hypertension, tension, fiebre"
    assert [code for code, *_ in found(lexicon, ENGLISH + text)] == [B, A]
    assert [code for code, *_ in found(lexicon, SPANISH + text)] == [A, C]
    assert [code for code, *_ in found(lexicon, text)] == [B, A, C]
    english = lexicon.without(["training:fiebre"])
    assert [code for code, *_ in found(english, text)] == [B, A]
    assert [code for code, *_ in found(english, SPANISH + text)] == [A]


def test_a_longer_term_of_another_language_hides_nothing() -> None:
    lexicon = Lexicon.build([term("dolor agudo", B, language="en"), term("dolor")])
    assert found(lexicon, SPANISH + "dolor agudo") == [(A, "dolor", "exact")]


def test_a_list_in_a_language_of_no_document_is_refused() -> None:
    english = [term("fever", C, "user", language="en")]
    spanish = [encounter(SPANISH + "fiebre")]
    with pytest.raises(InputError, match="language en, and the documents are of es") as caught:
        check_language(english, spanish)
    assert "\n" not in str(caught.value)
    check_language(english, [*spanish, encounter(ENGLISH + "fever")])
    check_language(english, [*spanish, encounter("fever")])
    check_language([*english, term("tos", C, "user")], spanish)
    check_language([term("fever", C, "title", language="en")], spanish)
    check_language(english, [])


def test_terms_come_and_go() -> None:
    lexicon = Lexicon.build([term("fiebre", C)])
    more = lexicon.with_terms([term("tos", B, "user", rule="user:list:2")])
    assert (len(lexicon), len(more)) == (1, 2)
    assert more.codes == {B, C}
    assert found(more, "tos y fiebre") == [(B, "tos", "exact"), (C, "fiebre", "exact")]
    assert more.without(["user:list:2"]) == lexicon
    with pytest.raises(InputError, match="no term has the rule user:list:3"):
        more.without(["user:list:3"])
    assert found(Lexicon.build([]), "tos y fiebre") == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (term("  ", rule="user:list:2"), "user:list:2 is empty"),
        (term("...", rule="user:list:2"), "user:list:2 is empty"),
        (term("tos", probability=0.0), "probability 0.0"),
        (term("tos", probability=float("nan")), "probability nan"),
    ],
)
def test_a_term_that_is_none_is_refused_in_one_line(bad: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Lexicon.build([bad])
    assert "\n" not in str(caught.value)


# ---- against the dictionary, and hashed ----------------------------------------------------------

# No two of these share a normal form, none is a small word, and they are too short to misspell.
some = st.lists(st.sampled_from(["tos", "febre", "tumor", ".", "á", "b"]), min_size=1, max_size=12)
rows = st.lists(st.tuples(some, st.integers(0, 11), st.integers(1, 3)), min_size=1, max_size=6)


def annotated(row: tuple[list[str], int, int], number: int) -> Encounter:
    words, first, length = row
    piece = " ".join(words[first % len(words) :][:length])
    text = " ".join([*words, "nota"])
    start = text.index(piece)
    span = Span("0", start, start + len(piece))
    return encounter(text, evidence=(Evidence(Code("ICD-10-CM", f"A0{number % 3}"), span),))


@given(rows)
def test_exact_hits_are_the_dictionary_s_mentions(drawn: Any) -> None:
    train = [annotated(row, number) for number, row in enumerate(drawn)]
    dictionary = Dictionary.fit(train, minimum=0.02)
    terms = training_terms(train, 0.02)
    lexicon = Lexicon.build(terms)
    worded = {m: e for m, e in dictionary.entries.items() if any(w.isalnum() for w in m)}
    assert {(t.text, t.code, t.probability) for t in terms} == {
        (" ".join(m), e.code, e.probability) for m, entries in worded.items() for e in entries
    }
    if worded != dictionary.entries:
        return  # a mention of marks alone is no term
    for one in train:
        exact = [hit for hit in lexicon.hits(one) if hit.match == "exact"]
        if len(exact) == len(lexicon.hits(one)):  # nothing in another order went before
            assert [(hit.code, hit.span) for hit in exact] == [
                (item.code, item.span) for item in dictionary.mentions(one)
            ]


wordings = st.lists(
    st.sampled_from(
        ["neumonía", "lobar", "graves", "grave", "de", "mama", "cáncer", "lóbulo", "neumonitis"]
    ),
    min_size=1,
    max_size=4,
)
texts = st.lists(
    st.sampled_from(
        [
            *("neumonía", "Neumonai", "lobar", "graves", "GRAVE", "de", ",", "mama", "mamas"),
            *("cáncer", "cancre", "lóbulos", "neumonitis", "neumonitsi", "."),
        ]
    ),
    min_size=1,
    max_size=12,
)


@given(
    st.lists(
        st.tuples(wordings, st.sampled_from([A, B, C]), st.sampled_from([None, "en", "es"])),
        min_size=1,
        max_size=6,
    ),
    st.lists(texts, min_size=1, max_size=4),
    st.sampled_from(["", ENGLISH, SPANISH]),
)
def test_a_hashed_lexicon_finds_the_same_and_comes_back_from_json(
    drawn: Any, documents: Any, start: Any
) -> None:
    terms = [
        term(" ".join(words), code, language=language, count=n, probability=(n + 1) / 10)
        for n, (words, code, language) in enumerate(drawn)
        if words != ["de"]
    ]
    lexicon = Lexicon.build(terms, others=["neumonai"] if len(terms) % 2 else [])
    assert lexicon == Lexicon.build(reversed(terms), others=lexicon.others)
    hashed = lexicon.hashed()
    read = Lexicon.from_dict(json.loads(json.dumps(hashed.to_dict())))
    assert read == hashed
    assert len(read) == len(lexicon)
    one = encounter(*(f"{start}{' '.join(words)} x" for words in documents))
    hits = lexicon.hits(one)
    assert hashed.hits(one) == read.hits(one) == hits
    for before, after in pairwise(sorted({hit.place: hit.span for hit in hits}.items())):
        if before[1].document_id == after[1].document_id:
            assert before[1].end <= after[1].start
    assert all(
        len({h.code for h in hits if h.place == n}) == sum(h.place == n for h in hits)
        for n in {h.place for h in hits}
    )
    more = term("otro término", C, "user")
    assert hashed.with_terms([more]) == lexicon.with_terms([more]).hashed()


def test_the_hashed_form_holds_no_word() -> None:
    names = ["neoplasia gástrica", "tos", "fiebre", "diabetes", "asma", "zoster", "gota"]
    terms = [term(name, rule=f"training:{n:08x}") for n, name in enumerate(names)]
    lexicon = Lexicon.build(terms, others=["palabra"])
    text = json.dumps(lexicon.hashed().to_dict())
    for word in [*" ".join(names).replace("á", "a").split(), "palabr", "neoplasi"]:
        assert word not in text
    written = [row[0] for row in lexicon.hashed().to_dict()["terms"]]
    assert written == sorted(written)
    assert written != [row[0] for row in lexicon.hashed("other").to_dict()["terms"]]


def test_plain_words_are_not_written_and_a_hash_is_not_hashed_again() -> None:
    lexicon = Lexicon.build([term("fiebre")])
    with pytest.raises(InputError, match="hashed"):
        lexicon.to_dict()
    assert lexicon.hashed("k").hashed("k") == lexicon.hashed("k")
    with pytest.raises(InputError, match="another key"):
        lexicon.hashed("k").hashed("l")
    with pytest.raises(InputError, match="1 to 64 bytes"):
        lexicon.hashed("")


def damaged(**changes: Any) -> Any:
    return Lexicon.build([term("fiebre")], others=["palabra"]).hashed().to_dict() | changes


GOOD = damaged()["terms"][0]


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"key": "k"},
        damaged(more=1),
        damaged(key=None),
        damaged(key=""),
        damaged(words={}),
        damaged(words={"fiebre": ["0" * 16, ""]}),
        damaged(others=["palabra"]),
        damaged(terms=[]),
        damaged(terms=[GOOD, GOOD]),
        damaged(terms=[["fiebre", *GOOD[1:]]]),
        damaged(terms=[[[], *GOOD[1:]]]),
        damaged(terms=[[*GOOD[:3], "rumour", *GOOD[4:]]]),
        damaged(terms=[[*GOOD[:5], 1.5, *GOOD[6:]]]),
        damaged(terms=[[*GOOD[:5], float("nan"), *GOOD[6:]]]),
        damaged(terms=[[*GOOD[:6], "fr", GOOD[7]]]),
        damaged(terms=[[*GOOD[:7], -1]]),
        damaged(terms=[GOOD[:7]]),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(values: Any) -> None:
    assert len(Lexicon.from_dict(damaged())) == 1
    with pytest.raises(InputError, match=r"lexicon: damaged|1 to 64 bytes") as caught:
        Lexicon.from_dict(values)
    assert "\n" not in str(caught.value)
    assert "fiebre" not in str(caught.value)
