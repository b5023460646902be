from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.evidence.spans import ScoredSpan, SpanPolicy, evidence_spans
from surecode.evidence.words import WORD, Word

POLICY = SpanPolicy(positive_mass=0.6, maximum_gap=1, maximum_spans=3)
POLICIES = st.builds(SpanPolicy, st.floats(0.01, 1.0), st.integers(0, 3), st.integers(1, 5))
TEXTS = st.lists(
    st.lists(
        st.sampled_from(["fever", "cough", " ", " ", ", ", ". ", "\n", "; "]), max_size=30
    ).map("".join),
    min_size=1,
    max_size=3,
)


def scored(texts: list[str], scores: list[float]) -> list[Word]:
    """The words of the texts with these scores; words beyond the scores are left out."""
    places = [
        (document, index, *match.span())
        for document, text in enumerate(texts)
        for index, match in enumerate(WORD.finditer(text))
    ]
    return [Word(*place, score) for place, score in zip(places, scores, strict=False)]


def quotes(texts: list[str], spans: list[ScoredSpan]) -> list[str]:
    return [texts[span.document][span.start : span.end] for span in spans]


# Few distinct scores, so that ties are frequent.
SCORES = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), max_size=90)


@given(texts=TEXTS, scores=SCORES, policy=POLICIES, data=st.data())
def test_spans_are_few_disjoint_inside_the_text_and_best_first(
    texts: list[str], scores: list[float], policy: SpanPolicy, data: st.DataObject
) -> None:
    words = scored(texts, scores)
    spans = evidence_spans(words, texts, policy)
    assert len(spans) <= policy.maximum_spans
    assert bool(spans) == any(word.score > 0 for word in words)
    starts = {(word.document, word.start) for word in words if word.score > 0}
    ends = {(word.document, word.end) for word in words if word.score > 0}
    for span in spans:
        assert 0 <= span.start < span.end <= len(texts[span.document])
        assert (span.document, span.start) in starts
        assert (span.document, span.end) in ends
        assert "\n" not in texts[span.document][span.start : span.end]
        assert 0 < span.score <= 1 + 1e-9
    for left, right in combinations(spans, 2):
        apart = left.end <= right.start or right.end <= left.start
        assert left.document != right.document or apart
    assert [s.score for s in spans] == sorted((s.score for s in spans), reverse=True)
    assert sum(span.score for span in spans) <= 1 + 1e-9
    # The order in which words come in decides nothing, not even among ties.
    assert evidence_spans(data.draw(st.permutations(words)), texts, policy) == spans


@given(texts=TEXTS, scores=SCORES, share=st.floats(0.01, 1.0))
def test_the_fewest_words_that_hold_the_mass_are_taken(
    texts: list[str], scores: list[float], share: float
) -> None:
    words = [word for word in scored(texts, scores) if word.score > 0]
    mass = sum(word.score for word in words)
    spans = evidence_spans(words, texts, SpanPolicy(share, 0, 100))
    taken = [
        word
        for word in words
        if any(s.document == word.document and s.start <= word.start < s.end for s in spans)
    ]
    held = sum(word.score for word in taken)
    assert held >= share * mass - 1e-9
    if taken:
        assert held - min(word.score for word in taken) < share * mass
    assert sum(span.score for span in spans) * mass == pytest.approx(held)


@pytest.mark.parametrize("scores", [[], [-1.0, -2.0, 0.0], [0.0]])
def test_no_word_speaks_for_the_code(scores: list[float]) -> None:
    texts = ["no fever today"]
    assert evidence_spans(scored(texts, scores), texts, POLICY) == []


def test_neighbouring_words_join_over_one_word_between_them() -> None:
    texts = ["mild fracture of the left distal radius"]
    spans = evidence_spans(scored(texts, [0, 3, 0, 0, 0, 2, 2]), texts, SpanPolicy(1.0, 1, 3))
    assert quotes(texts, spans) == ["distal radius", "fracture"]
    assert [span.score for span in spans] == pytest.approx([4 / 7, 3 / 7])
    spans = evidence_spans(scored(texts, [0, 3, 0, 0, 0, 2, 2]), texts, SpanPolicy(1.0, 3, 3))
    assert quotes(texts, spans) == ["fracture of the left distal radius"]
    assert spans[0].score == pytest.approx(1.0)


@pytest.mark.parametrize("stop", ["\n", "\r\n", ". ", "; ", ": "])
def test_words_do_not_join_over_the_end_of_a_line_or_a_sentence(stop: str) -> None:
    texts = [f"fever{stop}cough"]
    spans = evidence_spans(scored(texts, [1, 1]), texts, SpanPolicy(1.0, 3, 3))
    assert quotes(texts, spans) == ["fever", "cough"]


def test_words_of_two_documents_do_not_join() -> None:
    texts = ["fever", "cough"]
    spans = evidence_spans(scored(texts, [1, 1]), texts, SpanPolicy(1.0, 3, 3))
    assert [(span.document, span.start, span.end) for span in spans] == [(0, 0, 5), (1, 0, 5)]


def test_of_equal_words_the_earlier_is_taken() -> None:
    texts = ["cough\ncough\ncough", "cough"]
    spans = evidence_spans(scored(texts, [1, 1, 1, 1]), texts, SpanPolicy(0.5, 0, 9))
    assert [(span.document, span.start) for span in spans] == [(0, 0), (0, 6)]


def test_the_best_spans_are_kept() -> None:
    texts = ["a. b. c. d"]
    spans = evidence_spans(scored(texts, [1, 4, 2, 3]), texts, SpanPolicy(1.0, 0, 2))
    assert quotes(texts, spans) == ["b", "d"]
    assert [span.score for span in spans] == pytest.approx([0.4, 0.3])
