"""A small model trained on planted phrases: attribution must find what the codes stand on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score
from torch import nn
from transformers import BertConfig, BertModel

from surecode.coder.attribution_view import AttributionView, attribution_view
from surecode.coder.heads.build import KINDS, build_head
from surecode.coder.heads.descriptions import Descriptions
from surecode.coder.network import Network
from surecode.coder.packed import allow_packing
from surecode.data.batches import collate
from surecode.data.windows import Windows
from surecode.evidence.attribution import Method, attribute
from surecode.settings import HeadSettings

# Code k is told by the words 2k and 2k + 1, alone or one behind the other, unless negated.
CODES, WORDS, MASK, FIRST = 6, 40, 3, 4
NEGATION = 2 * CODES
WINDOW, NOTE_WINDOWS, STEPS = 14, 3, 400


@dataclass(frozen=True)
class Note:
    windows: Windows
    gold: NDArray[np.bool_]  # [K]
    planted: NDArray[np.bool_]  # [T, K] whether the token is of the code's phrase


def note_of(draw: np.random.Generator) -> Note:
    """Three windows of noise, two or three codes' words, and two other codes' words negated."""
    tokens = NOTE_WINDOWS * WINDOW
    words = draw.integers(2 * CODES + 1, WORDS, tokens)
    gold, planted = np.zeros(CODES, bool), np.zeros((tokens, CODES), bool)
    # Places with room for three words inside one window, none of them overlapping.
    places = draw.permutation(
        [w * WINDOW + p for w in range(NOTE_WINDOWS) for p in range(0, WINDOW - 2, 3)]
    )
    codes = draw.permutation(CODES)
    for code, place in zip(codes[: draw.integers(2, 4)], places, strict=False):
        own = [[2 * code], [2 * code + 1], [2 * code, 2 * code + 1]][draw.integers(0, 3)]
        words[place : place + len(own)] = own
        gold[code], planted[place : place + len(own), code] = True, True
    for code, place in zip(codes[4:], places[4:], strict=False):
        words[place : place + 2] = NEGATION, 2 * code + draw.integers(0, 2)
    ids = tuple(np.r_[1, row + FIRST, 2].astype("i8") for row in words.reshape(NOTE_WINDOWS, -1))
    places_of = np.arange(tokens)
    return Note(
        Windows(
            "note",
            ids,
            (slice(1, WINDOW + 1),) * NOTE_WINDOWS,
            np.zeros(tokens, dtype=np.int64),
            np.stack([places_of, places_of + 1], axis=1),
        ),
        gold,
        planted,
    )


def untrained(kind: str) -> Network:
    config = BertConfig(
        vocab_size=WORDS + FIRST,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=WINDOW + 2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    encoder = BertModel(config, add_pooling_layer=False)
    packs = allow_packing(encoder, "sdpa")
    settings = HeadSettings(kind=kind, projection=16, code_chunk=64)  # type: ignore[arg-type]
    head = build_head(settings, 32, CODES)
    if isinstance(head, Descriptions):
        head.describe(torch.randn(CODES, 32), torch.ones(CODES, dtype=torch.bool))
    return Network(encoder, head, packs)


@pytest.fixture(scope="module")
def network() -> Network:
    return fitted("label_attention")


def fitted(kind: str) -> Network:
    """Trained from random weights, some words masked so that the mask is nothing special."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        draw = np.random.default_rng(0)
        network = untrained(kind)
        optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
        for _ in range(STEPS):
            notes = [note_of(draw) for _ in range(24)]
            batch = collate(
                [note.windows for note in notes], 0, np.stack([note.gold for note in notes])
            )
            assert batch.gold is not None
            loss = nn.functional.binary_cross_entropy_with_logits(network(batch), batch.gold)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def notes() -> list[Note]:
    draw = np.random.default_rng(1)
    return [note_of(draw) for _ in range(25)]


def view_of(network: Network, note: Note) -> AttributionView:
    return attribution_view(network, collate([note.windows], 0), MASK)


def precision(network: Network, notes: list[Note], method: Method, **options: Any) -> float:
    """Mean average precision of the planted tokens, over the codes of each note."""
    values = []
    for note in notes:
        codes = np.flatnonzero(note.gold)
        scores = attribute(view_of(network, note), codes, method=method, **options).scores
        values += [
            average_precision_score(note.planted[:, code], scores[:, column])
            for column, code in enumerate(codes)
        ]
    return float(np.mean(values))


