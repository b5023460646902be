"""From settings to a fresh head; the shapes depend on settings, width and number of codes alone."""

from __future__ import annotations

from surecode.coder.heads.cross_attention import CrossAttention
from surecode.coder.heads.descriptions import Descriptions
from surecode.coder.heads.head import Head
from surecode.coder.heads.label_attention import LabelAttention
from surecode.settings import HeadSettings

KINDS: dict[str, type[LabelAttention] | type[CrossAttention] | type[Descriptions]] = {
    "label_attention": LabelAttention,
    "cross_attention": CrossAttention,
    "descriptions": Descriptions,
}


def build_head(settings: HeadSettings, width: int, codes: int) -> Head:
    """A fresh head for K = ``codes`` codes on states of width D = ``width``.

    Trained weights load into it, of a described head as well: its embeddings are among them.
    """
    return KINDS[settings.kind](width, codes, settings.projection, settings.code_chunk)
