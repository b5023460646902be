from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import coder_suites_why as why
import numpy as np

from surecode.codes.label_space import LabelSpace
from surecode.encounter import Code
from surecode.evaluation.negation_suite import load_pairs
from surecode.evaluation.word_sense_suite import word_sense_suite

HEART = Code("ICD-10-CM", "I44.2")
SPACE = LabelSpace((Code("ICD-10-CM", "I10"), HEART))


def see(text: str) -> why.Seen:
    """Terms propose a heart block at every "block"; it is likely where the heart is named."""
    start = text.lower().find("block")
    likely = 0.9 if "heart" in text.lower() else 0.2
    probabilities = np.array([0.1, likely if start >= 0 else 0.0])
    places = {1: [(start, start + 5)]} if start >= 0 else {}
    return why.Seen(probabilities.astype(np.float32), probabilities, probabilities > 0.5, places)


def test_word_senses_are_followed_to_the_assignment() -> None:
    pairs = [pair for pair in word_sense_suite("en") if pair.code_a == HEART and pair.batch == 1]
    coder: Any = SimpleNamespace(label_space=SPACE)
    found = why.senses([*pairs, *(p for p in word_sense_suite("en") if p.word == "MS")], coder, see)
    assert found["pairs"] == len(pairs) == 1  # no other code A is known
    assert found["a term proposes A in the first note"] == 1
    assert found["a term proposes A in the second note"] == 1
    assert found["A is likelier in the first note"] == 1
    assert found["A is among the first 1 in the first note"] == 1
    assert found["A is assigned in the first note"] == 1
    assert found["A is assigned in the second note"] == 0


def test_only_codes_on_the_mention_count() -> None:
    pairs = load_pairs("en")
    found = why.negations(pairs, see)
    named = [pair for pair in pairs if "block" in pair.mention.lower()]
    assert found["pairs"] == len(pairs)
    assert found["a term on the mention proposes a code"] == len(named)
