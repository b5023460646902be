import os
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.image import imread

from surecode.errors import InputError
from surecode.evaluation import figures


@pytest.fixture
def sample():
    random = np.random.default_rng(0)
    confidence = random.beta(4, 1.5, 300)
    return confidence, random.random(300) < confidence


def test_bins_have_about_equal_mass(sample):
    bins = figures.equal_mass_bins(*sample, bins=10)
    assert [b.accuracy.total for b in bins] == [30] * 10
    assert sum(b.accuracy.count for b in bins) == sample[1].sum()
    assert all(a.confidence < b.confidence for a, b in pairwise(bins))


def test_equal_confidences_share_a_bin():
    bins = figures.equal_mass_bins([0.9] * 50 + [0.2] * 3, [True] * 50 + [False] * 3)
    assert [(round(b.confidence, 9), b.accuracy.total) for b in bins] == [(0.2, 3), (0.9, 50)]
    assert len(figures.equal_mass_bins([0.5] * 9, [True] * 9)) == 1


def test_reliability_diagram_draws_its_bins_counts_and_title(sample):
    figure = figures.reliability_diagram(*sample, specialty="oncology", data="synthetic notes")
    axes = figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert axes.get_title(loc="left") == "Reliability: oncology"
    assert "synthetic notes" in texts
    assert texts.count("30") == 10


def test_risk_coverage_curve_draws_the_certified_point_and_the_target(sample):
    figure = figures.risk_coverage_curve(
        *sample, specialty="urology", data="test", certified=(0.4, 0.03), target_accuracy=0.95
    )
    labels = [line.get_label() for line in figure.axes[0].get_lines()]
    assert "target: at most 5.0%" in labels
    assert "certified: 40.0% at risk 3.0%" in labels
    plain = figures.risk_coverage_curve(*sample, specialty="urology", data="test")
    assert len(plain.axes[0].get_lines()) == 2


@pytest.mark.parametrize("draw", [figures.reliability_diagram, figures.risk_coverage_curve])
@pytest.mark.parametrize("right", [True, False])
def test_one_encounter_is_enough(tmp_path, draw, right):
    path = figures.save(draw([0.7], [right], specialty="x", data="y"), tmp_path / "one.png")
    assert imread(path).ndim == 3


@pytest.mark.parametrize("draw", [figures.reliability_diagram, figures.risk_coverage_curve])
def test_equal_data_give_equal_bytes_without_date_or_version(tmp_path, sample, draw):
    first = figures.save(draw(*sample, specialty="x", data="y"), tmp_path / "first.png")
    second = figures.save(draw(*sample, specialty="x", data="y"), tmp_path / "second.png")
    assert first.read_bytes() == second.read_bytes()
    assert b"Matplotlib" not in first.read_bytes()
    assert b"tIME" not in first.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["first.png", "second.png"]


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, sample, monkeypatch):
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")
    figure = figures.reliability_diagram(*sample, specialty="x", data="y")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        figures.save(figure, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["figure.png"]


@pytest.mark.parametrize(
    ("confidence", "correct", "bins"),
    [([], [], 10), ([0.5], [True, False], 10), ([1.5], [True], 10), ([0.5], [True], 0)],
)
def test_bad_input_is_refused(confidence, correct, bins):
    with pytest.raises(InputError, match="reliability"):
        figures.equal_mass_bins(confidence, correct, bins)
