"""MAPIE 1.6 as an oracle of the fixed-sequence threshold, on the same scores, grid and start.

Its `BinaryClassificationController` controls precision in a fixed sequence as well, so that its
most lenient valid threshold answers the same question. It differs in two things. It tests the
strictest thresholds too, where no p-value can be small enough, so it is given our start. And it
counts the errors as ``ceil(n * risk)``, where floating error makes e errors e + 1: its p-value is
never below the exact one and often above. With the product rounded first, thresholds are equal.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest
from certificate_methods import TUNE_N, certificate_of
from certificate_populations import POPULATIONS
from numpy.typing import NDArray
from scipy import special

from surecode.calibration.bounds import p_binomial
from surecode.calibration.certificate import GroupResult
from surecode.calibration.fixed_sequence import quantile_grid
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample

REASON = "mapie is not installed; it comes with the extra test"
risk_control: Any = pytest.importorskip("mapie.risk_control", reason=REASON)
methods: Any = pytest.importorskip("mapie.risk_control.methods", reason=REASON)


# Neither changes what is compared: nothing valid counts as no threshold, and a risk that does not
# quite rise is still tested from strict to lenient where it rises on the whole.
pytestmark = [
    pytest.mark.filterwarnings("ignore:No predict parameters were found:UserWarning"),
    pytest.mark.filterwarnings("ignore:Fixed sequence testing requires:UserWarning"),
]


def rounded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mend the count of errors in MAPIE's p-value, and nothing else."""
    mended = types.SimpleNamespace(**vars(np))
    mended.ceil = lambda values: np.ceil(np.round(values, 6))
    monkeypatch.setattr(methods, "np", mended)


def score_sets(sets: int) -> list[tuple[Sample, Sample]]:
    """Tune and calibrate (1,000 encounters) of population B, scores as probabilities."""
    rng = np.random.default_rng(300)
    population = POPULATIONS["B fair score"]

    def probable(sample: Sample) -> Sample:
        score = np.asarray(special.expit(sample.confidence), dtype=np.float64)
        return Sample(sample.encounter_ids, score, sample.losses)

    return [
        (probable(population.draw(rng, TUNE_N, "t")), probable(population.draw(rng, 1000, "c")))
        for _ in range(sets)
    ]


def theirs(tune: Sample, calibrate: Sample, start_n: int) -> float | None:
    """The most lenient threshold that MAPIE finds valid, or None."""
    grid = quantile_grid(tune.confidence)
    selected = (calibrate.confidence >= grid[:, None]).sum(axis=1)

    def probabilities(score: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([1.0 - score, score])

    controller = risk_control.BinaryClassificationController(
        probabilities,
        "precision",
        target_level=0.95,
        confidence_level=0.9,
        list_predict_params=grid[selected >= start_n],
        fwer_method="fixed_sequence",
    )
    controller.calibrate(calibrate.confidence, (calibrate.losses[0].error == 0.0).astype(int))
    valid = controller.valid_predict_params
    return float(valid.min()) if len(valid) else None


def coverage(threshold: float | None, calibrate: Sample) -> float:
    return 0.0 if threshold is None else float((calibrate.confidence >= threshold).mean())


def pairs(sets: int) -> list[tuple[GroupResult, float | None, Sample]]:
    """Our result, their threshold, and what both were found on."""
    found = []
    for tune, calibrate in score_sets(sets):
        ours = certificate_of(tune, calibrate, Protocol()).groups[0]
        found.append((ours, theirs(tune, calibrate, ours.start_n), calibrate))
    return found


@pytest.mark.parametrize("sets", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_never_stricter_than_mapie(sets: int) -> None:
    more = []
    for ours, threshold, calibrate in pairs(sets):
        more.append(coverage(ours.threshold, calibrate) - coverage(threshold, calibrate))
    assert min(more) >= 0.0


@pytest.mark.parametrize("sets", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_equal_to_mapie_where_its_count_of_errors_is_rounded(
    sets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded_first(monkeypatch)
    found = pairs(sets)
    assert [ours.threshold for ours, _, _ in found] == [threshold for _, threshold, _ in found]
    assert sum(ours.certified for ours, _, _ in found) > 0.8 * sets


@pytest.mark.parametrize("n", [45, 77, 599])
def test_p_values_of_mapie(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = np.arange(31)
    risk = 1.0 - (n - errors) / n  # as MAPIE has it: 1 - precision

    def p_values() -> NDArray[np.float64]:
        sizes = np.full(len(errors), float(n))
        found = methods.compute_hoeffding_bentkus_p_value(risk, sizes, 0.05, True)[:, 0]
        return np.asarray(found, dtype=np.float64)

    exact = p_binomial(errors, n, 0.05)
    assert (p_values() >= exact * (1.0 - 1e-12)).all()
    rounded_first(monkeypatch)
    assert p_values() == pytest.approx(exact, rel=1e-9)
