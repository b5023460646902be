"""``surecode calibrate``: choose on tune, certify on calibrate."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from surecode.bundle import layout
from surecode.bundle.load import certified_hashes, load_trained, write_calibrator
from surecode.calibration.certificate import Certificate, Target, expiry_date
from surecode.calibration.certificate_file import write_certificate
from surecode.calibration.decoding import Decoding
from surecode.calibration.fixed_sequence import certify, quantile_grid
from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.coder.runtime import Runtime, candidates, coding_runtime
from surecode.coding import Calibrator, Coder
from surecode.decide import eligible
from surecode.encounter import Encounter, Split
from surecode.evidence.spans import SpanPolicy
from surecode.files import whole
from surecode.registry.tracking import flatten, open_run
from surecode.settings import Config
from surecode.stages.run_folder import Figures, RunFolder


def calibrate(config: Config, today: date | None = None) -> Figures:
    """Fit the calibrator, make the certificate, and put both into the run's bundle."""
    folder = RunFolder(config)
    folder.learned()
    runtime = _runtime(config, folder)
    coder = load_trained(folder.bundle, runtime)
    created = today or date.today()
    with open_run(config, _chosen(config)) as run:
        splits: dict[Split, list[Encounter]] = {
            split: folder.encounters(split) for split in ("tune", "calibrate")
        }
        logits = {
            split: _logits(coder, encounters, config.trainer.progress)
            for split, encounters in splits.items()
        }
        _write_predictions(folder, coder, splits, logits)
        calibrator = fit_calibrator(config, coder, splits["tune"], logits["tune"])
        certificate = _certify(config, coder, calibrator, splits, logits, created)
        write_calibrator(folder.bundle, calibrator, _span_policy(config), runtime)
        write_certificate(certificate, folder.bundle / layout.CERTIFICATE)
        run.log_file(folder.bundle / layout.CERTIFICATE)
        run.log(
            {
                "calibrate/certified": certificate.certified,
                "calibrate/automation_rate": certificate.automation_rate,
                "calibrate/errors": certificate.errors,
                "calibrate/selected": certificate.n_selected,
            }
        )
    return folder.finish(
        "calibrate",
        {
            "certified": certificate.certified,
            "reason": certificate.reason,
            "threshold": certificate.threshold,
            "level": certificate.target.level,
            "delta": certificate.target.delta,
            "n_calibrate": certificate.n_calibrate,
            "n_selected": certificate.n_selected,
            "errors": certificate.errors,
            "p_value": certificate.p_value,
            "accuracy_lower_bound": certificate.accuracy_lower_bound,
            "automation_rate": certificate.automation_rate,
            "slope": calibrator.probabilities.slope,
            "intercept": calibrator.probabilities.intercept,
            "cut": calibrator.decoding.threshold,
            "runtime": runtime.name,
        },
    )


def _runtime(config: Config, folder: RunFolder) -> Runtime:
    """What this run coded in before, as long as the settings allow it; else measured."""
    allowed = candidates(config.runtime.coding, config.runtime.attention, "cpu")
    kept = folder.runtime("coding")
    runtime = kept if kept is not None and kept in allowed else coding_runtime(config)
    folder.keep_runtime("coding", runtime)
    return runtime


def _chosen(config: Config) -> dict[str, str]:
    """What may be chosen anew on the same weights: tags, since MLflow never changes a parameter."""
    chosen = config.model_dump(mode="json", include={"specialty": {"target"}, "calibration": True})
    return {name: str(value) for name, value in flatten(chosen).items()}


def _span_policy(config: Config) -> SpanPolicy:
    chosen = config.attribution
    return SpanPolicy(chosen.positive_mass, chosen.maximum_gap, chosen.maximum_spans)


def fit_calibrator(
    config: Config, coder: Coder, tune: list[Encounter], logits: NDArray[np.float32]
) -> Calibrator:
    """Probabilities and code sets from tune's logits ``[N, K]``; calibrate is not looked at."""
    gold = coder.label_space.encode([encounter.code_set for encounter in tune])
    outside = np.array([len(e.code_set) for e in tune]) - gold.sum(axis=1)
    probabilities = ProbabilityCalibrator.fit(logits, gold)
    decoding = Decoding.fit(
        probabilities(logits), gold, config.calibration.objective, gold_outside=outside
    )
    return Calibrator(probabilities, decoding, config.calibration.confidence)


def _certify(
    config: Config,
    coder: Coder,
    calibrator: Calibrator,
    splits: dict[Split, list[Encounter]],
    logits: dict[Split, NDArray[np.float32]],
    created: date,
) -> Certificate:
    _, _, tune_confidence = calibrator(logits["tune"])
    _, assigned, confidence = calibrator(logits["calibrate"])
    encounters = splits["calibrate"]
    codes = np.array(coder.label_space.codes, dtype=object)
    correct = np.array(
        [set(codes[row]) == e.code_set for row, e in zip(assigned, encounters, strict=True)]
    )
    target = config.specialty.target
    return certify(
        confidence,
        correct,
        grid=quantile_grid(tune_confidence, config.calibration.grid_size),
        encounter_ids=[encounter.encounter_id for encounter in encounters],
        specialty=config.specialty.name,
        created=created,
        expires=expiry_date(created, config.calibration.valid_days),
        hashes=certified_hashes(coder.hashes, calibrator),
        target=Target(target.metric, target.level, target.delta),
        eligible=np.array([eligible(int(row.sum())) for row in assigned]),
    )


def _logits(coder: Coder, encounters: list[Encounter], progress: bool) -> NDArray[np.float32]:
    shown = tqdm(encounters, desc="coding", unit="encounter", disable=not progress, leave=False)
    return np.stack(list(coder.logits(shown)))


def _write_predictions(
    folder: RunFolder,
    coder: Coder,
    splits: dict[Split, list[Encounter]],
    logits: dict[Split, NDArray[np.float32]],
) -> None:
    """Logits under the name of the runtime that made them: other arithmetic, other calibration."""
    rows = [
        {"encounter_id": e.encounter_id, "split": split, "logits": row}
        for split, encounters in splits.items()
        for e, row in zip(encounters, logits[split], strict=True)
    ]
    schema = pa.schema(
        [("encounter_id", pa.string()), ("split", pa.string()), ("logits", pa.list_(pa.float32()))],
        metadata={"runtime": coder.runtime, "label_space": coder.label_space.hash},
    )
    with whole(folder.predictions) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)
