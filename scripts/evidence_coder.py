"""A run's coder with a calibrator from its tune split, and what it says of encounters.

Legend: T content tokens, K codes, n some of them, V words that hold a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from surecode.bundle.load import load_trained
from surecode.coder.attribution_view import attribution_view
from surecode.coder.runtime import Precision, Runtime
from surecode.coding import Coder
from surecode.config import compose_config, parse
from surecode.data import table
from surecode.data.batches import collate
from surecode.encounter import Code, Encounter, Split
from surecode.errors import InputError
from surecode.evidence.attribution import Method, attribute
from surecode.evidence.policy import EvidencePolicy
from surecode.evidence.sections import headings, sections
from surecode.evidence.span_policy import SpanPolicy
from surecode.evidence.spans import ScoredSpan, evidence_spans
from surecode.evidence.words import Word, WordMap, map_words
from surecode.explaining import Output
from surecode.facts import FactFinder
from surecode.settings import Config
from surecode.stages.explained import evidence_policy, explaining
from surecode.stages.tuning import fit_calibrator

REPORTED: tuple[Split, ...] = ("calibrate", "test")


@dataclass(frozen=True)
class Run:
    """A finished training: settings, encounters by split, coder with calibrator."""

    folder: Path
    config: Config
    coder: Coder
    policy: EvidencePolicy  # as the settings have it, not tuned
    encounters: tuple[Encounter, ...]
    tune_assigned: NDArray[np.bool_]  # [N, K] of tune's encounters

    def of(self, *splits: Split) -> list[Encounter]:
        """The encounters of some splits."""
        return [encounter for encounter in self.encounters if encounter.split in splits]

    def in_precision(self, precision: Precision) -> Coder:
        """The same coder in another arithmetic."""
        return replace(
            self.coder,
            network=load_trained(self.folder / "bundle", Runtime(precision, "sdpa")).network,
        )


@dataclass(frozen=True)
class Coded:
    """One encounter with what the network said and the codes that it is assigned."""

    encounter: Encounter
    output: Output
    positions: tuple[int, ...]  # of the assigned codes, in the label space's order
    probabilities: tuple[float, ...]  # that they were assigned with

    def with_gold(self, coder: Coder) -> tuple[int, ...]:
        """Those of the assigned codes that have gold evidence."""
        gold = {item.code for item in self.encounter.evidence}
        return tuple(k for k in self.positions if coder.label_space.codes[k] in gold)


def load_run(folder: Path) -> Run:
    """The coder as trained, in fp32, with what ``calibrate`` would choose on tune.

    Raises `InputError` for a run with terms: the table compares ways to ask a network alone.
    """
    config = settings_of(folder)
    if config.coder.kind != "neural":
        raise InputError(
            f"{folder}: a run of coder={config.coder.kind} stands on terms; "
            "give one of coder=neural"
        )
    encounters = tuple(table.read(folder / "encounters.parquet"))
    trained = load_trained(folder / "bundle", Runtime("fp32", "sdpa"))
    train = [e for e in encounters if e.split == "train"]
    tune = [e for e in encounters if e.split == "tune"]
    finder = FactFinder.fit(train, trained.windower, trained.windower.vocabulary_size)
    facts = finder(tune, map(trained.windower, tune), trained.label_space)
    logits = np.stack(list(trained.logits(tune)))
    held_back = [e for e in encounters if e.split == "calibrate"]
    tuned = fit_calibrator(config, tune, logits, trained.label_space, finder, facts, held_back)
    calibrator = tuned.calibrator
    policy = evidence_policy(config.attribution)
    return Run(
        folder,
        config,
        explaining(trained, calibrator, policy),
        policy,
        encounters,
        calibrator.decoding(calibrator.probabilities(logits)),
    )


def settings_of(folder: Path) -> Config:
    """A run's settings; what it was trained before has the default of today.

    Training takes long, and a run of last week can still be explained.
    """
    content = yaml.safe_load((folder / "resolved.yaml").read_text(encoding="utf-8"))
    names = [f"specialty={content['specialty']['name']}", f"data={content['data']['source']}"]
    known = parse(Config, compose_config("run", names)).model_dump(mode="json")
    return Config.model_validate(over(known, content))


def over(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of ``known`` with the values of ``given`` where it has them."""
    return {
        name: over(value, given[name])
        if isinstance(value, dict) and isinstance(given.get(name), dict)
        else given.get(name, value)
        for name, value in known.items()
    }


def code(coder: Coder, encounter: Encounter) -> Coded:
    """Code one encounter."""
    assert coder.calibrator is not None
    output = coder.run(encounter)
    p = coder.calibrator.probabilities(output.logits[None])
    chosen = np.flatnonzero(coder.calibrator.decoding(p)[0]).tolist()
    return Coded(encounter, output, tuple(chosen), tuple(float(p[0, k]) for k in chosen))


@dataclass(frozen=True)
class Way:
    """An attribution as a row of the table: its method and how much it may leave out.

    ``policy_of`` is the row whose tuned spans it takes, for what is too slow or too much alike to
    be tuned by itself.
    """

    name: str
    method: Method
    mass_left_out: float = 0.01
    policy_of: str | None = None
    steps: int = 20
    seed: int = 0


def token_scores(
    coder: Coder, coded: Coded, positions: Sequence[int], way: Way
) -> NDArray[np.float32]:
    """What each token says for n codes, ``[T, n]``."""
    if way.method == "head":
        return coder.explainer().scores(coded.output, positions, "head")
    assert coder.network is not None  # `load_run` refuses what has none
    batch = collate([coded.output.windows], coder.padding_id)
    view = attribution_view(coder.network, batch, coder.windower.mask_id)
    words = None
    if way.method == "occlusion":
        words = words_of(coded.encounter, coded.output).holder
    return attribute(
        view,
        positions,
        method=way.method,
        mass_left_out=way.mass_left_out,
        steps=way.steps,
        seed=way.seed,
        words=words,
    ).scores


def words_of(encounter: Encounter, output: Output) -> WordMap:
    """The word of each token."""
    texts = [document.text for document in encounter.documents]
    return map_words(texts, output.windows.document, output.windows.offsets)


@dataclass(frozen=True)
class Explained:
    """Words and spans of n codes of one encounter, by one way."""

    coded: Coded
    positions: tuple[int, ...]
    words: list[list[Word]]
    spans: list[list[ScoredSpan]]

    def codes(self, coder: Coder) -> list[Code]:
        """The n codes."""
        return [coder.label_space.codes[k] for k in self.positions]


def explained(
    coder: Coder, coded: Coded, positions: Sequence[int], way: Way, policy: SpanPolicy
) -> Explained:
    """Attribute n codes and make their spans."""
    if not positions:
        return Explained(coded, (), [], [])
    scores = token_scores(coder, coded, positions, way)
    mapped = words_of(coded.encounter, coded.output)
    texts = [document.text for document in coded.encounter.documents]
    words = [mapped.words(scores[:, column]) for column in range(len(positions))]
    places = headings([sections(document.text) for document in coded.encounter.documents])
    spans = [evidence_spans(one, texts, policy, places) for one in words]
    return Explained(coded, tuple(positions), words, spans)
