from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from surecode.data import token_cache
from surecode.data.token_cache import cached_windows
from surecode.data.windows import Windower, Windows
from surecode.encounter import Encounter

Build = Callable[..., Encounter]

TEXTS = st.one_of(
    st.text(max_size=40), st.text("abc .\u00e9\u4e2d\U0001f600\r\n", max_size=200)
).map(lambda text: text + " x")  # a document without a word is refused before it gets here
ENCOUNTERS = st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=5)


class Mute(Windower):
    """A windower that must not be asked."""

    def __call__(self, encounter: Encounter) -> Windows:
        raise AssertionError("tokenised again")


def assert_equal(found: list[Windows], expected: list[Windows]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.encounter_id == other.encounter_id
        assert one.content == other.content
        assert one.tokens == other.tokens
        assert one.longest == other.longest
        pairs = [*zip(one.input_ids, other.input_ids, strict=True)]
        for array, same in [
            *pairs,
            (one.document, other.document),
            (one.offsets, other.offsets),
        ]:
            assert array.dtype == same.dtype == np.int64
            assert array.shape == same.shape
            np.testing.assert_array_equal(array, same)


@pytest.fixture
def encounters(encounter_of: Build) -> list[Encounter]:
    texts = [["fever of the chest", "no cough"], ["coughing with pain " * 9], ["a"], ["no fever"]]
    return [encounter_of(*parts, encounter_id=f"e{n}") for n, parts in enumerate(texts)]


@pytest.fixture
def windower(tiny_tokenizer: PreTrainedTokenizerBase) -> Windower:
    return Windower(tiny_tokenizer, 8, 2)


@pytest.fixture
def mute(tiny_tokenizer: PreTrainedTokenizerBase) -> Windower:
    return Mute(tiny_tokenizer, 8, 2)


# ---- the cache gives what the windower gives -----------------------------------------------------


@given(texts=ENCOUNTERS, length=st.integers(4, 12), rows=st.integers(1, 3), data=st.data())
@example(texts=[["a" * 3000 + " b"], ["c"]], length=8, rows=1, data=None)
def test_cached_windows_are_those_of_the_windower(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_tokenizer: PreTrainedTokenizerBase,
    encounter_of: Build,
    texts: list[list[str]],
    length: int,
    rows: int,
    data: st.DataObject | None,
) -> None:
    overlap = 1 if data is None else data.draw(st.integers(0, length - 3))
    encounters = [encounter_of(*parts, encounter_id=f"e{n}") for n, parts in enumerate(texts)]
    windower = Windower(tiny_tokenizer, length, overlap)
    expected = windower.all(encounters)
    folder = tmp_path_factory.mktemp("tokens")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_cache, "_ROWS_AT_ONCE", rows)
        assert_equal(cached_windows(encounters, windower, folder, "t"), expected)
    mute = Mute(tiny_tokenizer, length, overlap)
    assert_equal(cached_windows(encounters, mute, folder, "t"), expected)


def test_the_second_call_does_not_tokenise(
    tmp_path: Path, encounters: list[Encounter], windower: Windower, mute: Windower
) -> None:
    with pytest.raises(AssertionError, match="tokenised again"):
        cached_windows(encounters, mute, tmp_path, "t")
    assert list(tmp_path.iterdir()) == []
    expected = cached_windows(encounters, windower, tmp_path, "t")
    assert_equal(cached_windows(encounters, mute, tmp_path, "t"), expected)


def test_no_encounters_have_no_windows(tmp_path: Path, mute: Windower) -> None:
    assert cached_windows([], mute, tmp_path / "tokens", "t") == []


def test_the_arrays_are_views_of_the_file(
    tmp_path: Path, encounters: list[Encounter], windower: Windower, mute: Windower
) -> None:
    cached_windows(encounters, windower, tmp_path, "t")
    before = pa.total_allocated_bytes()
    found = cached_windows(encounters, mute, tmp_path, "t")
    assert pa.total_allocated_bytes() == before
    for windows in found:
        for array in (*windows.input_ids, windows.document, windows.offsets):
            assert not array.flags.owndata
            assert not array.flags.writeable
    # They outlive the file's name: another process may clear the cache.
    next(tmp_path.iterdir()).unlink()
    assert_equal(found, windower.all(encounters))


def test_a_file_holds_many_batches_of_rows(
    tmp_path: Path, encounter_of: Build, windower: Windower, mute: Windower
) -> None:
    encounters = [encounter_of(f"fever {n}", encounter_id=f"e{n}") for n in range(300)]
    cached_windows(encounters, windower, tmp_path, "t")
    (path,) = tmp_path.iterdir()
    assert pa.ipc.open_file(pa.memory_map(str(path))).num_record_batches == 3
    found = cached_windows(encounters, mute, tmp_path, "t")
    assert_equal(found, windower.all(encounters))


# ---- what the windows depend on ------------------------------------------------------------------


