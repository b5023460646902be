"""The network beside a tagger's field: its sums, what it learns, and that it comes back whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from surecode.encounter import Document, Encounter
from surecode.errors import InputError
from surecode.hybrid.chain import Chain
from surecode.hybrid.tagged_words import LABELS, OUTSIDE, SINGLE, TaggedWords
from surecode.hybrid.tagger import Tagger
from surecode.hybrid.word_network import WordNetwork, surprise


@pytest.fixture(scope="module")
def corpus(tumours: list[Encounter]) -> list[Encounter]:
    return tumours


@pytest.fixture(scope="module")
def tagger(corpus: list[Encounter]) -> Tagger:
    learned = Tagger.learn(corpus, network=True, seed=3)
    assert learned is not None
    return learned


@pytest.fixture(scope="module")
def network(tagger: Tagger) -> WordNetwork:
    assert tagger.network is not None
    return tagger.network


def words_of(text: str) -> TaggedWords:
    return TaggedWords(Document("d0", "note", text))


def test_the_surprise_is_that_of_the_chain() -> None:
    """An oracle: forward and backward sums in numpy, sentence by sentence."""
    draw = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 7, len(LABELS), generator=draw, dtype=torch.float64)
    steps = torch.randn(len(LABELS), len(LABELS), generator=draw, dtype=torch.float64)
    labels = torch.randint(len(LABELS), (3, 7), generator=draw)
    lengths = torch.tensor([7, 1, 4])
    found = surprise(scores, steps, labels, lengths)
    for k, length in enumerate(lengths.tolist()):
        chain = Chain.of(scores[k, :length].numpy(), steps.numpy())
        expected = -np.log(chain.path(0, labels[k, :length].tolist()))
        assert found[k].item() == pytest.approx(expected)


def test_a_word_never_seen_is_judged_by_the_words_around(network: WordNetwork) -> None:
    words = words_of("El paciente presenta un condroma de alto grado en el control.")
    (scores,) = network(words)
    chain = Chain.of(scores, network.steps)
    said = [LABELS[k] for k in chain.chances.argmax(axis=1)]
    assert said == ["O", "O", "O", "O", "B", "I", "I", "E", "O", "O", "O", "O"]
    (other,) = network(words_of("Se explica el protocolo de condroma del centro."))
    assert (Chain.of(other, network.steps).chances.argmax(axis=1) == OUTSIDE).all()


def test_no_mention_begins_without_an_end(network: WordNetwork) -> None:
    assert (network.steps[0, [0, SINGLE, OUTSIDE]] < -25).all()


def test_a_tagger_hears_both(corpus: list[Encounter], tagger: Tagger) -> None:
    alone = Tagger.learn(corpus)
    assert alone == replace(tagger, network=None)
    text = "El paciente presenta un condroma de alto grado en el control."
    document = Document("d0", "note", text)
    start, end = text.index("condroma"), text.index(" en el")
    assert tagger(document).exactly(start, end) > 0.5
    assert tagger(document).exactly(start, end) != alone(document).exactly(start, end)


def test_a_sentence_is_scored_the_same_whatever_was_read_before(network: WordNetwork) -> None:
    words = words_of("Un sarcoma de alto grado.\nOtro.\nEl paciente presenta un timoma.")
    first = network(words)
    network(words_of("Algo que no viene al caso, y más largo que todo lo demás. " * 5))
    for one, other in zip(first, network(words), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_learned_holds_no_word_and_comes_back(
    network: WordNetwork, corpus: list[Encounter], kinds: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "tagger.safetensors"
    network.write(path)
    kept = path.read_bytes()
    assert not any(kind.encode() in kept for kind in kinds)
    again = WordNetwork.read(path)
    words = TaggedWords(corpus[0].documents[0])
    for one, other in zip(network(words), again(words), strict=True):
        np.testing.assert_array_equal(one, other)
    again.write(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == kept


def test_learning_again_gives_the_same(corpus: list[Encounter], network: WordNetwork) -> None:
    before = torch.random.get_rng_state()
    again = Tagger.learn(corpus, network=True, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert again is not None
    assert again.network is not None
    first, second = network.members
    assert not torch.equal(first.labels.weight, second.labels.weight)
    for one, other in zip(network.members, again.network.members, strict=True):
        for name, weights in one.state_dict().items():
            assert torch.equal(other.state_dict()[name], weights)


def test_a_word_of_one_document_is_not_known(corpus: list[Encounter]) -> None:
    first = corpus[0]
    text = f"{first.documents[0].text}Zyzzogeton, zyzzogeton."
    more = [replace(first, documents=(replace(first.documents[0], text=text),)), *corpus[1:]]
    sizes = []
    for some in (corpus, more):
        learned = Tagger.learn(some, network=True)
        assert learned is not None
        assert learned.network is not None
        sizes.append(len(learned.network.known[0]))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_a_damaged_file_is_told_in_one_line(
    network: WordNetwork, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "tagger.safetensors"
    network.write(path)
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        replace(network, known=(network.known[0][:-1], *network.known[1:])).write(path)
    with pytest.raises(InputError, match="run `surecode train` again") as caught:
        WordNetwork.read(path)
    assert "\n" not in str(caught.value)


def test_a_tagger_without_its_network_is_refused(tagger: Tagger) -> None:
    with pytest.raises(InputError, match=r"^tagger: damaged"):
        Tagger.from_dict(tagger.to_dict())
    alone = replace(tagger, network=None)
    with pytest.raises(InputError, match=r"^tagger: damaged"):
        Tagger.from_dict(alone.to_dict(), tagger.network)
    assert Tagger.from_dict(tagger.to_dict(), tagger.network) == tagger
