"""Sparse logistic regression against scikit-learn, row by row, and there and back through JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from surecode.errors import InputError
from surecode.hybrid.sparse import SparseModel, SparseModels, hashed

WORDS = [f"w{n}" for n in range(40)]


def drawn(
    seed: int, rows: int = 200
) -> tuple[list[list[str]], np.ndarray[Any, np.dtype[np.bool_]]]:
    rng = np.random.default_rng(seed)
    some = [[WORDS[k] for k in rng.choice(40, 8, replace=False)] for _ in range(rows)]
    return some, np.array([("w1" in row) != (rng.random() < 0.1) for row in some])


def test_it_is_scikit_learns_with_the_zeros_left_out() -> None:
    rows, right = drawn(0)
    x = hashed(rows)
    model = SparseModel.fit(x, right, 0.5)
    oracle = LogisticRegression(C=0.5, l1_ratio=1.0, solver="liblinear", random_state=0)
    oracle.fit(x, right)
    new, truth = drawn(1)
    (said,) = SparseModels((model,))(hashed(new)).T
    np.testing.assert_allclose(said, oracle.predict_proba(hashed(new))[:, 1], atol=1e-12)
    assert 0 < len(model.columns) < 40  # most words say nothing
    assert ((said > 0.5) == truth).mean() > 0.8


def test_models_together_and_rows_alone_say_the_same() -> None:
    rows, right = drawn(2)
    x = hashed(rows)
    some = [SparseModel.fit(x, right, c) for c in (0.1, 1.0)] + [SparseModel.fit(x, ~right, 0.3)]
    together = SparseModels(tuple(some))(x)
    for k, model in enumerate(some):
        assert SparseModels((model,))(x).tobytes() == together[:, k : k + 1].tobytes()
    assert SparseModels(tuple(some))(hashed([])).shape == (0, 3)
    for n in range(0, 200, 37):
        assert SparseModels(tuple(some))(hashed(rows[n : n + 1])).tobytes() == together[n].tobytes()


@pytest.mark.parametrize(("right", "near"), [([True] * 5, 1.0), ([False] * 5, 0.0)])
def test_where_all_are_alike_the_bias_says_so(right: list[bool], near: float) -> None:
    model = SparseModel.fit(hashed([["a"]] * 5), right, 1.0)
    assert model.columns == ()
    assert SparseModels((model,))(hashed([["b"]]))[0, 0] == pytest.approx(near, abs=1e-5)


def test_there_and_back() -> None:
    rows, right = drawn(3)
    model = SparseModel.fit(hashed(rows), right, 1.0)
    text = json.dumps(model.to_dict())
    assert SparseModel.from_dict(json.loads(text)) == model
    assert "w1" not in text


GOOD = {"columns": [1, 5], "weights": [0.5, -0.5], "bias": 0.1}


@pytest.mark.parametrize(
    "values",
    [
        *([], None, {}, GOOD | {"bias": "much"}, GOOD | {"bias": float("nan")}),
        *(GOOD | {"columns": columns} for columns in ([1], [5, 1], [1, 1], [-1, 5], [1, 1 << 18])),
        GOOD | {"weights": [0.5, float("inf")]},
        GOOD | {"weights": 0.5},
    ],
)
def test_a_damaged_model_is_refused_in_one_line(values: Any) -> None:
    assert SparseModel.from_dict(GOOD).bias == 0.1
    with pytest.raises(InputError, match="run `surecode train` again") as caught:
        SparseModel.from_dict(values)
    assert "\n" not in str(caught.value)