def test_the_same_texts_under_other_ids_are_the_same_tokens(
    tmp_path: Path, encounters: list[Encounter], windower: Windower, mute: Windower
) -> None:
    cached_windows(encounters, windower, tmp_path, "t")
    renamed = [
        dataclasses.replace(
            encounter,
            encounter_id=f"other {n}",
            documents=tuple(
                dataclasses.replace(document, document_id=f"other {place}")
                for place, document in enumerate(encounter.documents)
            ),
        )
        for n, encounter in enumerate(encounters)
    ]
    found = cached_windows(renamed, mute, tmp_path, "t")
    assert [windows.encounter_id for windows in found] == [f"other {n}" for n in range(4)]
    assert_equal(found, windower.all(renamed))


def test_whatever_the_tokens_depend_on_makes_another_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_tokenizer: PreTrainedTokenizerBase,
    encounter_of: Build,
) -> None:
    """Each call must write a file of its own, and give its own windows."""
    a, b, both = encounter_of("a"), encounter_of("b c d e f"), encounter_of("a", "b c d e f")
    calls = [
        ([a, b], 5, 0, "t"),
        ([b, a], 5, 0, "t"),
        ([both], 5, 0, "t"),  # the same documents, but of one encounter
        ([a], 5, 0, "t"),
        ([a, b], 6, 0, "t"),
        ([a, b], 5, 1, "t"),
        ([a, b], 5, 0, "another tokenizer"),
    ]
    for number, (encounters, length, overlap, tokenizer_hash) in enumerate(calls, start=1):
        windower = Windower(tiny_tokenizer, length, overlap)
        found = cached_windows(encounters, windower, tmp_path, tokenizer_hash)
        assert_equal(found, windower.all(encounters))
        assert len(list(tmp_path.iterdir())) == number
    monkeypatch.setattr(token_cache, "version", lambda _: "99.0")
    cached_windows([a, b], Windower(tiny_tokenizer, 5, 0), tmp_path, "t")
    assert len(list(tmp_path.iterdir())) == len(calls) + 1


def test_a_windower_knows_its_length_and_overlap(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    windower = Windower(tiny_tokenizer, 9, 3)
    assert (windower.length, windower.overlap) == (9, 3)


def test_the_tokenizers_hash_follows_what_it_does_and_not_how_it_was_called(
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    from transformers import BertTokenizerFast

    def windower(vocabulary: dict[str, int], **options: bool) -> Windower:
        return Windower(BertTokenizerFast(vocab=vocabulary, **options), 9)

    words = tiny_tokenizer.get_vocab()
    expected = windower(words).tokenizer_hash
    assert len(expected) == 64
    padded = windower(words)
    padded._tokenizer(["a", "b c"], padding="max_length", truncation=True, max_length=8)
    assert padded.tokenizer_hash == expected
    swapped = words | {"fever": words["cough"], "cough": words["fever"]}
    assert windower(swapped).tokenizer_hash != expected
    assert windower(words, do_lower_case=False).tokenizer_hash != expected


# ---- the file ------------------------------------------------------------------------------------


def damages(content: bytes) -> Iterator[bytes]:
    yield b""
    yield b"no table at all"
    for share in (0.02, 0.5, 0.999):
        yield content[: int(len(content) * share)]
    generator = np.random.default_rng(0)
    for place in generator.integers(0, len(content), size=300):
        yield content[:place] + bytes([content[place] ^ 0x51]) + content[place + 1 :]


def test_a_damaged_file_is_written_anew(
    tmp_path: Path, encounters: list[Encounter], windower: Windower, mute: Windower
) -> None:
    expected = cached_windows(encounters, windower, tmp_path, "t")
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    rewritten = 0
    for content in damages(whole):
        path.unlink()
        path.write_bytes(content)
        assert_equal(cached_windows(encounters, windower, tmp_path, "t"), expected)
        rewritten += path.read_bytes() == whole != content
        assert_equal(cached_windows(encounters, mute, tmp_path, "t"), expected)
    assert rewritten > 150  # a bit between the buffers means nothing


def test_a_folder_that_takes_no_file_costs_time_and_nothing_else(
    tmp_path: Path, encounters: list[Encounter], windower: Windower
) -> None:
    (tmp_path / "file").write_text("in the way")
    found = cached_windows(encounters, windower, tmp_path / "file" / "tokens", "t")
    assert_equal(found, windower.all(encounters))


def test_a_windower_that_fails_leaves_no_file(
    tmp_path: Path, encounters: list[Encounter], tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    class Failing(Windower):
        def __call__(self, encounter: Encounter) -> Windows:
            if encounter.encounter_id == "e2":
                raise ValueError("no token")
            return super().__call__(encounter)

    with pytest.raises(ValueError, match="no token"):
        cached_windows(encounters, Failing(tiny_tokenizer, 8, 2), tmp_path, "t")
    assert list(tmp_path.iterdir()) == []


def test_the_file_name_is_a_hash_and_its_rights_follow_the_umask(
    tmp_path: Path, encounters: list[Encounter], windower: Windower
) -> None:
    before = os.umask(0o027)
    try:
        cached_windows(encounters, windower, tmp_path, "t")
    finally:
        os.umask(before)
    (path,) = tmp_path.iterdir()
    assert path.suffix == ".arrow"
    assert len(path.stem) == 64
    assert set(path.stem) <= set("0123456789abcdef")
    assert path.stat().st_mode & 0o777 == 0o640
