from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from surecode.coder.encoder import load_tokenizer
from surecode.config import compose_config, parse
from surecode.data.windows import Windower, Windows
from surecode.encounter import Encounter
from surecode.errors import InputError
from surecode.settings import Config

Build = Callable[..., Encounter]

# Plain words, accents (composed and not), astral characters, line ends, spaces and zero width.
WORDS = ["fever", "coughing", "neumonía", "cafe\u0301", "a\u00adb", "3.5 mg", "S/P", "ﬁ", "İ", "ß"]
SIGNS = ["😀", "𝒜𝒷", "漢字", "½", "\r\n", "\t", "\u00a0", "\u200b", "\ufeff", " ", ".", "Über-"]
PIECES = st.sampled_from([*WORDS, *SIGNS])
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(PIECES, max_size=60).map("".join),
    st.lists(PIECES, max_size=60).map(" ".join),
).map(lambda text: text + " x")  # a document without a word is refused before it gets here


@pytest.fixture(scope="module")
def minilm_tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer(parse(Config, compose_config("run", ["specialty=radiology"])).encoder)


def check(windows: Windows, encounter: Encounter, length: int) -> None:
    """What holds for the windows of any encounter."""
    texts = [document.text for document in encounter.documents]
    assert windows.longest <= length
    assert len(windows.input_ids) == len(windows.content)
    sizes = [place.stop - place.start for place in windows.content]
    assert all(size > 0 for size in sizes)
    assert sum(sizes) == windows.tokens == len(windows.offsets)
    for window in np.split(windows.document, np.cumsum(sizes)[:-1]):
        assert len(set(window)) == 1
    for position, (start, end) in zip(windows.document, windows.offsets, strict=True):
        assert 0 <= start < end <= len(texts[position])
    for position, text in enumerate(texts):
        covered = np.zeros(len(text), dtype=bool)
        for start, end in windows.offsets[windows.document == position]:
            covered[start:end] = True
        missed = [c for c, seen in zip(text, covered, strict=True) if c.isalnum() and not seen]
        assert missed == []


@given(texts=st.lists(TEXTS, min_size=1, max_size=3), overlap=st.integers(0, 5))
@example(texts=["Fiebre.\r\n\tTos\u00a0seca \u200bcon 38,5\u202f°C 😀 y cafe\u0301 x"], overlap=3)
def test_every_word_is_covered_by_a_token(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Build, texts: list[str], overlap: int
) -> None:
    encounter = encounter_of(*texts)
    check(Windower(tiny_tokenizer, 8, overlap)(encounter), encounter, 8)


@given(texts=st.lists(TEXTS, min_size=1, max_size=2))
def test_every_word_is_covered_by_a_token_of_the_default_encoder(
    minilm_tokenizer: PreTrainedTokenizerBase, encounter_of: Build, texts: list[str]
) -> None:
    encounter = encounter_of(*texts)
    check(Windower(minilm_tokenizer, 16, 4)(encounter), encounter, 16)


def test_a_long_note_is_cut_and_lost_nowhere(
    minilm_tokenizer: PreTrainedTokenizerBase, encounter_of: Build
) -> None:
    encounter = encounter_of("Neumonía basal derecha, fiebre de 38.5 °C.\r\n" * 1000, "no fever")
    windows = Windower(minilm_tokenizer, 256, 32)(encounter)
    check(windows, encounter, 256)
    assert len(windows.input_ids) > 50


@given(tokens=st.integers(1, 40), length=st.integers(4, 12), data=st.data())
def test_neighbouring_windows_share_exactly_the_overlap(
    tiny_tokenizer: PreTrainedTokenizerBase,
    encounter_of: Build,
    tokens: int,
    length: int,
    data: st.DataObject,
) -> None:
    overlap = data.draw(st.integers(0, length - 3))
    encounter = encounter_of(" ".join(["a", "b", "c", "d", "e"] * 8)[: 2 * tokens - 1])
    windows = Windower(tiny_tokenizer, length, overlap)(encounter)
    places = np.split(
        windows.offsets[:, 0], np.cumsum([c.stop - c.start for c in windows.content])[:-1]
    )
    for left, right in pairwise(places):
        assert len(left) == length - 2
        assert len(right) > overlap  # the last window is not a mere repetition
        np.testing.assert_array_equal(left[len(left) - overlap :], right[:overlap])
    rest = [place[overlap:] for place in places[1:]]
    np.testing.assert_array_equal(np.concatenate([places[0], *rest]), 2 * np.arange(tokens))


def test_special_tokens_frame_each_window_and_are_no_content(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Build
) -> None:
    text = "fever of the chest with coughing"
    windows = Windower(tiny_tokenizer, 5)(encounter_of(text))
    pieces = [tiny_tokenizer.convert_ids_to_tokens(list(ids)) for ids in windows.input_ids]
    assert pieces == [
        ["[CLS]", "fever", "of", "the", "[SEP]"],
        ["[CLS]", "chest", "with", "cough", "[SEP]"],
        ["[CLS]", "##ing", "[SEP]"],
    ]
    assert windows.content == (slice(1, 4), slice(1, 4), slice(1, 2))
    quotes = [text[start:end] for start, end in windows.offsets]
    assert quotes == ["fever", "of", "the", "chest", "with", "cough", "ing"]


def test_a_text_that_fits_is_one_window_as_the_tokenizer_alone_makes_it(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Build
) -> None:
    text = "no fever, no cough"
    (ids,) = Windower(tiny_tokenizer, 32, 8)(encounter_of(text)).input_ids
    assert list(ids) == tiny_tokenizer(text)["input_ids"]


def test_windows_of_many_encounters_come_in_their_order(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Build
) -> None:
    encounters = [encounter_of("fever", encounter_id=name) for name in ("b", "a")]
    windows = Windower(tiny_tokenizer, 8).all(encounters)
    assert [w.encounter_id for w in windows] == ["b", "a"]


@pytest.mark.parametrize(("length", "overlap"), [(8, 6), (8, 7), (8, -1), (2, 0), (1, 0)])
def test_an_overlap_that_leaves_no_room_is_refused(
    tiny_tokenizer: PreTrainedTokenizerBase, length: int, overlap: int
) -> None:
    with pytest.raises(InputError, match=rf"^encoder\.window_overlap={overlap}: .*raise"):
        Windower(tiny_tokenizer, length, overlap)


def test_the_mask_stands_for_no_word(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    assert Windower(tiny_tokenizer, 8).mask_id == tiny_tokenizer.mask_token_id


def test_a_note_without_any_token_is_refused(encounter_of: Build) -> None:
    from tokenizers import Tokenizer, models, normalizers
    from transformers import PreTrainedTokenizerFast

    # An unknown character has no token at all in a vocabulary without [UNK].
    backend = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    backend.normalizer = normalizers.Replace("б", "")
    windower = Windower(PreTrainedTokenizerFast(tokenizer_object=backend), 8)
    with pytest.raises(InputError, match="encounter e: its documents hold no character"):
        windower(encounter_of("бб"))
