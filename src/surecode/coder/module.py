"""The Lightning module: what a training step is, and what a checkpoint holds.

A checkpoint holds the adapter, the head and the optimizer, plain values only, so that it is small
and loads with ``weights_only=True``; the frozen encoder is named by its lock.
"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from surecode.coder.network import Network
from surecode.data.batches import Batch
from surecode.errors import InputError
from surecode.settings import OptimSettings


class CoderModule(pl.LightningModule):
    """Fine-tunes adapter and head by binary cross-entropy over the label space."""

    # The frozen encoder is not in a checkpoint, so its keys are missing by design.
    strict_loading = False

    def __init__(self, network: Network, optim: OptimSettings) -> None:
        super().__init__()
        self.network = network
        self.optim = optim

    def forward(self, batch: Batch) -> Tensor:
        """Logits ``[E, K]``."""
        logits: Tensor = self.network(batch).logits
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss over encounters and codes."""
        loss = self._loss(batch)
        self.log("train/loss", loss, batch_size=len(batch.tokens), on_step=False, on_epoch=True)
        self.log(
            "train/tokens", float(sum(batch.tokens)), reduce_fx="sum", on_epoch=True, on_step=False
        )
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss on tune decides when to stop: a proper scoring rule, since what follows
        (calibration, confidence) needs probabilities, not only a ranking.
        """
        self.log("tune/loss", self._loss(batch), batch_size=len(batch.tokens), prog_bar=True)

    def _loss(self, batch: Batch) -> Tensor:
        # Summed over codes: a mean would make the gradient shrink with the label space.
        assert batch.gold is not None
        logits = self(batch)
        return binary_cross_entropy_with_logits(logits, batch.gold, reduction="sum") / len(logits)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW, the head at its own rate; linear warm-up, then linear decay."""
        adapter = [p for p in self.network.encoder.parameters() if p.requires_grad]
        optimizer = AdamW(
            [
                {"params": adapter, "lr": self.optim.adapter_learning_rate},
                {
                    "params": list(self.network.head.parameters()),
                    "lr": self.optim.head_learning_rate,
                },
            ],
            weight_decay=self.optim.weight_decay,
        )
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        warmup = max(int(steps * self.optim.warmup_share), 1)

        def rate(step: int) -> float:
            return min((step + 1) / warmup, max(steps - step, 0) / max(steps - warmup, 1))

        schedule = {"scheduler": LambdaLR(optimizer, rate), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep trained weights only."""
        trained = {name for name, p in self.named_parameters() if p.requires_grad}
        checkpoint["state_dict"] = {
            name: tensor for name, tensor in checkpoint["state_dict"].items() if name in trained
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Loading is not strict, so the trained weights are compared here.

        Raises:
            InputError: the checkpoint belongs to another network.
        """
        own = {n: p.shape for n, p in self.named_parameters() if p.requires_grad}
        found = {name: tensor.shape for name, tensor in checkpoint["state_dict"].items()}
        if own != found:
            raise InputError(
                "the checkpoint belongs to another network; train again with trainer.resume=false"
            )
