"""The linear model against scikit-learn, row by row, and there and back through JSON."""

from __future__ import annotations

import json
from math import log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

from surecode.errors import InputError
from surecode.hybrid.linear import LinearModel


def drawn(
    seed: int, rows: int = 80, features: int = 5
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)) * rng.uniform(0.1, 30, features) + rng.normal(
        size=features
    )
    return x, x @ rng.normal(size=features) / 20 + rng.normal(size=rows) > 0


@pytest.mark.parametrize("seed", range(4))
def test_it_is_scikit_learns_decision_function(seed: int) -> None:
    x, y = drawn(seed)
    oracle = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=5000)).fit(x, y)
    new, _ = drawn(seed + 100, 30)
    said = oracle.decision_function(new)
    assert np.abs(said).max() > 1
    np.testing.assert_allclose(LinearModel.fit(x, y)(new), np.clip(said, -12, 12), atol=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 40))
def test_a_row_is_the_same_alone_and_among_others(seed: int, rows: int) -> None:
    x, y = drawn(seed)
    model = LinearModel.fit(x, y)
    together = model(x[:rows])
    alone = np.array([model(row[None])[0] for row in x[:rows]])
    assert together.tobytes() == alone.tobytes()
    assert model(x[:rows][::-1])[::-1].tobytes() == together.tobytes()


@pytest.mark.parametrize(("right", "odds"), [([True] * 4, 4.5 / 0.5), ([False] * 4, 0.5 / 4.5)])
def test_where_all_are_alike_the_bias_says_how_often(right: list[bool], odds: float) -> None:
    x, _ = drawn(0, 4)
    model = LinearModel.fit(x, right)
    assert model(x) == pytest.approx([log(odds)] * 4)


def test_a_feature_that_never_changes_and_values_far_out_stay_finite() -> None:
    x, y = drawn(1)
    x[:, 2] = 7.0
    model = LinearModel.fit(x, y)
    assert model.scale[2] == 1.0
    far = model(np.array([[1e300] * 5, [-1e300] * 5]))
    assert np.abs(far).max() <= 12.0
    assert model(np.empty((0, 5))).shape == (0,)


def test_steps_are_scikit_learns_bins_beside_the_features() -> None:
    x, y = drawn(3, 400)
    y = y ^ (np.abs(x[:, 0]) > np.abs(x[:, 0]).mean())  # nothing that a line could say
    bins = KBinsDiscretizer(
        6, encode="onehot-dense", quantile_method="averaged_inverted_cdf", subsample=None
    )
    oracle = make_pipeline(
        make_union(StandardScaler(), bins), LogisticRegression(C=0.1, max_iter=5000)
    ).fit(x, y)
    model = LinearModel.fit(x, y, steps=True)
    new = drawn(103, 60)[0]
    np.testing.assert_allclose(model(new), oracle.decision_function(new), atol=1e-4)
    assert ((model(x) > 0) == y).mean() > ((LinearModel.fit(x, y)(x) > 0) == y).mean() + 0.05


@pytest.mark.parametrize("steps", [False, True])
def test_there_and_back(steps: bool) -> None:
    x, y = drawn(2)
    model = LinearModel.fit(x, y, steps=steps)
    again = LinearModel.from_dict(json.loads(json.dumps(model.to_dict())), 5)
    assert again == model
    assert again(x).tobytes() == model(x).tobytes()


GOOD = {"mean": [0.0, 1.0], "scale": [1.0, 2.0], "weights": [0.5, -0.5], "bias": 0.1, "steps": []}


@pytest.mark.parametrize(
    "values",
    [
        *([], {}, GOOD | {"bias": "much"}, GOOD | {"bias": None}, GOOD | {"bias": 10**400}),
        GOOD | {"weights": [0.5]},
        GOOD | {"weights": 0.5},
        GOOD | {"weights": [0.5, float("nan")]},
        GOOD | {"scale": [1.0, 0.0]},
        GOOD | {"steps": [[[0.5], [1.0, 2.0]]]},
        GOOD | {"steps": [[[], [1.0]], [[0.5], [1.0]]]},
        GOOD | {"steps": [[[], [1.0]], [[0.5, 0.1], [1.0, 2.0, 3.0]]]},
        GOOD | {"steps": [[[], [1.0]], [[0.5], [1.0, float("inf")]]]},
        {name: [1.0] * 3 for name in ("mean", "scale", "weights")} | {"bias": 0.0, "steps": []},
    ],
)
def test_a_damaged_model_is_refused_in_one_line(values: Any) -> None:
    assert LinearModel.from_dict(GOOD, 2).bias == 0.1
    with pytest.raises(InputError, match=r"linear model: .*run `surecode train` again") as caught:
        LinearModel.from_dict(values, 2)
    assert "\n" not in str(caught.value)
