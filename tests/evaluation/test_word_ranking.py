from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score

from surecode.encounter import Span
from surecode.errors import InputError
from surecode.evaluation.evidence_pairs import EncounterWords, EvidencePair
from surecode.evaluation.word_ranking import (
    average_precision,
    grid_auprc,
    iou_at_gold,
    positive_shares,
    word_ranking,
)

# Few distinct scores, so that ties are frequent; the grid's own thresholds are among them.
scored = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.01, 0.25, 0.5, 0.501, 1.0])),
    min_size=1,
    max_size=30,
).filter(lambda rows: any(gold for gold, _ in rows))


@given(scored)
def test_average_precision_is_scikit_learns(rows):
    gold, scores = zip(*rows, strict=True)
    assert average_precision(gold, scores) == pytest.approx(average_precision_score(gold, scores))


@given(scored)
def test_the_grid_is_the_area_over_its_thresholds(rows):
    gold, scores = map(np.array, zip(*rows, strict=True))
    precision, recall = [], []
    for threshold in np.linspace(0, 1, 101):
        shown = scores > threshold
        precision.append(gold[shown].mean() if shown.any() else 0)
        recall.append((gold & shown).sum() / gold.sum())
    assert grid_auprc(gold, scores) == pytest.approx(auc(recall, precision))


@given(scored, st.randoms(use_true_random=False))
def test_order_decides_nothing_and_a_rising_map_neither(rows, random):
    gold, scores = map(np.array, zip(*rows, strict=True))
    order = random.sample(range(len(rows)), len(rows))
    value = average_precision(gold, scores)
    assert average_precision(gold[order], scores[order]) == pytest.approx(value)
    assert average_precision(gold, np.exp(3 * scores) - 7) == pytest.approx(value)
    assert grid_auprc(gold[order], scores[order]) == pytest.approx(grid_auprc(gold, scores))


@given(scored)
def test_the_best_ranking_is_one_and_equal_scores_are_the_base_rate(rows):
    gold = np.array([flag for flag, _ in rows])
    assert average_precision(gold, gold) == iou_at_gold(gold, gold) == 1
    assert average_precision(gold, np.zeros(len(gold))) == pytest.approx(gold.mean())
    if not gold.all():
        assert iou_at_gold(gold, ~gold) < 1


def test_iou_of_as_many_words_as_are_gold():
    assert iou_at_gold([1, 1, 0, 0], [0.9, 0.1, 0.5, 0.0]) == pytest.approx(1 / 3)
    # Of equal words the earlier is the better.
    assert iou_at_gold([1, 0], [0.5, 0.5]) == 1
    assert iou_at_gold([0, 1], [0.5, 0.5]) == 0


@given(st.lists(st.floats(-1e300, 1e300, allow_subnormal=True), max_size=9))
def test_shares_are_of_what_speaks_for_the_code(scores):
    shares = positive_shares(scores)
    assert ((shares >= 0) & (shares <= 1)).all()
    if any(score > 0 for score in scores):
        assert shares.sum() == pytest.approx(1)
        assert np.argmax(shares) == np.argmax(np.clip(scores, 0, None))
    else:
        assert not shares.any()


def test_pairs_are_pooled_by_their_shares():
    words = EncounterWords.of({"d": "a b c d"})

    def pair(word: int, scores: list[float]) -> EvidencePair:
        gold = Span("d", 2 * word, 2 * word + 1)
        return EvidencePair(words, ((gold,),), (), scores=np.array(scores))

    # Raw, the second pair's 3 would rank below the first pair's 4; as a share it leads.
    pairs = [pair(0, [6, 4, 0, -5]), pair(1, [1, 3, 0, 0])]
    shares = [0.6, 0.4, 0, 0, 0.25, 0.75, 0, 0]
    gold = [1, 0, 0, 0, 0, 1, 0, 0]
    result = word_ranking(pairs)
    assert result.auprc == pytest.approx(average_precision_score(gold, shares)) == 1
    assert result.auprc_grid == pytest.approx(grid_auprc(gold, shares))
    assert (result.pairs, result.iou_at_gold) == (2, 1)
    assert word_ranking(pairs[::-1]) == result


def test_bad_input_is_one_line():
    with pytest.raises(InputError, match="no word is gold"):
        average_precision([0, 0], [0.1, 0.2])
    with pytest.raises(InputError, match="no word is gold"):
        grid_auprc([], [])
    with pytest.raises(InputError, match="shape"):
        iou_at_gold([1], [0.1, 0.2])
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match="not a finite number"):
            average_precision([1, 0], [0.1, bad])
    words = EncounterWords.of({"d": "a"})
    with pytest.raises(InputError, match="no scores"):
        word_ranking([EvidencePair(words, ((Span("d", 0, 1),),), ())])
