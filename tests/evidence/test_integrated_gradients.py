from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from captum.attr import IntegratedGradients, LayerIntegratedGradients
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from surecode.coder.network import Network
from surecode.data.batches import Batch, collate
from surecode.data.windows import Windower
from surecode.encounter import Encounter
from surecode.evidence.integrated_gradients import Integrated, integrated_gradients

TEXT = "no fever, coughing with pain of the chest\nfracture of the chest, no pain 12.5"
STEPS = 50


def uniform(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 0.5


def test_a_linear_model_is_explained_exactly() -> None:
    windows, length, width, codes = 3, 4, 5, 2
    weights = uniform((codes, windows, length, width), 0)
    embeddings, baseline = uniform(weights.shape[1:], 1), uniform(weights.shape[1:], 2)
    content = torch.tensor([1, 2, 5, 6, 9])

    def logits(rows: Tensor) -> Tensor:
        return (weights * rows).sum(dim=(1, 2, 3))[None]

    for code in range(codes):
        found = integrated_gradients(logits, embeddings, baseline, content, code, steps=2)
        exact = (weights[code] * (embeddings - baseline)).sum(dim=-1).flatten()
        torch.testing.assert_close(found.scores, exact[content], atol=1e-6, rtol=0)
        assert found.difference == pytest.approx(float(exact.sum()), abs=1e-5)
        assert found.completeness_gap == pytest.approx(0.0, abs=1e-5)


def test_a_square_is_explained_by_its_integral() -> None:
    """f(x) = sum of x^2 from baseline 0: each place has x^2, where plain gradients have 2 x^2."""
    x = uniform((1, 3, 2), 0)
    found = integrated_gradients(
        lambda rows: rows.square().sum()[None, None], x, torch.zeros_like(x), torch.arange(3), 0, 5
    )
    torch.testing.assert_close(found.scores, x.square().sum(dim=-1)[0], atol=1e-6, rtol=0)


@pytest.fixture(scope="module")
def network(tiny_network: Callable[..., Network]) -> Network:
    return tiny_network(codes=8).requires_grad_(False)


@pytest.fixture(scope="module")
def batch(tiny_tokenizer: PreTrainedTokenizerBase, encounter_of: Callable[..., Encounter]) -> Batch:
    """One encounter of two documents and several windows."""
    windows = Windower(tiny_tokenizer, 12, 2)(encounter_of(TEXT, "fever"))
    assert len(windows.input_ids) > 3
    return collate([windows], 0)


def masked(batch: Batch, mask_id: int) -> Tensor:
    ids = batch.input_ids.flatten().clone()
    ids[batch.content] = mask_id
    return ids.view_as(batch.input_ids)


@pytest.fixture(scope="module")
def ends(
    network: Network, batch: Batch, tiny_tokenizer: PreTrainedTokenizerBase
) -> tuple[Tensor, Tensor]:
    """Embeddings of the note, and of the note with every word masked."""
    mask_id = tiny_tokenizer.mask_token_id
    return network.embed(batch.input_ids), network.embed(masked(batch, mask_id))


def explain(network: Network, batch: Batch, ends: tuple[Tensor, Tensor], code: int) -> Integrated:
    return integrated_gradients(
        lambda rows: network(batch, rows), *ends, batch.content, code, STEPS
    )


@pytest.mark.parametrize("code", range(3))
def test_the_attributions_add_up_to_what_the_words_change(
    network: Network, batch: Batch, ends: tuple[Tensor, Tensor], code: int
) -> None:
    found = explain(network, batch, ends, code)
    start, end = (float(network(batch, e)[0, code]) for e in reversed(ends))
    assert found.difference == pytest.approx(end - start, abs=1e-5)
    assert found.completeness_gap <= 0.01 * float(found.scores.abs().sum())
    assert found.scores.shape == batch.content.shape
    # Special tokens and padding are the same at both ends, so all of it lies on content tokens.
    assert float(found.scores.sum()) == pytest.approx(
        found.difference, abs=found.completeness_gap + 1e-4
    )


def test_the_gap_is_at_most_one_percent_at_fifty_steps(
    network: Network, batch: Batch, ends: tuple[Tensor, Tensor]
) -> None:
    # Relative to the difference, which must not be next to nothing.
    embeddings, baseline = ends
    changes = network(batch, embeddings) - network(batch, baseline)
    code = int(changes.abs().argmax())
    found = explain(network, batch, ends, code)
    assert abs(found.difference) > 0.2
    assert found.completeness_gap <= 0.01 * abs(found.difference)


def test_captum_alone_gives_the_same(
    network: Network, batch: Batch, ends: tuple[Tensor, Tensor]
) -> None:
    """Captum on the windows as one long sample, without our wrapping of shapes."""
    embeddings, baseline = ends

    def flat(rows: Tensor) -> Tensor:
        return torch.stack([network(batch, r.view_as(embeddings))[0] for r in rows])

    direct = IntegratedGradients(flat).attribute(
        embeddings.reshape(1, -1), baseline.reshape(1, -1), target=1, n_steps=STEPS
    )
    expected = direct.view_as(embeddings).sum(dim=-1).flatten()[batch.content]
    found = explain(network, batch, ends, 1)
    torch.testing.assert_close(found.scores, expected, atol=1e-5, rtol=1e-4)


def test_the_same_input_gives_the_same_attribution(
    network: Network, batch: Batch, ends: tuple[Tensor, Tensor]
) -> None:
    first, second = (explain(network, batch, ends, 0) for _ in range(2))
    assert torch.equal(first.scores, second.scores)
    assert first.difference == second.difference


def test_captums_layer_method_is_silently_wrong_for_windows(
    network: Network, batch: Batch, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    """Why the embeddings pass through the network once and the layer is never hooked.

    With an embedding layer that runs once for each window, Captum's hook puts the first window's
    embeddings in the place of all (Captum #794, #904). No error tells; only the sum is wrong.
    """
    first, second = batch.input_ids[:1], batch.input_ids[1:2]
    layer = network.encoder.get_input_embeddings()

    def window_by_window(ids: Tensor) -> Tensor:
        states = [
            network.encoder(inputs_embeds=layer(part)).last_hidden_state
            for part in ids.split(first.shape[1], dim=1)
        ]
        return torch.cat(states, dim=1).square().sum(dim=(1, 2))[:, None]

    ids = torch.cat([first, second], dim=1)
    baseline = torch.full_like(ids, tiny_tokenizer.mask_token_id)
    wrong = LayerIntegratedGradients(window_by_window, layer).attribute(
        ids, baseline, target=0, n_steps=STEPS
    )
    assert wrong.shape[1] == first.shape[1]  # attributions of one window for a note of two
    difference = float(window_by_window(ids) - window_by_window(baseline))
    assert abs(float(wrong.sum()) - difference) > 0.05 * abs(difference)
