"""Random scores: the floor that every method must beat, and the same for the same text."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from surecode.evidence.attribution_methods.scores import Scores
from surecode.evidence.network_view import NetworkView


@torch.no_grad()
def random(view: NetworkView, codes: Tensor, seed: int) -> Scores:
    """Uniform scores ``[T, n]`` below 1, drawn from the tokens, the code and the seed.

    A code's column depends on no other code, and an encounter's scores on no other encounter.
    """
    content = view.token_ids.cpu().numpy().astype("<i8").tobytes()
    columns = [
        np.random.default_rng(
            list(hashlib.sha256(f"{seed} {code} ".encode() + content).digest())
        ).random(len(view.token_ids), dtype=np.float32)
        for code in codes.tolist()
    ]
    scores = np.stack(columns, axis=1) if columns else np.zeros((len(view.token_ids), 0), "f4")
    return Scores(torch.from_numpy(scores), view.logits(view.states(), codes), False)
