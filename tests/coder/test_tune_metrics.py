from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from surecode.coder.tune_metrics import CUTS, counts, tune_figures


def drawn(seed: int, encounters: int = 40, codes: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(encounters, codes, generator=generator) * 2
    gold = (torch.rand(encounters, codes, generator=generator) < 0.3).float()
    return logits, gold


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_the_best_micro_f1_is_that_of_scikit_learn_at_its_cut(seed: int) -> None:
    logits, gold = drawn(seed)
    figures = tune_figures(np.ones(len(gold)), counts(logits, gold))
    p = torch.sigmoid(logits).numpy()
    theirs = [f1_score(gold.numpy(), p >= cut, average="micro", zero_division=0) for cut in CUTS]
    np.testing.assert_allclose(figures.micro_f1.value, max(theirs), atol=1e-12)
    np.testing.assert_allclose(theirs[int(np.argmin(abs(CUTS - figures.cut)))], max(theirs))


def test_the_interval_of_the_loss_is_the_normal_one() -> None:
    losses = np.array([1.0, 2.0, 3.0, 6.0])
    figures = tune_figures(losses, counts(*drawn(0, encounters=4)))
    half = 1.96 * losses.std(ddof=1) / 2
    assert figures.loss.value == 3.0
    np.testing.assert_allclose([figures.loss.low, figures.loss.high], [3 - half, 3 + half])


def test_more_encounters_give_a_narrower_interval() -> None:
    def width(encounters: int) -> float:
        logits, gold = drawn(1, encounters)
        f1 = tune_figures(np.ones(encounters), counts(logits, gold)).micro_f1
        assert f1.low <= f1.value <= f1.high
        return f1.high - f1.low

    assert width(30) > 2 * width(480)


def test_one_encounter_without_a_code_is_no_reason_to_stumble() -> None:
    logits, gold = torch.full((1, 3), -9.0), torch.zeros(1, 3)
    figures = tune_figures(np.array([0.5]), counts(logits, gold)).flat()
    assert figures["tune/micro_f1"] == 0.0
    assert figures["tune/loss_low"] == figures["tune/loss_high"] == 0.5
