from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surecode.errors import InputError
from surecode.evidence.mentions import Place, overlaps
from surecode.evidence.spans import ScoredSpan, SpanPolicy, evidence_spans
from surecode.evidence.stop_words import StopWords
from surecode.evidence.words import WORD, Word

POLICY = SpanPolicy(positive_mass=0.6, maximum_gap=1, maximum_spans=3)
POLICIES = st.builds(SpanPolicy, st.floats(0.01, 1.0), st.integers(0, 3), st.integers(1, 5))
ALL_POLICIES = st.builds(
    SpanPolicy,
    st.floats(0.01, 1.0),
    st.integers(0, 3),
    st.integers(1, 5),
    seed=st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.3]),
    grow=st.sampled_from([0.1, 0.5, 1.0]),
    maximum_words=st.integers(1, 5),
    repeated=st.booleans(),
    stop_words=st.sampled_from(["english", "spanish", "both", "none"]),
)


def texts_of(pieces: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(
        st.lists(st.sampled_from(pieces), max_size=30).map("".join), min_size=1, max_size=3
    )


TEXTS = texts_of(["fever", "cough", " ", " ", ", ", ". ", "\n", "; "])
# Words apart by a sign at least, some of which make no evidence by themselves.
SPEECH = texts_of(
    ["Fever ", "fever ", "cough, ", "the ", "of ", "sin ", "no ", "AS ", "AS\n", "é. ", "x-ray\n"]
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
    spans = evidence_spans(words, texts, SpanPolicy(share, 0, 100, seed=0, repeated=False))
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


@pytest.mark.parametrize("stop", ["\n", "\r\n", "\r", "\x0c", "\u2028", ". ", "; ", ": "])
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
    words = scored(texts, [1, 1, 1, 1])
    spans = evidence_spans(words, texts, SpanPolicy(0.5, 0, 9, repeated=False))
    assert [(span.document, span.start) for span in spans] == [(0, 0), (0, 6)]
    assert evidence_spans(words, texts, SpanPolicy(0.5, 0, 9)) == [
        ScoredSpan(0, 0, 5, 0.5, ((0, 0, 5), (0, 6, 11), (0, 12, 17), (1, 0, 5)))
    ]


def test_the_best_spans_are_kept() -> None:
    texts = ["a. b. c. d"]
    spans = evidence_spans(scored(texts, [1, 4, 2, 3]), texts, SpanPolicy(1.0, 0, 2))
    assert quotes(texts, spans) == ["b", "d"]
    assert [span.score for span in spans] == pytest.approx([0.4, 0.3])


# ---- stop words and headings make no evidence by themselves --------------------------------------


def is_silent(texts: list[str], word: Word, policy: SpanPolicy, headings: list[Place]) -> bool:
    place = word.document, word.start, word.end
    listed = StopWords.of(policy.stop_words).silent(texts[word.document], word.start, word.end)
    return listed or any(overlaps(place, heading) for heading in headings)


@settings(max_examples=300)
@given(texts=SPEECH, scores=SCORES, policy=ALL_POLICIES, data=st.data())
def test_what_every_span_of_every_policy_keeps_to(
    texts: list[str], scores: list[float], policy: SpanPolicy, data: st.DataObject
) -> None:
    words = scored(texts, scores)
    places = [(word.document, word.start, word.end) for word in words]
    headings = data.draw(st.lists(st.sampled_from(places), max_size=4)) if places else []
    spans = evidence_spans(words, texts, policy, headings)
    assert bool(spans) == any(word.score > 0 for word in words)
    assert len(spans) <= policy.maximum_spans
    assert sum(span.score for span in spans) <= 1 + 1e-9
    for span in spans:
        inside = [w for w in words if w.document == span.document and span.start <= w.start]
        inside = [w for w in inside if w.end <= span.end]
        assert len(inside) <= policy.maximum_words
        assert 0 < span.score <= 1 + 1e-9
        text = texts[span.document]
        assert (span.start, span.end) == (inside[0].start, inside[-1].end)
        speaking = [w for w in inside if not is_silent(texts, w, policy, headings)]
        if span.low:
            assert len(spans) == len(inside) == 1
            others = [w for w in words if w.score > 0]
            best = [w for w in others if not is_silent(texts, w, policy, headings)] or others
            assert inside[0] == min(best, key=lambda w: (-w.score, w.document, w.start))
        else:
            trims = StopWords.of(policy.stop_words).trims
            assert any(w.score > 0 for w in speaking)
            assert not trims(text, inside[0].start, inside[0].end)
            assert not trims(text, inside[-1].start, inside[-1].end)
        quote = text[span.start : span.end].lower()
        assert span.place in span.places
        assert list(span.places) == sorted(set(span.places))
        assert {texts[d][s:e].lower() for d, s, e in span.places} == {quote}
    for left, right in combinations([p for span in spans for p in span.places], 2):
        assert not overlaps(left, right)
    if policy.repeated:
        lowered = [quote.lower() for quote in quotes(texts, spans)]
        assert len(lowered) == len(set(lowered))
    assert evidence_spans(data.draw(st.permutations(words)), texts, policy, headings[::-1]) == spans
    # A logit in other units is the same evidence; a power of two rounds nothing.
    scaled = [replace(word, score=word.score * 2.0**-40) for word in words]
    assert evidence_spans(scaled, texts, policy, headings) == spans


def test_stop_words_are_cut_off_the_ends_and_stay_inside() -> None:
    texts = ["the fracture of the radius was seen"]
    words = scored(texts, [4, 4, 1, 1, 4, 4, 0])
    spans = evidence_spans(words, texts, SpanPolicy(1.0, 0, 3))
    assert quotes(texts, spans) == ["fracture of the radius"]
    assert spans[0].score == pytest.approx(10 / 18)
    spans = evidence_spans(words, texts, SpanPolicy(1.0, 0, 3, stop_words="none"))
    assert quotes(texts, spans) == ["the fracture of the radius was"]
    # "the" and "of" are no words of Spanish.
    spans = evidence_spans(words, texts, SpanPolicy(1.0, 0, 3, stop_words="spanish"))
    assert quotes(texts, spans) == ["the fracture of the radius was"]


@pytest.mark.parametrize("text", ["sin fiebre", "diabetes without coma", "no fever"])
def test_a_negation_is_not_cut_off(text: str) -> None:
    words = scored([text], [1.0] * len(text.split()))
    assert quotes([text], evidence_spans(words, [text], SpanPolicy(1.0, 0, 3))) == [text]


def test_a_negation_is_no_evidence_alone() -> None:
    texts = ["sin\nno fever"]
    (span,) = evidence_spans(scored(texts, [9, 9, 1]), texts, SpanPolicy(1.0, 0, 3, grow=1.0))
    assert quotes(texts, [span]) == ["no fever"]
    (span,) = evidence_spans(scored(texts, [9, 8, 0]), texts, SpanPolicy(1.0, 0, 3))
    assert (quotes(texts, [span]), span.low) == (["sin"], True)


def test_a_heading_is_no_evidence_and_nothing_grows_into_it() -> None:
    texts = ["Pneumonia history none: pneumonia left"]
    words = scored(texts, [9, 3, 3, 2, 1])
    heading = (0, 0, 22)
    spans = evidence_spans(words, texts, SpanPolicy(1.0, 3, 3), [heading])
    assert quotes(texts, spans) == ["pneumonia left"]
    assert not spans[0].low
    # Headings that overlap, one inside the other, of another document, in any order.
    headings = [(0, 10, 12), (1, 0, 38), heading, (0, 0, 9)]
    assert evidence_spans(words, texts, SpanPolicy(1.0, 3, 3), headings) == spans
    everything = evidence_spans(words, texts, SpanPolicy(1.0, 3, 3), [(0, 0, 38)])
    assert quotes(texts, everything) == ["Pneumonia"]
    assert everything[0].low


def test_a_code_with_a_positive_word_always_has_evidence() -> None:
    texts = ["of mild fever"]
    # Nothing reaches a third of the mass but a stop word.
    spans = evidence_spans(scored(texts, [3, 1, 1.5]), texts, SpanPolicy(1.0, 0, 3, seed=0.4))
    assert quotes(texts, spans) == ["fever"]
    assert spans == [ScoredSpan(0, 8, 13, 1.5 / 5.5, ((0, 8, 13),), low=True)]


# ---- seeds, growth, length -----------------------------------------------------------------------


def test_a_seed_takes_its_neighbours_along() -> None:
    texts = ["acute left lower lobe pneumonia seen. lobe"]
    words = scored(texts, [0.2, 1.0, 0.6, 0.6, 10, 0.1, 0.6])
    policy = SpanPolicy(0.7, 0, 3, seed=0.1, grow=0.4)  # seeds from 1.31, neighbours from 0.524
    assert quotes(texts, evidence_spans(words, texts, policy)) == ["left lower lobe pneumonia"]
    assert quotes(texts, evidence_spans(words, texts, replace(policy, grow=0.5))) == ["pneumonia"]
    # Neighbours of neighbours, over a word that says nothing, never over the end of a sentence.
    words = scored(texts, [0.6, 1.0, 0.0, 0.6, 10, 0.1, 0.9])
    assert quotes(texts, evidence_spans(words, texts, policy)) == ["lobe pneumonia"]
    assert quotes(texts, evidence_spans(words, texts, replace(policy, maximum_gap=1))) == [
        "acute left lower lobe pneumonia"
    ]
    assert quotes(texts, evidence_spans(words, texts, replace(policy, seed=0.0))) == ["pneumonia"]


@given(scores=st.lists(st.integers(1, 9), min_size=1, max_size=60), most=st.integers(1, 6))
def test_a_long_span_falls_into_parts_and_loses_nothing(scores: list[int], most: int) -> None:
    text = " ".join("xyz" for _ in scores)
    words = scored([text], [float(score) for score in scores])
    policy = SpanPolicy(1.0, 0, 999, seed=0.0, repeated=False, maximum_words=most)
    spans = sorted(evidence_spans(words, [text], policy), key=lambda span: span.start)
    assert sum(span.score for span in spans) == pytest.approx(1.0)
    assert all(left.end < right.start for left, right in pairwise(spans))
    lengths = [(span.end - span.start + 1) // 4 for span in spans]
    assert max(lengths) <= most
    # No part of so many words says more than the best one.
    sums = [sum(scores[i : i + most]) for i in range(max(len(scores) - most, 0) + 1)]
    best = max(span.score for span in spans) * sum(scores)
    assert best == pytest.approx(max(sums))


def test_a_document_of_one_sentence_is_no_trouble() -> None:
    text = "xyz " * 20_000
    words = scored([text], [1.0] * 20_000)
    spans = evidence_spans(words, [text], SpanPolicy(1.0, 0, 2, seed=0.0, repeated=False))
    assert [(span.start, span.end) for span in spans] == [(0, 47), (48, 95)]
    spans = evidence_spans(words, [text], SpanPolicy(1.0, 0, 2, seed=0.0))
    assert [len(span.places) for span in spans] == [20_000 // 12, 1]
    assert sum(span.score for span in spans) == pytest.approx(1.0)


@pytest.mark.parametrize("sign", list("-.,/ ()"))
def test_signs_at_the_ends_are_trimmed(sign: str) -> None:
    text = f"{sign}fever{sign}{sign}"
    (span,) = evidence_spans([Word(0, 0, 0, len(text), 1.0)], [text], SpanPolicy(1.0, 0, 3))
    assert text[span.start : span.end] == "fever"


# ---- mentions ------------------------------------------------------------------------------------


def test_repeated_text_is_one_span_with_all_its_mentions() -> None:
    texts = ["Pneumonia. Mild fever\npneumonia", "PNEUMONIA, no pneumonias, fever, pneumonia-like"]
    words = scored(texts, [1, 0, 2, 4, 0, 0, 0, 1, 0])
    policy = SpanPolicy(1.0, 0, 2, seed=0.0)
    assert evidence_spans(words, texts, policy) == [
        ScoredSpan(0, 22, 31, 5 / 8, ((0, 0, 9), (0, 22, 31), (1, 0, 9))),
        ScoredSpan(0, 16, 21, 3 / 8, ((0, 16, 21), (1, 26, 31))),
    ]
    # Three places, but two spans at most: without mentions one of them is lost.
    apart = evidence_spans(words, texts, replace(policy, repeated=False))
    assert [(span.place, span.mentions) for span in apart] == [((0, 22, 31), ()), ((0, 16, 21), ())]


def test_a_mention_inside_another_span_of_the_code_is_left_to_that() -> None:
    texts = ["left fracture\nfracture\nleft fracture"]
    words = scored(texts, [3, 3, 1, 0, 0])
    spans = evidence_spans(words, texts, SpanPolicy(1.0, 0, 3, seed=0.0))
    assert [span.places for span in spans] == [((0, 0, 13), (0, 23, 36)), ((0, 14, 22),)]


def test_a_character_that_grows_in_lower_case_shifts_no_mention() -> None:
    texts = ["\u0130\u0130\u0130 fever. \u0130 FEVER"]
    words = scored(texts, [0, 2, 0, 0])
    (span,) = evidence_spans(words, texts, SpanPolicy(1.0, 0, 3))
    assert [texts[0][start:end] for _, start, end in span.places] == ["fever", "FEVER"]


# ---- the policy ----------------------------------------------------------------------------------


@given(policy=ALL_POLICIES)
def test_a_policy_reads_back_exactly(policy: SpanPolicy) -> None:
    assert SpanPolicy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy


def test_a_policy_of_an_older_bundle_has_the_defaults() -> None:
    old = {"positive_mass": 0.6, "maximum_gap": 1, "maximum_spans": 3}
    assert SpanPolicy.from_dict(old) == POLICY == SpanPolicy(**old)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"positive_mass": 0.0}, "positive_mass"),
        ({"positive_mass": 1.1}, "positive_mass"),
        ({"positive_mass": float("nan")}, "positive_mass"),
        ({"positive_mass": "0.6"}, "positive_mass"),
        ({"positive_mass": True}, "positive_mass"),
        ({"maximum_gap": -1}, "maximum_gap"),
        ({"maximum_gap": 1.0}, "maximum_gap"),
        ({"maximum_spans": 0}, "maximum_spans"),
        ({"seed": 1.0}, "seed"),
        ({"grow": 0.0}, "grow"),
        ({"maximum_words": 0}, "maximum_words"),
        ({"repeated": 1}, "repeated"),
        ({"stop_words": "german"}, "stop_words"),
        ({"threshold": 1}, "threshold"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named) as error:
        SpanPolicy.from_dict(POLICY.to_dict() | changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["positive_mass", "maximum_gap", "maximum_spans"])
def test_a_policy_without_a_field_is_refused(name: str) -> None:
    values = POLICY.to_dict()
    del values[name]
    with pytest.raises(InputError, match=name):
        SpanPolicy.from_dict(values)
