"""What an explainer makes of scores: spans, what they mean, and doubt; and the pages of records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from surecode.coding import Coder
from surecode.encounter import Document, Encounter
from surecode.errors import InputError
from surecode.evidence.policy import EvidencePolicy
from surecode.evidence.span_policy import SpanPolicy
from surecode.explaining import Explainer, Output
from surecode.stages.audit_pages import page_of, write_pages

Build = Callable[..., Encounter]
TODAY = date(2026, 3, 31)
POLICY = EvidencePolicy(SpanPolicy(0.6, 1, 3), deletion="none")


@pytest.fixture
def on_fever(monkeypatch: pytest.MonkeyPatch, tiny_coder: Coder) -> Callable[[Encounter], list]:  # type: ignore[type-arg]
    """Evidence of pneumonia where the coder looks at the word fever and at nothing else."""
    code = tiny_coder.label_space.codes[1]

    def explained(encounter: Encounter) -> list[object]:
        text = encounter.documents[0].text

        def scores(self: Explainer, output: Output, *_: object) -> np.ndarray:  # type: ignore[type-arg]
            pieces = [text[start:end] for start, end in output.windows.offsets.tolist()]
            return np.array([[float(piece == "fever")] for piece in pieces], dtype=np.float32)

        monkeypatch.setattr(Explainer, "scores", scores)
        explain = replace(tiny_coder, evidence=POLICY).explainer()
        return list(explain(encounter, tiny_coder.run(encounter), [code], [1], [0.9]))

    return explained


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("chest pain with fever", None),
        ("no fever", "all evidence of ICD-10-CM:J18.9 is negated"),
        # The first mention is quoted, the second one carries the code.
        ("no fever.\nchest pain with fever", None),
        ("no fever.\nno fever of the chest", "all evidence of ICD-10-CM:J18.9 is negated"),
        ("no fracture", "ICD-10-CM:J18.9 has no local evidence"),
    ],
)
def test_one_plain_mention_of_the_words_is_enough(
    on_fever: Callable[[Encounter], list],  # type: ignore[type-arg]
    encounter_of: Build,
    text: str,
    doubt: str | None,
) -> None:
    (found,) = on_fever(encounter_of(text))
    assert found.doubt == doubt
    assert [quote.quote for quote in found.quotes] == ["fever"] * (text.count("fever") > 0)
    mentions = [len(quote.mentions) for quote in found.quotes]
    assert mentions == [text.count("fever") - 1] * len(found.quotes)


@pytest.mark.parametrize(("weak", "doubt"), [(0.01, True), (0.5, False)])
def test_a_plain_word_that_adds_next_to_nothing_is_not_enough(
    tiny_coder: Coder,
    encounter_of: Build,
    monkeypatch: pytest.MonkeyPatch,
    weak: float,
    doubt: bool,
) -> None:
    encounter = encounter_of("no fever.\nchest pain")
    text, worth = encounter.documents[0].text, {"fever": 1.0, "chest": weak}

    def scores(self: Explainer, output: Output, *_: object) -> np.ndarray:  # type: ignore[type-arg]
        pieces = [text[start:end] for start, end in output.windows.offsets.tolist()]
        return np.array([[worth.get(piece, 0.0)] for piece in pieces], dtype=np.float32)

    monkeypatch.setattr(Explainer, "scores", scores)
    policy = EvidencePolicy(SpanPolicy(1.0, 0, 3, seed=0.0), deletion="none")
    explain = replace(tiny_coder, evidence=policy).explainer()
    code = tiny_coder.label_space.codes[1]
    (found,) = explain(encounter, tiny_coder.run(encounter), [code], [1], [0.9])
    assert [quote.quote for quote in found.quotes] == ["fever", "chest"]
    assert (found.doubt is not None) == doubt


def test_pages_of_earlier_decisions_are_removed(
    tiny_coder: Coder, encounter_of: Build, tmp_path: Path
) -> None:
    encounters = {name: encounter_of("fever", encounter_id=name) for name in ("a", "b")}
    records = [tiny_coder.code(encounter, TODAY) for encounter in encounters.values()]
    both = write_pages(tmp_path, records, encounters)
    assert sorted(tmp_path.iterdir()) == sorted(both)
    assert write_pages(tmp_path, records[1:], encounters) == both[1:]
    assert list(tmp_path.iterdir()) == both[1:]


def test_documents_that_were_not_coded_get_no_page(tiny_coder: Coder, encounter_of: Build) -> None:
    encounter = encounter_of("fever", "no fracture")
    record = tiny_coder.code(encounter, TODAY)
    assert page_of(record, encounter).encounter_id == encounter.encounter_id
    first, second = encounter.documents
    with pytest.raises(InputError, match="it has other documents than those that were coded"):
        page_of(record, replace(encounter, documents=(first,)))
    changed = Document(second.document_id, second.kind, "no fractures")
    with pytest.raises(InputError, match="its text was changed after it was coded"):
        page_of(record, replace(encounter, documents=(first, changed)))
