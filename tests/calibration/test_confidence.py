from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from surecode.calibration.confidence import Method, encounter_confidence
from surecode.errors import InputError

METHODS = ["product", "minimum"]


def test_values_by_hand() -> None:
    p = np.array([[0.9, 0.2], [0.1, 0.3]])
    assigned = p >= 0.5
    assert encounter_confidence(p, assigned) == pytest.approx([0.9 * 0.8, 0.9 * 0.7])
    assert encounter_confidence(p, assigned, "minimum") == pytest.approx([0.8, 0.7])


def test_empty_set_has_a_confidence() -> None:
    assert encounter_confidence(np.array([[0.1, 0.1]]), np.zeros((1, 2), bool)) == pytest.approx(
        [0.81]
    )
    assert encounter_confidence(np.zeros((2, 0)), np.zeros((2, 0), bool)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("method", METHODS)
def test_a_doubtful_rejected_code_lowers_it(method: Method) -> None:
    p = np.array([[0.99, 0.01], [0.99, 0.45]])
    sure, doubtful = encounter_confidence(p, p >= 0.5, method)
    assert doubtful < sure


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_finite_in_the_unit_interval_and_monotone(method: Method, data: st.DataObject) -> None:
    shape = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 6)))
    p = data.draw(arrays(np.float64, shape, elements=st.floats(0, 1)))
    assigned = data.draw(arrays(np.bool_, shape))
    confidence = encounter_confidence(p, assigned, method)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    surer = np.where(assigned, (p + 1) / 2, p / 2)
    assert (encounter_confidence(surer, assigned, method) >= confidence - 1e-15).all()


def test_many_codes_do_not_underflow() -> None:
    p = np.full((1, 5000), 1e-6)
    assert encounter_confidence(p, p >= 0.5) == pytest.approx([(1 - 1e-6) ** 5000], rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_nan_stays_nan_for_its_encounter_alone(method: Method) -> None:
    p = np.array([[np.nan, 0.2], [0.9, 0.2]])
    assert np.isnan(encounter_confidence(p, p >= 0.5, method)).tolist() == [True, False]


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"\[N, K\]"):
        encounter_confidence(np.zeros((1, 2)), np.zeros((2, 1), bool))
    with pytest.raises(InputError, match="maximum"):
        encounter_confidence(np.zeros((1, 1)), np.zeros((1, 1), bool), "maximum")  # type: ignore[arg-type]
