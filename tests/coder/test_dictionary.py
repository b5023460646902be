import hashlib
import json
import os
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.coder.dictionary import Dictionary, tokens
from surecode.data.sources import cantemist, codiesp
from surecode.encounter import Code, Document, Encounter, Evidence, Span
from surecode.errors import InputError
from surecode.evaluation import metrics

DATA = Path(__file__).parents[2] / os.environ.get("SURECODE_DATA", "../shared/data")

DIABETES, NEPHROPATHY, FEVER, CHILLS, TUMOUR = (
    Code("ICD-10-CM", value) for value in ("E11.9", "E11.21", "R50.9", "R68.83", "D49.9")
)


def encounter(*texts: str, marks: list[tuple[Code, str | list[str]]] | None = None) -> Encounter:
    """An encounter whose evidence is found by searching the first text for the marked words."""
    evidence = [
        Evidence(code, Span("0", texts[0].index(piece), texts[0].index(piece) + len(piece)), n)
        for n, (code, pieces) in enumerate(marks or [])
        for piece in ([pieces] if isinstance(pieces, str) else pieces)
    ]
    documents = tuple(Document(str(n), "note", text) for n, text in enumerate(texts))
    return Encounter(
        "e", "p", "medicine", "facility", "x", date(2026, 1, 1), documents, (), tuple(evidence)
    )


def quotes(dictionary: Dictionary, one: Encounter) -> list[tuple[Code, str]]:
    return [
        (hit.code, one.text(hit.span.document_id)[hit.span.start : hit.span.end])
        for hit in dictionary.mentions(one)
    ]


def test_a_mention_is_found_in_any_case_accent_and_spacing():
    dictionary = Dictionary.fit(
        [encounter("Con neoplasia gástrica.", marks=[(TUMOUR, "neoplasia gástrica")])]
    )
    one = encounter("Diagnóstico:  NEOPLASIA \n GASTRICA, estable")
    assert dictionary.code(one) == [TUMOUR]
    assert quotes(dictionary, one) == [(TUMOUR, "NEOPLASIA \n GASTRICA")]


def test_only_whole_words_are_found():
    dictionary = Dictionary.fit([encounter("fiebre alta", marks=[(FEVER, "fiebre")])])
    assert dictionary.code(encounter("febrícula y fiebres")) == []
    assert dictionary.code(encounter("(fiebre)")) == [FEVER]


def test_the_longest_mention_wins_and_none_overlap():
    train = [
        encounter("diabetes", marks=[(DIABETES, "diabetes")]),
        encounter("diabetes con nefropatía", marks=[(NEPHROPATHY, "diabetes con nefropatía")]),
    ]
    dictionary = Dictionary.fit(train)
    assert len(dictionary) == 2
    assert dictionary.code(encounter("diabetes con nefropatía")) == [NEPHROPATHY]
    assert dictionary.code(encounter("diabetes con retinopatía")) == [DIABETES]


def test_a_mention_that_annotators_mostly_pass_over_is_dropped():
    marked = encounter("fiebre", marks=[(FEVER, "fiebre")])
    assert len(Dictionary.fit([marked, encounter("sin fiebre")])) == 1
    assert len(Dictionary.fit([marked, encounter("sin fiebre, niega fiebre")])) == 0
    assert len(Dictionary.fit([marked, encounter("niega fiebre, fiebre")], minimum=0.3)) == 1


def test_an_ambiguous_mention_keeps_the_codes_of_half_of_its_occurrences():
    def marked(*codes: Code) -> Encounter:
        return encounter("fiebre", marks=[(code, "fiebre") for code in codes])

    usual = Dictionary.fit([marked(FEVER), marked(FEVER), marked(CHILLS)])
    assert usual.code(encounter("fiebre")) == [FEVER]
    both = Dictionary.fit([marked(FEVER, CHILLS), marked(FEVER)])
    assert both.code(encounter("fiebre")) == [FEVER, CHILLS]
    assert len({hit.mention for hit in both.mentions(encounter("fiebre"))}) == 1


def test_codes_are_ranked_by_probability_then_by_place():
    train = [encounter("tumor", marks=[(TUMOUR, "tumor")])] * 5
    train += [encounter("fiebre, diabetes", marks=[(FEVER, "fiebre"), (DIABETES, "diabetes")])]
    dictionary = Dictionary.fit(train)
    assert dictionary.code(encounter("diabetes, fiebre, tumor, diabetes")) == [
        TUMOUR,
        DIABETES,
        FEVER,
    ]
    assert dictionary.code(encounter("fiebre", "diabetes")) == [FEVER, DIABETES]


