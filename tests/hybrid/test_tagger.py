"""A tagger of words: what people mark at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pycrfsuite
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surecode.encounter import Code, Document, Encounter, Evidence, GoldCode, Span
from surecode.errors import InputError
from surecode.hybrid.chain import Chain
from surecode.hybrid.found import Terms, find
from surecode.hybrid.sites import Sites
from surecode.hybrid.tagged_words import LABELS, LONGEST, TaggedWords, as_labels
from surecode.hybrid.tagger import Tagged, Tagger, _rows
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.terms_training import training_terms

Build = Callable[..., Encounter]
TUMOUR = Code("ICD-O-3", "8140/3")


@pytest.fixture(scope="module")
def corpus(tumours: list[Encounter]) -> list[Encounter]:
    return tumours


def read(tagger: Tagger, text: str) -> tuple[Tagged, dict[str, float]]:
    seen = tagger(Document("d0", "note", text))
    return seen, {text[m.start : m.end]: m.chance for m in seen.mentions}


def test_a_mention_of_a_word_never_seen_is_found_by_the_words_around(tagger: Tagger) -> None:
    text = (
        "Anamnesis.\nEl paciente presenta un condroma de alto grado en el control.\n"
        "Se explica el protocolo de sarcoma del centro."
    )
    seen, mentions = read(tagger, text)
    assert max(mentions, key=lambda words: mentions[words]) == "condroma de alto grado"
    assert mentions["condroma de alto grado"] > 0.5
    assert "sarcoma" not in mentions
    start = text.index("condroma")
    assert seen.exactly(start, start + len("condroma de alto grado")) == pytest.approx(
        mentions["condroma de alto grado"]
    )
    assert seen.exactly(start, start + len("condroma")) < 0.5 < seen.anywhere(start, start + 8)
    at = text.index("sarcoma")
    assert seen.anywhere(at, at + 7) < 0.5
    # No mention reaches over the end of a sentence.
    assert seen.exactly(start, at + 7) == 0.0


def test_chances_are_those_of_crfsuite(corpus: list[Encounter], tmp_path: Path) -> None:
    """An oracle: its own marginals and their products along a path, with unrounded weights."""
    words = [TaggedWords(encounter.documents[0]) for encounter in corpus]
    trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
    trainer.set_params({"max_iterations": 30, "feature.possible_transitions": True})
    for some, encounter in zip(words, corpus, strict=True):
        labels = some.labels(encounter)
        assert labels is not None
        rows = _rows(some.rows())
        for first, behind in some.sentences:
            trainer.append(rows[first:behind], [LABELS[k] for k in labels[first:behind]])
    trainer.train(str(tmp_path / "model"))
    oracle = pycrfsuite.Tagger()
    oracle.open(str(tmp_path / "model"))
    info = oracle.info()
    # It knows the labels that training had; no mention has one word between its ends.
    known = [label for label in LABELS if label in oracle.labels()]
    steps = np.array([[info.transitions.get((a, b), 0.0) for b in known] for a in known])
    for some in words[:5]:
        rows = _rows(some.rows())
        for first, behind in some.sentences:
            scores = np.array(
                [
                    [sum(info.state_features.get((name, y), 0.0) for name in row) for y in known]
                    for row in rows[first:behind]
                ]
            )
            oracle.set(rows[first:behind])
            ours = Chain.of(scores, steps).chances
            theirs = [[oracle.marginal(label, n) for label in known] for n in range(behind - first)]
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_what_is_learned_is_numbers_and_comes_back(tagger: Tagger, kinds: tuple[str, ...]) -> None:
    kept = json.dumps(tagger.to_dict())
    assert not any(kind in kept for kind in kinds)
    again = Tagger.from_dict(json.loads(kept))
    assert again == tagger
    text = "El paciente presenta un glioma de alto grado en el control."
    assert read(again, text)[1] == read(tagger, text)[1]


def test_learning_again_gives_the_same(corpus: list[Encounter], tagger: Tagger) -> None:
    assert Tagger.learn(corpus) == tagger


def test_nothing_marked_is_nothing_learned(corpus: list[Encounter]) -> None:
    assert Tagger.learn([replace(encounter, evidence=()) for encounter in corpus]) is None


def test_a_document_without_a_mark_teaches_nothing(corpus: list[Encounter], tagger: Tagger) -> None:
    """Such as the translation of a document that people marked."""
    more = [
        replace(e, documents=(*e.documents, Document("d1", "note", e.documents[0].text)))
        for e in corpus
    ]
    assert Tagger.learn(more) == tagger


@pytest.mark.parametrize(
    "change",
    [
        {"columns": [3, 2]},
        {"columns": [1 << 20]},
        {"weights": [[0.0] * 4]},
        {"weights": [[float("nan")] * 5]},
        {"steps": [[0.0] * 5] * 4},
        {"columns": None},
        {"network": True},
        {"network": None},
    ],
    ids=str,
)
def test_a_damaged_one_is_refused_in_one_line(change: dict[str, Any]) -> None:
    whole = {
        "columns": [2],
        "weights": [[0.0] * 5],
        "steps": [[0.0] * 5] * 5,
        "network": False,
    }
    assert Tagger.from_dict(whole)
    with pytest.raises(InputError, match=r"^tagger: damaged; run `surecode train` again$"):
        Tagger.from_dict(whole | change)


def test_a_text_reads_the_same_with_its_accents_apart() -> None:
    """And the case of its words, which the fast way of cutting keeps and the slow way does not."""
    text = "Adenocarcinoma de Colon: metástasis hepáticas, HER2 -----\n-- y café."
    plain, apart = (
        TaggedWords(Document("d0", "note", normalize(form, text))) for form in ("NFC", "NFD")
    )
    assert plain.words[7:9] == ["HER2", "-"]
    assert len(plain.words) == len(apart.words) == len(plain.starts)
    assert (plain.rows() != apart.rows()).nnz == 0
    assert text[plain.starts[8] : plain.ends[8]] == "-----"
    assert text[plain.starts[9] : plain.ends[9]] == "--"


def test_labels_of_mentions_in_pieces_and_of_such_as_no_tagger_finds() -> None:
    text = "dolor en el pecho hoy. Nada\n" + "palabra " * 31
    words = TaggedWords(Document("d0", "note", text))

    def labels(*spans: tuple[int, int]) -> str:
        evidence = [Evidence(TUMOUR, Span("d0", *span), 0) for span in spans]
        found = words.labels(_plain(text, evidence))
        assert found is not None
        return "".join(LABELS[k] for k in found)

    assert labels((12, 17), (0, 5)).startswith("BIIEO")  # pieces out of order
    assert set(labels((0, 27))) == {"O"}  # over the end of a sentence
    assert set(labels((28, len(text) - 1))) == {"O"}  # too long


@given(st.data())
def test_labels_tell_the_mentions(data: st.DataObject) -> None:
    """Of mentions that do not overlap, the words from first to last, whatever the text."""
    texts = st.text("ab. \nÁ5", min_size=1, max_size=40)
    text = data.draw(texts.filter(lambda some: any(map(str.isalnum, some))))
    words = TaggedWords(Document("d0", "note", text))
    n = len(words.words)
    cuts = sorted(data.draw(st.sets(st.integers(0, n), max_size=6)))
    marked = list(zip(cuts[::2], cuts[1::2], strict=False))
    marked = [
        (a, b)
        for a, b in marked
        if b - a <= LONGEST and any(first <= a and b <= last for first, last in words.sentences)
    ]
    evidence = [
        Evidence(TUMOUR, Span("d0", words.starts[a], words.ends[b - 1]), k)
        for k, (a, b) in enumerate(marked)
    ]
    encounter = _plain(text, evidence)
    labels = words.labels(encounter)
    if not marked:
        assert labels is None
        return
    wanted = [LABELS.index("O")] * n
    for a, b in marked:
        wanted[a:b] = as_labels(b - a)
    assert labels == wanted
    # Sentences are all words, in order.
    ends = [0, *(behind for _, behind in words.sentences)]
    assert list(words.sentences) == list(pairwise(ends))
    assert ends[-1] == n
    assert words.rows().shape[0] == n


def test_a_site_knows_what_a_tagger_says_of_its_words(
    corpus: list[Encounter], tagger: Tagger, encounter_of: Build
) -> None:
    single = [term for term in training_terms(corpus) if " " not in term.text]
    lexicon = Lexicon.build(single).hashed()
    plain = Terms.learn(corpus, lexicon, Lexicon.build([]).hashed())
    encounter = encounter_of("El paciente presenta un glioma de alto grado en el control.")

    def sites(terms: Terms) -> list[tuple[float, float]]:
        return [(s.exactly, s.anywhere) for s in Sites.of(find(encounter, terms)).sites]

    assert sites(plain) == [(0.0, 0.0)]
    ((exactly, anywhere),) = sites(replace(plain, tagger=tagger))
    assert 0 < exactly < 0.5 < anywhere


def _plain(text: str, evidence: list[Evidence]) -> Encounter:
    return Encounter(
        "e",
        "p",
        "oncology",
        "professional",
        "x",
        date(2026, 1, 1),
        (Document("d0", "note", text),),
        (GoldCode(TUMOUR, 1),),
        tuple(evidence),
    )
