"""Changes that are no reason to show other words: windows, arithmetic, white space, batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from evidence_coder import Coded, Way, code, explained
from numpy.typing import NDArray

from surecode.bundle import layout
from surecode.coder.encoder import tokenizer_from
from surecode.coding import Coder
from surecode.data.batches import collate
from surecode.data.windows import Windower
from surecode.encounter import Document, Encounter, Span
from surecode.evaluation.evidence_pairs import spans_of
from surecode.evaluation.whitespace import perturb_whitespace
from surecode.evidence.span_policy import SpanPolicy
from surecode.explaining import Output

Origins = dict[str, NDArray[np.int64]]


def shown(
    coder: Coder, coded: Coded, positions: Sequence[int], way: Way, policy: SpanPolicy
) -> list[tuple[Span, ...]]:
    """The spans of some codes, best first, whether or not they are assigned after a change."""
    names = [document.document_id for document in coded.encounter.documents]
    return [
        spans_of(spans, names) for spans in explained(coder, coded, positions, way, policy).spans
    ]


def with_windows(coder: Coder, bundle: Path, *, shorter: int = 0, overlap: int = 0) -> Coder:
    """The coder with windows cut elsewhere: ``shorter`` by tokens, with more tokens shared."""
    tokenizer = tokenizer_from(bundle / layout.TOKENIZER)
    old = coder.windower
    return replace(coder, windower=Windower(tokenizer, old.length - shorter, old.overlap + overlap))


def other_whitespace(encounter: Encounter, seed: int) -> tuple[Encounter, Origins]:
    """The encounter with other white space, and by document where its characters come from."""
    documents, origins = [], {}
    for document in encounter.documents:
        text, origin = perturb_whitespace(document.text, seed)
        documents.append(Document(document.document_id, document.kind, text))
        origins[document.document_id] = origin
    return replace(encounter, documents=tuple(documents), evidence=()), origins


def in_one_batch(coder: Coder, coded: Sequence[Coded]) -> list[Coded]:
    """The same encounters, encoded by the calls of one batch with all others."""
    with torch.inference_mode():
        batch = collate([one.output.windows for one in coded], coder.padding_id)
        states = torch.split(coder.network.encode(batch), list(batch.tokens))
        logits = coder.network.read(torch.cat(states), batch.tokens).cpu().numpy()
    return [
        replace(one, output=Output(one.output.windows, state, row))
        for one, state, row in zip(coded, states, logits, strict=True)
    ]


def recoded(coder: Coder, encounter: Encounter) -> Coded:
    """Code after a change."""
    return code(coder, encounter)
