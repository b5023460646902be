from hypothesis import given
from hypothesis import strategies as st

from surecode.coder import dictionary
from surecode.lexicon.stems import stem
from surecode.lexicon.tokens import fold, pieces, tokens

# Letters that fold to more or to none, marks, spaces of all kinds, line ends.
odd = st.sampled_from(
    "aé\u0301ß\ufb01İŉ\u0345ῼ한½º_µ≠\u037e\r\n\t\u2003\u00a0\u3000\u200b\U0001d400·;-"
)
texts = st.text(st.one_of(odd, st.characters(exclude_categories=["Cs"])), max_size=40)


@given(texts)
def test_the_fast_tokens_are_those_of_the_dictionary(text: str) -> None:
    words, starts, ends = pieces(text)
    slow, places = dictionary.tokens(text)
    assert [fold(word) for word in words] == slow
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == places
    assert tokens(text) == tuple(slow)


def test_offsets_count_the_text_as_it_is() -> None:
    for text in ("Straße:\r\nFIÈBRE alta", "Strasse:\r\nFIE\u0300BRE alta"):
        words, starts, ends = pieces(text)
        at = [fold(word) for word in words].index("fiebre")
        assert text[starts[at] : ends[at]].casefold() in ("fièbre", "fie\u0300bre")
        assert fold(words[0]) == "strasse"


def test_plural_and_gender_have_one_normal_form() -> None:
    same = [
        ("calculo", "calculos"),
        ("lesion", "lesiones"),
        ("paciente", "pacientes"),
        ("derecho", "derecha", "derechos", "derechas"),
        ("cicatriz", "cicatrices"),
        ("renal", "renales"),
        ("fracture", "fractures"),
        ("biopsy", "biopsies"),
        ("mass", "masses"),
        ("diagnosis", "diagnoses"),
        ("ojo", "ojos"),
    ]
    for words in same:
        assert len({stem(word) for word in words}) == 1, words
    assert len({stem(words[0]) for words in same}) == len(same)


def test_other_words_stay_apart() -> None:
    for one, other in [
        ("parto", "parte"),
        ("como", "coma"),
        ("dosis", "dos"),
        ("tos", "to"),
        ("embolism", "embolic"),
        ("hepatico", "hepatitis"),
    ]:
        assert stem(one) != stem(other)
    for word in ("t2a", "s", "virus", "b12s", "sobre", ","):
        assert stem(word) == word


@given(st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=12))
def test_a_normal_form_is_a_word_and_at_most_two_letters_shorter(word: str) -> None:
    normal = stem(word)
    assert min(len(word), 3) <= len(normal) <= len(word)
    assert len(word) - len(normal) <= 3
    assert normal[:2] == word[:2] or len(word) < 4
