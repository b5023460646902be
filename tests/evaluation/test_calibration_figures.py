from __future__ import annotations

import io
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from scipy import stats

from surecode.calibration.certificate import Certificate
from surecode.calibration.certify import certify
from surecode.calibration.protocol import Protocol
from surecode.calibration.reliability import ReliabilityBins, reliability_at_k
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses, Target
from surecode.calibration.what_if import automation_by_delta, automation_by_level
from surecode.errors import InputError
from surecode.evaluation.calibration_figures import certified_risk_coverage, reliability_of_codes
from surecode.evaluation.figures import png
from surecode.evaluation.what_if_figures import (
    automation_against_delta,
    automation_against_level,
)

NOBODY = ReliabilityBins(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64))


def drawn(split: str, *, n: int = 900, least: float = 0.0) -> Sample:
    """The probability of an error rises from ``least`` by .3 as confidence falls from 1 to 0."""
    rng = np.random.default_rng(len(split))
    confidence = rng.random(n)
    right = rng.random(n) > least + 0.3 * (1 - confidence) ** 2
    return Sample([f"{split}{i}" for i in range(n)], confidence, (Losses.of_correct(right),))


def certified(calibrate: Sample, tune: Sample, protocol: Protocol | None = None) -> Certificate:
    return certify(
        calibrate,
        tune,
        protocol,
        specialty="radiology",
        created=date(2026, 1, 1),
        expires=date(2026, 2, 1),
        hashes={},
    )


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.axes[0].texts)


# ---- the certified point -------------------------------------------------------------------------


def test_the_curve_is_errors_over_encounters_from_the_most_confident_on() -> None:
    confidence = np.array([0.9, 0.7, 0.7, 0.1])
    calibrate = Sample(list("abcd"), confidence, (Losses.of_correct(np.array([1, 0, 1, 0], bool)),))
    certificate = certified(calibrate, drawn("tune"))
    figure = certified_risk_coverage(certificate, calibrate, data="x")
    curve = next(line for line in figure.axes[0].get_lines() if line.get_label() == "observed")
    assert curve.get_xdata() == pytest.approx([0.25, 0.75, 1.0])
    assert curve.get_ydata() == pytest.approx([0.0, 1 / 3, 2 / 4])


def test_the_point_lies_on_the_curve_with_its_exact_interval_below_the_target() -> None:
    calibrate = drawn("calibrate")
    certificate = certified(calibrate, drawn("tune"))
    (group,) = certificate.groups
    (result,) = group.results
    assert group.certified
    figure = certified_risk_coverage(certificate, calibrate, data="synthetic encounters")
    lines = {str(line.get_label()): line for line in figure.axes[0].get_lines()}
    curve = lines["observed"]
    ((name, point),) = [item for item in lines.items() if item[0].startswith("certified")]
    at, error = float(point.get_xdata()[0]), float(point.get_ydata()[0])
    assert at == group.automation_rate
    assert error == pytest.approx(np.interp(at, curve.get_xdata(), curve.get_ydata()))
    assert name == f"certified: {at:.1%} at error {error:.1%}"
    exact = stats.binomtest(int(result.errors), group.n_selected).proportion_ci(method="exact")
    assert f"95% interval: {exact.low:.1%} to {exact.high:.1%}" in labels(figure)
    ((_, limit),) = [item for item in lines.items() if item[0].startswith("with 90% certainty")]
    assert result.lower_bound is not None
    assert float(limit.get_ydata()[0]) == 1 - result.lower_bound <= 0.05
    assert "target: at most 5.0%" in labels(figure)
    assert figure.axes[0].get_title(loc="left") == "Error and automation: radiology"
    assert "synthetic encounters" in words(figure)


def test_what_is_not_certified_is_hollow() -> None:
    calibrate = drawn("calibrate", least=0.3)
    certificate = certified(calibrate, drawn("tune"))
    assert not certificate.certified
    figure = certified_risk_coverage(certificate, calibrate, data="x")
    ((name, point),) = [
        (str(line.get_label()), line)
        for line in figure.axes[0].get_lines()
        if "at error" in str(line.get_label())
    ]
    assert name.startswith("not certified")
    assert point.get_markerfacecolor() == "white"