def test_a_discontinuous_mention_is_read_joined_and_whole():
    text = "derecho testículo muy aumentado"
    train = [encounter(text, marks=[(TUMOUR, ["testículo", "aumentado"])])]
    dictionary = Dictionary.fit(train)
    assert dictionary.code(encounter("testículo aumentado")) == [TUMOUR]
    assert dictionary.code(encounter("testículo muy aumentado")) == [TUMOUR]
    assert dictionary.code(encounter("testículo poco aumentado")) == []


def test_spans_fit_the_text_of_every_document():
    train = [encounter("edema à los pies", marks=[(FEVER, "à los")])]
    dictionary = Dictionary.fit(train)
    one = encounter("nada", "ﬁn: a\u0300 LOS pies; straße a los")
    assert quotes(dictionary, one) == [(FEVER, "a\u0300 LOS"), (FEVER, "a los")]
    assert {hit.span.document_id for hit in dictionary.mentions(one)} == {"1"}


def test_without_evidence_the_dictionary_is_empty():
    dictionary = Dictionary.fit([encounter("fiebre")])
    assert len(dictionary) == 0
    assert dictionary.code(encounter("fiebre")) == []
    assert dictionary.mentions(encounter("fiebre")) == []
    assert len(Dictionary.fit([])) == 0


@pytest.mark.parametrize("minimum", [0.0, 1.5, float("nan")])
def test_a_minimum_that_is_no_probability_is_refused(minimum):
    with pytest.raises(InputError, match="minimum"):
        Dictionary.fit([], minimum=minimum)


@given(st.text(max_size=60))
def test_tokens_point_into_the_text(text):
    words, places = tokens(text)
    assert len(words) == len(places)
    for word, (start, end) in zip(words, places, strict=True):
        assert 0 <= start < end <= len(text)
        assert word in "".join(tokens(text[start:end])[0])
    assert all(a[1] <= b[1] and a[0] <= b[0] for a, b in pairwise(places))


words = st.lists(
    st.sampled_from(["tos", "fiebre", "tumor", ",", "á", "b"]), min_size=1, max_size=12
)


@given(st.lists(st.tuples(words, st.integers(0, 11), st.integers(1, 3)), min_size=1, max_size=6))
def test_fitting_is_deterministic_and_codes_agree_with_mentions(rows):
    train = []
    for number, (tokens_, first, length) in enumerate(rows):
        piece = " ".join(tokens_[first % len(tokens_) :][:length])
        text = " ".join([*tokens_, "nota"])  # a document has a word, whatever was drawn
        train.append(encounter(text, marks=[(Code("S", str(number % 3)), piece)]))
    dictionary = Dictionary.fit(train)
    assert list(dictionary.entries) == list(Dictionary.fit(reversed(train)).entries)
    for one in train:
        hits = dictionary.mentions(one)
        assert set(dictionary.code(one)) == {hit.code for hit in hits}
        spans = sorted({hit.span for hit in hits})
        assert all(a.end <= b.start for a, b in pairwise(spans))
    hashed = dictionary.hashed()
    read = Dictionary.from_dict(json.loads(json.dumps(hashed.to_dict())))
    assert read == hashed
    assert len(hashed) == len(dictionary)
    for one in train:
        assert hashed.code(one) == read.code(one) == dictionary.code(one)
        assert read.mentions(one) == dictionary.mentions(one)


def test_the_hashed_form_holds_no_word_and_does_not_tell_the_alphabet():
    names = ["neoplasia gástrica", "tos", "fiebre", "diabetes", "asma", "zoster", "gota", "edema"]
    train = [encounter(name, marks=[(FEVER, name)]) for name in names]
    dictionary = Dictionary.fit(train)
    text = json.dumps(dictionary.hashed().to_dict())
    for name in names:
        assert not any(word in text for word in tokens(name)[0])
        alone = Dictionary.fit([encounter(name, marks=[(FEVER, name)])])
        (mention,) = alone.hashed().entries
        assert list(mention) == [t for t in mention if len(t) == 16 and int(t, 16) >= 0]
        assert mention in dictionary.hashed().entries
    written = list(dictionary.hashed().entries)
    assert written == sorted(written)
    assert written != list(dictionary.hashed("another key").entries)


