"""What the tests of training share: a task that a tiny coder learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from surecode.data.windows import Windower, Windows
from surecode.encounter import Encounter

Split = tuple[list[Windows], NDArray[np.bool_]]

WORDS = ("fever", "cough", "fracture")


@pytest.fixture(scope="session")
def splits(
    tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]
) -> tuple[Split, Split]:
    """train and tune: a code is right where its word is in the text."""
    generator = np.random.default_rng(0)
    gold = generator.random((60, len(WORDS))) < 0.4
    texts = [
        "the chest " * int(generator.integers(1, 6))
        + " ".join(word for word, there in zip(WORDS, row, strict=True) if there)
        for row in gold
    ]
    windows = Windower(tiny_tokenizer, 12).all([encounter_of(text) for text in texts])
    return (windows[:48], gold[:48]), (windows[48:], gold[48:])
