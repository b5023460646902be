from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertModel

from surecode.coder.activation_cache import ActivationCache, Precision, collate_hidden
from surecode.coder.layers import lower_states, upper_states, window_states
from surecode.errors import InputError

Window = NDArray[np.int64]
WIDTH = 6
SHA256 = "5" * 64


def window(*ids: int) -> Window:
    return np.array(ids, dtype=np.int64)


def states_of(window: Window) -> Tensor:
    """States that tell which window they belong to and where each token stands in it."""
    tokens = torch.tensor(window, dtype=torch.float32)[:, None]
    places = torch.arange(len(window))[:, None]
    return torch.sin(tokens + 100 * places + torch.arange(WIDTH)) + len(window)


def compute(windows: Sequence[Window]) -> list[Tensor]:
    return [states_of(window) for window in windows]


def cache_in(folder: Path, precision: Precision = "fp32", **options: Any) -> ActivationCache:
    return ActivationCache(folder, SHA256, 3, precision, **options)


def shards(cache: ActivationCache) -> list[Path]:
    return sorted(cache.folder.iterdir())


WINDOWS = [window(*range(n, 2 * n)) for n in (4, 9, 2, 9, 7, 1, 12, 3)]


# ---- what is written is what is read -------------------------------------------------------------


@given(
    ids=st.lists(st.lists(st.integers(0, 2**40), min_size=1, max_size=9), max_size=12),
    batch_tokens=st.integers(1, 40),
    shard_bytes=st.integers(1, 2000),
)
def test_every_window_comes_back_with_its_own_states(
    tmp_path_factory: pytest.TempPathFactory,
    ids: list[list[int]],
    batch_tokens: int,
    shard_bytes: int,
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    windows = [window(*part) for part in ids]
    cache_in(folder, shard_bytes=shard_bytes).fill(windows, compute, batch_tokens)
    reader = cache_in(folder)
    assert reader.missing(windows) == []
    for part in windows:
        assert torch.equal(reader.get(part), states_of(part))


def test_bf16_keeps_the_nearest_number_of_that_type(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, "bf16")
    cache.add(WINDOWS, compute(WINDOWS))
    for part in WINDOWS:
        kept = cache_in(tmp_path, "bf16").get(part)
        assert kept.dtype == torch.bfloat16
        assert torch.equal(kept, states_of(part).bfloat16())


def test_states_of_mixed_precision_may_be_kept_without_rounding(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, "bf16", kept="fp32")
    cache.add(WINDOWS, compute(WINDOWS))
    assert torch.equal(cache.get(WINDOWS[0]), states_of(WINDOWS[0]))
    assert cache_in(tmp_path, "bf16").missing(WINDOWS[:1]) == WINDOWS[:1]
    assert cache_in(tmp_path, "fp32").missing(WINDOWS[:1]) == WINDOWS[:1]
    assert len(shards(cache)) == 1  # the others found no file of theirs, damaged or not


def test_the_states_lie_in_the_file_and_not_in_memory(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.add(WINDOWS, compute(WINDOWS))
    first = cache.get(WINDOWS[0])
    assert cache.get(WINDOWS[0]).data_ptr() == first.data_ptr()
    # They outlive the file's name: another process may delete the folder.
    shutil.rmtree(cache.folder)
    assert torch.equal(cache.get(WINDOWS[1]), states_of(WINDOWS[1]))
    mapped = Path("/proc/self/maps")
    if mapped.exists():
        spans = [
            [int(place, 16) for place in line.split()[0].split("-")]
            for line in mapped.read_text().splitlines()
            if str(cache.folder) in line
        ]
        assert any(start <= first.data_ptr() < stop for start, stop in spans)


def test_the_key_is_what_the_states_depend_on(tmp_path: Path) -> None:
    written = ActivationCache(tmp_path, SHA256, 3, "fp32")
    written.add(WINDOWS, compute(WINDOWS))
    others = [
        ActivationCache(tmp_path, "6" * 64, 3, "fp32"),
        ActivationCache(tmp_path, SHA256, 2, "fp32"),
        ActivationCache(tmp_path, SHA256, 3, "bf16"),
    ]
    assert len({cache.folder for cache in [written, *others]}) == 4
    assert all(len(cache.missing(WINDOWS[:1])) == 1 for cache in others)
    # The same ids in another type or order in memory are the same window.
    assert written.missing([WINDOWS[1].astype(np.int32), np.repeat(WINDOWS[1], 2)[::2]]) == []


def test_another_version_of_torch_computes_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cache_in(tmp_path).folder
    monkeypatch.setattr(torch, "__version__", "99.0")
    assert cache_in(tmp_path).folder != folder


def test_file_names_are_hashes(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.fill(WINDOWS, compute, 20)
    names = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    assert names
    assert all(set(name.removesuffix(".safetensors")) <= set("0123456789abcdef/") for name in names)


def test_files_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        cache = cache_in(tmp_path)
        cache.add(WINDOWS, compute(WINDOWS))
    finally:
        os.umask(before)
    assert shards(cache)[0].stat().st_mode & 0o777 == 0o640


# ---- what is missing -----------------------------------------------------------------------------


def test_what_is_missing_comes_once_and_in_order(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.add([WINDOWS[4]], [states_of(WINDOWS[4])])
    missing = cache.missing(WINDOWS)
    expected = [WINDOWS[n] for n in (0, 1, 2, 5, 6, 7)]  # 3 repeats 1, 4 is there
    assert [list(part) for part in missing] == [list(part) for part in expected]


def test_a_window_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent or damaged; delete the folder") as error:
        cache_in(tmp_path).get(window(31337, 4))
    assert "31337" not in str(error.value)


def test_windows_and_states_must_fit(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    with pytest.raises(ValueError, match="differ in their number of tokens"):
        cache.add(WINDOWS[:1], [states_of(WINDOWS[1])])
    with pytest.raises(ValueError, match="shorter"):
        cache.add(WINDOWS[:2], [states_of(WINDOWS[0])])
    cache.add([], [])
    assert not cache.folder.exists()


# ---- filling -------------------------------------------------------------------------------------


class Call(NamedTuple):
    lengths: list[int]

    @property
    def padded(self) -> int:
        return len(self.lengths) * max(self.lengths)


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
def counted(calls: list[Call]) -> Callable[[Sequence[Window]], list[Tensor]]:
    def run(windows: Sequence[Window]) -> list[Tensor]:
        calls.append(Call([len(part) for part in windows]))
        return compute(windows)

    return run


def test_batches_hold_the_budget_and_windows_of_about_one_length(
    tmp_path: Path, calls: list[Call], counted: Callable[[Sequence[Window]], list[Tensor]]
) -> None:
    lengths = np.random.default_rng(0).integers(1, 65, size=300)
    windows = [np.arange(n, dtype=np.int64) + 100 * k for k, n in enumerate(lengths)]
    cache_in(tmp_path).fill(windows, counted, batch_tokens=512)
    assert sorted(n for call in calls for n in call.lengths) == sorted(lengths)
    assert all(call.padded <= 512 for call in calls)
    assert sum(call.padded for call in calls) < 1.1 * sum(lengths)
    assert len(calls) < 1.3 * sum(lengths) / 512


def test_a_window_above_the_budget_stands_alone(
    tmp_path: Path, calls: list[Call], counted: Callable[[Sequence[Window]], list[Tensor]]
) -> None:
    cache_in(tmp_path).fill(WINDOWS, counted, batch_tokens=8)
    assert [call.lengths for call in calls] == [[12], [9], [7], [4, 3], [2, 1]]


def test_what_is_there_is_not_computed_again(
    tmp_path: Path, calls: list[Call], counted: Callable[[Sequence[Window]], list[Tensor]]
) -> None:
    cache_in(tmp_path).fill(WINDOWS[:3], counted, 100)
    cache = cache_in(tmp_path)
    cache.fill(WINDOWS, counted, 100)
    assert [call.lengths for call in calls] == [[9, 4, 2], [12, 7, 3, 1]]
    cache.fill(WINDOWS, counted, 100)
    assert len(calls) == 2


def test_shards_are_bounded(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, shard_bytes=2000)
    windows = [np.arange(10, dtype=np.int64) + n for n in range(40)]  # 240 bytes of states each
    cache.fill(windows, compute, 200)
    sizes = [path.stat().st_size for path in shards(cache)]
    assert len(sizes) == 5
    assert max(sizes) < 2000 + 8 * (32 + 8 + 8) + 600  # keys, bounds, checksums, the header


def test_a_computation_that_fails_leaves_whole_shards_only(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, shard_bytes=1)

    def fail(windows: Sequence[Window]) -> list[Tensor]:
        if len(windows[0]) < 9:
            raise RuntimeError("out of memory")
        return compute(windows)

    with pytest.raises(RuntimeError, match="out of memory"):
        cache.fill(WINDOWS, fail, 8)
    again = cache_in(tmp_path)
    assert [len(part) for part in again.missing(WINDOWS)] == [4, 9, 2, 7, 1, 3]
    assert torch.equal(again.get(WINDOWS[6]), states_of(WINDOWS[6]))
    assert all(path.suffix == ".safetensors" for path in shards(cache))


def test_states_may_require_a_gradient(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.fill(WINDOWS[:1], lambda parts: [s.requires_grad_() for s in compute(parts)], 100)
    assert not cache.get(WINDOWS[0]).requires_grad


# ---- the disk ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("bf16", 2)])
def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision, size: int
) -> None:
    needed = sum(len(part) for part in WINDOWS[1:]) * WIDTH * size  # the first 9 comes twice
    cache = cache_in(tmp_path, precision, shard_bytes=100)

    def fill(capacity: int) -> None:
        def usage(folder: Path) -> SimpleNamespace:
            return SimpleNamespace(free=capacity - sum(p.stat().st_size for p in shards(cache)))

        monkeypatch.setattr(shutil, "disk_usage", usage)
        cache.fill(WINDOWS[1:], compute, 20)

    with pytest.raises(InputError, match=r"GB are free; .*trainer\.cache_activations=false$"):
        fill(needed - 9 * WIDTH * size - 1)
    assert shards(cache) == []
    fill(needed - 9 * WIDTH * size)
    assert cache.missing(WINDOWS[1:]) == []


def test_a_disk_that_does_not_take_the_states_is_named(tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "file")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"does not take .*trainer\.cache_activations=false$"):
        cache.add(WINDOWS, compute(WINDOWS))


# ---- damage --------------------------------------------------------------------------------------


def damages(content: bytes) -> Iterator[bytes]:
    yield b""
    yield b"no shard at all"
    for share in (0.02, 0.3, 0.999):
        yield content[: int(len(content) * share)]
    yield content + b"\0"
    generator = np.random.default_rng(0)
    for place in generator.integers(0, len(content), size=60):
        yield content[:place] + bytes([content[place] ^ 0x24]) + content[place + 1 :]


def test_a_damaged_shard_is_computed_again(tmp_path: Path) -> None:
    cache_in(tmp_path).add(WINDOWS, compute(WINDOWS))
    (shard,) = shards(cache_in(tmp_path))
    whole = shard.read_bytes()
    recomputed = 0
    for content in damages(whole):
        shard.unlink()
        shard.write_bytes(content)
        cache = cache_in(tmp_path)
        recomputed += bool(cache.missing(WINDOWS))
        cache.fill(WINDOWS, compute, 20)
        for part in WINDOWS:
            assert torch.equal(cache.get(part), states_of(part))
            assert torch.equal(cache_in(tmp_path).get(part), states_of(part))
        for path in shards(cache):
            path.unlink()
        shard.write_bytes(whole)
    assert recomputed > 50  # a flipped bit of a name in the header may change nothing


def test_damage_elsewhere_costs_only_its_own_shard(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.add(WINDOWS[:3], compute(WINDOWS[:3]))
    (first,) = shards(cache)
    cache.add(WINDOWS[4:], compute(WINDOWS[4:]))
    first.write_bytes(first.read_bytes()[:-1])
    missing = cache_in(tmp_path).missing(WINDOWS)
    assert [len(part) for part in missing] == [4, 9, 2]
    assert not first.exists()


Content = dict[str, Tensor]


@pytest.mark.parametrize(
    "forge",
    [
        lambda content: content | {"keys": content["keys"].flip(0)},
        lambda content: content | {"keys": content["keys"][:1]},
        lambda content: content | {"bounds": content["bounds"] + 1},
        lambda content: content | {"bounds": content["bounds"][:-1]},
        lambda content: content | {"states": content["states"].view(torch.int32)},
        lambda content: content | {"states": content["states"].flatten()},
        lambda content: {name: content[name] for name in ("keys", "bounds", "states")},
    ],
    ids=["keys swapped", "a key lost", "shifted", "cut", "other type", "flat", "no checksums"],
)
def test_a_shard_whose_parts_do_not_fit_together_is_refused(
    tmp_path: Path, forge: Callable[[Content], Content]
) -> None:
    cache = cache_in(tmp_path)
    pair = [window(1, 2, 3), window(4, 5, 6)]
    cache.add(pair, compute(pair))
    (shard,) = shards(cache)
    content = {name: tensor.clone() for name, tensor in load_file(shard).items()}
    save_file({name: part.contiguous() for name, part in forge(content).items()}, shard)
    assert len(cache_in(tmp_path).missing(pair)) == 2
    assert not shard.exists()


# ---- several processes ---------------------------------------------------------------------------


def fill_share(folder: Path, start: int, step: int) -> None:
    cache = cache_in(folder, shard_bytes=400)
    windows = [np.arange(5, dtype=np.int64) + n for n in range(60)]
    cache.fill(windows[start::step], compute, 20)


@pytest.mark.parametrize("step", [1, 3])
def test_several_processes_fill_one_folder(tmp_path: Path, step: int) -> None:
    """With a step of 1 they all do the same work, with 3 each does its share."""
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=fill_share, args=(tmp_path, n % step, step)) for n in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    cache = cache_in(tmp_path)
    windows = [np.arange(5, dtype=np.int64) + n for n in range(60)]
    assert cache.missing(windows) == []
    assert all(torch.equal(cache.get(part), states_of(part)) for part in windows)
    assert all(path.suffix == ".safetensors" for path in shards(cache))


def test_what_another_process_adds_is_seen(tmp_path: Path) -> None:
    reader, writer = cache_in(tmp_path), cache_in(tmp_path)
    assert len(reader.missing(WINDOWS)) == 7
    writer.add(WINDOWS[:1], compute(WINDOWS[:1]))
    assert torch.equal(reader.get(WINDOWS[0]), states_of(WINDOWS[0]))
    writer.add(WINDOWS[1:], compute(WINDOWS[1:]))
    assert reader.missing(WINDOWS) == []


def test_a_pickled_cache_holds_no_states_and_finds_them_again(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, "bf16", kept="fp32", shard_bytes=1000)
    cache.fill(WINDOWS, compute, 20)
    pickled = pickle.dumps(cache)
    assert len(pickled) < 1000
    assert torch.equal(pickle.loads(pickled).get(WINDOWS[0]), states_of(WINDOWS[0]))


# ---- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_states_are_padded_with_zeros(kind: torch.dtype) -> None:
    states = [states_of(part).to(kind) for part in WINDOWS[:3]]
    hidden = collate_hidden(states, 11)
    assert hidden.shape == (3, 11, WIDTH)
    assert hidden.dtype == kind
    for row, state in zip(hidden, states, strict=True):
        assert torch.equal(row[: len(state)], state)
        assert not row[len(state) :].any()


@pytest.mark.parametrize(
    ("precision", "kept", "budget", "tolerance"),
    [
        # In batches of other companions than those of the training.
        ("fp32", None, 13, 1e-5),
        # Of the same shape: in bf16 the sums of another shape differ in more than the last digit.
        ("bf16", "fp32", 60, 1e-5),
        ("bf16", None, 60, 1e-1),
    ],
)
def test_an_encoder_goes_on_from_cached_states(
    tmp_path: Path,
    tiny_encoder: Callable[[], BertModel],
    precision: Precision,
    kept: Precision | None,
    budget: int,
    tolerance: float,
) -> None:
    encoder = tiny_encoder()
    cache = ActivationCache(tmp_path, SHA256, 1, precision, kept)
    windows = [np.arange(n, dtype=np.int64) + 7 for n in (20, 5, 13)]
    cache.fill(windows, lambda parts: window_states(encoder, parts, 0, 1, precision), budget)
    input_ids, mask = torch.zeros(2, 3, 20, dtype=torch.int64)
    for row, part in enumerate(windows):
        input_ids[row, : len(part)] = torch.tensor(part)
        mask[row, : len(part)] = 1
    hidden = collate_hidden([cache.get(part) for part in windows], 20)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        expected = encoder(input_ids, attention_mask=mask).last_hidden_state
        lower = lower_states(encoder, input_ids, mask, 1)
        found = upper_states(encoder, hidden, mask, 1)
    content = mask.bool()
    if (kept or precision) == "fp32":
        torch.testing.assert_close(hidden[content], lower[content], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[content], expected[content], atol=tolerance, rtol=0)
