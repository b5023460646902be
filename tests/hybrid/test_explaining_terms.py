"""Codes that stand on terms: their quotes and rules, verification by deletion, parts and doubt."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.coder.network import Network
from surecode.codes.label_space import LabelSpace
from surecode.coding import Coder
from surecode.data.batches import collate
from surecode.data.windows import Windower
from surecode.encounter import Code, Encounter
from surecode.evidence.masked_windows import tokens_of
from surecode.evidence.policy import EvidencePolicy
from surecode.evidence.span_policy import SpanPolicy
from surecode.evidence.spans import ScoredSpan
from surecode.evidence.verification import verify
from surecode.hybrid.learn import Learned
from surecode.hybrid.linear import LinearModel
from surecode.hybrid.reader import JOINT
from surecode.hybrid.shown import left, shown_spans
from surecode.verifying import deletion

TODAY = date(2026, 3, 31)
POLICY = EvidencePolicy(SpanPolicy(0.6, 1, 3), deletion="both", doubts=())
COLUMNS = (0, 2, 5)
WEIGHTS = (0.6, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def by_terms(tiny_coder: Coder, learned: Learned, space: LabelSpace) -> Coder:
    return replace(
        tiny_coder, network=None, terms=learned.reader, label_space=space, evidence=POLICY
    )


@pytest.fixture(scope="module")
def by_both(by_terms: Coder, tiny_network: Callable[..., Network], learned: Learned) -> Coder:
    """A network of three codes beside the terms of all."""
    network = tiny_network(3)
    network.requires_grad_(False)
    joint = LinearModel((0.0,) * len(JOINT), (1.0,) * len(JOINT), WEIGHTS, 0.2)
    return replace(
        by_terms, network=network, terms=replace(learned.reader, joint=joint), columns=COLUMNS
    )


def test_a_code_of_terms_names_its_rule_and_quotes_the_text(
    by_terms: Coder, corpus: list[Encounter]
) -> None:
    quoted = 0
    for encounter in corpus[:12]:
        record = by_terms.code(encounter, TODAY)
        output = by_terms.run(encounter)
        assert output.states is None
        assert output.reading is not None
        named = {by_terms.label_space.codes[k] for k in output.reading.places}
        for code in record.codes:
            assert list(code.parts) == ["terms"]
            is_named = (code.system, code.value) in {(c.system, c.value) for c in named}
            assert code.source == ("lexicon" if is_named else "neural")
            assert bool(code.evidence) == is_named
            assert code.verification is not None
            assert (code.verification.status == "none") == (not is_named)
            for quote in code.evidence:
                text = encounter.text(quote.document_id)
                assert text[quote.start : quote.end] == quote.quote
                assert quote.rule is not None
                assert quote.rule.startswith(("training:", f"{code.system}:{code.value}:"))
                quoted += 1
    assert quoted > 12


def test_the_verification_is_that_of_the_text_without_the_quotes(
    by_terms: Coder, corpus: list[Encounter]
) -> None:
    reader, space = by_terms.terms, by_terms.label_space
    assert reader is not None
    assert by_terms.calibrator is not None
    compared = 0
    for encounter in corpus[:8]:
        output = by_terms.run(encounter)
        assert output.reading is not None
        codes = by_terms.code(encounter, TODAY).codes
        positions = [space.index(Code(code.system, code.value)) for code in codes]
        places = {k: some for k in positions if (some := output.reading.places.get(k))}
        shown = shown_spans(encounter, places, 3)
        for code, position in zip(codes, positions, strict=True):
            if position not in shown:
                continue
            spans = shown[position]
            assert code.verification is not None
            for only, said in (
                (False, code.verification.p_without),
                (True, code.verification.p_only),
            ):
                changed = output.logits.astype(np.float64)
                changed[position] = reader(left(encounter, spans, only), space).logits[position]
                p = by_terms.calibrator.probabilities(changed[None])[0, position]
                assert said == pytest.approx(p, abs=1e-6)
                compared += 1
    assert compared > 10


def test_parts_are_what_each_would_say_alone(by_both: Coder, corpus: list[Encounter]) -> None:
    seen = set()
    for encounter in corpus[:10]:
        output = by_both.run(encounter)
        assert output.neural is not None
        assert output.reading is not None
        assert by_both.terms is not None
        explain = by_both.explainer()
        for position in range(len(by_both.label_space)):
            parts = explain.parts(output, position)
            knows = position in COLUMNS
            assert set(parts) == ({"network", "terms"} if knows else {"terms"})
            if knows:
                z = float(output.neural[COLUMNS.index(position)])
                assert parts["network"] == pytest.approx(1 / (1 + np.exp(-z)))
            odds = output.reading.alone[position]
            named = position in output.reading.places
            if not named:
                assert odds == by_both.terms.ground(by_both.label_space).absent[position]
            assert parts["terms"] == pytest.approx(1 / (1 + np.exp(-odds)))
            seen.add((knows, named))
    assert seen == {(True, True), (True, False), (False, True), (False, False)}


def test_codes_stand_on_terms_first_and_else_on_the_network(
    by_both: Coder, corpus: list[Encounter]
) -> None:
    sources = set()
    for encounter in corpus[:10]:
        output = by_both.run(encounter)
        assert output.reading is not None
        for code in by_both.code(encounter, TODAY).codes:
            position = next(
                k for k, c in enumerate(by_both.label_space.codes) if c.value == code.value
            )
            named = bool(output.reading.places.get(position))
            assert code.source == ("lexicon" if named else "neural")
            assert all((quote.rule is not None) == named for quote in code.evidence)
            # Where no term names it, only the network can have read it from words.
            assert named or position in COLUMNS or not code.evidence
            assert code.evidence or not named
            sources.add(code.source)
    assert sources == {"lexicon", "neural"}


def test_parts_that_disagree_send_to_a_person_where_that_is_asked_for(
    by_both: Coder, corpus: list[Encounter]
) -> None:
    strict, seen = replace(by_both, disagreement=True), set()
    for encounter in corpus[:10]:
        record = strict.code(encounter, TODAY)
        for code in record.codes:
            apart = len({p > 0.5 for p in code.parts.values()}) == 2
            message = f"network and terms disagree on {code.system}:{code.value}"
            assert code.doubt == (message if apart else None)
            if apart:
                assert record.route == "review"
            seen.add(apart)
        assert all(code.doubt is None for code in by_both.code(encounter, TODAY).codes)
    assert seen == {True, False}


def test_a_record_does_not_depend_on_what_was_coded_before(
    by_both: Coder, by_terms: Coder, corpus: list[Encounter]
) -> None:
    for coder in (by_both, by_terms):
        first = [coder.code(encounter, TODAY).to_json() for encounter in corpus[:5]]
        again = [coder.code(encounter, TODAY).to_json() for encounter in corpus[:5][::-1]]
        assert again[::-1] == first
        assert json.loads(first[0])["codes"]


# ---- `surecode.verifying` where a network knows some of the codes --------------------------------


def test_the_network_is_asked_by_its_own_column_and_the_rest_by_terms(
    tiny_network: Callable[..., Network],
    tiny_tokenizer: PreTrainedTokenizerBase,
    corpus: list[Encounter],
) -> None:
    network = tiny_network(3).requires_grad_(False)
    windower = Windower(tiny_tokenizer, 32, 4)
    windows = windower(corpus[0])
    curve = ProbabilityCalibrator(slope=1.3, intercept=-0.2, offsets=tuple(np.linspace(-1, 1, 8)))
    logits = np.linspace(-2, 2, 8)
    heard: list[tuple[int, float | None, bool]] = []

    def joined(position: int, logit: float | None, only: bool) -> float:
        heard.append((position, logit, only))
        return -1.5 if logit is None else logit / 2 + only

    def run(with_terms: bool, positions: list[int], size: int) -> list[tuple[float | None, ...]]:
        part = deletion(
            network,
            curve if size == 8 else ProbabilityCalibrator(),
            logits[:size],
            cut=0.5,
            mask_id=windower.mask_id,
            padding_id=0,
            call_tokens=512,
            joined=joined if with_terms else None,
            columns=COLUMNS if with_terms else None,
        )
        span = [ScoredSpan(0, 9, 30, 1.0)]
        inside = tokens_of([span[0].place], windows)
        assert 0 < inside.sum() < len(inside)
        with torch.inference_mode():
            states = network.encode(collate([windows], 0))
        found = verify(
            windows, states, [span] * len(positions), positions, [0.9] * len(positions), part
        )
        return [(one.p_without, one.p_only) for one in found.codes]

    def odds(p: float | None) -> float:
        assert p is not None
        return float(np.log(p / (1 - p)))

    # The network alone, of its own three codes: what it says of column 2 without and with the span.
    alone = [tuple(map(odds, pair)) for pair in run(False, [0, 1, 2], 3)]
    assert heard == []
    both = run(True, [5, 1], 8)
    neural = {only: logit for k, logit, only in heard if k == 5 and logit is not None}
    assert neural[False] == pytest.approx(alone[2][0], abs=1e-3)
    assert neural[True] == pytest.approx(alone[2][1], abs=1e-3)
    assert {logit for position, logit, _ in heard if position == 1} == {None}
    for (without, only), position in zip(both, (5, 1), strict=True):
        for p, is_only in ((without, False), (only, True)):
            changed = logits.copy()
            changed[position] = neural[is_only] / 2 + is_only if position == 5 else -1.5
            assert p == pytest.approx(curve(changed[None])[0, position], abs=2e-6)
