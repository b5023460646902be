"""``surecode explain``: the evidence of every assigned code, and how far it can be trusted.

The spans are those of the decision records. Where the source marks evidence they are compared with
it; a share of the encounters is attributed a second time, by integrated gradients through the whole
network; and some encounters get an audit page.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from surecode.bundle.load import load_bundle, load_trained
from surecode.coder.attribution_view import attribution_view
from surecode.coder.runtime import Runtime
from surecode.coding import Coder
from surecode.data.batches import collate
from surecode.encounter import Code, Encounter
from surecode.evaluation.evidence_pairs import EvidencePair, pairs_of
from surecode.evaluation.plausibility import plausibility
from surecode.evidence.attribution import Attribution, attribute
from surecode.files import read_json_lines, write_text
from surecode.record import DecisionRecord
from surecode.registry.tracking import numbers, open_run, point_to
from surecode.settings import Config
from surecode.stages.audit_pages import write_pages
from surecode.stages.run_folder import Figures, RunFolder

Records = Sequence[DecisionRecord]
Encounters = Mapping[str, Encounter]


def explain(config: Config) -> Figures:
    """Write ``evidence.jsonl`` and audit pages, which quote the notes, and measure."""
    folder = RunFolder(config)
    folder.figures("evaluate")
    coder = load_bundle(folder.bundle, sealed=False)
    encounters = {e.encounter_id: e for e in folder.encounters(config.data.split)}
    lines = read_json_lines(folder.decisions, "run `surecode evaluate` again")
    records = [DecisionRecord.from_dict(line) for line in lines]
    point_to(config.tracking)  # an unreachable server is told now, not after the work
    known = [record for record in records if record.encounter_id in encounters]
    codes = [code for record in records for code in record.codes]
    figures: Figures = {
        "codes": len(codes),
        "codes_without_evidence": sum(not code.evidence for code in codes),
        "codes_in_doubt": sum(code.doubt is not None for code in codes),
        "verification": _statuses(records, {"auto", "review"}),
        "verification_of_automated": _statuses(records, {"auto"}),
        **_plausibility(known, encounters),
        **_check_by_integrated_gradients(config, coder, known, encounters),
    }
    write_text(folder.evidence, "".join(map(_line, _evidence_lines(records))))
    write_pages(folder.pages, _shown(known, config.attribution.pages), encounters)
    with open_run(config, {}) as run:
        run.log(numbers(figures, "explain/"))
    return folder.finish("explain", figures)


def _evidence_lines(records: Records) -> Iterator[dict[str, Any]]:
    for record in records:
        for code in record.codes:
            yield {"encounter_id": record.encounter_id} | asdict(code)


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def _shown(records: Records, pages: int) -> list[DecisionRecord]:
    """The encounters that get a page: automated ones first, since nobody else looks at them."""
    return sorted(records, key=lambda record: record.route != "auto")[:pages]


def _statuses(records: Records, routes: set[str]) -> dict[str, int] | None:
    """How many codes are verified, partial, diffuse or without a span; None where none was."""
    found = Counter(
        code.verification.status
        for record in records
        if record.route in routes
        for code in record.codes
        if code.verification is not None
    )
    return dict(sorted(found.items())) or None


def _plausibility(records: Records, encounters: Encounters) -> dict[str, Any]:
    """Assigned codes with gold spans: how well their words agree; None without such spans."""
    pairs: list[EvidencePair] = []
    for record in records:
        encounter = encounters[record.encounter_id]
        shown = {Code(code.system, code.value): code.evidence for code in record.codes}
        pairs += pairs_of(encounter, shown, assigned=set(shown))
    if not any(pair.gold_words for pair in pairs):
        return {"codes_with_gold_evidence": 0, "plausibility": None, "gold_evidence_touched": None}
    found = plausibility(pairs)
    touched = found.classes.exact + found.classes.proximate + found.classes.partial
    return {
        "codes_with_gold_evidence": found.pairs,
        "plausibility": asdict(found),
        "gold_evidence_touched": touched / found.pairs,
    }


def _check_by_integrated_gradients(
    config: Config, coder: Coder, records: Records, encounters: Encounters
) -> dict[str, Any]:
    """Integrated gradients for the first share of the encounters that have a code."""
    settings = config.attribution
    coded = [record for record in records if record.codes]
    share = settings.integrated_gradients_share if coder.network is not None else 0.0
    chosen = coded[: round(len(coded) * share)]
    gaps: list[float] = []
    agreements: list[float] = []
    # The path from baseline to note is integrated in fp32, whatever the coder codes in.
    exact = load_trained(RunFolder(config).bundle, Runtime("fp32", "sdpa")) if chosen else coder
    explain = coder.explainer()
    for record in chosen:
        encounter = encounters[record.encounter_id]
        all_positions = [
            coder.label_space.index(Code(code.system, code.value)) for code in record.codes
        ]
        known = {k: column for k in all_positions if (column := explain.column(k)) is not None}
        if not known:
            continue
        own = explain.scores(coder.run(encounter), list(known), settings.method)
        found = by_integrated_gradients(
            exact, encounter, list(known.values()), settings.integrated_gradients_steps
        )
        if found.completeness_gap is not None and found.explained is not None:
            gaps += (found.completeness_gap / np.maximum(abs(found.explained), 1e-6)).tolist()
        for column in range(len(known)):
            agreements += _rank_agreement(own[:, column], found.scores[:, column])
    return {
        "integrated_gradients_encounters": len(chosen),
        "integrated_gradients_codes": len(gaps),
        "completeness_gap_median": float(np.median(gaps)) if gaps else None,
        "completeness_gap_worst": float(np.max(gaps)) if gaps else None,
        "rank_agreement_median": float(np.median(agreements)) if agreements else None,
    }


def by_integrated_gradients(
    coder: Coder, encounter: Encounter, positions: Sequence[int], steps: int
) -> Attribution:
    """Integrated gradients of some codes' logits, from all words masked to the note as it is.

    ``positions`` are the codes' places among those that the network knows.
    """
    batch = collate([coder.windower(encounter)], coder.padding_id)
    assert coder.network is not None  # who asks for gradients has a network
    view = attribution_view(coder.network, batch, coder.windower.mask_id)
    return attribute(view, positions, method="integrated_gradients", steps=steps, mass_left_out=0.0)


def _rank_agreement(
    contributions: NDArray[np.floating], scores: NDArray[np.floating]
) -> list[float]:
    """Spearman's correlation of two attributions ``[T]``; none where one has nothing to rank."""
    if len(scores) < 3 or np.ptp(contributions) == 0 or np.ptp(scores) == 0:
        return []
    return [float(spearmanr(contributions, scores).statistic)]
