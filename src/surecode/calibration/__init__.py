"""From logits to calibrated probabilities, code sets, a confidence and a certified threshold.

tune fits :class:`ProbabilityCalibrator` and :class:`Decoding` and gives the grid of thresholds;
calibrate is used once, by :func:`certify`.
"""

from surecode.calibration.betting import p_betting
from surecode.calibration.bounds import (
    clopper_pearson,
    p_binomial,
    p_hoeffding_bentkus,
    required_encounters,
)
from surecode.calibration.certificate import (
    Certificate,
    GroupResult,
    TargetResult,
    expiry_date,
    next_release_date,
    split_fingerprint,
    void_reason,
)
from surecode.calibration.certificate_file import read_certificate, write_certificate
from surecode.calibration.certify import certify
from surecode.calibration.confidence import encounter_confidence
from surecode.calibration.decoding import Decoding
from surecode.calibration.fixed_sequence import fixed_sequence, quantile_grid
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.calibration.protocol import Protocol
from surecode.calibration.reliability import (
    ReliabilityBins,
    brier_score,
    expected_calibration_error,
    reliability_bins,
)
from surecode.calibration.required import Plan, plan, required_n
from surecode.calibration.sample import Sample
from surecode.calibration.targets import Losses, Target, encounter_losses

__all__ = [
    "Certificate",
    "Decoding",
    "GroupResult",
    "Losses",
    "Plan",
    "ProbabilityCalibrator",
    "Protocol",
    "ReliabilityBins",
    "Sample",
    "Target",
    "TargetResult",
    "brier_score",
    "certify",
    "clopper_pearson",
    "encounter_confidence",
    "encounter_losses",
    "expected_calibration_error",
    "expiry_date",
    "fixed_sequence",
    "next_release_date",
    "p_betting",
    "p_binomial",
    "p_hoeffding_bentkus",
    "plan",
    "quantile_grid",
    "read_certificate",
    "reliability_bins",
    "required_encounters",
    "required_n",
    "split_fingerprint",
    "void_reason",
    "write_certificate",
]
