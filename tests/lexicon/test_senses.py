from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.codes.releases import valid_codes
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.lexicon.senses import (
    HEADER,
    LANGUAGES,
    SenseRules,
    package_rules,
    read_rules,
    sense,
)

I44 = Code("ICD-10-CM", "I44.2")
J00 = Code("ICD-10-CM", "J00")
HEAD = ",".join(HEADER) + "\n"
RULES = SenseRules(
    tuple(
        read_rules(
            HEAD
            + "block|blocks,I44 I45,I45.9,4,<heart;mobitz;branch;echo*,beta\n"
            + "block|blocks,-,,4,nerve;ropivac*;>of wood;echo*,\n"
            + "cold feet,J00,,4,fever,\n"
        )
    )
)


def asked(before: str, after: str = "", term: str = "block", code: Code = I44) -> str:
    return RULES.sense(term.split(), before.split(), after.split(), code)


def test_a_cue_of_one_sense_speaks_against_the_others() -> None:
    assert asked("mobitz") == "supported"
    assert asked("nerve") == "contradicted"
    assert asked("left", "done with ropivacaine") == "contradicted"
    assert asked("a") == "unknown"
    assert asked("beta") == "contradicted"
    # A code that no sense of the term has is none of the rules' business.
    assert asked("mobitz", code=J00) == "unknown"


def test_a_cue_that_must_touch_counts_only_there() -> None:
    assert asked("complete heart") == "supported"
    assert asked("heart and other") == "unknown"
    assert asked("", "of wood") == "contradicted"
    assert asked("", "piece of wood") == "unknown"
    assert asked("of wood") == "unknown"


def test_the_nearer_cue_outweighs() -> None:
    assert asked("mobitz or some nerve") == "contradicted"
    assert asked("nerve or some mobitz") == "supported"
    assert asked("mobitz", "nerve") == "unknown"
    assert asked("echocardiogram") == "unknown"  # a cue of both senses


def test_the_window_counts_words_and_a_sentence_end_halves() -> None:
    assert asked("mobitz a b c") == "supported"
    assert asked("mobitz a b c d") == "unknown"
    assert asked("mobitz , a - b ( c )") == "supported"
    # 1/2 for the one across the sentence's end against 1/1 for the neighbour.
    assert asked("mobitz .", "nerve") == "contradicted"


def test_a_term_of_several_words_and_a_longer_hit() -> None:
    assert asked("fever", term="cold feet", code=J00) == "supported"
    assert asked("fever", term="cold", code=J00) == "unknown"
    # The other words of what was found are context.
    assert asked("", term="nerve block") == "contradicted"
    assert asked("", term="block mobitz") == "supported"


def test_case_and_accents_do_not_matter() -> None:
    gout = Code("ICD-10-CM", "M10.9")
    assert sense(["Gota"], ["ácido", "ÚRICO"], [], gout, "es") == "supported"
    assert sense(["gota"], [], ["en", "cada", "OJO"], gout) == "contradicted"


def test_the_rules_of_a_system_with_its_name() -> None:
    rules = SenseRules(tuple(read_rules(HEAD + "drip,ICD-10-PCS:3E0,,4,saline,\ndrip,-,,4,nasal,")))
    assert rules.sense(["drip"], ["saline"], [], Code("ICD-10-PCS", "3E03")) == "supported"
    assert rules.sense(["drip"], ["saline"], [], Code("ICD-10-CM", "R09")) == "unknown"


words = st.lists(
    st.sampled_from(["mobitz", "nerve", "heart", "branch", "x", "y", ".", "ropivacaine"]),
    max_size=8,
)


@given(words, words)
def test_the_senses_of_a_term_agree(before: Sequence[str], after: Sequence[str]) -> None:
    """With two senses and no other cues, what supports one contradicts the other."""
    two = SenseRules(
        tuple(
            read_rules(HEAD + "block,I44,,4,<heart;mobitz;branch,\nblock,T88,,4,nerve;ropivac*,\n")
        )
    )
    first = two.sense(["block"], before, after, I44)
    second = two.sense(["block"], before, after, Code("ICD-10-CM", "T88.0XXA"))
    opposite = {"supported": "contradicted", "contradicted": "supported", "unknown": "unknown"}
    assert second == opposite[first]


@given(words, words)
def test_words_beyond_the_window_change_nothing(
    before: Sequence[str], after: Sequence[str]
) -> None:
    near = ["x"] * 4
    assert asked(" ".join([*before, *near]), " ".join([*near, *after])) == "unknown"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "the header is not"),
        ("term,code\n", "the header is not"),
        (HEAD + "a,I10,,4,b", "line 2: 5 cells; give 6"),
        (HEAD + "a,I10,I11.9,4,b,", "line 2: ICD-10-CM:I11.9 is no code of this sense"),
        (HEAD + "a,-,I10,4,b,", "line 2: ICD-10-CM:I10 is no code of this sense"),
        (HEAD + "a,I10,?,4,b,", "line 2: "),
        (HEAD + "a,,,4,b,", "line 2: no code"),
        (HEAD + "a,I10,,0,b,", "the window is no number from 1 to 20"),
        (HEAD + "a,I10,,21,b,", "the window is no number from 1 to 20"),
        (HEAD + "a,I10,,four,b,", "the window is no number from 1 to 20"),
        (HEAD + "a,I10,,4,,", "no cue"),
        (HEAD + "a,I10,,4,b;%,", "a cue without a word"),
        (HEAD + "!,I10,,4,b,", "an empty term"),
        (HEAD + "a,I10,,4,b,\na,I10,,4,c,", "line 3: this sense of the term stands there twice"),
    ],
)
def test_damaged_rules_are_refused_in_one_line(table: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_rules(table)
    assert "\n" not in str(caught.value)


def test_the_rules_of_the_package_are_many_and_whole() -> None:
    values = valid_codes("ICD-10-CM", "FY2026")
    assert values is not None
    valid = [f"ICD-10-CM:{value}" for value in values]
    for language in LANGUAGES:
        rules = package_rules(language)
        assert len(rules.terms) >= 100
        for rule in rules.rules:
            for prefix in rule.codes:
                assert any(code.startswith(prefix) for code in valid), prefix
            if rule.bare is not None:
                assert any(code.startswith(str(rule.bare)) for code in valid), rule.bare
        # A term with one sense alone could never be contradicted by another.
        senses = Counter(rule.term for rule in rules.rules)
        assert {term for term, n in senses.items() if n == 1} == set()
    assert package_rules().terms == package_rules("en").terms | package_rules("es").terms
