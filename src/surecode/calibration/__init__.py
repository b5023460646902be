"""From logits to calibrated probabilities, code sets, a confidence and a certified threshold.

tune fits :class:`ProbabilityCalibrator` and :class:`Decoding` and gives the grid of thresholds;
calibrate is used once, by :func:`certify`.
"""

from surecode.calibration.bounds import clopper_pearson, p_binomial, required_encounters
from surecode.calibration.certificate import (
    Certificate,
    Target,
    expiry_date,
    next_release_date,
    split_fingerprint,
    void_reason,
)
from surecode.calibration.certificate_file import read_certificate, write_certificate
from surecode.calibration.confidence import encounter_confidence
from surecode.calibration.decoding import Decoding
from surecode.calibration.fixed_sequence import certify, quantile_grid
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.calibration.reliability import (
    ReliabilityBins,
    brier_score,
    expected_calibration_error,
    reliability_bins,
)

__all__ = [
    "Certificate",
    "Decoding",
    "ProbabilityCalibrator",
    "ReliabilityBins",
    "Target",
    "brier_score",
    "certify",
    "clopper_pearson",
    "encounter_confidence",
    "expected_calibration_error",
    "expiry_date",
    "next_release_date",
    "p_binomial",
    "quantile_grid",
    "read_certificate",
    "reliability_bins",
    "required_encounters",
    "split_fingerprint",
    "void_reason",
    "write_certificate",
]
