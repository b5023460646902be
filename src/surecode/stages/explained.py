"""Evidence in calibration: the policy chosen on tune, and which encounters it sends to a person.

A certificate is made on the population that may be automated, so that doubts about evidence are
found here as they will be in use, by the same explainer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from surecode.calibrator import Calibrator
from surecode.coding import Coder
from surecode.encounter import Encounter
from surecode.evidence.policy import EvidencePolicy
from surecode.evidence.sections import headings, sections
from surecode.evidence.span_policy import SpanPolicy
from surecode.evidence.span_tuning import MarkedCode, TunedPolicy, tune_policy
from surecode.evidence.words import map_words
from surecode.settings import AttributionSettings

# Codes with marked evidence that the thresholds are chosen on: more say little that is new.
TUNED_CODES = 150


def evidence_policy(settings: AttributionSettings) -> EvidencePolicy:
    """The policy that the settings name."""
    return EvidencePolicy(
        spans=SpanPolicy(
            positive_mass=settings.positive_mass,
            maximum_gap=settings.maximum_gap,
            maximum_spans=settings.maximum_spans,
            seed=settings.seed,
            grow=settings.grow,
            maximum_words=settings.maximum_words,
            stop_words=settings.stop_words,
        ),
        method=settings.method,
        mass_left_out=settings.mass_left_out,
        deletion=settings.deletion,
        doubts=settings.doubts,
    )


def tuned_policy(
    coder: Coder, policy: EvidencePolicy, tune: Sequence[Encounter], assigned: NDArray[np.bool_]
) -> tuple[EvidencePolicy, TunedPolicy]:
    """The policy with the thresholds of spans that agree best with tune's marked evidence.

    ``assigned`` ``[N, K]`` are tune's code sets; codes that are gold as well are looked at.
    """
    chosen = tune_policy(_marked(coder, policy, tune, assigned), policy.spans)
    return replace(policy, spans=chosen.policy), chosen


def doubts(
    coder: Coder, encounters: Sequence[Encounter], assigned: NDArray[np.bool_], progress: bool
) -> list[tuple[str, ...]]:
    """Why the evidence of each encounter's codes ``[N, K]`` needs a person."""
    explain = coder.explainer()
    if not explain.policy.doubts:
        return [()] * len(encounters)
    shown = tqdm(
        zip(encounters, assigned, strict=True),
        desc="evidence",
        total=len(encounters),
        unit="encounter",
        disable=not progress,
        leave=False,
    )
    found: list[tuple[str, ...]] = []
    for encounter, row in shown:
        positions = np.flatnonzero(row).tolist()
        if not positions:
            found.append(())
            continue
        codes = [coder.label_space.codes[k] for k in positions]
        ones = [1.0] * len(positions)  # probabilities play no part where nothing is deleted
        evidence = explain(encounter, coder.run(encounter), codes, positions, ones, delete=False)
        found.append(tuple(e.doubt for e in evidence if e.doubt is not None))
    return found


def explaining(coder: Coder, calibrator: Calibrator, policy: EvidencePolicy) -> Coder:
    """A trained coder that can explain, before it is certified."""
    return replace(coder, calibrator=calibrator, evidence=policy)


def _marked(
    coder: Coder,
    policy: EvidencePolicy,
    tune: Sequence[Encounter],
    assigned: NDArray[np.bool_],
) -> Iterator[MarkedCode]:
    if coder.network is None:  # terms say where they stand, there is nothing to tune
        return
    explain, left = coder.explainer(), TUNED_CODES
    for encounter, row in zip(tune, assigned, strict=True):
        documents = {d.document_id: n for n, d in enumerate(encounter.documents)}
        gold: dict[int, list[tuple[int, int, int]]] = {}
        for item in encounter.evidence:
            if item.code in coder.label_space:
                place = (documents[item.span.document_id], item.span.start, item.span.end)
                gold.setdefault(coder.label_space.index(item.code), []).append(place)
        known = None if coder.columns is None else set(coder.columns)
        positions = [
            k for k in np.flatnonzero(row).tolist() if k in gold and (known is None or k in known)
        ]
        if not positions or left <= 0:
            continue
        left -= len(positions)
        output = coder.run(encounter)
        scores = explain.scores(output, positions, policy.method)
        texts = [document.text for document in encounter.documents]
        words = map_words(texts, output.windows.document, output.windows.offsets)
        places = headings([sections(text) for text in texts])
        for column, position in enumerate(positions):
            yield MarkedCode(words.words(scores[:, column]), texts, gold[position], places)
