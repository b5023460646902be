"""Pieces of documents, and embeddings by the default encoder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.config import compose_config, parse
from surecode.encounter import Code, Document, Encounter
from surecode.hybrid.sentences import Embedder, doubtful, pieces, readings, units
from surecode.hybrid.similarity import DescriptionSimilarity
from surecode.settings import Config


def said(encounter: Encounter) -> list[str]:
    return [encounter.text(s.document_id)[s.start : s.end] for s in pieces(encounter.documents)]


def test_sentences_lines_and_clauses(encounter_of: Callable[..., Encounter]) -> None:
    text = "HPI\r\nFever and cough. BP 128/76, HR 72.\n\n12/80 ...\nT 37.2 at home"
    assert said(encounter_of(text, "Second note")) == [
        "HPI",
        "Fever",
        "Fever and cough.",
        "cough.",
        "BP 128/76",
        "BP 128/76, HR 72.",
        "HR 72.",
        "T 37.2 at home",
        "Second note",
    ]


TEXTS = st.text(alphabet="ab .,\n!1é\u0301ß", max_size=60).filter(
    lambda text: any(character.isalnum() for character in text)
)


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_every_letter_is_in_a_piece_and_no_piece_has_space_around_it(texts: list[str]) -> None:
    documents = tuple(Document(f"d{n}", "note", text) for n, text in enumerate(texts))
    encounter = Encounter("e", "p", "s", "facility", "x", date(2026, 1, 1), documents)
    spans = pieces(encounter.documents)
    assert len(set(spans)) == len(spans)
    for document in documents:
        covered = {
            place
            for span in spans
            if span.document_id == document.document_id
            for place in range(span.start, span.end)
        }
        letters = {n for n, character in enumerate(document.text) if character.isalpha()}
        assert letters <= covered
    assert all(piece == piece.strip() and piece for piece in said(encounter))


def test_clauses_know_their_sentence_and_who_denies_is_doubted(
    encounter_of: Callable[..., Encounter],
) -> None:
    note = encounter_of("Fever and cough.\nNo pneumonia, no effusion.")
    spans = pieces(note.documents)
    texts = said(note)
    sentence_of = {texts[k]: texts[j] for k, j in enumerate(units(spans).tolist())}
    assert sentence_of == {
        "Fever and cough.": "Fever and cough.",
        "Fever": "Fever and cough.",
        "cough.": "Fever and cough.",
        "No pneumonia, no effusion.": "No pneumonia, no effusion.",
        "No pneumonia": "No pneumonia, no effusion.",
        "no effusion.": "No pneumonia, no effusion.",
    }
    assert [t.startswith(("No", "no")) for t in texts] == doubtful(note.documents, spans).tolist()
    # Two documents of equal offsets do not mix.
    twice = pieces(encounter_of("Fever and cough.", "Fever and cough.").documents)
    assert units(twice).tolist() == [1, 1, 1, 4, 4, 4]
    assert units([]).tolist() == doubtful(note.documents, []).tolist() == []


def test_a_long_sentence_is_cut_into_pieces_that_overlap(
    encounter_of: Callable[..., Encounter],
) -> None:
    words = [f"w{number}x" for number in range(95)]
    found = [piece.split() for piece in said(encounter_of(" ".join(words)))]
    assert max(map(len, found)) == 40
    assert found[0] == words[:40]
    assert found[1] == words[20:60]
    assert set(words) == {word for piece in found for word in piece}


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    config = parse(Config, compose_config("run", ["specialty=mixed"]))
    return Embedder.load(config.encoder)


def test_embeddings_have_length_one_and_do_not_depend_on_their_neighbours(
    embedder: Embedder,
) -> None:
    texts = ["chest pain", "fracture of the left radius, seen again", "chest pain"]
    rows = embedder(texts)
    assert rows.shape == (3, 384)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(rows[0], rows[2])
    np.testing.assert_allclose(embedder(texts[1:2])[0], rows[1], atol=1e-5)


def test_a_note_without_letters_has_no_sentence(
    embedder: Embedder, encounter_of: Callable[..., Encounter]
) -> None:
    assert readings(encounter_of("120/80 37.2").documents) == ([], [])
    assert embedder([]).shape == (0, 384)


def test_a_piece_with_abbreviations_is_read_in_full_as_well(
    encounter_of: Callable[..., Encounter],
) -> None:
    note = encounter_of("HTN and fever. No cough, HL.")
    spans, texts = readings(note.documents)
    plain = pieces(note.documents)
    assert spans[: len(plain)] == plain
    assert texts[: len(plain)] == [note.text(s.document_id)[s.start : s.end] for s in plain]
    found = defaultdict(list)
    for span, text in list(zip(spans, texts, strict=True))[len(plain) :]:
        found[note.text(span.document_id)[span.start : span.end]].append(text)
    assert found["HTN and fever."] == ["hypertension and fever."]
    assert found["HL."] == ["hyperlipidemia.", "Hodgkin lymphoma.", "hearing loss."]
    # The readings of a piece share its sentence.
    own = {span: unit for span, unit in zip(plain, units(plain).tolist(), strict=True)}
    assert units(spans).tolist() == [own[span] for span in spans]


def test_a_paraphrase_is_nearest_to_its_own_code(
    embedder: Embedder, encounter_of: Callable[..., Encounter]
) -> None:
    codes = [Code("ICD-10-CM", value) for value in ("I1A.0", "Z59.02", "S52.501A")]
    wordings = [
        ["Resistant hypertension"],
        ["Unsheltered homelessness", "Residing on the street"],
        ["Unspecified fracture of the lower end of right radius, initial encounter"],
    ]
    similarity = DescriptionSimilarity.build(codes, wordings, embedder, embedder.encoder)
    assert similarity.owner.tolist() == [0, 1, 1, 2]
    note = encounter_of("Fell on the ice. Broken right wrist.\nBlood pressure high on four drugs.")
    spans, texts = readings(note.documents)
    sentences = embedder(texts)
    assert sentences.shape == (len(spans), 384)
    found = similarity.candidates(sentences, 2)
    assert {candidate.code.value for candidate in found} == {"I1A.0", "S52.501A"}
    quotes = {c.code.value: spans[c.sentence] for c in found}
    text = note.documents[0].text
    assert "wrist" in text[quotes["S52.501A"].start : quotes["S52.501A"].end]
    assert "pressure" in text[quotes["I1A.0"].start : quotes["I1A.0"].end]
