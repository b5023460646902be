from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.evidence.span_tuning import MarkedCode, TunedPolicy, tune_policy, word_f1
from surecode.evidence.spans import SpanPolicy, evidence_spans
from surecode.evidence.words import WORD, Word

POLICY = SpanPolicy(0.6, 1, 3)


def marked(text: str, scores: list[float], *gold: str) -> MarkedCode:
    """One document; each gold span is the first place of its text."""
    matches = enumerate(WORD.finditer(text))
    words = [
        Word(0, n, *match.span(), score) for (n, match), score in zip(matches, scores, strict=True)
    ]
    places = [(0, text.index(quote), text.index(quote) + len(quote)) for quote in gold]
    return MarkedCode(words, [text], places)


CODES = st.builds(
    lambda scores, first, last: marked(
        " ".join(f"w{n}" for n in range(len(scores))),
        scores,
        " ".join(f"w{n}" for n in range(first, max(first, last) + 1)),
    ),
    st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0, 8.0]), min_size=6, max_size=9),
    st.integers(0, 5),
    st.integers(0, 5),
)


@settings(max_examples=25)
@given(codes=st.lists(CODES, min_size=1, max_size=3), data=st.data())
def test_it_is_never_worse_than_before_and_does_not_depend_on_the_order(
    codes: list[MarkedCode], data: st.DataObject
) -> None:
    tuned = tune_policy(codes, POLICY)
    assert tuned.f1 is not None
    assert tuned.f1_before == word_f1(codes, POLICY)
    assert tuned.f1 == word_f1(codes, tuned.policy) >= tuned.f1_before
    assert tuned.codes == len(codes)
    assert (tuned.f1 == tuned.f1_before) == (tuned.policy == POLICY)
    kept = replace(
        tuned.policy,
        positive_mass=POLICY.positive_mass,
        maximum_gap=POLICY.maximum_gap,
        seed=POLICY.seed,
        grow=POLICY.grow,
    )
    assert kept == POLICY
    assert tune_policy(data.draw(st.permutations(codes)), POLICY) == tuned


def test_without_gold_the_policy_stays() -> None:
    code = replace(marked("a fever", [1, 1]), gold=())
    assert tune_policy([], POLICY) == TunedPolicy(POLICY, None, None, 0)
    assert tune_policy([code], POLICY) == TunedPolicy(POLICY, None, None, 0)
    with_gold = marked("mild fever", [0, 1], "fever")
    assert tune_policy([code, with_gold], POLICY) == TunedPolicy(POLICY, 1.0, 1.0, 1)


def test_it_finds_the_threshold_that_annotators_keep_to() -> None:
    # What was marked holds a fifth of the mass or more; the noise less than a tenth, and more of it
    # than the policy leaves out.
    codes = [
        marked("fever. x1. x2. x3. cough. x4. x5", [30, 9, 9, 9, 25, 9, 9], "fever", "cough"),
        marked("y1. rash. y2. y3. y4. y5", [8, 60, 8, 8, 8, 8], "rash"),
    ]
    before = replace(POLICY, positive_mass=0.9, seed=0.0)
    tuned = tune_policy(codes, before)
    assert tuned.f1 == 1.0
    assert tuned.f1_before is not None
    assert tuned.f1_before < 1.0


def test_the_figure_by_hand() -> None:
    # Shown: "left arm" and "fever"; marked: "arm pain" and "fever"; right: "arm" and "fever".
    code = marked("left arm pain today. fever", [5, 5, 0, 0, 5], "arm pain", "fever")
    assert word_f1([code], SpanPolicy(1.0, 0, 3)) == pytest.approx(2 * 2 / (3 + 3))
    other = marked("no rash", [0, 1], "rash")  # micro: counts are added up, not figures
    assert word_f1([code, other], SpanPolicy(1.0, 0, 3)) == pytest.approx(2 * 3 / (4 + 4))
    nothing = marked("no rash", [0, -1], "rash")
    assert word_f1([nothing], SpanPolicy(1.0, 0, 3)) == 0.0
    assert word_f1([code, nothing], SpanPolicy(1.0, 0, 3)) == pytest.approx(2 * 2 / (3 + 4))


def test_which_of_two_equal_mentions_is_cited_is_no_error() -> None:
    text = "fever. mild. Fever"
    code = replace(marked(text, [1, 0, 5]), gold=((0, 0, 5),))
    (span,) = evidence_spans(code.words, [text], POLICY)
    assert span.place == (0, 13, 18)
    assert word_f1([code], POLICY) == 1.0
    assert word_f1([code], replace(POLICY, repeated=False, positive_mass=0.5)) == 0.0


def test_headings_make_no_evidence_in_tuning_either() -> None:
    code = marked("Rash: fever", [9, 1], "fever")
    assert word_f1([code], POLICY) == 0.0
    assert word_f1([replace(code, headings=((0, 0, 4),))], POLICY) == 1.0
