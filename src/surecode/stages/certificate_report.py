"""What a certificate looks like: pictures, the page for who signs it, the table in the terminal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surecode.calibration.certificate import Certificate
from surecode.calibration.certificate_page import certificate_page
from surecode.calibration.protocol import Protocol
from surecode.calibration.reliability import reliability_at_k
from surecode.calibration.required import Plan, plan
from surecode.calibration.sample import Sample
from surecode.calibration.what_if import LEVELS, automation_by_delta, automation_by_level
from surecode.evaluation.calibration_figures import certified_risk_coverage, reliability_of_codes
from surecode.evaluation.figures import png
from surecode.evaluation.what_if_figures import automation_against_delta, automation_against_level
from surecode.files import write_bytes, write_text
from surecode.registry.tracking import Run
from surecode.stages.run_folder import RunFolder

TOP_CODES = 5


@dataclass(frozen=True)
class Basis:
    """What a certificate was made from: samples of both splits, and calibrate's probabilities."""

    tune: Sample
    calibrate: Sample
    tune_correct: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    gold: NDArray[np.bool_]


def report(
    folder: RunFolder,
    run: Run,
    certificate: Certificate,
    protocol: Protocol,
    basis: Basis,
    data: str,
) -> dict[str, Any]:
    """Write pictures and page into the run folder and to MLflow; the figures that they show."""
    first = certificate.targets[0]
    levels = sorted({*LEVELS, first.level})
    by_level = automation_by_level(basis.calibrate, basis.tune, protocol, levels)
    by_delta = automation_by_delta(basis.calibrate, basis.tune, protocol)
    required: tuple[Plan, ...] = ()
    if first.metric == "exact":  # a plan for another metric would answer another question
        candidates = np.where(basis.tune.candidate, basis.tune.confidence, np.nan)
        least = min(group.delta for group in certificate.groups)
        required = plan(candidates, basis.tune_correct, levels, least)
    specialty = certificate.specialty
    drawn = {
        "automation_by_level": (
            "Automation rate against the level of the target",
            png(automation_against_level(by_level, specialty=specialty, data=data)),
        ),
        "automation_by_delta": (
            "Automation rate against delta",
            png(automation_against_delta(by_delta, specialty=specialty, data=data)),
        ),
        "reliability_of_codes": (
            f"Reliability of the {TOP_CODES} likeliest codes of each encounter",
            png(_reliability(basis, specialty, data)),
        ),
        **_risk_coverage(certificate, basis.calibrate, data),
    }
    for name, (_, content) in drawn.items():
        write_bytes(folder.pictures / f"{name}.png", content)
        run.log_file(folder.pictures / f"{name}.png", "pictures")
    page = certificate_page(certificate, data=data, pictures=dict(drawn.values()), plan=required)
    write_text(folder.certificate_page, page)
    run.log_file(folder.certificate_page)
    return {
        "required": [asdict(row) for row in required],
        "automation_by_level": [asdict(row) for row in by_level],
        "automation_by_delta": [asdict(row) for row in by_delta],
    }


def _reliability(basis: Basis, specialty: str, data: str) -> Any:
    bins = reliability_at_k(basis.probabilities, basis.gold, TOP_CODES)
    return reliability_of_codes(bins, k=TOP_CODES, specialty=specialty, data=data)


def _risk_coverage(
    certificate: Certificate, calibrate: Sample, data: str
) -> dict[str, tuple[str, bytes]]:
    """One picture per group and target, by the name of its file."""
    drawn = {}
    for number, group in enumerate(certificate.groups):
        if not group.n_eligible:
            continue
        for target in range(len(certificate.targets)):
            figure = certified_risk_coverage(
                certificate, calibrate, data=data, group=group.name, target=target
            )
            words = f"Error against coverage, target {target + 1}, {group.name or 'all encounters'}"
            drawn[f"certificate_{number}_{target}"] = (words, png(figure))
    return drawn
