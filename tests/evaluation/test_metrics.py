import math
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from surecode.errors import InputError
from surecode.evaluation import metrics

DATA = Path(__file__).parents[2] / os.environ.get("SURECODE_DATA", "../shared/data")
TOY = DATA / "codiesp_scorer_example"

code_sets = st.frozensets(st.sampled_from("abcdefg"))
paired = st.lists(st.tuples(code_sets, code_sets), min_size=1, max_size=12)


@given(paired)
def test_scores_agree_with_scikit_learn(pairs):
    gold, predicted = zip(*pairs, strict=True)
    codes = sorted(frozenset().union(*gold, *predicted))
    if not codes:
        return
    binarizer = MultiLabelBinarizer(classes=codes)
    actual, guess = binarizer.fit_transform(gold), binarizer.transform(predicted)

    micro, macro = metrics.micro(gold, predicted), metrics.macro(gold, predicted)
    for average, ours in (
        ("micro", (micro.precision, micro.recall, micro.f1)),
        ("macro", (macro.precision, macro.recall, macro.macro_f1_mean)),
    ):
        theirs = precision_recall_fscore_support(actual, guess, average=average, zero_division=0)
        assert ours == pytest.approx(theirs[:3])
    assert macro.codes == len(codes)
    assert macro.macro_f1_of_means >= macro.macro_f1_mean - 1e-12
    assert metrics.exact_match(gold, predicted) == np.mean((actual == guess).all(axis=1))


@given(paired)
def test_indicator_matrices_and_sets_give_the_same_counts(pairs):
    gold, predicted = zip(*pairs, strict=True)
    codes = list("abcdefg")
    binarizer = MultiLabelBinarizer(classes=codes)
    dense = metrics.indicator_counts(binarizer.fit_transform(gold), binarizer.transform(predicted))
    sparse = metrics.set_counts(gold, predicted, codes)
    for field in ("true_positive", "false_positive", "false_negative"):
        np.testing.assert_array_equal(getattr(dense, field), getattr(sparse, field))
    assert metrics.micro_of(dense) == metrics.micro(gold, predicted)


def test_both_macro_f1_are_named_and_differ():
    gold, predicted = [{"a"}, {"a"}, {"b"}], [{"a", "b"}, {"b"}, {"b"}]
    scores = metrics.macro(gold, predicted)
    # a: P 1, R 1/2, F1 2/3; b: P 1/3, R 1, F1 1/2
    assert scores.macro_f1_mean == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.macro_f1_of_means == pytest.approx(2 * (2 / 3) * (3 / 4) / (2 / 3 + 3 / 4))


def test_codes_without_support_change_the_macro_mean():
    gold, predicted = [{"a"}], [{"a", "b"}]
    assert metrics.macro(gold, predicted).macro_f1_mean == 0.5
    assert metrics.macro(gold, predicted, codes={"a"}).macro_f1_mean == 1.0
    assert metrics.macro(gold, predicted, codes=list("abcd")).macro_f1_mean == 0.25
    actual, guess = np.array([[1, 0, 0, 0]]), np.array([[1, 1, 0, 0]])
    theirs = f1_score(actual, guess, average="macro", zero_division=0)
    assert metrics.macro_of(metrics.indicator_counts(actual, guess)).macro_f1_mean == theirs


@given(paired)
def test_a_code_counted_twice_is_one_code(pairs):
    gold, predicted = zip(*pairs, strict=True)
    doubled = [[*p, *p] for p in predicted]
    assert metrics.micro(gold, doubled) == metrics.micro(gold, predicted)


@pytest.mark.parametrize("function", [metrics.micro, metrics.macro, metrics.exact_match])
def test_bad_input_is_one_line(function):
    with pytest.raises(InputError, match="1 gold and 2 predicted"):
        function([{"a"}], [{"a"}, {"a"}])
    with pytest.raises(InputError, match="no encounters"):
        function([], [])


def test_macro_without_any_code_and_uneven_matrices_are_refused():
    with pytest.raises(InputError, match="no code"):
        metrics.macro([set()], [set()])
    with pytest.raises(InputError, match="shape"):
        metrics.indicator_counts(np.zeros((2, 3)), np.zeros((2, 4)))


# Mean average precision


def test_average_precision_by_hand():
    assert metrics.average_precision({"a", "b"}, ["a", "x", "b"]) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.average_precision({"a", "b"}, ["x", "b"]) == pytest.approx(0.25)
    assert metrics.average_precision({"a"}, []) == 0.0
    assert metrics.average_precision(set(), ["a"]) == 0.0


@given(code_sets, st.permutations("abcdefg"), st.integers(0, 7))
def test_average_precision_is_bounded_and_best_when_gold_leads(gold, order, length):
    ranked = order[:length]
    value = metrics.average_precision(gold, ranked)
    assert 0 <= value <= 1
    leading = sorted(ranked, key=lambda code: code not in gold)
    assert metrics.average_precision(gold, leading) >= value
    if gold and gold <= set(ranked):
        assert math.isclose(metrics.average_precision(gold, leading), 1.0)


def test_repeated_codes_are_dropped_before_ranks_are_counted():
    assert metrics.average_precision({"a", "b"}, ["a", "a", "x", "b"]) == pytest.approx(
        metrics.average_precision({"a", "b"}, ["a", "x", "b"])
    )


# The toy example of the official scorer, its codes renamed: the second encounter has no
# prediction, u and v are in no list of codes, and the third predicts a code twice.
GOLD = [{"a", "b", "c"}, {"d", "e"}, {"f", "g", "h", "i", "j"}]
RANKED = [["a", "e", "u", "b", "x", "d", "v"], [], ["f", "d", "g", "b", "u", "v", "f"]]
VALID = set("abcdefghijx")


def test_mean_average_precision_is_that_of_the_official_scorer():
    value = metrics.mean_average_precision(GOLD, RANKED, valid=VALID)
    assert value == pytest.approx(((1 + 2 / 3) / 3 + (1 + 2 / 3) / 5) / 2)
    assert round(value, 3) == 0.444


def test_each_rule_of_the_official_scorer_matters():
    assert round(metrics.mean_average_precision(GOLD, RANKED), 3) == 0.417
    everyone = metrics.mean_average_precision(GOLD, RANKED, valid=VALID, count_unanswered=True)
    assert round(everyone, 3) == 0.296
    # an encounter without gold codes, or with no prediction but unknown ones, is left out
    more = metrics.mean_average_precision(
        [*GOLD, set(), {"a"}], [*RANKED, ["a"], ["u"]], valid=VALID
    )
    assert round(more, 3) == 0.444
    assert metrics.mean_average_precision([{"a"}], [[]]) == 0.0


def _read(path: Path) -> dict[str, list[str]]:
    codes = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        document, code = line.split("\t")
        codes[document].append(code.lower())
    return codes


@pytest.mark.skipif(not TOY.is_dir(), reason=f"the CodiEsp scorer's toy example is not at {TOY}")
def test_toy_example_of_the_official_scorer():
    gold, predicted = _read(TOY / "gold" / "gs_D.tsv"), _read(TOY / "system" / "pred_D.tsv")
    codes = {code for ranking in predicted.values() for code in ranking}
    valid = {code for code in codes if not code.startswith("code")}
    value = metrics.mean_average_precision(
        list(gold.values()), [predicted.get(document, []) for document in gold], valid=valid
    )
    assert round(value, 3) == 0.444
