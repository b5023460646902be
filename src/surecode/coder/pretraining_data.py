"""The Lightning data module of pre-training: windows in an order that an interruption keeps.

Order and masks depend on seed and epoch alone, and the loader knows its place, as in
`surecode.coder.datamodule`: a training that was interrupted goes on with the next batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytorch_lightning as pl
import torch

from surecode.coder.pretraining_settings import MaskingSettings
from surecode.coder.pretraining_windows import Frame, MaskedBatch, Packed, masked_batch

# Apart from every epoch's number: held-out windows are always masked alike.
_HELDOUT = 2**31


class MaskedLoader:
    """Batches of one epoch; iterates from where it was left.

    Args:
        packed: windows.
        frame: special tokens.
        masking: what is hidden.
        windows: windows of a batch, B.
        seed: what masks and order depend on.
        shuffle: False keeps the windows' own order.
        start: batches of the epoch that were given out before.
    """

    def __init__(
        self,
        packed: Packed,
        frame: Frame,
        masking: MaskingSettings,
        windows: int,
        seed: tuple[int, int],
        shuffle: bool = True,
        start: int = 0,
    ) -> None:
        self._packed, self._frame, self._masking, self._seed = packed, frame, masking, seed
        order = np.arange(len(packed))
        if shuffle:
            order = np.random.default_rng(list(seed)).permutation(order)
        self._batches = [order[at : at + windows].tolist() for at in range(0, len(order), windows)]
        self.position = start  # batches that were given out

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[MaskedBatch]:
        while self.position < len(self):
            self.position += 1
            chosen = self._batches[self.position - 1]
            yield masked_batch(self._packed, chosen, self._frame, self._masking, self._seed)
        self.position = 0


class MaskedData(pl.LightningDataModule):
    """Windows to learn from and windows to measure on; remembers its place in the epoch.

    Args:
        train: W windows.
        heldout: windows that are only measured.
        frame: special tokens.
        masking: what is hidden.
        batch_tokens: most tokens of a batch.
        seed: of order and masks.
    """

    def __init__(
        self,
        train: Packed,
        heldout: Packed,
        frame: Frame,
        masking: MaskingSettings,
        batch_tokens: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.train, self.heldout = train, heldout
        self._frame, self._masking, self._seed = frame, masking, seed
        self.windows = max(batch_tokens // train.ids.shape[1], 1)
        self._loading: MaskedLoader | None = None
        self._interrupted = {"epoch": -1, "position": 0}

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return int(-(-len(self.train) // self.windows))

    def train_dataloader(self) -> MaskedLoader:
        """Reloaded every epoch, so that order and masks are those of an unbroken training."""
        epoch = 0 if self.trainer is None else self.trainer.current_epoch
        start = self._interrupted["position"] if self._interrupted["epoch"] == epoch else 0
        self._loading = self._loader(self.train, epoch, True, start)
        return self._loading

    def val_dataloader(self) -> MaskedLoader:
        """The held-out windows, masked alike at every call."""
        return self._loader(self.heldout, _HELDOUT, False, 0)

    def _loader(self, packed: Packed, epoch: int, shuffle: bool, start: int) -> MaskedLoader:
        seed = (self._seed, epoch)
        return MaskedLoader(packed, self._frame, self._masking, self.windows, seed, shuffle, start)

    def state_dict(self) -> dict[str, int]:
        """Where in which epoch training is; goes into every checkpoint."""
        if self.trainer is None or self._loading is None:
            return {"epoch": -1, "position": 0}
        return {"epoch": self.trainer.current_epoch, "position": self._loading.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The epoch that was interrupted goes on with its next batch."""
        self._interrupted = dict(state)

    def transfer_batch_to_device(
        self, batch: MaskedBatch, device: torch.device, dataloader_idx: int
    ) -> MaskedBatch:
        """Batches are frozen, so a copy goes to the device."""
        return batch.to(device)
