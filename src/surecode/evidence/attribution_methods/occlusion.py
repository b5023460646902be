"""Occlusion: how far a logit falls when a word is masked (Zeiler and Fergus 2014, arXiv 1311.2901).

A word is masked by its tokens' embeddings becoming those of the mask token. Only its own window is
encoded again, many words of a window at a time; the head reads all states again.

Price: one window for each word, so T / W forward passes of an encounter with T words in W windows.

Legend: T content tokens, l tokens of a window, D width, n codes, m words masked one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surecode.evidence.attribution_methods.scores import Scores
from surecode.evidence.network_view import NetworkView

# Most tokens of one encoder call.
CALL_TOKENS = 4096


@torch.no_grad()
def occlusion(view: NetworkView, codes: Tensor, words: NDArray[np.int64] | None = None) -> Scores:
    """The fall ``[T, n]`` of the logits when a token, or the word that holds it, is masked.

    Args:
        view: the encounter.
        codes: ``[n]`` int64 positions in the label space.
        words: ``[T]`` number of the word that each token belongs to, below 0 for none: such a
            token gets 0. A word's fall is shared evenly by its tokens, so that it is their sum.
            None: every token by itself.
    """
    states = _all_states(view)
    before = view.logits(states, codes)
    scores = states.new_zeros(len(states), len(codes))
    numbers = np.arange(len(states)) if words is None else words
    for tokens, changed in _without(view, states, numbers):
        fall = before - view.logits(changed, codes)
        scores[tokens] = fall / len(tokens)
    return Scores(scores, before, True)


def _all_states(view: NetworkView) -> Tensor:
    """States ``[T, D]``, each window encoded by itself as it is when a word is masked."""
    states = []
    for window, part in enumerate(view.windows):
        row = view.embeddings[window : window + 1, : part.length]
        states.append(view.encode(row)[0, part.places])
    return torch.cat(states)


def _without(
    view: NetworkView, states: Tensor, numbers: NDArray[np.int64]
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each word its tokens ``[s]`` and the states ``[T, D]`` without it.

    A word that reaches into several windows, cut by a border or read twice in an overlap, is
    masked in all of them.
    """
    parts = view.windows
    owner = np.concatenate(
        [np.full(part.tokens.stop - part.tokens.start, w) for w, part in enumerate(parts)]
    )
    single: list[list[NDArray[np.int64]]] = [[] for _ in parts]
    wide: list[NDArray[np.int64]] = []
    for number in np.unique(numbers[numbers >= 0]):
        tokens = np.flatnonzero(numbers == number)
        windows = np.unique(owner[tokens])
        (single[windows[0]] if len(windows) == 1 else wide).append(tokens)
    for window, (part, masks) in enumerate(zip(parts, single, strict=True)):
        step = max(CALL_TOKENS // part.length, 1)
        for start in range(0, len(masks), step):
            chosen = masks[start : start + step]
            for tokens, ends in zip(chosen, _masked(view, window, chosen), strict=True):
                changed = states.clone()
                changed[part.tokens] = ends
                yield torch.from_numpy(tokens).to(states.device), changed
    for tokens in wide:
        changed = states.clone()
        for window in np.unique(owner[tokens]):
            mine = tokens[owner[tokens] == window]
            changed[parts[window].tokens] = _masked(view, int(window), [mine])[0]
        yield torch.from_numpy(tokens).to(states.device), changed


def _masked(view: NetworkView, window: int, masks: list[NDArray[np.int64]]) -> Tensor:
    """States ``[m, t, D]`` of a window's content tokens, for m sets of tokens masked."""
    part = view.windows[window]
    rows = view.embeddings[window, : part.length].repeat(len(masks), 1, 1)
    for row, tokens in zip(rows, masks, strict=True):
        places = torch.from_numpy(tokens - part.tokens.start + part.places.start).to(row.device)
        row[places] = view.masked[window, places]
    return view.encode(rows)[:, part.places]
