"""The Lightning data module: token-budget batches of train and tune."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from surecode.data.batches import Batch, batch_indices, collate
from surecode.data.windows import Windows


class Batches(Dataset[Batch]):
    """Batches of one split, collated when asked for."""

    def __init__(
        self,
        encounters: Sequence[Windows],
        gold: NDArray[np.bool_],
        padding_id: int,
        budget: int,
        seed: int | None,
    ) -> None:
        self._encounters = encounters
        self._gold = gold
        self._padding_id = padding_id
        self._indices = list(batch_indices(encounters, budget, seed))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, position: int) -> Batch:
        indices = self._indices[position]
        chosen = [self._encounters[index] for index in indices]
        return collate(chosen, self._padding_id, self._gold[indices])


class CoderData(pl.LightningDataModule):
    """Windows ``N`` and gold ``[N, K]`` of the splits that training may see: train and tune."""

    def __init__(
        self,
        train: tuple[Sequence[Windows], NDArray[np.bool_]],
        tune: tuple[Sequence[Windows], NDArray[np.bool_]],
        padding_id: int,
        batch_tokens: int,
        seed: int,
    ) -> None:
        super().__init__()
        self._train = train
        self._tune = tune
        self._padding_id = padding_id
        self._batch_tokens = batch_tokens
        self._seed = seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Reloaded every epoch: the order depends on seed and epoch alone, so a resumed training
        sees what an uninterrupted one would have seen.
        """
        epoch = 0 if self.trainer is None else self.trainer.current_epoch
        return self._loader(self._train, seed=self._seed * 100_003 + epoch)

    def val_dataloader(self) -> DataLoader[Batch]:
        """tune, in its own order."""
        return self._loader(self._tune, seed=None)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Batches are frozen, so a copy goes to the device."""
        return batch.to(device)

    def _loader(
        self, split: tuple[Sequence[Windows], NDArray[np.bool_]], seed: int | None
    ) -> DataLoader[Batch]:
        encounters, gold = split
        batches = Batches(encounters, gold, self._padding_id, self._batch_tokens, seed)
        return DataLoader(batches, batch_size=None, shuffle=False)
