"""A coder's part in the verification of evidence by deletion.

With what `Coder.run` gives of an encounter, the positions and probabilities of its assigned codes
and their spans::

    part = deletion(
        coder.network, coder.calibrator.probabilities, output.logits,
        cut=coder.calibrator.decoding.threshold, mask_id=coder.windower.mask_id,
        padding_id=coder.padding_id, call_tokens=CALL_TOKENS,
    )
    verified = verify(output.windows, output.states, spans, codes, probabilities, part)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surecode.calibration.probability_map import ProbabilityMap
from surecode.coder.network import Network
from surecode.data.batches import collate
from surecode.data.windows import Windows
from surecode.evidence.verification import Deletion


def deletion(
    network: Network,
    probabilities: ProbabilityMap,
    logits: NDArray[np.floating],
    *,
    cut: float,
    mask_id: int,
    padding_id: int,
    call_tokens: int,
    joined: Callable[[int, float | None, bool], float] | None = None,
    columns: Sequence[int] | None = None,
) -> Deletion:
    """What `surecode.evidence.verification.verify` needs, for one encounter.

    Args:
        network: the network that coded the encounter.
        probabilities: the calibrator's probability map.
        logits: ``[K]`` what the network said of the encounter. Only the code in question changes
            with its evidence; the map reads the others where they are.
        cut: the calibrator's cut.
        mask_id: the windower's token for "no word here".
        padding_id: the tokenizer's.
        call_tokens: most tokens of one encoder call.
        joined: where terms have a say as well: a code's position, the network's logit for it (None
            where the network does not know it) and whether its spans are all that is left → the
            logit of both.
        columns: the positions of the network's codes in the label space; None: they are the same.
    """
    place = None if columns is None else {position: k for k, position in enumerate(columns)}

    def encode(windows: Sequence[NDArray[np.int64]]) -> Sequence[Tensor]:
        with torch.inference_mode():
            device = next(network.parameters()).device
            batch = collate([_whole(windows)], padding_id, call_tokens=call_tokens).to(device)
            return torch.split(network.encode(batch), [len(window) for window in windows])

    def neural(states: Tensor, code: int) -> float:
        with torch.inference_mode():
            column = torch.tensor([code], dtype=torch.int64, device=states.device)
            # One code of the label space is read, not all: a logit is the sum of its contributions.
            logit = network.contributions(states, column).sum(dim=0)
            return float((logit + network.head.offset(states.float(), column)).item())

    def probability(states: Tensor, code: int, only: bool) -> float:
        own = code if place is None else place.get(code)
        logit = None if own is None else neural(states, own)
        if joined is not None:
            logit = joined(code, logit, only)
        assert logit is not None  # without terms the network knows every code
        changed = np.array(logits, dtype=np.float64)
        changed[code] = logit
        return float(probabilities(changed[None])[0, code])

    return Deletion(encode, probability, mask_id, cut)


def _whole(windows: Sequence[NDArray[np.int64]]) -> Windows:
    """Windows of which every token is content: their states are wanted, special tokens and all."""
    tokens = sum(len(window) for window in windows)
    return Windows(
        "masked",
        tuple(windows),
        tuple(slice(0, len(window)) for window in windows),
        np.zeros(tokens, dtype=np.int64),
        np.zeros((tokens, 2), dtype=np.int64),
    )
