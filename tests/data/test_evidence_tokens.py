from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from surecode.codes.label_space import LabelSpace
from surecode.data.evidence_tokens import evidence_tokens
from surecode.data.windows import Windower
from surecode.encounter import Code, Encounter, Evidence, Span

FEVER, COUGH, PAIN = (Code("ICD-10-CM", value) for value in ("R50.9", "R05.9", "R52"))
SPACE = LabelSpace((COUGH, FEVER))
TEXTS = ("fever with coughing", "no pain of the chest, no fever")


def marked(encounter: Encounter, *marks: tuple[Code, int, int, int]) -> Encounter:
    """Evidence from rows (code, position of the document, start, end)."""
    evidence = tuple(
        Evidence(code, Span(encounter.documents[document].document_id, start, end), mention)
        for mention, (code, document, start, end) in enumerate(marks)
    )
    return replace(encounter, evidence=evidence)


def quotes(found: np.ndarray, encounter: Encounter, windower: Windower) -> list[tuple[Code, str]]:
    windows = windower(encounter)
    pairs = []
    for code, token in found:
        start, end = windows.offsets[token]
        text = encounter.documents[windows.document[token]].text
        pairs.append((SPACE.codes[code], text[start:end]))
    return pairs


def test_tokens_of_the_marked_words_are_found(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]
) -> None:
    windower = Windower(tiny_tokenizer, 16)
    encounter = marked(
        encounter_of(*TEXTS),
        (FEVER, 0, 0, 5),
        (COUGH, 0, 11, 19),
        (FEVER, 1, 25, 30),
        (PAIN, 1, 3, 7),  # not in the label space
    )
    found = evidence_tokens(windower(encounter), encounter, SPACE)
    assert found.dtype == np.int64
    assert quotes(found, encounter, windower) == [
        (COUGH, "cough"),
        (COUGH, "ing"),
        (FEVER, "fever"),
        (FEVER, "fever"),
    ]


def test_a_span_that_cuts_a_word_takes_the_tokens_that_it_touches(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]
) -> None:
    windower = Windower(tiny_tokenizer, 16)
    encounter = marked(encounter_of(*TEXTS), (COUGH, 0, 6, 12))  # "with c", half-open
    found = evidence_tokens(windower(encounter), encounter, SPACE)
    assert quotes(found, encounter, windower) == [(COUGH, "with"), (COUGH, "cough")]


def test_both_copies_of_a_token_count_where_windows_overlap(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]
) -> None:
    windower = Windower(tiny_tokenizer, 5, overlap=2)
    encounter = marked(encounter_of("fever cough pain chest no"), (COUGH, 0, 6, 11))
    found = evidence_tokens(windower(encounter), encounter, SPACE)
    assert quotes(found, encounter, windower) == [(COUGH, "cough"), (COUGH, "cough")]
    assert found[:, 1].tolist() == [1, 3]


def test_without_evidence_there_is_no_row(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]
) -> None:
    encounter = encounter_of(*TEXTS)
    windows = Windower(tiny_tokenizer, 16)(encounter)
    assert evidence_tokens(windows, encounter, SPACE).shape == (0, 2)
    outside = marked(encounter, (PAIN, 0, 0, 5))
    assert evidence_tokens(windows, outside, SPACE).shape == (0, 2)


@given(
    spans=st.lists(
        st.tuples(st.sampled_from([FEVER, COUGH, PAIN]), st.integers(0, 17), st.integers(1, 19)),
        max_size=5,
    ),
    length=st.integers(5, 16),
)
def test_a_token_is_evidence_if_and_only_if_it_shares_a_character(
    tiny_tokenizer: PreTrainedTokenizerBase,
    encounter_of: Callable[..., Encounter],
    spans: list[tuple[Code, int, int]],
    length: int,
) -> None:
    marks = [(code, 0, start, end) for code, start, end in spans if start < end]
    encounter = marked(encounter_of(*TEXTS), *marks)
    windows = Windower(tiny_tokenizer, length, overlap=1)(encounter)
    expected = {
        (SPACE.index(code), token)
        for code, _, start, end in marks
        if code in SPACE
        for token, (first, last) in enumerate(windows.offsets)
        if windows.document[token] == 0 and set(range(first, last)) & set(range(start, end))
    }
    found = evidence_tokens(windows, encounter, SPACE)
    assert list(map(tuple, found)) == sorted(expected)