def test_clusters_groups_and_the_ineligible_count_as_in_the_certificate() -> None:
    plain = drawn("calibrate", n=1200)
    calibrate = replace(
        plain,
        groups=["a" if i % 2 else "b" for i in range(1200)],
        clusters=[f"patient {i // 3}" for i in range(1200)],
        eligible=np.arange(1200) % 5 > 0,
    )
    tune = replace(drawn("tune"), groups=["a"] * 450 + ["b"] * 450)
    certificate = certified(calibrate, tune)
    for name in "ab":
        group = certificate.group(name)
        assert group is not None
        assert 150 < group.n_calibrate < 250
        figure = certified_risk_coverage(certificate, calibrate, data="x", group=name)
        lines = {str(line.get_label()): line for line in figure.axes[0].get_lines()}
        reached = float(lines["observed"].get_xdata()[-1])
        assert reached == pytest.approx(group.n_eligible / group.n_calibrate)
        ((_, point),) = [item for item in lines.items() if "at error" in item[0]]
        at, error = float(point.get_xdata()[0]), float(point.get_ydata()[0])
        curve = lines["observed"]
        place = np.flatnonzero(np.isclose(curve.get_xdata(), at))
        assert curve.get_ydata()[place] == pytest.approx([error])
        assert figure.axes[0].get_title(loc="left").endswith(f"radiology, {name}")


def test_losses_between_0_and_1_have_no_binomial_interval() -> None:
    plain = drawn("calibrate")
    shares = Losses(plain.losses[0].error / 2, np.ones(900), 1.0, False, np.zeros(900, dtype=bool))
    calibrate, tune = replace(plain, losses=(shares,)), replace(drawn("tune"), losses=(shares,))
    protocol = Protocol(targets=(Target("f1", 0.95),))
    certificate = certified(calibrate, tune, protocol)
    assert certificate.groups[0].results[0].bound == "betting"
    shown = labels(certified_risk_coverage(certificate, calibrate, data="x"))
    assert not [label for label in shown if "95% interval" in label]
    assert [label for label in shown if label.startswith("with 90% certainty at most")]


def test_other_encounters_than_the_certificates_are_refused() -> None:
    calibrate, tune = drawn("calibrate"), drawn("tune")
    certificate = certified(calibrate, tune)
    with pytest.raises(InputError, match="not the encounters"):
        certified_risk_coverage(certificate, tune, data="x")
    for wrong in ({"group": "b"}, {"target": 1}, {"target": -1}):
        with pytest.raises(InputError, match="has no group"):
            certified_risk_coverage(certificate, calibrate, data="x", **wrong)  # type: ignore[arg-type]
    stopped = replace(calibrate, eligible=np.zeros(900, dtype=bool))
    with pytest.raises(InputError, match="nothing to draw"):
        certified_risk_coverage(certified(stopped, tune), stopped, data="x")


@pytest.mark.parametrize("right", [True, False])
def test_one_encounter_is_enough(right: bool) -> None:
    one = Sample(["a"], np.array([0.5]), (Losses.of_correct(np.array([right])),))
    certificate = certified(one, drawn("tune"))
    picture = png(certified_risk_coverage(certificate, one, data="x"))
    assert imread(io.BytesIO(picture)).ndim == 3


# ---- codes ---------------------------------------------------------------------------------------


def test_codes_are_drawn_with_their_gaps_and_counts() -> None:
    bins = ReliabilityBins(np.array([0.2, 0.8]), np.array([0.1, 0.9]), np.array([300, 100]))
    figure = reliability_of_codes(bins, k=5, specialty="urology", data="synthetic")
    axes = figure.axes[0]
    assert axes.get_title(loc="left") == "Reliability of the top 5 codes: urology"
    observed = next(line for line in axes.get_lines() if line.get_label() == "observed")
    assert observed.get_xdata() == pytest.approx([0.2, 0.8])
    assert observed.get_ydata() == pytest.approx([0.1, 0.9])
    assert "400 codes in 2 bins" in words(figure)
    assert "of 100 to 300" in words(figure)
    assert "mean gap 0.100" in words(figure)
    with pytest.raises(InputError, match="no bins"):
        reliability_of_codes(NOBODY, k=5, specialty="x", data="y")


