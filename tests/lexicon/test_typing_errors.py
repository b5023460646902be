from hypothesis import given
from hypothesis import strategies as st

from surecode.coder.hashed_words import hashes
from surecode.lexicon.typing_errors import (
    Misspellings,
    deletions,
    may_be_meant,
    may_be_misspelt,
    sure_letters,
)

words = st.text("ab", min_size=1, max_size=6)


def distance(one: str, other: str) -> int:
    """Optimal string alignment by the textbook's table: insert, delete, replace, exchange."""
    table = [
        [i + j if not i * j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)
    ]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (one[i - 1] != other[j - 1]),
            )
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@given(words, st.sets(words, max_size=30))
def test_what_is_near_is_what_the_table_says_without_a_letter_seen(
    word: str, known: set[str]
) -> None:
    known.discard(word)
    expected = {other for other in known if distance(word, other) == 1}
    plain = Misspellings({other: deletions(other) for other in known})
    assert plain.near(word, deletions(word)) == expected
    spelled = hashes({*known, word, *(d for w in {*known, word} for d in deletions(w))}, "k")
    hidden = Misspellings({spelled[w]: [spelled[d] for d in deletions(w)] for w in known})
    near = hidden.near(spelled[word], [spelled[d] for d in deletions(word)])
    assert near == {spelled[other] for other in expected}


def near(word: str, known: str) -> bool:
    found = Misspellings({known: deletions(known)}).near(word, deletions(word), sure_letters(word))
    return found == {known}


def test_the_start_of_a_word_is_taken_to_be_right() -> None:
    assert near("neumoia", "neumonia")
    assert near("nuemonia", "neumonia")
    assert near("neumonnia", "neumonia")
    assert near("neumonla", "neumonia")
    assert not near("afebril", "febril")
    assert not near("teumonia", "neumonia")
    assert not near("enumonia", "neumonia")
    assert not near("microcefalia", "macrocefalia")
    assert near("microcefaila", "microcefalia")


def test_short_words_and_numbers_are_left_alone() -> None:
    assert may_be_misspelt("fiebre")
    assert not may_be_misspelt("fibre")
    assert not may_be_misspelt("t2n0m0")
    assert may_be_meant("fibre")
    assert not may_be_meant("asma")