def test_the_model_has_learned_its_codes(network: Network, notes: list[Note]) -> None:
    """Otherwise the tests below prove nothing."""
    gold = np.stack([note.gold for note in notes])
    with torch.no_grad():
        logits = torch.cat([network(collate([note.windows], 0)) for note in notes]).numpy()
    assert ((logits > 0) == gold).mean() >= 0.97


@pytest.mark.parametrize(
    ("method", "least"),
    [
        ("head", 0.85),
        ("attention", 0.85),
        ("input_x_gradient", 0.75),
        ("attingrad", 0.90),
        ("integrated_gradients", 0.85),
        ("occlusion", 0.85),
    ],
)
def test_the_planted_words_are_found(
    network: Network, notes: list[Note], method: Method, least: float
) -> None:
    found = precision(network, notes, method)
    assert found >= least
    assert found >= precision(network, notes, "random") + 0.5


def test_the_random_floor_finds_nothing(network: Network, notes: list[Note]) -> None:
    # Two tokens of 42.
    assert precision(network, notes, "random") <= 0.25


def test_leaving_out_a_hundredth_loses_nothing(network: Network, notes: list[Note]) -> None:
    exact = precision(network, notes, "attingrad", mass_left_out=0.0)
    # It may find more: what is left out is noise.
    assert precision(network, notes, "attingrad", mass_left_out=0.01) >= exact - 0.005
    errors = []
    for note in notes:
        codes = np.flatnonzero(note.gold)
        one, other = (
            attribute(view_of(network, note), codes, method="attingrad", mass_left_out=mass).scores
            for mass in (0.0, 0.01)
        )
        errors += (np.abs(one - other).sum(axis=0) / one.sum(axis=0)).tolist()
    assert np.mean(errors) <= 0.01
    assert np.max(errors) <= 0.03


def test_integrated_gradients_are_complete_within_a_hundredth_at_twenty_steps(
    network: Network, notes: list[Note]
) -> None:
    gaps = []
    for note in notes[:10]:
        found = attribute(
            view_of(network, note),
            np.flatnonzero(note.gold),
            method="integrated_gradients",
            steps=20,
            mass_left_out=0.0,
        )
        assert found.completeness_gap is not None
        assert found.explained is not None
        gaps += (found.completeness_gap / np.abs(found.explained)).tolist()
    assert np.median(gaps) <= 0.01


@pytest.mark.parametrize("method", ["head", "attingrad", "integrated_gradients"])
def test_two_codes_of_one_note_have_evidence_of_their_own(
    network: Network, notes: list[Note], method: Method
) -> None:
    overlaps = []
    for note in notes:
        codes = np.flatnonzero(note.gold)[:2]
        scores = attribute(view_of(network, note), codes, method=method).scores
        # As many tokens as the code's own phrase has.
        sizes = note.planted[:, codes].sum(axis=0)
        one, other = (
            set(np.argsort(-scores[:, column])[: sizes[column]].tolist()) for column in range(2)
        )
        overlaps.append(len(one & other) / len(one | other))
    assert np.mean(overlaps) <= 0.2


def with_random_head(network: Network) -> None:
    for parameter in network.head.parameters():
        nn.init.normal_(parameter, std=float(parameter.std()) or 0.1)


def with_random_encoder(network: Network) -> None:
    network.encoder.load_state_dict(untrained("label_attention").encoder.state_dict())


@pytest.mark.parametrize("spoil", [with_random_head, with_random_encoder])
@pytest.mark.parametrize("method", ["head", "attingrad", "integrated_gradients"])
def test_random_weights_are_explained_otherwise(
    network: Network, notes: list[Note], method: Method, spoil: Callable[[Network], None]
) -> None:
    """Adebayo et al. 2018 (arXiv 1810.03292): evidence depends on what was learned."""
    other = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        spoil(other)
    correlations = []
    for note in notes[:15]:
        codes = np.flatnonzero(note.gold)
        one, two = (
            attribute(view_of(each, note), codes, method=method).scores for each in (network, other)
        )
        correlations += [
            float(spearmanr(one[:, column], two[:, column]).statistic)
            for column in range(len(codes))
        ]
    assert np.mean(correlations) <= 0.3


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"label_attention"}))
def test_other_heads_find_them_as_well(kind: str) -> None:
    """By integrated gradients: what multiplies by attention does not (cross-attention: AP .43).

    Cross-attention has one output vector for all codes, and learns to look elsewhere.
    """
    draw = np.random.default_rng(1)
    many = [note_of(draw) for _ in range(150)]
    assert precision(fitted(kind), many, "integrated_gradients") >= 0.85
