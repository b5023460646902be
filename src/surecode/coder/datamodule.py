"""The Lightning data module: token-budget batches of train and tune, shared among the devices.

A batch of the budget is the same whatever the number of devices: each works on its share, and the
loss is scaled so that the averaged gradient is that of one device. The order depends on seed and
epoch alone, and the loader knows its place: a training that was interrupted in the middle of an
epoch goes on with the next batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

from surecode.coder.activation_cache import ActivationCache, collate_hidden
from surecode.data.batches import Batch, batch_indices, collate, share
from surecode.data.windows import Windows


@dataclass(frozen=True)
class Examples:
    """N encounters to learn from.

    Attributes:
        windows: N encounters cut into windows.
        gold: N arrays with the positions of the assigned codes in the label space.
        codes: K, size of the label space.
        evidence: N arrays ``[n, 2]`` of code position and content token, or None without evidence.
    """

    windows: Sequence[Windows]
    gold: Sequence[NDArray[np.int64]]
    codes: int
    evidence: Sequence[NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self.windows)

    @classmethod
    def of(
        cls,
        windows: Sequence[Windows],
        gold: NDArray[np.bool_],
        evidence: Sequence[NDArray[np.int64]] | None = None,
    ) -> Examples:
        """From gold as rows ``[N, K]``."""
        return cls(windows, [np.flatnonzero(row) for row in gold], gold.shape[1], evidence)

    def frequency(self) -> NDArray[np.float64]:
        """How frequent each code is, ``[K]``."""
        counts = np.bincount(np.concatenate([*self.gold, []]).astype(int), minlength=self.codes)
        frequency: NDArray[np.float64] = counts / max(len(self), 1)
        return frequency

    def rows(self, indices: Sequence[int]) -> NDArray[np.bool_]:
        """Gold of some encounters as rows ``[len(indices), K]``."""
        rows = np.zeros((len(indices), self.codes), dtype=np.bool_)
        for row, index in enumerate(indices):
            rows[row, self.gold[index]] = True
        return rows


class Loader:
    """Batches of one epoch for one of ``world`` devices; iterates from where it was left.

    Args:
        examples: what to batch.
        padding_id: token id of padding.
        budget: most tokens of a batch of all devices together.
        seed: order of the batches; None keeps the encounters' own order.
        rank: which device this is for.
        world: number of devices.
        cache: states of the frozen layers, where they were computed beforehand.
        start: batches of the epoch that were given out before.
    """

    def __init__(
        self,
        examples: Examples,
        padding_id: int,
        budget: int,
        seed: int | None,
        rank: int = 0,
        world: int = 1,
        cache: ActivationCache | None = None,
        start: int = 0,
    ) -> None:
        self._examples = examples
        self._padding_id = padding_id
        self._call_tokens = max(budget // world, 1)
        self._rank, self._world = rank, world
        self._cache = cache
        self._batches = list(batch_indices(examples.windows, budget, seed))
        self._sizes = [sum(map(len, windows.input_ids)) for windows in examples.windows]
        self.position = start  # batches that were given out

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        while self.position < len(self):
            self.position += 1
            yield self.batch(self.position - 1)
        self.position = 0

    def indices(self, position: int) -> list[int]:
        """The encounters of this device's share of a batch; none where there are too few."""
        return share(self._batches[position], self._sizes, self._rank, self._world)

    def batch(self, position: int) -> Batch:
        """This device's share of a batch.

        A device without a share takes the first encounter at scale 0: all devices must take part
        in the exchange of gradients.
        """
        mine = self.indices(position)
        scale = self._world / len(self._batches[position]) if mine else 0.0
        indices = mine or self._batches[position][:1]
        windows = [self._examples.windows[index] for index in indices]
        batch = collate(windows, self._padding_id, self._examples.rows(indices), self._call_tokens)
        return replace(
            batch,
            scale=scale,
            evidence=self._evidence(indices),
            hidden=None if self._cache is None else self._hidden(self._cache, windows, batch),
        )

    def _evidence(self, indices: Sequence[int]) -> torch.Tensor | None:
        marks = self._examples.evidence
        if marks is None:
            return None
        rows = [np.insert(marks[index], 0, row, axis=1) for row, index in enumerate(indices)]
        return torch.from_numpy(np.concatenate(rows).astype(np.int64))

    @staticmethod
    def _hidden(cache: ActivationCache, windows: Sequence[Windows], batch: Batch) -> torch.Tensor:
        states = [cache.get(ids) for encounter in windows for ids in encounter.input_ids]
        return collate_hidden(states, batch.input_ids.shape[1])


class CoderData(pl.LightningDataModule):
    """The splits that training may see: train and tune.

    Raises nothing: what can be wrong with encounters was found when they were read.
    """

    def __init__(
        self,
        train: Examples,
        tune: Examples,
        padding_id: int,
        batch_tokens: int,
        seed: int,
        cache: ActivationCache | None = None,
    ) -> None:
        super().__init__()
        self.train = train
        self.tune = tune
        self._padding_id = padding_id
        self.batch_tokens = batch_tokens
        self._seed = seed
        self._cache = cache
        self._loading: Loader | None = None
        self._interrupted = {"epoch": -1, "position": 0}

    def train_dataloader(self) -> Loader:
        """Reloaded every epoch: the order depends on seed and epoch alone, so a resumed training
        sees what an uninterrupted one would have seen.
        """
        epoch = 0 if self.trainer is None else self.trainer.current_epoch
        start = self._interrupted["position"] if self._interrupted["epoch"] == epoch else 0
        self._loading = self._loader(self.train, self._seed * 100_003 + epoch, start)
        return self._loading

    def state_dict(self) -> dict[str, int]:
        """Where in which epoch training is; goes into every checkpoint.

        Lightning has a place for the state of loaders of its own, but asks for the loader of the
        first epoch before it has read it.
        """
        if self.trainer is None or self._loading is None:
            return {"epoch": -1, "position": 0}
        return {"epoch": self.trainer.current_epoch, "position": self._loading.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The epoch that was interrupted goes on with its next batch."""
        self._interrupted = dict(state)

    def val_dataloader(self) -> Loader:
        """tune, in its own order."""
        return self._loader(self.tune, None, 0)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Batches are frozen, so a copy goes to the device."""
        return batch.to(device)

    def _loader(self, examples: Examples, seed: int | None, start: int) -> Loader:
        rank = 0 if self.trainer is None else self.trainer.global_rank
        world = 1 if self.trainer is None else self.trainer.world_size
        return Loader(
            examples, self._padding_id, self.batch_tokens, seed, rank, world, self._cache, start
        )
