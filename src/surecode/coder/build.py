"""One way from settings to a network, for training and for loading a bundle alike."""

from __future__ import annotations

from surecode.coder.adapter import add_lora
from surecode.coder.encoder import EncoderLock, load_encoder
from surecode.coder.label_attention import LabelAttention
from surecode.coder.network import Network
from surecode.errors import InputError
from surecode.settings import AdapterSettings, EncoderSettings, HeadSettings


def build_network(
    encoder: EncoderSettings, adapter: AdapterSettings, head: HeadSettings, codes: int
) -> tuple[Network, EncoderLock]:
    """A network with pre-trained encoder, fresh adapter and fresh head for K = ``codes`` codes.

    Raises:
        InputError: the encoder is absent or not what the settings say, or cannot read windows of
            their length.
    """
    model, lock = load_encoder(
        encoder.name, encoder.source, encoder.revision, encoder.sha256, encoder.attention
    )
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and encoder.window_length > positions:
        raise InputError(
            f"encoder.window_length={encoder.window_length}: encoder {encoder.name} reads at most "
            f"{positions} tokens; lower it"
        )
    peft_model = add_lora(
        model,
        adapter.rank,
        adapter.alpha,
        adapter.dropout,
        adapter.target_modules,
        adapter.layers,
    )
    width = int(model.config.hidden_size)
    return Network(peft_model, LabelAttention(width, codes, head.projection)), lock
