"""The mentions that a tagger sees, and the codes that claim them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from surecode.encounter import Code, Encounter, Span
from surecode.hybrid.candidates import FEATURES, candidates
from surecode.hybrid.claims import claims
from surecode.hybrid.found import Found, Terms, find
from surecode.hybrid.mention_codes import MentionCodes
from surecode.hybrid.tagger import Tagger
from surecode.lexicon.lexicon import Lexicon

Build = Callable[..., Encounter]
TUMOUR = Code("ICD-O-3", "8140/3")
TEXT = (
    "El paciente presenta un glioma de alto grado en el control.\n"
    "El paciente no presenta un sarcoma de alto grado en el control."
)


@pytest.fixture(scope="module")
def codes(tumours: list[Encounter]) -> MentionCodes:
    learned = MentionCodes.learn(tumours)
    assert learned is not None
    return learned


@pytest.fixture
def found(tumours: list[Encounter], tagger: Tagger, encounter_of: Build) -> Found:
    """What is found where no term is known: the tagger's mentions alone."""
    nothing = Lexicon.build([]).hashed()
    terms = Terms.learn(tumours, nothing, nothing)
    assert not find(encounter_of(TEXT), terms).mentions
    return find(encounter_of(TEXT), replace(terms, tagger=tagger))


def test_mentions_are_found_as_they_are_meant(found: Found) -> None:
    said = {TEXT[m.span.start : m.span.end]: m for m in found.mentions}
    assert set(said) == {"glioma de alto grado", "sarcoma de alto grado"}
    assert said["glioma de alto grado"].chance > 0.5
    assert not said["glioma de alto grado"].meant.contrary
    assert said["sarcoma de alto grado"].meant.contrary


def test_a_code_claims_a_mention_by_its_words(found: Found, codes: MentionCodes) -> None:
    claimed = claims(found, codes)
    assert set(claimed) == {TUMOUR}
    assert len(claimed[TUMOUR]) == len(found.mentions)
    for one, mention in zip(claimed[TUMOUR], found.mentions, strict=True):
        words = TEXT[mention.span.start : mention.span.end]
        assert one.share == codes([words])[0][TUMOUR]
        assert one.chance == mention.chance
        assert one.largest
        assert one.place.spans == (mention.span,)
        assert (one.place.match, one.place.rule) == ("tagged", "ICD-O-3:8140/3:mention")
        assert one.place.probability == one.share
        assert one.place.marked == pytest.approx(one.chance * one.share)
        assert one.place.meant == mention.meant


def test_one_claim_is_the_largest_of_a_mention(found: Found) -> None:
    a, b, c = (Code("ICD-O-3", value) for value in ("8000/6", "8140/3", "8140/6"))

    class Codes:
        def __call__(self, texts: list[str]) -> list[dict[Code, float]]:
            return [{c: 0.4, b: 0.4, a: 0.2}, {}][: len(texts)]

    claimed = claims(found, Codes())  # type: ignore[arg-type]
    assert {code: [x.largest for x in some] for code, some in claimed.items()} == {
        a: [False],
        b: [True],
        c: [False],
    }


def test_without_mentions_or_codes_there_is_no_claim(found: Found, codes: MentionCodes) -> None:
    assert claims(found, None) == {}
    assert claims(replace(found, mentions=()), codes) == {}


def test_a_claim_makes_a_candidate_of_a_code_that_no_term_names(
    found: Found, codes: MentionCodes
) -> None:
    assert candidates(found, {}).codes == ()
    proposed = candidates(found, {}, claims(found, codes))
    assert proposed.codes == (TUMOUR,)
    ((first, second),) = proposed.places
    start = TEXT.index("glioma")
    # What is affirmed stands first.
    assert first.spans == (Span("d0", start, start + len("glioma de alto grado")),)
    assert second.meant.contrary
    row = dict(zip(FEATURES, proposed.features[0], strict=True))
    assert row["no code is likelier at some mention"] == 1.0
    best = max(mention.chance for mention in found.mentions)
    assert row["largest chance of a mention at which no code is likelier"] == best
    assert row["largest P(code | term)"] == 0.0
    assert np.isfinite(proposed.features).all()
