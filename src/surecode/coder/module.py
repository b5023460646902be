"""The Lightning module: what a training step is, and what a checkpoint holds.

A checkpoint holds the adapter, the head and the optimizer, plain values only, so that it is small
and loads with ``weights_only=True``; the frozen encoder is named by its lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from surecode.coder.gradient_penalty import penalised, unfold_lora
from surecode.coder.losses import binary_cross_entropy, evidence_loss, loss_of
from surecode.coder.network import Network
from surecode.coder.tune_metrics import counts, tune_figures
from surecode.data.batches import Batch
from surecode.errors import InputError
from surecode.settings import LossSettings, OptimSettings

# Encounter ids that a message names at most.
_NAMED = 8


class CoderModule(pl.LightningModule):
    """Fine-tunes adapter and head by the chosen loss over the label space.

    Args:
        network: encoder with adapter and head; with ``loss.gradient_weight`` its adapter is
            unfolded, since a folded one has no second derivative.
        loss: what is minimised.
        optim: learning rate of the head, decay, warm-up.
        adapter_learning_rate: of what is trained in the encoder.
    """

    # The frozen encoder is not in a checkpoint, so its keys are missing by design.
    strict_loading = False

    def __init__(
        self,
        network: Network,
        loss: LossSettings,
        optim: OptimSettings,
        adapter_learning_rate: float,
    ) -> None:
        super().__init__()
        self.network = network
        self.optim = optim
        self.adapter_learning_rate = adapter_learning_rate
        self.tune_figures: dict[str, float] | None = None  # of the epoch of the weights
        self._loss = loss_of(loss)
        self._evidence_weight = loss.evidence_weight
        self._gradient_weight = loss.gradient_weight
        if self._gradient_weight:
            unfold_lora(network.encoder)
        self._tune: list[tuple[float, NDArray[np.int64]]] = []
        self._random_state: dict[str, Tensor] | None = None

    def forward(self, batch: Batch) -> Tensor:
        """Logits ``[E, K]``."""
        logits: Tensor = self.network(batch)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss over the encounters of the batch, on all devices together.

        Raises:
            InputError: the loss is not finite; names the encounters, never their text.
        """
        assert batch.gold is not None
        if self._gradient_weight:
            found = penalised(self.network, batch, self._loss)
            states = found.states
            losses = found.losses + self._gradient_weight * found.penalties
            self._log_step("train/gradient_penalty", found.penalties.mean(), batch)
        else:
            states = self.network.encode(batch)
            # Summed over codes: a mean would make the gradient shrink with the label space.
            losses = self._loss(self.network.read(states, batch.tokens), batch.gold)
        if self._evidence_weight and batch.evidence is not None:
            losses = losses + self._evidence_weight * evidence_loss(
                self.network.head, states.float(), batch.tokens, batch.evidence
            )
        loss: Tensor = losses.sum() * batch.scale
        if not torch.isfinite(loss):
            raise InputError(_not_finite(batch.encounter_ids))
        self._log_step("train/loss", loss, batch)
        return loss

    def _log_step(self, name: str, value: Tensor, batch: Batch) -> None:
        self.log(name, value.detach(), batch_size=len(batch.tokens), on_step=True, on_epoch=False)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Cross-entropy and counts of this device's encounters of tune.

        Cross-entropy whatever is trained on: focal and asymmetric loss have their lowest value at
        probabilities that are not true.
        """
        if batch.scale == 0.0:  # a stand-in for a share that is empty
            return
        assert batch.gold is not None
        logits = self(batch)
        losses = binary_cross_entropy(logits, batch.gold).double().cpu().tolist()
        self._tune += list(zip(losses, counts(logits, batch.gold), strict=True))

    def on_validation_epoch_end(self) -> None:
        """The loss on tune decides when to stop: a proper scoring rule, since what follows
        (calibration, confidence) needs probabilities, not only a ranking.
        """
        found, self._tune = self._gathered(self._tune), []
        # Sorted: the sum must not depend on which device saw which encounter.
        losses = np.sort(np.array([loss for loss, _ in found]))
        tallies = np.stack([tally for _, tally in found])
        order = np.lexsort(tallies.reshape(len(found), -1).T)
        self.tune_figures = tune_figures(losses, tallies[order]).flat()
        for name, value in self.tune_figures.items():
            self.log(name, value, prog_bar=name == "tune/loss")

    def _gathered(
        self, own: list[tuple[float, NDArray[np.int64]]]
    ) -> list[tuple[float, NDArray[np.int64]]]:
        if self.trainer.world_size == 1:
            return own
        parts: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(parts, own)
        return [item for part in parts for item in part]

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW, the head at its own rate; linear warm-up, then linear decay."""
        adapter = [p for p in self.network.encoder.parameters() if p.requires_grad]
        head = [p for p in self.network.head.parameters() if p.requires_grad]
        rates = ((adapter, self.adapter_learning_rate), (head, self.optim.head_learning_rate))
        optimizer = AdamW(
            [{"params": parameters, "lr": rate} for parameters, rate in rates if parameters],
            weight_decay=self.optim.weight_decay,
        )
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        warmup = max(int(steps * self.optim.warmup_share), 1)

        def rate(step: int) -> float:
            return min((step + 1) / warmup, max(steps - step, 0) / max(steps - warmup, 1))

        schedule = {"scheduler": LambdaLR(optimizer, rate), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep trained weights only, and what is needed to draw the same numbers again."""
        trained = {name for name, p in self.named_parameters() if p.requires_grad}
        checkpoint["state_dict"] = {
            name: tensor for name, tensor in checkpoint["state_dict"].items() if name in trained
        }
        checkpoint["random_state"] = _random_state()
        checkpoint["tune"] = self.tune_figures

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
        self._random_state = checkpoint.get("random_state")
        self.tune_figures = checkpoint.get("tune")

    def on_train_start(self) -> None:
        """A resumed training draws (dropout of the adapter) what an unbroken one would have."""
        if self._random_state is not None:
            torch.set_rng_state(self._random_state["cpu"])
            if "cuda" in self._random_state and torch.cuda.is_available():
                torch.cuda.set_rng_state(self._random_state["cuda"])
            self._random_state = None


def _random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _not_finite(encounter_ids: tuple[str, ...]) -> str:
    named = ", ".join(encounter_ids[:_NAMED])
    more = len(encounter_ids) - _NAMED
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"training diverged: the loss of a batch is not finite (encounters {named}{rest}); lower "
        "optim.head_learning_rate or adapter.learning_rate, or look at these encounters"
    )
