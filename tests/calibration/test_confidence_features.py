from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

from surecode.calibration import confidence_features as module
from surecode.calibration.confidence import encounter_confidence
from surecode.calibration.confidence_features import (
    NAMES,
    EncounterFacts,
    Features,
    confidence_features,
)
from surecode.errors import InputError


def features_of(p: object, cut: float = 0.5, assigned: object = None) -> Features:
    values = np.asarray(p, dtype=np.float64)
    chosen = values >= cut if assigned is None else np.asarray(assigned, dtype=bool)
    return confidence_features(values, chosen, cut, EncounterFacts.none(*values.shape))


@st.composite
def decided(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, EncounterFacts]:
    shape = (draw(st.integers(1, 5)), draw(st.integers(0, 7)))
    p = draw(arrays(np.float64, shape, elements=st.floats(0, 1)))
    facts = EncounterFacts(
        draw(arrays(np.int64, shape[0], elements=st.integers(0, 10**6))),
        draw(arrays(np.float64, shape[0], elements=st.floats(0, 1))),
        draw(arrays(np.bool_, shape)),
        draw(arrays(np.int64, shape[0], elements=st.integers(0, 9))),
    )
    return p, draw(arrays(np.bool_, shape)), facts


def test_values_by_hand() -> None:
    p = np.array([[0.9, 0.2, 0.6, 0.05]])
    facts = EncounterFacts(
        np.array([99]), np.array([0.25]), np.array([[True, True, False, False]]), np.array([1])
    )
    row = dict(zip(NAMES, confidence_features(p, p >= 0.4, 0.4, facts).values[0], strict=True))
    product = 0.9 * 0.8 * 0.6 * 0.95
    expected = {
        "product": product,
        "minimum": 0.6,
        "logit_product": special.logit(product),
        "logit_minimum": special.logit(0.6),
        "log_margin_1": np.log(0.2),
        "log_margin_2": np.log(0.2),
        "log_margin_3": np.log(0.35),
        "logit_smallest_assigned": special.logit(0.6),
        "logit_largest_rejected": special.logit(0.2),
        "logit_expected_f1": special.logit(2 * 1.5 / (2 + 1.75)),
        "log_entropy": np.log(stats.bernoulli.entropy(p[0]).sum()),
        "log_codes_in_doubt": np.log(3),  # 0.9 itself is no doubt
        "asinh_codes_lacking": np.arcsinh(1.75 - 2),
        "log_codes_assigned": np.log(3),
        "none_assigned": 0.0,
        "log_tokens": np.log(100),
        "unseen_share": 0.25,
        "lexicon_share": 0.5,
        "log_lexicon_rejected": np.log(2),
        "log_findings": np.log(2),
    }
    assert row == pytest.approx(expected, rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(decided(), st.floats(0, 1))
def test_all_are_finite_and_a_row_is_the_same_alone(
    case: tuple[np.ndarray, np.ndarray, EncounterFacts], cut: float
) -> None:
    p, assigned, facts = case
    whole = confidence_features(p, assigned, cut, facts)
    assert np.isfinite(whole.values).all()
    for i in range(len(p)):
        alone = confidence_features(p[i : i + 1], assigned[i : i + 1], cut, facts.take([i]))
        assert alone.values.tobytes() == whole.values[i : i + 1].tobytes()


@settings(max_examples=50, deadline=None)
@given(decided(), st.randoms(use_true_random=False))
def test_the_order_of_codes_says_nothing(
    case: tuple[np.ndarray, np.ndarray, EncounterFacts], random: object
) -> None:
    p, assigned, facts = case
    order = list(range(p.shape[1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = EncounterFacts(
        facts.tokens, facts.unseen_share, facts.lexicon[:, order], facts.findings
    )
    first = confidence_features(p, assigned, 0.5, facts).values
    second = confidence_features(p[:, order], assigned[:, order], 0.5, moved).values
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(decided())
def test_raw_confidences_are_those_of_today_to_the_digit(
    case: tuple[np.ndarray, np.ndarray, EncounterFacts],
) -> None:
    p, assigned, facts = case
    found = confidence_features(p, assigned, 0.5, facts)
    for method in ("product", "minimum"):
        raw = encounter_confidence(p, assigned, method)  # type: ignore[arg-type]
        assert found.column(method).tobytes() == raw.tobytes()


def test_rows_of_a_wide_table_do_not_depend_on_how_it_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    p = np.random.default_rng(0).beta(0.05, 1.0, (37, 300))
    whole = features_of(p).values
    monkeypatch.setattr(module, "_CELLS", 1000)
    assert features_of(p).values.tobytes() == whole.tobytes()
    turned = np.asfortranarray(p)
    assert features_of(turned).values.tobytes() == whole.tobytes()


def exact_f1(p: np.ndarray, assigned: np.ndarray) -> float:
    """The expectation of F1 over every gold set of independent codes."""
    total = 0.0
    for gold in itertools.product([False, True], repeat=len(p)):
        y = np.array(gold)
        size = int(assigned.sum() + y.sum())
        f1 = 2 * (assigned & y).sum() / size if size else 1.0
        total += np.where(y, p, 1 - p).prod() * f1
    return total


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, 6, elements=st.floats(0.001, 0.999)))
def test_expected_f1_of_an_empty_set_is_exact(p: np.ndarray) -> None:
    none = np.zeros((1, 6), dtype=bool)
    found = special.expit(features_of(p[None], assigned=none).column("logit_expected_f1")[0])
    assert found == pytest.approx(exact_f1(p, none[0]), rel=1e-9)


def test_expected_f1_nears_enumeration_as_codes_grow_many() -> None:
    few = np.array([0.9, 0.6, 0.2, 0.1])
    distance = []
    for copies in (1, 2, 3):
        p = np.tile(few, copies)
        found = special.expit(features_of(p[None]).column("logit_expected_f1")[0])
        distance.append(abs(found - exact_f1(p, p >= 0.5)))
    assert distance[0] < 0.03
    assert distance[2] < distance[1] < distance[0]


def test_a_doubtful_rejected_code_is_seen_by_all_but_the_assigned() -> None:
    sure, doubtful = [0.99, 0.01, 0.02], [0.99, 0.01, 0.45]
    found = features_of([sure, doubtful])
    for name in ("logit_product", "logit_minimum", "log_margin_1", "logit_expected_f1"):
        high, low = found.column(name)
        assert low < high
    blind = found.column("logit_smallest_assigned")
    assert blind[0] == blind[1]


def test_scores_far_in_the_tails_stay_apart() -> None:
    tails = 10.0 ** -np.arange(2.0, 15.0)
    near_one = features_of(tails[:, None] * [[1.0, 0.5]])
    near_zero = features_of(1 - tails[:, None], cut=2.0)  # rejected against the odds
    for name in ("logit_product", "logit_minimum"):
        assert (np.diff(near_one.column(name)) > 1.0).all()
        assert (np.diff(near_zero.column(name)) < -1.0).all()
    many = features_of(np.full((2, 5000), [[0.4], [0.41]]))
    assert np.diff(many.column("logit_product"))[0] == pytest.approx(5000 * np.log(0.59 / 0.6))


def test_nan_takes_its_own_row_alone() -> None:
    found = features_of([[np.nan, 0.2], [0.9, 0.2]])
    assert np.isnan(found.values[0]).all()
    np.testing.assert_array_equal(found.values[1], features_of([[0.9, 0.2]]).values[0])


def test_no_encounter_and_no_code() -> None:
    assert features_of(np.zeros((0, 3))).values.shape == (0, len(NAMES))
    row = features_of(np.zeros((1, 0)))
    assert np.isfinite(row.values).all()
    assert (row.column("product")[0], row.column("none_assigned")[0]) == (1.0, 1.0)


def test_features_are_taken_and_joined_by_row() -> None:
    left, right = features_of([[0.9, 0.2], [0.3, 0.1]]), features_of([[0.8, 0.2, 0.1]])
    both = Features.joined([left, right])
    np.testing.assert_array_equal(both.values, np.concatenate([left.values, right.values]))
    np.testing.assert_array_equal(both.take([2, 0]).values, both.values[[2, 0]])
    flags = np.array([False, True, True])
    assert both.take(flags).column("product").tolist() == both.column("product")[1:].tolist()


def test_facts_of_nobody_are_zeros_and_facts_are_taken_by_row() -> None:
    none = EncounterFacts.none(2, 3)
    assert none.tokens.tolist() == none.findings.tolist() == [0, 0]
    assert none.lexicon.shape == (2, 3)
    facts = EncounterFacts(
        np.array([1, 2]), np.array([0.1, 0.2]), np.eye(2, dtype=bool), np.array([3, 4])
    )
    second = facts.take([1])
    assert (second.tokens.tolist(), second.unseen_share.tolist()) == ([2], [0.2])
    assert second.lexicon.tolist() == [[False, True]]
    assert facts.take(slice(0, 1)).findings.tolist() == [3]


GOOD = {
    "tokens": np.array([5]),
    "unseen_share": np.array([0.1]),
    "lexicon": np.zeros((1, 2), bool),
    "findings": np.array([0]),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokens", np.array([-1])),
        ("tokens", np.array([0.5])),
        ("tokens", np.array([1, 2])),
        ("findings", np.array([[0]])),
        ("unseen_share", np.array([1.1])),
        ("unseen_share", np.array([np.nan])),
        ("unseen_share", np.array([0.1, 0.1])),
        ("lexicon", np.zeros((1, 2))),
        ("lexicon", np.zeros(2, bool)),
    ],
)
def test_facts_that_cannot_be_are_refused(name: str, value: np.ndarray) -> None:
    with pytest.raises(InputError, match=name) as caught:
        EncounterFacts(**GOOD | {name: value})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: features_of([[1.2, 0.1]]), r"not in \[0, 1\]"),
        (lambda: features_of([[np.inf, 0.1]]), r"not in \[0, 1\]"),
        (lambda: features_of([[0.5]], cut=float("nan")), "cut"),
        (lambda: features_of([[0.5]], assigned=[[True, False]]), r"\[N, K\]"),
        (
            lambda: confidence_features(
                np.zeros((1, 2)), np.zeros((1, 2)), 0.5, EncounterFacts.none(1, 3)
            ),
            "facts",
        ),
        (lambda: Features(("a", "a"), np.zeros((1, 2))), "name of its own"),
        (lambda: Features(("a",), np.zeros((1, 2))), "name of its own"),
        (lambda: Features(("a",), np.zeros((1, 1))).column("b"), "'b'"),
        (
            lambda: Features.joined(
                [Features(("a",), np.zeros((1, 1))), Features(("b",), np.zeros((1, 1)))]
            ),
            "join",
        ),
    ],
)
def test_refuses_what_does_not_fit(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
