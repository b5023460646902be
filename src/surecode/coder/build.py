"""One way from settings to a network, for training and for loading a bundle alike."""

from __future__ import annotations

from surecode.coder.adapter import adapt
from surecode.coder.architectures import readable_positions
from surecode.coder.encoder import EncoderLock, load_encoder
from surecode.coder.heads.build import build_head
from surecode.coder.network import Network
from surecode.coder.packed import allow_packing
from surecode.errors import InputError
from surecode.settings import AdapterSettings, EncoderSettings, HeadSettings


def build_network(
    encoder: EncoderSettings,
    adapter: AdapterSettings,
    head: HeadSettings,
    codes: int,
    attention: str = "sdpa",
) -> tuple[Network, EncoderLock]:
    """A network with pre-trained encoder, fresh adapter and fresh head for K = ``codes`` codes.

    ``attention`` is the implementation of the encoder's attention, ``sdpa`` or ``eager``.

    Raises:
        InputError: the encoder is absent or not what the settings say, or cannot read windows of
            their length.
    """
    model, lock = load_encoder(encoder, attention)
    positions = readable_positions(model.config)
    if positions is not None and encoder.window_length > positions:
        raise InputError(
            f"encoder.window_length={encoder.window_length}: encoder {encoder.name} reads at most "
            f"{positions} tokens; lower it"
        )
    packs = allow_packing(model, attention)
    width = int(model.config.hidden_size)
    return Network(adapt(model, adapter), build_head(head, width, codes), packs), lock