def test_the_hash_is_blake2b_under_the_key():
    dictionary = Dictionary.fit([encounter("fiebre", marks=[(FEVER, "fiebre")])])
    digest = hashlib.blake2b(b"fiebre", digest_size=8, key=b"k").hexdigest()
    assert list(dictionary.hashed("k").entries) == [(digest,)]


def test_plain_words_are_not_written_and_a_hash_is_not_hashed_again():
    dictionary = Dictionary.fit([encounter("fiebre", marks=[(FEVER, "fiebre")])])
    with pytest.raises(InputError, match="hashed"):
        dictionary.to_dict()
    hashed = dictionary.hashed("k")
    assert hashed.hashed("k") is hashed
    with pytest.raises(InputError, match="another key"):
        hashed.hashed("l")
    for key in ("", "k" * 65):
        with pytest.raises(InputError, match="1 to 64 bytes"):
            dictionary.hashed(key)
    empty = Dictionary.fit([]).hashed()
    assert Dictionary.from_dict(empty.to_dict()) == empty
    assert empty.code(encounter("fiebre")) == []


HASH = "0123456789abcdef"
ROW = [[HASH], [["ICD-10-CM", "R50.9", 0.5]]]


@pytest.mark.parametrize(
    "values",
    [
        [],
        {"key": "k"},
        {"key": "k", "entries": [], "more": 1},
        {"key": None, "entries": []},
        {"key": "", "entries": []},
        {"key": "k", "entries": {}},
        {"key": "k", "entries": [ROW, ROW]},
        {"key": "k", "entries": [ROW[:1]]},
        {"key": "k", "entries": [[[], ROW[1]]]},
        {"key": "k", "entries": [[["fiebre"], ROW[1]]]},
        {"key": "k", "entries": [[[HASH.upper()], ROW[1]]]},
        {"key": "k", "entries": [[[HASH], []]]},
        {"key": "k", "entries": [[[HASH], [["ICD-10-CM", "R50.9"]]]]},
        {"key": "k", "entries": [[[HASH], [["ICD-10-CM", 5, 0.5]]]]},
        {"key": "k", "entries": [[[HASH], [["ICD-10-CM", "R50.9", 1]]]]},
        {"key": "k", "entries": [[[HASH], [["ICD-10-CM", "R50.9", float("nan")]]]]},
        {"key": "k", "entries": [[[HASH], [["ICD-10-CM", "R50.9", 1.5]]]]},
    ],
)
def test_a_damaged_hashed_dictionary_is_refused_in_one_line(values):
    assert len(Dictionary.from_dict({"key": "k", "entries": [ROW]})) == 1
    with pytest.raises(InputError, match="dictionary") as caught:
        Dictionary.from_dict(values)
    assert "\n" not in str(caught.value)
    assert "fiebre" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("corpus", "options", "train", "held_out", "least"),
    [
        (codiesp, {"kinds": ["diagnosis"]}, "train", "dev", {"f1": 0.66, "map": 0.50}),
        (codiesp, {"kinds": ["procedure"]}, "train", "dev", {"f1": 0.52, "map": 0.51}),
        (cantemist, {}, "train-set", "dev-set2", {"f1": 0.75, "map": 0.67}),
    ],
    ids=["codiesp-diagnoses", "codiesp-procedures", "cantemist"],
)
def test_the_baseline_of_real_documents(corpus, options, train, held_out, least):
    name = corpus.__name__.rpartition(".")[2]
    if not (DATA / name).is_dir():
        pytest.skip(f"the {name} documents are not at {DATA}")
    sourced = list(corpus.read(DATA, **options))
    dictionary = Dictionary.fit(s.encounter for s in sourced if s.official_split == train)
    encounters = [s.encounter for s in sourced if s.official_split == held_out]
    gold = [one.code_set for one in encounters]
    ranked = [dictionary.code(one) for one in encounters]
    hashed = dictionary.hashed()
    assert [hashed.code(one) for one in encounters] == ranked
    assert metrics.micro(gold, ranked).f1 >= least["f1"]
    assert metrics.mean_average_precision(gold, ranked) >= least["map"]
