"""Cosines of sentences and descriptions, against a plain loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from surecode.encounter import Code
from surecode.errors import InputError
from surecode.hybrid.similarity import DOUBT, PLACE, Candidate, DescriptionSimilarity

A, B, C = (Code("ICD-10-CM", value) for value in ("I10", "J90", "R05.9"))
EAST, NORTH, WEST = ([1, 0], [0, 1], [-1, 0])


def unit(rows: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    array = np.asarray(rows, dtype=np.float64)
    return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True), dtype=np.float32)


def of(
    codes: Sequence[Code], owner: Sequence[int], rows: Sequence[Sequence[float]]
) -> DescriptionSimilarity:
    return DescriptionSimilarity(tuple(codes), unit(rows), np.array(owner, np.int64), "sha")


@st.composite
def cases(draw: st.DrawFn) -> tuple[DescriptionSimilarity, NDArray[np.float32]]:
    """Few distinct directions, so that ties are common."""
    codes = draw(st.integers(1, 5))
    wordings = draw(st.lists(st.integers(1, 3), min_size=codes, max_size=codes))
    row = st.sampled_from([(1, 0, 0), (0, 1, 0), (-1, 0, 0), (1, 1, 0), (1, 2, 3), (3, 2, 1)])
    rows = draw(st.lists(row, min_size=sum(wordings), max_size=sum(wordings)))
    sentences = draw(st.lists(row, min_size=1, max_size=6))
    names = [Code("ICD-10-CM", f"A0{k}") for k in range(codes)]
    return of(names, np.repeat(np.arange(codes), wordings).tolist(), rows), unit(sentences)


@given(cases())
def test_the_nearest_sentence_is_that_of_a_plain_loop(
    case: tuple[DescriptionSimilarity, NDArray[np.float32]],
) -> None:
    similarity, sentences = case
    found = similarity.similar(sentences)
    for k in range(len(similarity)):
        rows = similarity.embeddings[similarity.owner == k]
        cosines = rows.astype(np.float64) @ sentences.T.astype(np.float64)
        assert found.cosine[k] == pytest.approx(cosines.max(), abs=1e-6)
        assert cosines[:, found.sentence[k]].max() == pytest.approx(cosines.max(), abs=1e-6)


@given(cases(), st.integers(1, 8))
def test_candidates_are_the_head_of_the_whole_ranking(
    case: tuple[DescriptionSimilarity, NDArray[np.float32]], n: int
) -> None:
    similarity, sentences = case
    found = similarity.similar(sentences)
    order = sorted(range(len(similarity)), key=lambda k: (-found.cosine[k], k))[:n]
    assert similarity.candidates(sentences, n) == [
        Candidate(similarity.codes[k], float(found.cosine[k]), int(found.sentence[k]))
        for k in order
    ]


@given(cases())
def test_rows_in_pieces_give_the_same(
    case: tuple[DescriptionSimilarity, NDArray[np.float32]],
) -> None:
    similarity, sentences = case
    whole = similarity.similar(sentences)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("surecode.hybrid.similarity._CHUNK", 2)
        pieces = similarity.similar(sentences)
    np.testing.assert_allclose(pieces.cosine, whole.cosine, atol=1e-6)


def test_the_best_wording_of_a_code_counts_and_the_first_sentence_among_equals() -> None:
    similarity = of([A, B], [0, 0, 1], [EAST, NORTH, WEST])
    found = similarity.similar(unit([NORTH, EAST, NORTH]))
    assert found.cosine.tolist() == [1, 0]
    assert found.sentence.tolist() == [0, 0]


@given(cases(), st.data())
def test_a_place_costs_what_is_said(
    case: tuple[DescriptionSimilarity, NDArray[np.float32]], data: st.DataObject
) -> None:
    similarity, sentences = case
    count = len(sentences)
    unit_of = data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    doubt = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    with pytest.MonkeyPatch.context() as patch:
        # Sentences are compared one by one, or all at once.
        patch.setattr("surecode.hybrid.similarity._CHUNK", data.draw(st.sampled_from([1, 1 << 24])))
        found = similarity.placed(sentences, np.array(unit_of), np.array(doubt))
    cosines = np.array(
        [
            (similarity.embeddings[similarity.owner == k] @ sentences.T).max(axis=0)
            for k in range(len(similarity))
        ]
    )
    values = cosines - DOUBT * np.array(doubt)
    expected = np.full(len(similarity), -np.inf)
    for one in set(unit_of):
        value = values[:, [s for s in range(count) if unit_of[s] == one]].max(axis=1)
        # Floats a rounding apart may change places with each other.
        ahead = [(value > value[k] + 1e-6).sum() for k in range(len(value))]
        behind = [(value > value[k] - 1e-6).sum() - 1 for k in range(len(value))]
        expected = np.maximum(expected, value - PLACE * np.log1p(ahead))
        assert (found.score >= value - PLACE * np.log1p(behind) - 1e-5).all()
    assert (found.score <= expected + 1e-5).all()
    for k in range(len(similarity)):
        s = found.sentence[k]
        assert found.cosine[k] == pytest.approx(cosines[k, s], abs=1e-6)
        cost = PLACE * np.log1p(found.place[k]) + DOUBT * doubt[s]
        assert found.score[k] == pytest.approx(cosines[k, s] - cost, abs=1e-5)


def test_a_sentences_second_choice_stands_behind_anothers_first() -> None:
    """East is said outright and its sibling is near; north is only paraphrased."""
    similarity = of([A, B, C], [0, 1, 2], [EAST, [9, 1], NORTH])
    sentences = unit([EAST, [0.7, -0.2], [-1, 1]])
    plain = similarity.similar(sentences).cosine
    assert plain[1] > plain[2]  # the sibling first
    placed = similarity.placed(sentences)
    assert placed.place.tolist() == [0, 1, 0]
    assert placed.score[2] > plain[1] - PLACE * np.log(2) - 0.2
    one = similarity.placed(sentences, np.zeros(3, np.int64))
    assert one.place.tolist() == [0, 1, 2]
    denied = similarity.placed(sentences[:1], doubt=np.array([True]))
    assert denied.score[0] == pytest.approx(1 - DOUBT)
    with pytest.raises(InputError, match="3 sentences, 1 units and 3 doubts"):
        similarity.placed(sentences, np.zeros(1, np.int64))


def test_codes_are_joined_behind_the_others() -> None:
    old, new = of([A, B], [0, 1], [EAST, NORTH]), of([C], [0, 0], [WEST, NORTH])
    both = old.joined(new)
    assert both.codes == (A, B, C)
    assert both.owner.tolist() == [0, 1, 2, 2]
    sentences = unit([[1, 3]])
    np.testing.assert_array_equal(
        both.similar(sentences).cosine,
        np.concatenate([old.similar(sentences).cosine, new.similar(sentences).cosine]),
    )
    with pytest.raises(InputError, match="a code stands twice"):
        old.joined(of([B], [0], [EAST]))
    other = DescriptionSimilarity((C,), unit([EAST]), np.zeros(1, np.int64), "another")
    with pytest.raises(InputError, match="two encoders"):
        old.joined(other)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    similarity = of([A, B, C], [0, 0, 1, 2], [EAST, NORTH, [1, 2], WEST])
    similarity.write(tmp_path / "s.safetensors")
    again = DescriptionSimilarity.read(tmp_path / "s.safetensors")
    assert (again.codes, again.encoder) == (similarity.codes, similarity.encoder)
    np.testing.assert_array_equal(again.embeddings, similarity.embeddings)
    np.testing.assert_array_equal(again.owner, similarity.owner)
    again.write(tmp_path / "t.safetensors")
    assert (tmp_path / "t.safetensors").read_bytes() == (tmp_path / "s.safetensors").read_bytes()


@pytest.mark.parametrize("content", [b"", b"{}", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    with pytest.raises(InputError, match="not found"):
        DescriptionSimilarity.read(path)
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged") as error:
        DescriptionSimilarity.read(path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("codes", "owner", "rows", "what"),
    [
        ([A, A], [0, 1], [EAST, NORTH], "a code stands twice"),
        ([A, B], [1, 0], [EAST, NORTH], "out of order"),
        ([A, B, C], [0, 2], [EAST, NORTH], "out of order or a code has none"),
        ([A, B], [0, 0], [EAST, NORTH], "a code has no wording"),
        ([A], [0, 0], [EAST], "no .R, D. of float32"),
        ([A], [], np.zeros((0, 2)), "out of order or a code has none"),
    ],
)
def test_rows_that_fit_no_codes_are_refused(
    codes: list[Code], owner: list[int], rows: list[list[float]], what: str
) -> None:
    with pytest.raises(InputError, match=what):
        of(codes, owner, rows)


@pytest.mark.parametrize("row", [[2.0, 0.0], [0.0, 0.0], [np.nan, 0.0]])
def test_an_embedding_that_is_not_of_length_one_is_refused(row: list[float]) -> None:
    with pytest.raises(InputError, match="not of length 1"):
        DescriptionSimilarity((A,), np.array([row], np.float32), np.zeros(1, np.int64), "sha")


def test_sentences_of_another_width_and_no_sentences_are_refused() -> None:
    similarity = of([A], [0], [EAST])
    with pytest.raises(InputError, match="2 wide"):
        similarity.similar(unit([[1, 0, 0]]))
    with pytest.raises(InputError, match="no sentence"):
        similarity.similar(np.zeros((0, 2), np.float32))
    assert similarity.candidates(unit([EAST]), 0) == []


def test_a_code_without_a_wording_is_named() -> None:
    with pytest.raises(InputError, match=r"ICD-10-CM:J90 has no wording"):
        DescriptionSimilarity.build([A, B], [["x"], []], lambda texts: unit([EAST]), "sha")
