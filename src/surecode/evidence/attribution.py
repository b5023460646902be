"""Which tokens a code stands on: seven methods in three tiers behind one function.

| tier | method | what it costs, in forward passes for n codes |
|---|---|---|
| 0 | ``head``, ``attention`` | 1 |
| 1 | ``input_x_gradient``, ``attingrad`` | 1, and 1.1 for each code and its share of kept windows |
| 2 | ``integrated_gradients`` | as often as there are steps |
| 2 | ``occlusion`` | 1 for each token of a window |
| - | ``random`` | 1; the floor |

`scripts/bench_evidence.py` measures the first two tiers. An attribution says what the network
used, not what is true of the patient.

Legend: T content tokens, K codes, n some of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surecode.errors import InputError
from surecode.evidence.attribution_methods.head_terms import attention, head
from surecode.evidence.attribution_methods.input_gradients import attingrad, input_x_gradient
from surecode.evidence.attribution_methods.occlusion import occlusion
from surecode.evidence.attribution_methods.random_floor import random
from surecode.evidence.attribution_methods.scores import Scores
from surecode.evidence.integrated_gradients import shared_integrated_gradients
from surecode.evidence.network_view import NetworkView

Method = Literal[
    "head",
    "attention",
    "input_x_gradient",
    "attingrad",
    "integrated_gradients",
    "occlusion",
    "random",
]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class Attribution:
    """What each of T content tokens of an encounter says for each of n codes."""

    scores: NDArray[np.float32]  # [T, n]
    method: Method
    signed: bool  # whether a token can speak against a code
    logits: NDArray[np.float32]  # [n]
    # [n] |sum of a code's scores - what they should sum to|, where they should sum to something:
    # the logit less its offset (head), less that of the masked encounter (integrated gradients).
    completeness_gap: NDArray[np.float32] | None = None
    explained: NDArray[np.float32] | None = None  # [n] what they should sum to
    # [n] share of the cotangent's norm that was left out, by attention where AttInGrad is asked.
    left_out: NDArray[np.float64] | None = None


def attribute(
    view: NetworkView,
    codes: Sequence[int] | NDArray[np.int64],
    *,
    method: Method,
    mass_left_out: float = 0.01,
    steps: int = 20,
    seed: int = 0,
    words: NDArray[np.int64] | None = None,
) -> Attribution:
    """Attribute the logits of some codes to the tokens of one encounter.

    The same input gives the same bits on the same machine; gradients are computed whatever mode
    the caller is in, and no weight is changed.

    Args:
        view: the encounter as its network reads it.
        codes: n positions in the label space, in any order.
        method: one of `METHODS`.
        mass_left_out: for the methods by gradients, most of a code's gradient at the encoder's
            output (norms, summed over windows) that may be left out; 0 leaves out nothing. For
            AttInGrad a window's norm counts by the largest attention in it.
        steps: points of the quadrature, for integrated gradients.
        seed: for the random floor, beside the text.
        words: for occlusion, ``[T]`` the number of each token's word, below 0 for none.

    Raises:
        InputError: an unknown method, a code outside the label space, a bound or a number of steps
            out of range, words of another length, or logits that are no numbers.
    """
    _check(view, codes, method, mass_left_out, steps, words)
    device = view.embeddings.device
    # A caller that codes may be in inference mode, in which nothing can be differentiated.
    with torch.inference_mode(False), torch.no_grad():
        positions = torch.tensor([int(code) for code in codes], dtype=torch.int64, device=device)
        found = _scores(view, positions, method, mass_left_out, steps, seed, words)
    if not bool(torch.isfinite(found.logits).all()):
        raise InputError(
            "the logits to attribute are no finite numbers; the coder's weights are damaged, "
            "train again or load the bundle anew"
        )
    gap = None
    if found.explained is not None:
        gap = (found.scores.double().sum(dim=0) - found.explained.double()).abs().float()
    return Attribution(
        scores=_array(found.scores),
        method=method,
        signed=found.signed,
        logits=_array(found.logits),
        completeness_gap=None if gap is None else _array(gap),
        explained=None if found.explained is None else _array(found.explained),
        left_out=None if found.left_out is None else found.left_out.cpu().numpy(),
    )


def _scores(
    view: NetworkView,
    codes: Tensor,
    method: Method,
    mass_left_out: float,
    steps: int,
    seed: int,
    words: NDArray[np.int64] | None,
) -> Scores:
    match method:
        case "head":
            return head(view, codes)
        case "attention":
            return attention(view, codes)
        case "input_x_gradient":
            return input_x_gradient(view, codes, mass_left_out)
        case "attingrad":
            return attingrad(view, codes, mass_left_out)
        case "integrated_gradients":
            return shared_integrated_gradients(view, codes, steps, mass_left_out)
        case "occlusion":
            return occlusion(view, codes, words)
        case "random":
            return random(view, codes, seed)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return array


def _check(
    view: NetworkView,
    codes: Sequence[int] | NDArray[np.int64],
    method: str,
    mass_left_out: float,
    steps: int,
    words: NDArray[np.int64] | None,
) -> None:
    if method not in METHODS:
        raise InputError(f"attribution method {method!r} is unknown; choose {', '.join(METHODS)}")
    outside = [int(code) for code in codes if not 0 <= code < view.codes]
    if outside:
        raise InputError(
            f"code {outside[0]} lies outside of the label space of {view.codes} codes; give "
            "positions of this coder's label space"
        )
    if not 0 <= mass_left_out < 1:
        raise InputError(f"mass_left_out={mass_left_out}: it must be at least 0 and below 1")
    if steps < 1:
        raise InputError(f"steps={steps}: integrated gradients need at least one step")
    tokens = len(view.token_ids)
    if words is not None and len(words) != tokens:
        raise InputError(
            f"words names {len(words)} tokens, the encounter has {tokens}; give one number for "
            "each content token"
        )
