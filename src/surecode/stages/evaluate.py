"""``surecode evaluate``: what the coder is worth on encounters that nobody has decided on.

The records are those that serving would give. Beside every figure stands the dictionary baseline:
mentions of the training split looked up in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from surecode.bundle.load import load_bundle
from surecode.calibration.reliability import brier_score, expected_calibration_error
from surecode.coder.dictionary import Dictionary
from surecode.coding import Coder
from surecode.data.read import read
from surecode.encounter import Code, Encounter
from surecode.errors import InputError
from surecode.evaluation import figures as pictures
from surecode.evaluation import metrics, selective
from surecode.evaluation.ranked import RankedCodes, rank, write_ranked
from surecode.evaluation.selective import Rate
from surecode.files import write_text
from surecode.record import DecisionRecord
from surecode.registry.tracking import Run, numbers, open_run, point_to
from surecode.settings import Config
from surecode.stages.promise import losses_of, targets
from surecode.stages.run_folder import Figures, RunFolder
from surecode.stages.tuning import Gold


def evaluate(config: Config) -> Figures:
    """Code the split ``data.split`` (test, unless asked otherwise) and measure."""
    folder = RunFolder(config)
    folder.learned()
    coder = load_bundle(folder.bundle, sealed=False)
    encounters = _encounters(config, folder)
    point_to(config.tracking)  # an unreachable server is told now, not after the work
    records, rankings, ranked = _code(coder, encounters, config.trainer.progress)
    write_text(folder.decisions, "".join(record.to_json() + "\n" for record in records))
    write_ranked(ranked, folder.ranked)
    gold = [encounter.code_set for encounter in encounters]
    predicted = [frozenset(Code(c.system, c.value) for c in r.codes) for r in records]
    confidence = np.array([record.confidence for record in records])
    correct = np.array([g == p for g, p in zip(gold, predicted, strict=True)])
    automated = np.array([record.route == "auto" for record in records])
    dictionary = Dictionary.fit(folder.encounters("train"))
    looked_up = [dictionary.code(encounter) for encounter in encounters]
    name = folder.figures("prepare")["data"]
    result = {
        "data": name,
        "split": config.data.split,
        "encounters": len(encounters),
        "certificate": None if coder.certificate is None else coder.certificate.id,
        "coder": _coding_figures(gold, predicted, rankings),
        "dictionary": _coding_figures(gold, [frozenset(codes) for codes in looked_up], looked_up)
        | {"mentions": len(dictionary)},
        "automation_rate": _rate(selective.automation_rate(automated)),
        "accuracy_among_automated": _rate(selective.accuracy_among_automated(automated, correct)),
        "promised": _promised(config, coder, encounters, predicted, automated),
        "aurc": selective.aurc(confidence, correct),
        "augrc": selective.augrc(confidence, correct),
        "calibration_error": expected_calibration_error(confidence, correct),
        "brier": brier_score(confidence, correct),
    }
    with open_run(config, {}) as run:
        _draw(config, folder, run, coder, name, confidence, correct, automated)
        run.log(numbers(result, f"{config.data.split}/"))
    return folder.finish("evaluate", result)


def _encounters(config: Config, folder: RunFolder) -> list[Encounter]:
    """The split as prepared; test documents that came later are read from their source."""
    if config.data.source not in ("codiesp", "cantemist") or config.data.split != "test":
        return folder.encounters(config.data.split)
    prepared = {e.encounter_id for e in folder.encounters("train")}
    dataset = read(config.data, config.specialty, config.seed)
    test = [e for e in dataset.of("test") if e.encounter_id not in prepared]
    if not test:
        raise InputError("split test: no encounters in data.root; set data.root to the documents")
    return test


def _code(
    coder: Coder, encounters: Sequence[Encounter], progress: bool
) -> tuple[list[DecisionRecord], list[list[Code]], list[RankedCodes]]:
    """Records, the whole label space ranked for mean average precision, and its likely part."""
    records, rankings, kept = [], [], []
    shown = tqdm(encounters, desc="coding", unit="encounter", disable=not progress, leave=False)
    for encounter in shown:
        output = coder.run(encounter)
        record = coder.record(encounter, output)
        records.append(record)
        rankings.append(coder.ranked(output.logits))
        assigned = {Code(code.system, code.value) for code in record.codes}
        kept.append(rank(encounter.encounter_id, coder.scored(output.logits), keep=assigned))
    return records, rankings, kept


def _promised(
    config: Config,
    coder: Coder,
    encounters: Sequence[Encounter],
    predicted: Sequence[frozenset[Code]],
    automated: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """Each target's metric over the automated encounters, None where none is automated."""
    space = coder.label_space
    promised, weights = targets(config, space)
    losses = losses_of(
        encounters, space.encode(predicted), Gold.of(encounters, space), space, promised, weights
    )
    found: list[dict[str, Any]] = []
    for target, loss in zip(promised, losses, strict=True):
        error, size = float(loss.error[automated].sum()), float(loss.size[automated].sum())
        value = 1.0 - error / size if size > 0.0 else None
        found.append({"target": target.says(), "value": value})
    return found


def _coding_figures(
    gold: Sequence[frozenset[Code]],
    predicted: Sequence[frozenset[Code]],
    ranked: Sequence[Sequence[Code]],
) -> dict[str, Any]:
    micro = metrics.micro(gold, predicted)
    macro = metrics.macro(gold, predicted)
    return {
        "micro_precision": micro.precision,
        "micro_recall": micro.recall,
        "micro_f1": micro.f1,
        "macro_precision": macro.precision,
        "macro_recall": macro.recall,
        "macro_f1_of_means": macro.macro_f1_of_means,
        "macro_f1_mean": macro.macro_f1_mean,
        "mean_average_precision": metrics.mean_average_precision(gold, ranked),
        "exact_match": metrics.exact_match(gold, predicted),
    }


def _rate(rate: Rate | None) -> dict[str, Any] | None:
    if rate is None:
        return None
    return {
        "value": rate.value,
        "low": rate.low,
        "high": rate.high,
        "count": rate.count,
        "total": rate.total,
    }


def _draw(
    config: Config,
    folder: RunFolder,
    run: Run,
    coder: Coder,
    name: str,
    confidence: np.ndarray[Any, np.dtype[np.float64]],
    correct: np.ndarray[Any, np.dtype[np.bool_]],
    automated: np.ndarray[Any, np.dtype[np.bool_]],
) -> None:
    specialty, target = config.specialty.name, config.specialty.target
    point = None
    if automated.any():
        point = (float(automated.mean()), float(1 - correct[automated].mean()))
    drawn = {
        "reliability.png": pictures.reliability_diagram(
            confidence, correct, specialty=specialty, data=name
        ),
        "risk_coverage.png": pictures.risk_coverage_curve(
            confidence,
            correct,
            specialty=specialty,
            data=name,
            certified=point,
            # Another metric's level is no line in a picture of encounters that are right.
            target_accuracy=target.level if target.metric == "exact" else None,
        ),
    }
    for file, figure in drawn.items():
        pictures.save(figure, folder.pictures / file)
        run.log_file(folder.pictures / file, "pictures")
