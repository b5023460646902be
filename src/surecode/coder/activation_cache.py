"""States of frozen layers, computed once and read from disk in every epoch after.

Layers below the first trained one give the same states for the same window in every epoch, so a
training can skip them. A window's states are found by the sha256 of its token ids, under a folder
whose name hashes what else they depend on. A shard is one safetensors file of many windows,
memory-mapped when read: what is kept in memory is what the operating system sees fit.

Several processes may fill one folder at once. A shard appears whole or not at all, its name comes
from its content, and the same window in two shards is as good as in one. Every window carries a
checksum, looked at once: a shard that is damaged is deleted and its windows are computed again.

The states are made from patient text and can be turned back into it: the folder belongs where the
notes may be. File names are hashes.

Price: disk, D numbers for each token. Kept as bf16 the states are rounded, which changes what the
last layer gives about as much as another batch shape does in that arithmetic.

Legend: W windows, l tokens of one window, T tokens of a shard, D width.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from surecode.errors import InputError
from surecode.files import whole

Precision = Literal["fp32", "bf16"]
Window = NDArray[np.int64]
Compute = Callable[[Sequence[Window]], Sequence[Tensor]]

SHARD_BYTES = 64 * 2**20
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class ActivationCache:
    """The states that enter one layer of one encoder, for any windows.

    Args:
        folder: where caches lie; this one gets a folder of its own in it.
        encoder_sha256: identity of the encoder's weights.
        depth: the layer that the states enter.
        precision: arithmetic that computed them.
        kept: type in which they are stored, None for the same as ``precision``.
        shard_bytes: about how many bytes of states go into one file.
    """

    def __init__(
        self,
        folder: Path,
        encoder_sha256: str,
        depth: int,
        precision: Precision,
        kept: Precision | None = None,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        self._settings = (folder, encoder_sha256, depth, precision, kept, shard_bytes)
        versions = [torch.__version__, transformers.__version__]
        identity = json.dumps([encoder_sha256, depth, precision, kept or precision, *versions])
        self.folder = folder / hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._type = _TYPES[kept or precision]
        self._shard_bytes = shard_bytes
        self._shards: dict[Path, _Shard] = {}
        self._places: dict[bytes, tuple[_Shard, int]] = {}

    def __reduce__(self) -> tuple[object, ...]:
        # Another process maps the files anew; pickled as they are, the states would be copied.
        return type(self), self._settings

    def missing(self, windows: Sequence[Window]) -> list[Window]:
        """Those that are not there yet, or are damaged; each once, in the order given."""
        self._look()
        wanted = {_key(window): window for window in windows}
        for key in wanted:
            self._check(key)
        return [window for key, window in wanted.items() if key not in self._places]

    def get(self, window: Window) -> Tensor:
        """States ``[l, D]`` of one window, mapped from the file: read them, do not write to them.

        Raises:
            InputError: they are not there or are damaged.
        """
        key = _key(window)
        if key not in self._places:
            self._look()
        self._check(key)
        if key not in self._places:
            raise InputError(
                f"{self.folder}: the states of a window are absent or damaged; delete the folder "
                "and run `surecode train` again"
            )
        shard, row = self._places[key]
        return shard.states_of(row)

    def add(self, windows: Sequence[Window], states: Sequence[Tensor]) -> None:
        """Write the states ``[l, D]`` of some windows as one shard.

        Raises:
            InputError: the disk does not take them.
        """
        if not windows:
            return
        if any(len(w) != len(s) for w, s in zip(windows, states, strict=True)):
            raise ValueError("a window and its states differ in their number of tokens")
        keys = [_key(window) for window in windows]
        kept = torch.cat([state.detach().to("cpu", self._type) for state in states])
        bounds = np.cumsum([0, *map(len, windows)])
        checksums = [
            _checksum(key, kept[start:stop])
            for key, start, stop in zip(keys, bounds[:-1], bounds[1:], strict=True)
        ]
        content = {
            "keys": torch.tensor([list(key) for key in keys], dtype=torch.uint8),
            "bounds": torch.from_numpy(bounds.astype(np.int64)),
            "checksums": torch.tensor(checksums, dtype=torch.int64),
            "states": kept,
        }
        path = self.folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()}.safetensors"
        try:
            with whole(path) as temporary:
                save_file(content, temporary)
        except (OSError, SafetensorError):
            raise InputError(
                f"{self.folder}: the disk does not take the states of the frozen layers; free "
                "space or set trainer.cache_activations=false"
            ) from None
        self._open(path)

    def fill(
        self,
        windows: Sequence[Window],
        compute: Compute,
        batch_tokens: int,
        progress: bool = False,
    ) -> None:
        """Compute and write what is missing, at bounded memory.

        Args:
            windows: token ids, any number of them; several processes may each take a share.
            compute: windows of about one length → their states ``[l, D]``.
            batch_tokens: most tokens of one call, padding included; a window above it goes alone.
            progress: show a bar.

        Raises:
            InputError: the free space of the disk does not suffice; nothing is written then.
        """
        missing = sorted(self.missing(windows), key=len, reverse=True)
        tokens = sum(map(len, missing))
        batch: list[Window] = []
        states: list[Tensor] = []
        with tqdm(total=tokens, desc="frozen layers", unit="token", disable=not progress) as bar:
            for number, part in enumerate(_batches(missing, batch_tokens)):
                computed = compute(part)
                if number == 0:  # the width is known from here on
                    self._check_space(tokens * computed[0].shape[1] * self._type.itemsize)
                for window, state in zip(part, computed, strict=True):
                    size = (len(state) + sum(map(len, states))) * state.shape[1]
                    if states and size * self._type.itemsize > self._shard_bytes:
                        self.add(batch, states)
                        batch, states = [], []
                    batch.append(window)
                    states.append(state.detach().to("cpu", self._type))
                bar.update(sum(map(len, part)))
        self.add(batch, states)

    def _check_space(self, needed: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise InputError(
                f"{self.folder}: the states of the frozen layers need {needed / 1e9:.1f} GB, "
                f"{free / 1e9:.1f} GB are free; free space or set trainer.cache_activations=false"
            )

    def _look(self) -> None:
        """Map the shards that came since."""
        for path in sorted(self.folder.glob("*.safetensors")):
            if path not in self._shards:
                self._open(path)

    def _open(self, path: Path) -> None:
        try:
            shard = _Shard(path, self._type)
        except (SafetensorError, OSError, KeyError, ValueError, RuntimeError):
            self._delete(path)
            return
        self._shards[path] = shard
        for row, key in enumerate(shard.keys):
            self._places[key] = shard, row

    def _check(self, key: bytes) -> None:
        """Delete the shard of a window whose states are not those that were written."""
        place = self._places.get(key)
        if place is not None and not place[0].is_sound(place[1]):
            self._delete(place[0].path)

    def _delete(self, path: Path) -> None:
        shard = self._shards.pop(path, None)
        if shard is not None:
            self._places = {k: v for k, v in self._places.items() if v[0] is not shard}
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"{path}: is damaged and cannot be deleted ({error.strerror}); delete its folder"
            ) from None


class _Shard:
    """One file of states, mapped; raises what its reader raises where the file is none."""

    def __init__(self, path: Path, kind: torch.dtype) -> None:
        self.path = path
        with safe_open(path, "pt") as file:
            keys = file.get_tensor("keys").numpy()
            # Small, and asked for all the time: these are copied out of the file.
            self._bounds = file.get_tensor("bounds").numpy().copy()
            self._checksums = file.get_tensor("checksums").numpy().copy()
            self._states: Tensor = file.get_tensor("states")
        count = len(self._checksums)
        if (
            keys.shape != (count, 32)
            or self._bounds.shape != (count + 1,)
            or self._bounds[0] != 0
            or np.any(np.diff(self._bounds) < 0)
            or self._states.dtype != kind
            or self._states.shape != (self._bounds[-1], self._states.shape[-1])
        ):
            raise ValueError("a shard whose parts do not fit together")
        self.keys = [key.tobytes() for key in keys]
        self._checked = np.zeros(count, dtype=bool)

    def states_of(self, row: int) -> Tensor:
        return self._states[self._bounds[row] : self._bounds[row + 1]]

    def is_sound(self, row: int) -> bool:
        if not self._checked[row]:
            checksum = _checksum(self.keys[row], self.states_of(row))
            self._checked[row] = checksum == self._checksums[row]
        return bool(self._checked[row])


def collate_hidden(states: Sequence[Tensor], longest: int) -> Tensor:
    """States ``[l, D]`` of W windows → ``[W, longest, D]`` in their own type, 0 on padding."""
    hidden = states[0].new_zeros(len(states), longest, states[0].shape[1])
    for row, state in zip(hidden, states, strict=True):
        row[: len(state)] = state
    return hidden


def _key(window: Window) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(window, dtype="<i8").tobytes()).digest()


def _checksum(key: bytes, states: Tensor) -> int:
    # The key goes in, so that states which got under another key do not pass.
    return zlib.crc32(states.view(torch.uint8).numpy().data, zlib.crc32(key))


def _batches(windows: Sequence[Window], batch_tokens: int) -> Iterator[Sequence[Window]]:
    """Windows, longest first, in runs whose padded size stays within the budget."""
    start = 0
    while start < len(windows):
        stop = start + max(batch_tokens // max(len(windows[start]), 1), 1)
        yield windows[start:stop]
        start = stop
