"""What becomes of assigned codes without the best words, and with nothing but them.

Legend: V words that hold a token, T content tokens, B masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from evidence_coder import Coded, Explained, words_of
from numpy.typing import ArrayLike, NDArray

from surecode.coding import Coder
from surecode.evaluation.faithfulness import (
    Faithfulness,
    Probability,
    Steps,
    ask_each_once,
    falling_order,
)
from surecode.evidence.masked_windows import MaskedWindows
from surecode.evidence.verdict import Verification
from surecode.evidence.verification import Deletion, verify
from surecode.explaining import CALL_TOKENS
from surecode.verifying import deletion

# Words taken at which the network is asked; the curve in between is drawn straight. Codes stand on
# few words, so that it bends early.
POINTS = (0, 2, 4, 8, 16, 32, 64, 98)


def curve(
    probability: Probability, scores: ArrayLike, points: Sequence[int] = POINTS
) -> Faithfulness:
    """`surecode.evaluation.faithfulness` at its 50 points, the network being asked at 8 of them.

    What lies between is interpolated in the number of words. Exact where the probability is
    linear between the points; it asks 16 masks in place of 100.

    Args:
        probability: of the code, at masks ``[B, n]`` of words.
        scores: ``[n]`` how much each word speaks for the code.
        points: words taken, from 0 to 98.
    """
    steps = Steps()
    rank = np.argsort(falling_order(scores))
    count = len(rank)
    removed = np.minimum(steps.taken, count)
    # Kept: from all words of the curve down to 2 of them.
    kept = np.maximum(min(count, steps.words) - steps.taken, 0)
    asked_removed = np.unique(np.minimum(points, count))
    asked_kept = np.unique(np.concatenate([np.minimum(points, kept[0]), kept[:1], kept[-1:]]))
    masks = np.concatenate(
        [
            np.zeros((1, count), bool),
            rank < asked_removed[:, None],
            rank >= asked_kept[:, None],
        ]
    )
    values = ask_each_once(probability, masks)
    without, only = np.split(values[1:], [len(asked_removed)])
    return Faithfulness(
        float(values[0]),
        removed,
        np.interp(removed, asked_removed, without),
        kept,
        np.interp(kept, asked_kept, only),
    )


def coders_part(coder: Coder, coded: Coded) -> Deletion:
    """What verification asks of a coder, for one encounter."""
    assert coder.calibrator is not None
    return deletion(
        coder.network,
        coder.calibrator.probabilities,
        coded.output.logits,
        cut=coder.calibrator.decoding.threshold,
        mask_id=coder.windower.mask_id,
        padding_id=coder.padding_id,
        call_tokens=CALL_TOKENS,
    )


@dataclass(frozen=True)
class MaskedWords:
    """The probability ``[B]`` of one code at masks ``[B, V]`` of words, by encoding anew.

    Signs between words belong to none and stay. Windows that a mask leaves alone keep their states.
    """

    coded: Coded
    part: Deletion
    position: int

    def __call__(self, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        output = self.coded.output
        holder = words_of(self.coded.encounter, output).holder
        change = MaskedWindows(output.windows, self.part.mask_id)
        changed = [change((holder >= 0) & mask[holder]) for mask in masks]
        new = {w.tobytes(): w for windows in changed for w in windows if w is not None}
        order = sorted(new, key=lambda key: (-len(key), key))
        states = self.part.encode([new[key] for key in order]) if order else []
        known = dict(zip(order, states, strict=True))
        found = []
        for windows in changed:
            pieces = [
                output.states[piece] if ids is None else known[ids.tobytes()][place]
                for ids, place, piece in zip(
                    windows, output.windows.content, change.pieces, strict=True
                )
            ]
            found.append(self.part.probability(torch.cat(pieces), self.position))
        return np.array(found)


def verified(coder: Coder, one: Explained) -> tuple[Verification, ...]:
    """The verdicts on an encounter's assigned codes, with and without nothing but their spans."""
    coded = one.coded
    probability = dict(zip(coded.positions, coded.probabilities, strict=True))
    return verify(
        coded.output.windows,
        coded.output.states,
        one.spans,
        one.positions,
        [probability[k] for k in one.positions],
        coders_part(coder, coded),
    ).codes
