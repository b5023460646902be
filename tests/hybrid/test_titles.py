"""How near an encounter comes to wordings: what is read, and what is not embedded again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from surecode.coder.heads.embed import embed_descriptions
from surecode.encounter import Code, Document, Encounter
from surecode.hybrid import sentences
from surecode.hybrid.titles import Titles, is_english

FEVER, COUGH = (Code("ICD-10-CM", value) for value in ("R50.9", "R05.9"))
SPANISH = "El paciente fue visto en la consulta por los síntomas que se citan y no tiene fiebre."


def test_the_sentence_that_comes_nearest_to_a_code_is_its_own(
    titles: Titles, encounter_of: Callable[..., Encounter]
) -> None:
    note = encounter_of("He has a dry cough. There was high fever.", "Plan: rest.")
    near = titles.near(note)
    assert near is not None
    for code, words in ((FEVER, "fever"), (COUGH, "cough")):
        span = near.spans[near.placed.sentence[titles.codes.index(code)]]
        assert words in note.text(span.document_id)[span.start : span.end]
    fever, cough = (near.placed.cosine[titles.codes.index(code)] for code in (FEVER, COUGH))
    other = np.delete(near.placed.cosine, [titles.codes.index(c) for c in (FEVER, COUGH)])
    assert min(fever, cough) > other.max()


def test_documents_in_another_language_are_not_read(
    titles: Titles, encounter_of: Callable[..., Encounter]
) -> None:
    english = encounter_of("He has a dry cough.")
    spanish = Document("es", "note", SPANISH)
    assert [is_english(d) for d in (*english.documents, spanish)] == [True, False]
    both = replace(english, documents=(*english.documents, spanish))
    alone, beside = titles.near(english), titles.near(both)
    assert alone is not None
    assert beside is not None
    assert alone.spans == beside.spans
    np.testing.assert_array_equal(alone.placed.score, beside.placed.score)
    assert titles.near(replace(english, documents=(spanish,))) is None


def test_embeddings_that_are_at_hand_are_used_and_only_the_rest_are_made(
    titles: Titles, encounter_of: Callable[..., Encounter], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = encounter_of("He has a dry cough. There was high fever.")
    changed = encounter_of("He has a dry cough. There was high ·····.")
    first = titles.near(note)
    assert first is not None
    whole = titles.near(changed)
    asked: list[str] = []

    def counted(*arguments: Any) -> Any:
        asked.extend(arguments[3])
        return embed_descriptions(*arguments)

    monkeypatch.setattr(sentences, "embed_descriptions", counted)
    again = titles.near(changed, first.rows)
    assert whole is not None
    assert again is not None
    np.testing.assert_allclose(again.placed.score, whole.placed.score, atol=1e-5)
    assert asked == ["There was high ·····."]


def test_codes_are_added_behind_and_the_others_stay_as_near(
    titles: Titles, encounter_of: Callable[..., Encounter]
) -> None:
    added = Code("ICD-10-CM", "R51.9")
    grown = titles.with_codes([added], [["Headache"]])
    assert grown.codes == (*titles.codes, added)
    kept = len(titles.similarity.embeddings)
    np.testing.assert_array_equal(grown.similarity.embeddings[:kept], titles.similarity.embeddings)
    note = encounter_of("He has a headache. There was high fever.")
    before, near = titles.near(note), grown.near(note)
    assert before is not None
    assert near is not None
    for what in ("score", "cosine", "place", "sentence"):  # nothing changes for the others
        old, new = (getattr(one.placed, what) for one in (before, near))
        np.testing.assert_array_equal(new[:-1], old)
    np.testing.assert_array_equal(near.rank[:-1], before.rank)
    assert set(np.argsort(-near.placed.cosine)[:2]) == {
        place_of(grown, added),
        place_of(grown, FEVER),
    }


def place_of(titles: Titles, code: Code) -> int:
    return titles.codes.index(code)
