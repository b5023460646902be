from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.errors import InputError

KNOTS = ((-2.0, 0.01), (-1.0, 0.2), (1.5, 0.2), (2.0, 0.9))
MAPS = [
    ProbabilityCalibrator(),
    ProbabilityCalibrator(2.0, 0.5),
    ProbabilityCalibrator(1.0 / 3.0, kind="temperature"),
    ProbabilityCalibrator(0.7, -0.1, (0.1, -0.25, 1.0 / 3.0)),
    ProbabilityCalibrator(kind="beta", beta=(0.5, 1.5, -0.2)),
    ProbabilityCalibrator(kind="beta", beta=(0.0, 1.5, 0.0)),
    ProbabilityCalibrator(kind="isotonic", knots=KNOTS),
    ProbabilityCalibrator(kind="isotonic", knots=((0.0, 0.3),)),
]
of_any_kind = pytest.mark.parametrize("probability_map", MAPS, ids=lambda m: repr(m)[22:50])


def test_the_maps_by_hand() -> None:
    z = np.array([[-1.0, 0.0, 2.0]])
    assert ProbabilityCalibrator()(z) == pytest.approx(special.expit(z))
    assert MAPS[1](z) == pytest.approx(special.expit(2.0 * z + 0.5))
    assert MAPS[3](z) == pytest.approx(special.expit(0.7 * z - 0.1 + MAPS[3].offsets))
    p = special.expit(z)
    odds = p**0.5 / (1.0 - p) ** 1.5 * np.exp(-0.2)  # eq. 4 of Kull, Silva Filho & Flach, 2017
    assert MAPS[4](z) == pytest.approx(odds / (1.0 + odds))
    assert MAPS[6](np.array([-9.0, -1.5, 0.0, 1.75, 9.0])) == pytest.approx(
        [0.01, 0.105, 0.2, 0.55, 0.9]
    )


@of_any_kind
@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=20))
def test_never_falls_and_stays_a_probability(
    probability_map: ProbabilityCalibrator, logits: list[float]
) -> None:
    z = np.repeat(np.sort([*logits, -np.inf, 0.0, np.inf])[:, None], 3, axis=1)
    p = probability_map(z)
    assert p.dtype == np.float64
    assert ((p >= 0.0) & (p <= 1.0)).all()
    assert (np.diff(p, axis=0) >= -1e-15).all()  # an exponential may be off by a rounding


@of_any_kind
def test_log_odds_are_those_of_the_probabilities_and_nan_stays(
    probability_map: ProbabilityCalibrator,
) -> None:
    z = np.array([[-3.0, np.nan, 2.0], [0.3, 1.0, np.nan]])
    p = probability_map(z)
    assert np.isnan(p).tolist() == np.isnan(z).tolist()
    assert special.expit(probability_map.log_odds(z)) == pytest.approx(p, nan_ok=True)


def test_log_odds_do_not_round() -> None:
    z = np.array([[-900.0, 900.0]])
    for kind, offsets in (("temperature", ()), ("platt", (0.0, 0.0))):
        found = ProbabilityCalibrator(2.0, 0.0, offsets, kind)  # type: ignore[arg-type]
        assert found.log_odds(z).tolist() == [[-1800.0, 1800.0]]
    beta = ProbabilityCalibrator(kind="beta", beta=(1.0, 2.0, 0.0))
    assert beta.log_odds(z).tolist() == [[-900.0, 1800.0]]


def test_offsets_belong_to_their_own_label_space() -> None:
    with pytest.raises(InputError, match=r"3 codes .* shape \(2, 4\)"):
        MAPS[3](np.zeros((2, 4)))
    assert MAPS[3](np.zeros((0, 3))).shape == (0, 3)


# ---- a label space that grows --------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_old_codes_keep_their_probabilities_and_new_ones_have_no_offset(
    data: st.DataObject,
) -> None:
    offsets = data.draw(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=6))
    size = len(offsets) + data.draw(st.integers(0, 4))
    places = data.draw(st.permutations(range(size)))[: len(offsets)]
    old = ProbabilityCalibrator(0.8, 0.2, tuple(offsets))
    new = old.grown(places, size)
    z = np.linspace(-2.0, 2.0, size)[None]
    assert new(z)[:, places].tolist() == old(z[:, places]).tolist()
    added = [k for k in range(size) if k not in places]
    assert new(z)[:, added].tolist() == ProbabilityCalibrator(0.8, 0.2)(z[:, added]).tolist()


