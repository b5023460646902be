"""``surecode calibrate``: choose on tune, certify on calibrate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from surecode.bundle import layout
from surecode.bundle.load import certified_hashes, load_trained, write_calibrator
from surecode.calibration.certificate import Certificate, expiry_date, split_fingerprint
from surecode.calibration.certificate_file import write_certificate
from surecode.calibration.certify import certify
from surecode.calibration.confidence_features import EncounterFacts
from surecode.calibration.protocol import Protocol
from surecode.calibration.sample import Sample
from surecode.coder.runtime import Runtime, candidates, coding_runtime
from surecode.coding import Coder
from surecode.encounter import Encounter, Split
from surecode.evidence.span_tuning import TunedPolicy
from surecode.facts import FactFinder
from surecode.files import whole
from surecode.registry.tracking import flatten, open_run
from surecode.settings import Config
from surecode.stages.certificate_report import Basis, report
from surecode.stages.explained import doubts, evidence_policy, explaining, tuned_policy
from surecode.stages.promise import losses_of, protocol, sample_of, targets, times_tested
from surecode.stages.run_folder import Figures, RunFolder
from surecode.stages.terms import tune_logits
from surecode.stages.tuning import Gold, Tuned, fit_calibrator, write_tune_features

SPLITS: tuple[Split, ...] = ("tune", "calibrate")


def calibrate(config: Config, today: date | None = None) -> Figures:
    """Fit the calibrator, make the certificate, and put both into the run's bundle."""
    folder = RunFolder(config)
    folder.learned()
    runtime = _runtime(config, folder)
    coder = load_trained(folder.bundle, runtime)
    created = today or date.today()
    promised, weights = targets(config, coder.label_space)
    rules = protocol(config, promised)
    with open_run(config, _chosen(config)) as run:
        splits = {split: folder.encounters(split) for split in SPLITS}
        logits = {
            split: tune_logits(folder, encounters, coder.label_space)
            if split == "tune" and coder.terms is not None  # the terms saw tune's gold
            else _logits(coder, encounters, config.trainer.progress)
            for split, encounters in splits.items()
        }
        _write_predictions(folder, coder, splits, logits)
        finder = FactFinder.fit(
            folder.encounters("train"), coder.windower, coder.windower.vocabulary_size
        )
        facts = {split: _facts(coder, finder, splits[split]) for split in SPLITS}
        tuned = fit_calibrator(
            config,
            splits["tune"],
            logits["tune"],
            coder.label_space,
            finder,
            facts["tune"],
            splits["calibrate"],
        )
        write_tune_features(folder.tune_features, splits["tune"], tuned)
        coded = {split: tuned.calibrator(logits[split], facts[split]) for split in SPLITS}
        gold = {split: Gold.of(splits[split], coder.label_space) for split in SPLITS}
        policy, chosen = evidence_policy(config.attribution), None
        explained = explaining(coder, tuned.calibrator, policy)
        if config.attribution.tuned:
            policy, chosen = tuned_policy(explained, policy, splits["tune"], coded["tune"][1])
            explained = explaining(coder, tuned.calibrator, policy)
        doubted = {
            split: doubts(explained, splits[split], coded[split][1], config.trainer.progress)
            for split in SPLITS
        }
        tune, held_back = (
            sample_of(
                config,
                splits[split],
                *coded[split][1:],
                doubted[split],
                losses_of(
                    splits[split],
                    coded[split][1],
                    gold[split],
                    coder.label_space,
                    promised,
                    weights,
                ),
            )
            for split in SPLITS
        )
        hashes = certified_hashes(coder.hashes, tuned.calibrator, policy)
        certificate = _certify(config, hashes, held_back, tune, rules, created)
        write_calibrator(folder.bundle, tuned.calibrator, policy, runtime)
        write_certificate(certificate, folder.bundle / layout.CERTIFICATE)
        run.log_file(folder.bundle / layout.CERTIFICATE)
        run.log(_metrics(certificate))
        basis = Basis(
            tune,
            held_back,
            gold["tune"].correct(coded["tune"][1]),
            coded["calibrate"][0],
            gold["calibrate"].codes,
        )
        shown = report(folder, run, certificate, rules, basis, folder.figures("prepare")["data"])
    figures = _figures(config, folder, tuned, certificate, runtime) | shown
    figures["evidence"] = policy.to_dict()
    figures["evidence_tuned"] = None if chosen is None else _tuned_figures(chosen)
    figures["doubted"] = sum(map(bool, doubted["calibrate"]))
    return folder.finish("calibrate", figures)


