"""Several specialties on one encoder: a batch may mix them, and each gets its own adapter and head.

The encoder is in memory once; an adapter of rank 8 is about a seventieth of it, so a hundred
specialties take less room than three encoders of their own. PEFT picks an adapter per row
(``adapter_names``), which works for LoRA and rsLoRA alone. Mixing is for serving: where each batch
is of one specialty, a merged encoder is faster.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from peft import PeftModel, get_peft_model
from peft import set_peft_model_state_dict as load_peft_state
from torch import Tensor, nn
from transformers import PreTrainedModel

from surecode.coder.adapter import check_weights, lora_config
from surecode.coder.encoder import EncoderLock
from surecode.data.batches import Batch
from surecode.errors import InputError
from surecode.settings import AdapterSettings

# PEFT's word for a row without adapter.
BARE = "__base__"


class AdapterPool(nn.Module):
    """One encoder, the adapters and the heads of several specialties; it codes and never trains.

    Args:
        encoder: the pre-trained encoder, which becomes the pool's own.
        lock: which weights they are; adapters made for others are refused.

    Legend: W windows, L tokens of a window, T content tokens, D width, E encounters, K_s codes of
    specialty s.
    """

    def __init__(self, encoder: PreTrainedModel, lock: EncoderLock) -> None:
        super().__init__()
        self.encoder = encoder
        self.lock = lock
        self.heads = nn.ModuleDict()
        self._adapter_of: dict[str, str] = {}
        self.train(False)

    @property
    def specialties(self) -> tuple[str, ...]:
        """The specialties that the pool codes, in the order in which they came."""
        return tuple(self._adapter_of)

    def train(self, mode: bool = False) -> AdapterPool:
        """Stay in evaluation: PEFT mixes adapters only there."""
        super().train(False)
        return self

    def add(
        self,
        specialty: str,
        settings: AdapterSettings,
        state: Mapping[str, Tensor],
        head: nn.Module,
        lock: EncoderLock,
    ) -> None:
        """Take in a specialty; the pool is unchanged where it is refused.

        Args:
            specialty: its name.
            settings: what its adapter was trained with.
            state: the adapter's weights under PEFT's names, as `adapter.trained_state` gives them.
            head: ``head(states [T, D], tokens)`` gives logits ``[E, K_s]``.
            lock: the encoder that adapter and head were trained on.

        Raises:
            InputError: the specialty is there already or has no plain name, its adapter is of a
                kind that cannot be mixed, was made for other weights or does not fit.
        """
        if specialty in self._adapter_of or not specialty.isidentifier():
            raise InputError(
                f"specialty {specialty!r}: it is in the pool already, or is no plain name; "
                "use another name"
            )
        if settings.kind in ("dora", "full"):
            raise InputError(
                f"specialty {specialty}: an adapter of kind {settings.kind} cannot share an "
                "encoder; train with adapter=lora or adapter=rslora, or serve it alone"
            )
        if lock.sha256 != self.lock.sha256:
            raise InputError(
                f"specialty {specialty}: its adapter was trained on encoder {lock.name} "
                f"({lock.sha256[:12]}…), the pool holds {self.lock.name} "
                f"({self.lock.sha256[:12]}…); load it into a pool of its own encoder"
            )
        name = f"specialty_{specialty}"
        if settings.kind == "frozen":
            check_weights("adapter", {}, state)
            self._adapter_of[specialty] = BARE
        else:
            self._add_adapter(name, settings, state)
            self._adapter_of[specialty] = name
        self.heads[name] = head
        self.requires_grad_(False).train(False)

    @torch.no_grad()
    def forward(self, batch: Batch, specialties: Sequence[str]) -> list[Tensor]:
        """Logits of a batch whose encounters are of several specialties.

        Args:
            batch: windows of E encounters; no window belongs to two of them.
            specialties: E names.

        Returns:
            E tensors ``[K_s]``, each over the label space of its own specialty, in fp32.

        Raises:
            InputError: a specialty is not in the pool.
        """
        if absent := sorted(set(specialties) - set(self._adapter_of)):
            raise InputError(f"specialty {absent[0]}: not in the pool; add it first")
        states = self._encode(batch, specialties)
        parts = torch.split(states, list(batch.tokens))
        logits: dict[int, Tensor] = {}
        for specialty in dict.fromkeys(specialties):
            own = [place for place, name in enumerate(specialties) if name == specialty]
            output = self.heads[f"specialty_{specialty}"](
                torch.cat([parts[place] for place in own]),
                tuple(batch.tokens[place] for place in own),
            )
            logits.update(zip(own, output, strict=True))
        return [logits[place] for place in range(len(specialties))]

    def _encode(self, batch: Batch, specialties: Sequence[str]) -> Tensor:
        """States ``[T, D]`` of the content tokens, each window under its specialty's adapter."""
        windows, length = batch.input_ids.shape
        names = [BARE] * windows
        owners = torch.split(batch.content // length, list(batch.tokens))
        for specialty, own in zip(specialties, owners, strict=True):
            for row in torch.unique(own).tolist():
                names[row] = self._adapter_of[specialty]
        width = int(self.encoder.config.hidden_size)
        states = torch.zeros(windows, length, width, device=batch.input_ids.device)
        for group in batch.groups:
            rows = list(group)
            longest = max(batch.lengths[row] for row in rows)
            full = all(batch.lengths[row] == longest for row in rows)
            chosen = {"adapter_names": [names[row] for row in rows]}
            states[rows, :longest] = self.encoder(
                input_ids=batch.input_ids[rows, :longest],
                attention_mask=None if full else batch.attention_mask[rows, :longest],
                **(chosen if isinstance(self.encoder, PeftModel) else {}),
            ).last_hidden_state.float()
        return states.flatten(0, 1)[batch.content]

    def _add_adapter(
        self, name: str, settings: AdapterSettings, state: Mapping[str, Tensor]
    ) -> None:
        encoder = self.encoder
        plain = encoder.get_base_model() if isinstance(encoder, PeftModel) else encoder
        config = lora_config(plain, settings)
        check_weights("adapter", _expected(plain, config.target_modules, settings.rank), state)
        with warnings.catch_warnings():
            # PEFT 0.21 asks transformers 5 for an attribute under its old name.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
            if isinstance(encoder, PeftModel):
                encoder.add_adapter(name, config)
            else:
                self.encoder = get_peft_model(plain, config, adapter_name=name)
        load_peft_state(self.encoder, dict(state), adapter_name=name)


def _expected(encoder: PreTrainedModel, names: Sequence[str], rank: int) -> dict[str, Tensor]:
    """Names and shapes of a low-rank adapter's weights, without memory behind them."""
    shapes = {}
    for name in names:
        linear, prefix = encoder.get_submodule(name), f"base_model.model.{name}"
        shapes[f"{prefix}.lora_A.weight"] = torch.empty(rank, linear.in_features, device="meta")
        shapes[f"{prefix}.lora_B.weight"] = torch.empty(linear.out_features, rank, device="meta")
    return shapes