def test_a_map_without_offsets_holds_for_any_label_space() -> None:
    assert MAPS[6].grown([0, 2], 3) == MAPS[6]


@pytest.mark.parametrize("places", [[0, 1], [0, 1, 1], [0, 1, 4], [-1, 0, 1]])
def test_refuses_places_that_do_not_fit(places: list[int]) -> None:
    with pytest.raises(InputError, match="places from 0 to 3"):
        MAPS[3].grown(places, 4)


# ---- JSON ----------------------------------------------------------------------------------------


@of_any_kind
def test_reads_back_exactly(probability_map: ProbabilityCalibrator) -> None:
    values = probability_map.to_dict()
    read = json.loads(json.dumps(values, allow_nan=False))
    assert read == values
    assert ProbabilityCalibrator.from_dict(read) == probability_map
    assert hash(ProbabilityCalibrator.from_dict(read)) == hash(probability_map)


def test_maps_that_differ_are_not_equal() -> None:
    dicts = [json.dumps(each.to_dict()) for each in MAPS]
    assert len(set(dicts)) == len(set(MAPS)) == len(MAPS)


PLATT: Mapping[str, Any] = {"kind": "platt", "slope": 1.0, "intercept": 0.0, "offsets": []}


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"slope": 1.0, "intercept": 0.0},
        PLATT | {"kind": "spline"},
        PLATT | {"kind": ["platt"]},
        PLATT | {"bias": 1.0},
        {key: value for key, value in PLATT.items() if key != "offsets"},
        PLATT | {"slope": "1"},
        PLATT | {"slope": True},
        PLATT | {"slope": -1.0},
        PLATT | {"slope": 0},
        PLATT | {"slope": 10**400},
        PLATT | {"intercept": float("nan")},
        PLATT | {"offsets": 0.5},
        PLATT | {"offsets": [0.1, None]},
        PLATT | {"offsets": [[0.1]]},
        PLATT | {"offsets": [float("inf")]},
        PLATT | {"kind": "temperature"},
        {"kind": "temperature", "slope": float("inf")},
        {"kind": "beta", "beta": [1.0, 1.0]},
        {"kind": "beta", "beta": [1.0, -0.1, 0.0]},
        {"kind": "beta", "beta": [0.0, 0.0, 0.3]},
        {"kind": "beta", "beta": [1.0, 1.0, float("nan")]},
        {"kind": "isotonic", "knots": []},
        {"kind": "isotonic", "knots": [[0.0, 0.1, 1.0], [0.2, 2.0, 0.3]]},
        {"kind": "isotonic", "knots": [[0.0, 0.1], [1.0]]},
        {"kind": "isotonic", "knots": [[0.0, 0.1], [0.0, 0.2]]},
        {"kind": "isotonic", "knots": [[0.0, 0.3], [1.0, 0.2]]},
        {"kind": "isotonic", "knots": [[0.0, 0.0], [1.0, 0.2]]},
        {"kind": "isotonic", "knots": [[0.0, 0.1], [1.0, 1.0]]},
        {"kind": "isotonic", "knots": [[0.0, 0.1], [float("nan"), 0.2]]},
        {"kind": "isotonic", "knots": [[0.0, float("nan")]]},
    ],
)
def test_refuses_a_damaged_calibrator(values: object) -> None:
    with pytest.raises(InputError, match="probability calibrator") as refused:
        ProbabilityCalibrator.from_dict(values)
    assert "\n" not in str(refused.value)


def test_refuses_parts_of_another_kind() -> None:
    with pytest.raises(InputError, match="intercept is no part of kind temperature"):
        ProbabilityCalibrator(2.0, 0.5, kind="temperature")
    with pytest.raises(InputError, match="slope is no part of kind beta"):
        ProbabilityCalibrator(2.0, kind="beta", beta=(1.0, 1.0, 0.0))
    with pytest.raises(InputError, match="kind 'spline' is not one of"):
        ProbabilityCalibrator(kind="spline")  # type: ignore[arg-type]