def _runtime(config: Config, folder: RunFolder) -> Runtime:
    """What this run coded in before, as long as the settings allow it; else measured."""
    if config.coder.kind == "lexicon":  # nothing to compute with tensors
        runtime = Runtime("fp32", "sdpa")
        folder.keep_runtime("coding", runtime)
        return runtime
    allowed = candidates(config.runtime.coding, config.runtime.attention, "cpu")
    kept = folder.runtime("coding")
    runtime = kept if kept is not None and kept in allowed else coding_runtime(config)
    folder.keep_runtime("coding", runtime)
    return runtime


def _chosen(config: Config) -> dict[str, str]:
    """What may be chosen anew on the same weights: tags, since MLflow never changes a parameter."""
    chosen = config.model_dump(mode="json", include={"specialty": {"target"}, "calibration": True})
    return {name: str(value) for name, value in flatten(chosen).items()}


def _tuned_figures(chosen: TunedPolicy) -> dict[str, Any]:
    return {"f1": chosen.f1, "f1_before": chosen.f1_before, "codes": chosen.codes}


def _facts(coder: Coder, finder: FactFinder, encounters: Sequence[Encounter]) -> EncounterFacts:
    return finder(encounters, map(coder.windower, encounters), coder.label_space)


def _certify(
    config: Config,
    hashes: dict[str, str],
    calibrate: Sample,
    tune: Sample,
    rules: Protocol,
    created: date,
) -> Certificate:
    fingerprint = split_fingerprint(calibrate.encounter_ids)
    # How many others are certified whole is a later step of the same test, not another one.
    made_by = {
        "hashes": hashes,
        "protocol": asdict(replace(rules, others_whole=0)),
        "group_by": config.calibration.group_by,
    }
    return certify(
        calibrate,
        tune,
        rules,
        specialty=config.specialty.name,
        created=created,
        expires=expiry_date(created, config.calibration.valid_days),
        hashes=hashes,
        group_by=config.calibration.group_by,
        test_number=times_tested(config.runs / config.specialty.name, fingerprint, made_by),
    )


def _metrics(certificate: Certificate) -> dict[str, float]:
    """Figures of each group, under its number: MLflow would not take every payer's name."""
    metrics = {
        "calibrate/certified": float(certificate.certified),
        "calibrate/automation_rate": certificate.automation_rate,
    }
    for number, group in enumerate(certificate.groups):
        place = f"calibrate/group_{number}/" if group.name else "calibrate/"
        metrics |= {f"{place}selected": group.n_selected, f"{place}p_value": group.p_value}
    return metrics


def _figures(
    config: Config,
    folder: RunFolder,
    tuned: Tuned,
    certificate: Certificate,
    runtime: Runtime,
) -> dict[str, Any]:
    learned = tuned.calibrator
    return {
        "certified": certificate.certified,
        "certificate": certificate.id,
        "reason": certificate.reason,
        "promise": [target.says() for target in certificate.targets],
        "delta": certificate.delta,
        "family": certificate.family,
        "family_specialties": sorted([*config.calibration.specialties, config.specialty.name]),
        "whole": certificate.complete,
        "test_number": certificate.test_number,
        "n_calibrate": certificate.n_calibrate,
        "automation_rate": certificate.automation_rate,
        "groups": [asdict(group) for group in certificate.groups],
        "probabilities": tuned.probabilities,
        "confidence": tuned.confidence,
        "probability_map": learned.probabilities.to_dict(),
        "cut": learned.decoding.threshold,
        "runtime": runtime.name,
        "tune_features": str(folder.tune_features),
    }


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
