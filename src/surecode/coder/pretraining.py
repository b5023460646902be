"""The Lightning module of pre-training: what a step is, and what a checkpoint holds.

The optimizer is AdamW with linear warm-up and linear decay; biases, norms and embeddings do not
decay. There is no dropout (`surecode.coder.encoder`), so a training draws nothing at random but
what is masked, and that hangs on seed, epoch and window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel

from surecode.coder.architectures import layers_of
from surecode.coder.pretraining_head import MaskedHead
from surecode.coder.pretraining_settings import PretrainingSettings
from surecode.coder.pretraining_windows import MaskedBatch
from surecode.errors import InputError


@dataclass(frozen=True)
class HeldOut:
    """How well masked tokens of held-out texts are guessed.

    Attributes:
        loss: mean cross-entropy in nats per masked token.
        masked: how many tokens were guessed.
    """

    loss: float
    masked: int

    @property
    def perplexity(self) -> float:
        """exp(loss): as uncertain as a fair choice among so many tokens."""
        return math.exp(self.loss)

    def to_dict(self) -> dict[str, float]:
        """Plain values for JSON."""
        return {"loss": self.loss, "perplexity": self.perplexity, "masked": self.masked}


class MaskedModule(pl.LightningModule):
    """Encoder and head that guess masked tokens.

    Args:
        encoder: what is pre-trained, in place.
        head: from states to tokens.
        settings: which layers, at which rates.
        steps: batches of the whole training.
        added: the first id of words that were added to the vocabulary, None where none were.

    Raises:
        InputError: the encoder has no such layer.
    """

    # What is not trained is not in a checkpoint, so keys are missing by design.
    strict_loading = False

    def __init__(
        self,
        encoder: PreTrainedModel,
        head: MaskedHead,
        settings: PretrainingSettings,
        steps: int,
        added: int | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.settings, self._steps = settings, steps
        self.tokens_seen = 0
        self.heldout: HeldOut | None = None  # as last measured
        self._sum, self._count = 0.0, 0
        _choose(encoder, settings.layers, added)

    def scores(self, batch: MaskedBatch) -> Tensor:
        """``[M, V]`` scores of all tokens at the masked places; only those are computed."""
        states = self.encoder(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask
        ).last_hidden_state
        masked = states.flatten(0, 1)[batch.places]
        scores: Tensor = self.head(masked, self.encoder.get_input_embeddings().weight)
        return scores

    def training_step(self, batch: MaskedBatch, batch_idx: int) -> Tensor:
        """Mean cross-entropy of the masked tokens; raises `InputError` where it is not finite."""
        loss = cross_entropy(self.scores(batch).float(), batch.hidden, reduction="sum")
        loss = loss / max(len(batch.hidden), 1)
        if not torch.isfinite(loss):
            raise InputError(
                "pre-training diverged: the loss of a batch is not finite; lower "
                "training.learning_rate or training.head_learning_rate"
            )
        self.tokens_seen += batch.tokens
        self.log("train/loss", loss.detach(), batch_size=len(batch.input_ids), prog_bar=True)
        return loss

    def validation_step(self, batch: MaskedBatch, batch_idx: int) -> None:
        """Sum the cross-entropy of held-out tokens."""
        losses = cross_entropy(self.scores(batch).float(), batch.hidden, reduction="none")
        self._sum += float(losses.double().sum())
        self._count += len(batch.hidden)

    def on_validation_epoch_end(self) -> None:
        """Keep the mean."""
        self.heldout = HeldOut(self._sum / max(self._count, 1), self._count)
        self._sum, self._count = 0.0, 0
        self.log("heldout/loss", self.heldout.loss, prog_bar=True)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with linear warm-up and decay; the head at a rate of its own."""
        table = self.encoder.get_input_embeddings().weight
        rate, head_rate = self.settings.learning_rate, self.settings.head_learning_rate
        groups: dict[tuple[float, bool], list[Tensor]] = {}
        for part, own_rate in ((self.encoder, rate), (self.head, head_rate)):
            for parameter in part.parameters():
                if parameter.requires_grad:
                    decays = parameter.ndim > 1 and parameter is not table
                    groups.setdefault((own_rate, decays), []).append(parameter)
        optimizer = AdamW(
            [
                {
                    "params": parameters,
                    "lr": own_rate,
                    "weight_decay": self.settings.weight_decay * decays,
                }
                for (own_rate, decays), parameters in groups.items()
            ]
        )
        warmup = max(int(self._steps * self.settings.warmup_share), 1)

        def share(step: int) -> float:
            left = max(self._steps - step, 0) / max(self._steps - warmup, 1)
            return min((step + 1) / warmup, left)

        schedule = {"scheduler": LambdaLR(optimizer, share), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def trained(self) -> dict[str, Tensor]:
        """What training changes, under the names of a checkpoint."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep trained weights and the count of tokens."""
        names = self.trained()
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in names}
        checkpoint["tokens_seen"] = self.tokens_seen

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raises `InputError` where the checkpoint belongs to another network."""
        own = {name: p.shape for name, p in self.trained().items()}
        if own != {name: tensor.shape for name, tensor in checkpoint["state_dict"].items()}:
            raise InputError(
                "the checkpoint belongs to another network; run `surecode pretrain` with "
                "training.resume=false"
            )
        self.tokens_seen = int(checkpoint.get("tokens_seen", 0))


def _choose(encoder: PreTrainedModel, layers: tuple[int, ...] | None, added: int | None) -> None:
    """Make trainable all weights, or some layers and the embeddings of words that were added."""
    encoder.requires_grad_(layers is None)
    for name, parameter in encoder.named_parameters():
        if "pooler" in name.split("."):  # nobody reads it
            parameter.requires_grad_(False)
    if layers is None:
        return
    blocks = layers_of(encoder)
    if not layers or any(not 0 <= index < len(blocks) for index in layers):
        raise InputError(
            f"training.layers={list(layers)}: the encoder has layers 0 to {len(blocks) - 1}; name "
            "some of them, or null for all"
        )
    for index in layers:
        blocks[index].requires_grad_(True)
    if added is not None:
        table = encoder.get_input_embeddings().weight.requires_grad_(True)
        # A row whose gradients were always zero stays as it is under AdamW without decay.
        table.register_hook(
            lambda gradient: gradient.index_fill(
                0, torch.arange(added, device=gradient.device), 0.0
            )
        )
