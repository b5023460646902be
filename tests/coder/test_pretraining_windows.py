from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from surecode.coder.pretraining_data import MaskedData, MaskedLoader
from surecode.coder.pretraining_settings import MaskingSettings
from surecode.coder.pretraining_windows import (
    Frame,
    Packed,
    mask_window,
    masked_batch,
    pack,
    tokenize,
)
from surecode.errors import InputError

FRAME = Frame(
    prefix=(2,), suffix=(3,), separator=3, padding=0, mask=4, special=(0, 1, 2, 3, 4), tokens=40
)
MASKING = MaskingSettings(share=0.15, masked=0.8, random=0.1)

Texts = st.lists(st.lists(st.integers(5, 39), max_size=30), min_size=1, max_size=12).filter(any)


def arrays(texts: list[list[int]]) -> list[NDArray[np.int32]]:
    return [np.array(ids, dtype=np.int32) for ids in texts]


def full(windows: int, length: int, seed: int = 0) -> Packed:
    """Windows of ordinary tokens, framed."""
    room = length - 2
    ids = np.random.default_rng(seed).integers(5, 40, windows * room)
    return pack(arrays([ids.tolist()]), FRAME, length)


# ---- packing -------------------------------------------------------------------------------------


@given(Texts, st.integers(3, 20))
def test_packing_loses_no_token_and_invents_none(texts: list[list[int]], length: int) -> None:
    packed = pack(arrays(texts), FRAME, length)
    assert packed.ids[packed.content].tolist() == [i for ids in texts for i in ids]
    assert packed.tokens == sum(map(len, texts))


@given(Texts, st.integers(3, 20))
def test_windows_are_framed_full_and_divided_where_a_text_ends(
    texts: list[list[int]], length: int
) -> None:
    packed = pack(arrays(texts), FRAME, length)
    row: list[int] = []
    for place, window in enumerate(packed.ids.tolist()):
        used = (
            length
            if place < len(packed) - 1
            else max(window.index(0, 1), 3)
            if 0 in window
            else length
        )
        assert (window[0], window[used - 1]) == (2, 3)
        assert window[used:] == [0] * (length - used)
        row += window[1 : used - 1]
    spoken = [ids for ids in texts if ids]
    assert row == [i for n, ids in enumerate(spoken) for i in ([3] if n else []) + ids]


def test_what_cannot_be_packed_is_refused_in_one_line() -> None:
    nothing: list[list[int]] = [[]]
    for texts, length, reason in ((nothing, 8, "no character"), ([[5]], 2, "no room for a token")):
        with pytest.raises(InputError, match=reason) as error:
            pack(arrays(texts), FRAME, length)
        assert "\n" not in str(error.value)


