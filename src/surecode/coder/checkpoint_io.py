"""Checkpoints on disk: whole or not at all, and read without running code from them.

Lightning's own saving leaves the bytes in the page cache, and after a power cut a renamed file may
be empty. Here they reach the disk before the new checkpoint takes the old one's name, so that a
kill, a cut or a full disk at any moment leaves one of the two.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from surecode.errors import InputError
from surecode.files import whole

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoint plugin: ``Trainer(plugins=[WholeCheckpoints()])``."""

    def __init__(self) -> None:
        super().__init__()
        self._tidied: set[Path] = set()

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint beside its place, then put it there.

        Raises:
            InputError: the disk is full, or the file would exceed a quota or a limit.
        """
        target = Path(path)
        self._tidy(target)
        # First into memory: an error of the disk comes out of torch's writer as another one.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            with whole(target) as temporary, temporary.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(target.parent)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise InputError(
                f"{target}: cannot be written, the disk is full or a quota is reached "
                f"({error.strerror}); the checkpoint before it is whole: free space and run the "
                "same command again"
            ) from None

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Callable[[Any, Any], Any] | None = lambda storage, _: storage,
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Read a checkpoint; whatever Lightning asks for, only plain values are read."""
        loaded: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only=True)
        return loaded

    def _tidy(self, target: Path) -> None:
        """Remove what a killed process left half-written under this name, once per process."""
        if target in self._tidied:
            return
        self._tidied.add(target)
        for left in target.parent.glob(f".{target.name}.*"):
            left.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