def test_bins_of_the_top_codes_are_drawn() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((50, 8))
    bins = reliability_at_k(p, rng.random((50, 8)) < p, k=3)
    figure = reliability_of_codes(bins, k=3, specialty="x", data="y")
    assert "150 codes in 15 bins" in words(figure)


# ---- what if -------------------------------------------------------------------------------------


def test_levels_are_drawn_with_what_alone_is_promised() -> None:
    rows = automation_by_level(drawn("calibrate", least=0.015), drawn("tune"))
    assert {row.certified for row in rows} == {True, False}
    figure = automation_against_level(rows, specialty="radiology", data="synthetic")
    lines = figure.axes[0].get_lines()
    assert lines[0].get_xdata() == pytest.approx([row.level for row in rows])
    assert lines[0].get_ydata() == pytest.approx([row.automation_rate for row in rows])
    assert labels(figure) == ["certified, 95% interval", "fixed beforehand", "nothing certified"]
    caption = words(figure).replace("\n", " ")
    assert "a test of its own that errs in at most 10% of cases" in caption
    assert "Only the level fixed beforehand, 95%, is promised." in caption
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert ticks == [f"{level}%" for level in range(90, 100)]


def test_deltas_are_drawn_with_what_alone_is_promised() -> None:
    rows = automation_by_delta(drawn("calibrate"), drawn("tune"))
    figure = automation_against_delta(rows, specialty="radiology", data="synthetic")
    assert "Only the delta fixed beforehand, 10%, is promised." in words(figure)
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert ticks == ["1%", "5%", "10%", "20%"]


def test_no_level_of_those_fixed_beforehand() -> None:
    rows = automation_by_level(drawn("calibrate"), drawn("tune"), levels=(0.9, 0.92))
    figure = automation_against_level(rows, specialty="x", data="y")
    assert "No level of these is promised" in words(figure)
    assert "fixed beforehand" not in labels(figure)


def test_every_group_has_a_line_and_a_mark_of_its_own() -> None:
    calibrate = replace(drawn("calibrate"), groups=["a", "b", "c"] * 300)
    tune = replace(drawn("tune"), groups=["a", "b", "c"] * 300)
    rows = automation_by_level(calibrate, tune, levels=(0.9, 0.95))
    figure = automation_against_level(rows, specialty="x", data="y")
    named = [f"{name}, 95% interval" for name in "abc"]
    assert labels(figure)[:3] == named
    marks = {
        (line.get_marker(), line.get_color())
        for line in figure.axes[0].get_lines()
        if line.get_marker() in ("o", "s", "^")
    }
    assert len({mark for mark, _ in marks}) == len({color for _, color in marks}) == 3


@pytest.mark.parametrize("draw", [automation_against_level, automation_against_delta])
def test_no_rows_are_refused(draw) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="no rows"):
        draw([], specialty="x", data="y")


# ---- bytes ---------------------------------------------------------------------------------------


def test_equal_data_give_equal_bytes_that_fill_their_frame() -> None:
    """No part of a legend or caption is cut off: the border of each picture is white."""
    calibrate, tune = drawn("calibrate"), drawn("tune")
    certificate = certified(calibrate, tune)
    bins = ReliabilityBins(np.array([0.2, 0.8]), np.array([0.1, 0.9]), np.array([300, 100]))
    hopeless = drawn("calibrate", least=0.3)

    def pictures() -> list[bytes]:
        figures = [
            certified_risk_coverage(certificate, calibrate, data="x"),
            certified_risk_coverage(certified(hopeless, tune), hopeless, data="x"),
            reliability_of_codes(bins, k=5, specialty="x", data="y"),
            automation_against_level(automation_by_level(calibrate, tune), specialty="x", data="y"),
            automation_against_delta(automation_by_delta(calibrate, tune), specialty="x", data="y"),
        ]
        return [png(figure) for figure in figures]

    first = pictures()
    assert first == pictures()
    for content in first:
        assert b"Matplotlib" not in content
        assert b"tIME" not in content
        pixels = imread(io.BytesIO(content))[..., :3]
        border = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
        assert all((edge == 1.0).all() for edge in border)
