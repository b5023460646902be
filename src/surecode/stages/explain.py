"""``surecode explain``: the evidence of every assigned code, and how far it can be trusted.

The spans are those of the decision records (the head's exact contributions). A share of the
encounters is attributed a second time, by integrated gradients through the whole network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from surecode.bundle.load import load_bundle, load_trained
from surecode.coder.runtime import Runtime
from surecode.coding import Coder
from surecode.data.batches import collate
from surecode.encounter import Code, Encounter
from surecode.evidence.integrated_gradients import Integrated, integrated_gradients
from surecode.files import read_json_lines, write_text
from surecode.registry.tracking import open_run, point_to
from surecode.settings import Config
from surecode.stages.run_folder import Figures, RunFolder


def explain(config: Config) -> Figures:
    """Write ``evidence.jsonl`` (it quotes the notes, so it stays in the run folder) and measure."""
    folder = RunFolder(config)
    folder.figures("evaluate")
    coder = load_bundle(folder.bundle, sealed=False)
    encounters = {e.encounter_id: e for e in folder.encounters(config.data.split)}
    records = read_json_lines(folder.decisions, "run `surecode evaluate` again")
    point_to(config.tracking)  # an unreachable server is told now, not after the work
    lines = [line for record in records for line in _evidence_lines(record)]
    known = [record for record in records if record["encounter_id"] in encounters]
    figures = {
        "codes": len(lines),
        "codes_without_evidence": sum(not line["evidence"] for line in lines),
        **_overlap_with_gold(known, encounters),
        **_check_by_integrated_gradients(config, coder, known, encounters),
    }
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_text(folder.evidence, text)
    with open_run(config, {}) as run:
        run.log({f"explain/{k}": v for k, v in figures.items() if v is not None})
    return folder.finish("explain", figures)


def _evidence_lines(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for code in record["codes"]:
        yield {
            "encounter_id": record["encounter_id"],
            "system": code["system"],
            "value": code["value"],
            "probability": code["probability"],
            "evidence": code["evidence"],
        }


def _overlap_with_gold(
    records: list[dict[str, Any]], encounters: dict[str, Encounter]
) -> dict[str, Any]:
    """Of the rightly assigned codes with gold spans: how many have evidence that touches one.

    None where the source marks no evidence.
    """
    touched = with_gold = 0
    for record in records:
        gold = encounters[record["encounter_id"]].evidence
        for code in record["codes"]:
            spans = [e.span for e in gold if e.code == Code(code["system"], code["value"])]
            if not spans:
                continue
            with_gold += 1
            touched += any(
                quote["document_id"] == span.document_id
                and quote["start"] < span.end
                and span.start < quote["end"]
                for quote in code["evidence"]
                for span in spans
            )
    return {
        "codes_with_gold_evidence": with_gold,
        "gold_evidence_touched": touched / with_gold if with_gold else None,
    }


def _check_by_integrated_gradients(
    config: Config, coder: Coder, records: list[dict[str, Any]], encounters: dict[str, Encounter]
) -> dict[str, Any]:
    """Integrated gradients for the first share of the encounters that have a code."""
    settings = config.attribution
    coded = [record for record in records if record["codes"]]
    # The path from baseline to note is integrated in fp32, whatever the coder codes in.
    exact = load_trained(RunFolder(config).bundle, Runtime("fp32", "sdpa"))
    chosen = coded[: round(len(coded) * settings.integrated_gradients_share)]
    gaps: list[float] = []
    agreements: list[float] = []
    for record in chosen:
        encounter = encounters[record["encounter_id"]]
        positions = [
            coder.label_space.index(Code(code["system"], code["value"])) for code in record["codes"]
        ]
        contributions = coder.contributions(coder.run(encounter), positions)
        for column, position in enumerate(positions):
            found = attribute(exact, encounter, position, settings.integrated_gradients_steps)
            gaps.append(found.completeness_gap / max(abs(found.difference), 1e-6))
            agreements += _rank_agreement(contributions[:, column], found.scores.numpy())
    return {
        "integrated_gradients_encounters": len(chosen),
        "integrated_gradients_codes": len(gaps),
        "completeness_gap_median": float(np.median(gaps)) if gaps else None,
        "completeness_gap_worst": float(np.max(gaps)) if gaps else None,
        "rank_agreement_median": float(np.median(agreements)) if agreements else None,
    }


def attribute(coder: Coder, encounter: Encounter, position: int, steps: int) -> Integrated:
    """Integrated gradients of one code's logit, from all words masked to the note as it is."""
    windows = coder.windower(encounter)
    batch = collate([windows], coder.padding_id)
    masked = batch.input_ids.flatten().clone()
    masked[batch.content] = coder.windower.mask_id
    with torch.no_grad():
        embeddings = coder.network.embed(batch.input_ids)
        baseline = coder.network.embed(masked.view_as(batch.input_ids))
    return integrated_gradients(
        lambda rows: coder.network(batch, rows),
        embeddings,
        baseline,
        batch.content,
        position,
        steps,
    )


def _rank_agreement(
    contributions: NDArray[np.floating], scores: NDArray[np.floating]
) -> list[float]:
    """Spearman's correlation of two attributions ``[T]``; none where one has nothing to rank."""
    if len(scores) < 3 or np.ptp(contributions) == 0 or np.ptp(scores) == 0:
        return []
    return [float(spearmanr(contributions, scores).statistic)]
