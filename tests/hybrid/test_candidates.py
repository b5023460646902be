"""Candidates of an encounter: from its text alone, with places that quote it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from surecode.encounter import Code, Encounter, GoldCode
from surecode.hybrid.candidates import FEATURES, Candidates, candidates
from surecode.hybrid.found import Terms, find
from surecode.lexicon.lexicon import Lexicon
from surecode.lexicon.terms_training import training_terms

Build = Callable[..., Encounter]
FEVER, COUGH, KNEE = (Code("ICD-10-CM", value) for value in ("R50.9", "R05.9", "M25.561"))


def proposed(encounter: Encounter, terms: Terms) -> Candidates:
    return candidates(find(encounter, terms), {})


def test_the_gold_is_not_read(corpus: list[Encounter], terms: Terms) -> None:
    for encounter in corpus:
        found = proposed(encounter, terms)
        other = (GoldCode(Code("ICD-10-CM", "D62"), 1),)
        for blind in (
            replace(encounter, codes=(), evidence=()),
            replace(encounter, codes=other, evidence=()),
        ):
            again = proposed(blind, terms)
            assert again.codes == found.codes
            assert again.places == found.places
            assert again.features.tobytes() == found.features.tobytes()
    assert sum(len(proposed(encounter, terms).codes) for encounter in corpus) > 60


def test_places_quote_the_words_of_their_terms(corpus: list[Encounter], terms: Terms) -> None:
    wordings = {
        FEVER: {"fever", "high fever"},
        COUGH: {"cough", "dry cough"},
        Code("ICD-10-CM", "I10"): {"hypertension", "raised blood pressure"},
        KNEE: {"pain in right knee"},
    }
    seen = set()
    for encounter in corpus:
        found = proposed(encounter, terms)
        assert list(found.codes) == sorted(found.codes)
        assert found.features.shape == (len(found.codes), len(FEATURES))
        for code, places in zip(found.codes, found.places, strict=True):
            assert places  # nothing is proposed that is nowhere, at least in part
            for place in places:
                quotes = [encounter.text(s.document_id)[s.start : s.end] for s in place.spans]
                assert all(quote == quote.strip() and quote for quote in quotes)
                assert list(place.spans) == sorted(place.spans)
                assert len({span.document_id for span in place.spans}) == 1
                if code in wordings and place.source == "training":
                    assert " ".join(quotes).lower() in wordings[code]
                    seen.add(code)
    assert seen == set(wordings)


def test_the_best_place_is_affirmed_and_named_first(encounter_of: Build, terms: Terms) -> None:
    encounter = encounter_of("There is no fever. The patient has high fever today.")
    found = proposed(encounter, terms)
    first = found.places[found.codes.index(FEVER)][0]
    text = encounter.documents[0].text
    assert text[first.spans[0].start : first.spans[-1].end].endswith("fever")
    assert first.spans[0].start > text.index("The patient")
    assert not first.meant.contrary


def test_words_apart_make_a_candidate_with_several_spans(encounter_of: Build, terms: Terms) -> None:
    encounter = encounter_of("The right and the swollen knee gives her much pain today.")
    found = proposed(encounter, terms)
    places = found.places[found.codes.index(KNEE)]
    text = encounter.documents[0].text
    assert [text[s.start : s.end] for s in places[0].spans] == ["right", "knee", "pain"]
    assert places[0].match == "scattered"
    row = dict(zip(FEATURES, found.features[found.codes.index(KNEE)], strict=True))
    assert row["all words in one sentence"] == 1.0
    assert row["words"] == 3.0
    assert row["largest P(code | term)"] == 0.0  # not side by side
    assert row["denied"] == 0.0


def test_a_title_is_enough(encounter_of: Build, terms: Terms) -> None:
    asthma = Code("ICD-10-CM", "J45.909")
    assert asthma not in terms.statistics.known
    found = proposed(encounter_of("She has uncomplicated asthma."), terms)
    row = dict(zip(FEATURES, found.features[found.codes.index(asthma)], strict=True))
    assert (row["a title is found"], row["never seen"]) == (1.0, 1.0)
    places = found.places[found.codes.index(asthma)]
    assert {place.source for place in places} <= {"title", "inclusion"}
    assert all(place.rule.startswith("ICD-10-CM:J45.909:") for place in places)


def test_a_denied_place_is_told(encounter_of: Build, terms: Terms) -> None:
    found = proposed(encounter_of("There is no fever."), terms)
    row = dict(zip(FEATURES, found.features[found.codes.index(FEVER)], strict=True))
    assert row["share of places that are denied"] == 1.0
    assert row["denied"] == 1.0


def test_an_encounter_that_nothing_names_has_none(encounter_of: Build, terms: Terms) -> None:
    found = proposed(encounter_of("zzz"), terms)
    assert found.codes == ()
    assert found.places == ()
    assert found.features.shape == (0, len(FEATURES))


def test_hashed_terms_propose_the_same(corpus: list[Encounter], terms: Terms) -> None:
    plain = Terms.learn(corpus[:30], Lexicon.build(training_terms(corpus[:30])), terms.tables)
    for encounter in corpus[30:]:
        first, second = proposed(encounter, plain), proposed(encounter, terms)
        assert first.codes == second.codes
        assert first.places == second.places
        np.testing.assert_allclose(first.features, second.features, atol=1e-12)