def test_the_frame_of_a_tokenizer(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    frame = Frame.of(tiny_tokenizer)
    assert (frame.prefix, frame.suffix, frame.separator) == ((2,), (3,), 3)
    assert (frame.padding, frame.mask, frame.special) == (0, 4, (0, 1, 2, 3, 4))
    assert frame.ordinary().tolist() == list(range(5, len(tiny_tokenizer)))


def test_texts_become_what_the_tokenizer_says(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    texts = ["fever and cough", "", "no pain " * 40] * 100
    found = list(tokenize(tiny_tokenizer, texts))
    assert len(found) == len(texts)
    for text, ids in zip(texts, found, strict=True):
        assert ids.tolist() == tiny_tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_tokenizer_without_a_mask_is_refused(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    from transformers import PreTrainedTokenizerFast

    bare = PreTrainedTokenizerFast(
        tokenizer_object=tiny_tokenizer.backend_tokenizer, unk_token="[UNK]", pad_token="[PAD]"
    )
    with pytest.raises(InputError, match="has no mask token"):
        Frame.of(bare)


# ---- masking -------------------------------------------------------------------------------------


@given(st.integers(3, 40), st.integers(0, 99), st.floats(0.01, 0.9))
def test_special_tokens_are_never_masked_nor_shown_for_another(
    length: int, seed: int, share: float
) -> None:
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, 40, length).astype(np.int32)
    content = generator.random(length) < 0.8
    free = content & (ids > 4)
    masking = MASKING.model_copy(update={"share": share})
    shown, places = mask_window(ids, content, FRAME, FRAME.ordinary(), masking, [seed])
    expected = min(max(round(share * free.sum()), 1), free.sum())
    assert len(places) == expected
    assert free[places].all()
    assert (np.diff(places) > 0).all()
    untouched = np.setdiff1d(np.arange(length), places)
    assert (shown[untouched] == ids[untouched]).all()
    assert ((shown[places] > 4) | (shown[places] == FRAME.mask)).all()


def test_eight_of_ten_are_masked_one_is_another_and_one_stays() -> None:
    packed = full(1500, 102)
    kinds: Counter[str] = Counter()
    for index in range(len(packed)):
        ids = packed.ids[index]
        shown, places = mask_window(
            ids, packed.content[index], FRAME, FRAME.ordinary(), MASKING, [0, 0, index]
        )
        assert len(places) == 15
        for place in places:
            masked, same = shown[place] == FRAME.mask, shown[place] == ids[place]
            kinds["masked" if masked else "same" if same else "other"] += 1
    total = kinds.total()
    assert total == 22_500
    # A token that is replaced is drawn from 35, so that in one case of 35 it stays as it is. Four
    # standard errors: 4 * sqrt(.8 * .2 / 22500) = .011, and .008 for shares of a tenth.
    assert kinds["masked"] / total == pytest.approx(0.8, abs=0.011)
    assert kinds["other"] / total == pytest.approx(0.1 * 34 / 35, abs=0.008)
    assert kinds["same"] / total == pytest.approx(0.1 + 0.1 / 35, abs=0.008)


def test_every_place_is_masked_equally_often() -> None:
    packed = full(1, 42)
    counts = np.zeros(42)
    for epoch in range(2000):
        _, places = mask_window(
            packed.ids[0], packed.content[0], FRAME, FRAME.ordinary(), MASKING, [0, epoch, 0]
        )
        counts[places] += 1
    assert counts[[0, -1]].sum() == 0
    # 6 of 40 in each of 2000; five standard errors of a binomial share.
    np.testing.assert_allclose(counts[1:-1] / 2000, 0.15, atol=5 * (0.15 * 0.85 / 2000) ** 0.5)


def test_a_window_is_masked_alike_in_whatever_batch_it_stands() -> None:
    packed = full(6, 22)
    whole = masked_batch(packed, range(6), FRAME, MASKING, (7, 1))
    for index in range(6):
        alone = masked_batch(packed, [index], FRAME, MASKING, (7, 1))
        assert alone.input_ids[0].tolist() == whole.input_ids[index].tolist()
    other_epoch = masked_batch(packed, range(6), FRAME, MASKING, (7, 2))
    other_seed = masked_batch(packed, range(6), FRAME, MASKING, (8, 1))
    shown = {str(batch.input_ids.tolist()) for batch in (whole, other_epoch, other_seed)}
    assert len(shown) == 3


def test_a_batch_knows_what_it_hid() -> None:
    packed = pack(arrays([list(range(5, 25)), [30, 31]]), FRAME, 16)
    batch = masked_batch(packed, [1, 0], FRAME, MASKING, (0, 0))
    ids = packed.ids[[1, 0]].reshape(-1)
    assert batch.hidden.tolist() == ids[batch.places.numpy()].tolist()
    assert batch.attention_mask is not None
    assert batch.attention_mask.tolist() == (packed.ids[[1, 0]] != 0).astype(int).tolist()
    assert batch.tokens == 22
    assert masked_batch(packed, [0], FRAME, MASKING, (0, 0)).attention_mask is None


# ---- the order of an epoch -----------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 7), st.integers(0, 3))
def test_an_epoch_reads_every_window_once(windows: int, together: int, epoch: int) -> None:
    packed = full(windows, 12, seed=1)
    loader = MaskedLoader(packed, FRAME, MASKING, together, (0, epoch))
    assert len(loader) == -(-windows // together)
    batches = list(loader)
    assert sum(batch.tokens for batch in batches) == packed.tokens
    assert [len(batch.input_ids) for batch in batches[:-1]] == [together] * (len(batches) - 1)
    # An interruption after any batch leaves the rest as it was.
    for start in range(len(batches)):
        rest = list(MaskedLoader(packed, FRAME, MASKING, together, (0, epoch), start=start))
        assert [b.input_ids.tolist() for b in rest] == [
            b.input_ids.tolist() for b in batches[start:]
        ]


def test_held_out_windows_are_masked_alike_at_every_call() -> None:
    data = MaskedData(full(8, 12), full(4, 12, 3), FRAME, MASKING, batch_tokens=30, seed=5)
    assert (data.windows, data.batches) == (2, 4)
    first, second = ([b.input_ids.tolist() for b in data.val_dataloader()] for _ in range(2))
    assert first == second
