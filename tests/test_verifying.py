"""Verification by deletion with real networks: the same as coding the masked encounter anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from surecode.calibration.probabilities import ProbabilityCalibrator
from surecode.coder.heads.build import KINDS, build_head
from surecode.coder.network import Network
from surecode.data.batches import collate
from surecode.data.windows import Windower, Windows
from surecode.encounter import Encounter
from surecode.evidence.masked_windows import tokens_of
from surecode.evidence.spans import ScoredSpan, SpanPolicy, evidence_spans
from surecode.evidence.verification import Verified, verify
from surecode.evidence.words import map_words
from surecode.settings import HeadSettings
from surecode.verifying import deletion

CODES = 6
TEXTS = (
    "Fever and coughing. Pain of the chest\r\nno fracture with fever, " * 5,
    "cafe\u0301 😀 K↑ 12.5 mg, coughing",
    "the chest " * 40 + "fever",
)
# Every code has its own offset, and its own curve is not the identity.
MAP = ProbabilityCalibrator(slope=1.7, intercept=-0.3, offsets=tuple(np.linspace(-0.5, 0.5, CODES)))


@pytest.fixture(scope="module", params=[*KINDS])
def network(request: pytest.FixtureRequest, tiny_network: Callable[..., Network]) -> Network:
    """A network of each kind of head; every second one takes its windows in groups."""
    kind = request.param
    network = tiny_network(CODES, packed=list(KINDS).index(kind) % 2 == 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        head = build_head(HeadSettings(kind=kind, projection=16, code_chunk=4), 32, CODES)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    network.head = head
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="module", params=[0, 5])
def windows(
    request: pytest.FixtureRequest,
    tiny_tokenizer: PreTrainedTokenizerBase,
    encounter_of: Callable[..., Encounter],
) -> Windows:
    return Windower(tiny_tokenizer, 32, request.param)(encounter_of(*TEXTS))


def run(network: Network, windows: Windows) -> tuple[torch.Tensor, NDArray[np.float32]]:
    with torch.inference_mode():
        batch = collate([windows], 0)
        states = network.encode(batch)
        return states, network.read(states, batch.tokens)[0].numpy()


def masked(windows: Windows, tokens: NDArray[np.bool_], mask_id: int) -> Windows:
    """The same encounter with tokens ``[T]`` masked."""
    ids, begin = [], 0
    for window, place in zip(windows.input_ids, windows.content, strict=True):
        size = place.stop - place.start
        changed = window.copy()
        changed[place] = np.where(tokens[begin : begin + size], mask_id, window[place])
        ids.append(changed)
        begin += size
    return replace(windows, input_ids=tuple(ids))


def verified(
    network: Network, windows: Windows, mask_id: int, codes: Sequence[int]
) -> tuple[Verified, list[list[ScoredSpan]]]:
    states, logits = run(network, windows)
    column = torch.tensor(list(codes), dtype=torch.int64)
    contributions = network.contributions(states, column).numpy()
    found = map_words(TEXTS, windows.document, windows.offsets)
    policy = SpanPolicy(0.6, 1, 3)
    evidence = [evidence_spans(found.words(scores), TEXTS, policy) for scores in contributions.T]
    p = MAP(logits[None])[0, list(codes)]
    part = deletion(network, MAP, logits, cut=0.5, mask_id=mask_id, padding_id=0, call_tokens=4096)
    return verify(windows, states, evidence, codes, p, part), evidence


def test_it_equals_coding_the_masked_encounter_anew(
    network: Network, windows: Windows, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    mask_id = int(tiny_tokenizer.mask_token_id)
    codes = [4, 0, 5, 2, 1, 3]
    found, evidence = verified(network, windows, mask_id, codes)
    assert len(windows.input_ids) > 4
    compared = 0
    for code, spans, verdict in zip(codes, evidence, found.codes, strict=True):
        assert (verdict.status == "none") == (not spans)
        if not spans:
            continue
        inside = tokens_of([place for span in spans for place in span.places], windows)
        assert 0 < inside.sum() < len(inside)
        for tokens, p in ((inside, verdict.p_without), (~inside, verdict.p_only)):
            _, logits = run(network, masked(windows, tokens, mask_id))
            assert p == pytest.approx(MAP(logits[None])[0, code], abs=1e-6)
            compared += 1
    assert compared >= 6
    assert verified(network, windows, mask_id, codes)[0] == found


def test_a_code_alone_and_among_others(
    network: Network, windows: Windows, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    mask_id = int(tiny_tokenizer.mask_token_id)
    together, _ = verified(network, windows, mask_id, range(CODES))
    backwards, _ = verified(network, windows, mask_id, range(CODES)[::-1])
    assert backwards.codes == together.codes[::-1]
    for code in range(CODES):
        (alone,) = verified(network, windows, mask_id, [code])[0].codes
        other = together.codes[code]
        assert (alone.status, alone.flips, alone.p) == (other.status, other.flips, other.p)
        assert alone.p_without == pytest.approx(other.p_without, abs=2e-6)
        assert alone.p_only == pytest.approx(other.p_only, abs=2e-6)


def test_special_tokens_stay_and_the_mask_is_the_tokenizers(
    network: Network,
    windows: Windows,
    tiny_tokenizer: PreTrainedTokenizerBase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[NDArray[np.int64]] = []
    encode = Network.encode

    def watched(self: Network, batch, *more):  # type: ignore[no-untyped-def]
        seen.extend(ids[:n].numpy() for ids, n in zip(batch.input_ids, batch.lengths, strict=True))
        return encode(self, batch, *more)

    states, logits = run(network, windows)
    part = deletion(network, MAP, logits, cut=0.5, mask_id=4, padding_id=0, call_tokens=64)
    monkeypatch.setattr(Network, "encode", watched)
    span = ScoredSpan(0, 0, 5, 1.0)
    verify(windows, states, [[span]], [0], [0.5], part)
    assert tiny_tokenizer.mask_token_id == 4
    assert len(seen) >= 3
    for ids in seen:
        assert (ids[0], ids[-1]) == (tiny_tokenizer.cls_token_id, tiny_tokenizer.sep_token_id)
        assert 4 in ids[1:-1]
