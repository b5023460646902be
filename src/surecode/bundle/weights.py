"""A trained network ↔ the files of a bundle: safetensors and JSON only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from surecode.bundle import layout
from surecode.coder.adapter import adapter_config
from surecode.coder.encoder import EncoderLock
from surecode.coder.network import Network
from surecode.codes.label_space import LabelSpace
from surecode.errors import InputError
from surecode.files import read_json, whole, write_json
from surecode.settings import AdapterSettings, EncoderSettings, HeadSettings
from surecode.source_settings import Settings


class CoderSettings(Settings):
    """What a bundle must know to build its network again, and whether it may be published.

    ``restricted`` names the licence of the data it was trained on where that forbids it.
    """

    kind: Literal["neural", "lexicon", "hybrid"] = "neural"
    disagreement: Literal["weigh", "review"] = "weigh"
    specialty: str
    include: dict[str, tuple[str, ...]]
    encoder: EncoderSettings
    adapter: AdapterSettings
    head: HeadSettings
    restricted: str | None = None


@dataclass(frozen=True)
class Weights:
    """Trained weights, named and ordered; the hash is the model's identity."""

    adapter: dict[str, Tensor]
    head: dict[str, Tensor]
    lock: EncoderLock

    @property
    def sha256(self) -> str:
        """Hash over adapter, head and the encoder's weights."""
        digest = hashlib.sha256()
        for state in (self.adapter, self.head):
            digest.update(safetensors.torch.save(state))
        digest.update(self.lock.sha256.encode())
        return digest.hexdigest()


def write_weights(
    folder: Path,
    network: Network,
    lock: EncoderLock,
    label_space: LabelSpace,
    tokenizer: PreTrainedTokenizerBase,
    settings: CoderSettings,
) -> Weights:
    """Write all that training decides; calibration and release add their files later."""
    weights = Weights(network.adapter_state(), network.head_state(), lock)
    for name, state in ((layout.ADAPTER, weights.adapter), (layout.HEAD, weights.head)):
        with whole(folder / name) as temporary:
            temporary.write_bytes(safetensors.torch.save(state))
    config = adapter_config(network.encoder)
    if config is not None:
        # PEFT records where the encoder lay on this machine; its name is what matters elsewhere.
        config |= {"base_model_name_or_path": lock.name, "revision": lock.revision}
        write_json(folder / layout.ADAPTER_CONFIG, config)
    write_json(folder / layout.ENCODER_LOCK, lock.to_dict())
    write_json(folder / layout.CODER, settings.model_dump(mode="json"))
    label_space.write(folder / layout.LABEL_SPACE)
    tokenizer.save_pretrained(folder / layout.TOKENIZER)
    return weights


def read_weights(folder: Path) -> Weights:
    """Read trained weights; raises `InputError` where a file is absent or damaged."""
    lock = read_json(folder / layout.ENCODER_LOCK, "train again or fetch the bundle anew")
    try:
        encoder_lock = EncoderLock(**lock)
    except TypeError:
        raise InputError(
            f"{folder / layout.ENCODER_LOCK}: is damaged; fetch the bundle anew"
        ) from None
    return Weights(
        _read_state(folder / layout.ADAPTER), _read_state(folder / layout.HEAD), encoder_lock
    )


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; train again or fetch the bundle anew") from None
    except (SafetensorError, OSError, ValueError):
        raise InputError(f"{path}: is damaged; train again or fetch the bundle anew") from None
