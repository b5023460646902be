"""A network that reads the words of a sentence both ways and scores the labels of each.

Two bidirectional LSTMs below a conditional random field (Huang et al. 2015, arXiv 1508.01991;
Lample et al. 2016, arXiv 1603.01360). A word is told by itself, its beginnings, ends and kinds of
characters, of which no more is kept than hashes, and none of a word that one document alone has;
and by its characters in their order, over which a convolution runs (Ma and Hovy 2016, arXiv
1603.01354).

Legend: n words of a sentence, B sentences, T words of the longest, L labels, S = 6 spellings, C =
16 characters; what is said of a word is S + C numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from sklearn.utils import murmurhash3_32
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from surecode.errors import InputError
from surecode.files import write_bytes
from surecode.hybrid.tagged_words import LABELS, MAY_FOLLOW, NEVER, OUTSIDE, TaggedWords
from surecode.hybrid.word_vectors import word_vectors

# Of each spelling: numbers that stand for it, and the fewest documents that make it known.
_SPELLINGS = (("word", 128, 2), *((name, 24, 3) for name in ("b3", "b4", "e3", "e4", "shape")))
# Characters of a word that are looked at, those told apart, and numbers that stand for one and all.
_CHARACTERS, _ALPHABET, _OF_ONE, _OF_ALL = 16, 256, 24, 48
_LENGTH = 3.0  # of a word's numbers, before learning
_HIDDEN = 160  # of each LSTM and direction
_DROPPED = 0.4
_UNKNOWN = 0.05  # of a word's taking part as one never seen, while learning
# Chosen on a quarter of train and tune of CANTEMIST that the rest was learned without.
_MEMBERS = 2
_EPOCHS, _AVERAGED_FROM = 6, 2
_BATCH = 1500  # words
_FEWEST_BATCHES = 40  # of an epoch; small corpora have smaller ones
_RATE, _LAST_RATE = 3e-3, 1e-4
_DECAY = 1e-3
# A sentence that is already told this well is read in one epoch of five.
_EASY, _READ_ANYWAY = 0.02, 0.2
_DIGITS = 3  # of a score, behind the point: the last bits depend on the machine

Known = tuple[NDArray[np.int64], ...]


@dataclass(frozen=True, eq=False)
class WordNetwork:
    """The spellings that are known, each sorted hashes, and networks whose mean is the score."""

    known: Known
    members: tuple[_Module, ...]

    @classmethod
    def learn(
        cls, documents: Sequence[tuple[TaggedWords, Sequence[int]]], seed: int
    ) -> WordNetwork:
        """Learn from documents with a label for each of their words."""
        spelled = [_spelled(words) for words, _ in documents]
        known = _known(spelled)
        told = [
            _told(words, hashes, known)
            for (words, _), hashes in zip(documents, spelled, strict=True)
        ]
        sentences = [
            (rows[first:behind], np.array(labels[first:behind], dtype=np.int64))
            for (words, labels), rows in zip(documents, told, strict=True)
            for first, behind in words.sentences
        ]
        vectors = word_vectors(
            [rows[:, 0] - 1 for rows in told], len(known[0]), _SPELLINGS[0][1], seed
        )
        members = []
        with torch.random.fork_rng(devices=[]):
            for k in range(_MEMBERS):
                torch.manual_seed(seed * _MEMBERS + k)
                module = _Module([len(each) for each in known])
                module.start_words(vectors)
                averaged = _fit(module, sentences, np.random.default_rng([seed, k]))
                members.append(averaged.eval())
        return cls(known, tuple(members))

    def __call__(self, words: TaggedWords) -> list[NDArray[np.float64]]:
        """Scores ``[n, L]`` of each sentence; other documents do not matter to them."""
        told = _told(words, _spelled(words), self.known)
        lengths = [behind - first for first, behind in words.sentences]
        said = _padded([told[first:behind] for first, behind in words.sentences])
        with torch.inference_mode():
            scores = [member(said, torch.tensor(lengths)) for member in self.members]
        rounded = torch.stack(scores).double().mean(dim=0).numpy().round(_DIGITS)
        return [row[:length] for row, length in zip(rounded, lengths, strict=True)]

    @cached_property
    def steps(self) -> NDArray[np.float64]:
        """Scores of a label and the next ``[L, L]``."""
        with torch.inference_mode():
            steps = torch.stack([member.steps() for member in self.members])
        return steps.double().mean(dim=0).numpy().round(_DIGITS)

    def write(self, path: Path) -> None:
        """Write safetensors; the file appears whole or not at all."""
        tensors = {
            f"{k}.{name}": each.contiguous()
            for k, member in enumerate(self.members)
            for name, each in member.state_dict().items()
        }
        for (name, _, _), hashes in zip(_SPELLINGS, self.known, strict=True):
            tensors[f"known.{name}"] = torch.from_numpy(hashes)
        write_bytes(path, save(tensors))

    @classmethod
    def read(cls, path: Path) -> WordNetwork:
        """Read what `write` wrote; raises `InputError` where it is absent or damaged."""
        try:
            tensors = load_file(path)
            known = tuple(tensors.pop(f"known.{name}").numpy() for name, _, _ in _SPELLINGS)
            if any(each.dtype != np.int64 or (np.diff(each) <= 0).any() for each in known):
                raise ValueError
            members = []
            for k in range(_MEMBERS):
                module = _Module([len(each) for each in known])
                names = [name for name in tensors if name.startswith(f"{k}.")]
                module.load_state_dict({name[2:]: tensors.pop(name) for name in names})
                members.append(module.eval())
            numbers = [each for member in members for each in member.parameters()]
            if tensors or not all(bool(each.isfinite().all()) for each in numbers):
                raise ValueError
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError):
            raise InputError(f"{path}: not found or damaged; run `surecode train` again") from None
        return cls(known, tuple(members))


class _Module(nn.Module):
    """What is said of words ``[B, T, S + C]`` → scores of their labels ``[B, T, L]``."""

    def __init__(self, known: Sequence[int]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(
            nn.Embedding(size + 1, width)
            for size, (_, width, _) in zip(known, _SPELLINGS, strict=True)
        )
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=0.3)
        self.characters = nn.Embedding(_ALPHABET + 1, _OF_ONE, padding_idx=0)
        self.spelt = nn.Conv1d(_OF_ONE, _OF_ALL, kernel_size=3, padding=1)
        width = sum(width for _, width, _ in _SPELLINGS) + _OF_ALL
        self.first = nn.LSTM(width, _HIDDEN, batch_first=True, bidirectional=True)
        self.second = nn.LSTM(2 * _HIDDEN, _HIDDEN, batch_first=True, bidirectional=True)
        self.dropped = nn.Dropout(_DROPPED)
        self.labels = nn.Linear(2 * _HIDDEN, len(LABELS))
        self.free_steps = nn.Parameter(torch.zeros(len(LABELS), len(LABELS)))
        never = torch.from_numpy(~MAY_FOLLOW).float() * NEVER
        self.register_buffer("never", never, persistent=False)

    def start_words(self, vectors: NDArray[np.float32]) -> None:
        """Let words that stand among like words start alike; ``vectors`` are of the known ones."""
        table = self.tables[0]
        assert isinstance(table, nn.Embedding)
        with torch.no_grad():
            table.weight[1:] = torch.from_numpy(vectors * _LENGTH)

    def steps(self) -> Tensor:
        """Scores of a label and the next ``[L, L]``."""
        assert isinstance(self.never, Tensor)
        return self.free_steps + self.never

    def forward(self, said: Tensor, lengths: Tensor) -> Tensor:
        if self.training:
            unknown = torch.rand(said.shape[:2]) < _UNKNOWN
            said = said.clone()
            said[..., 0].masked_fill_(unknown, 0)
        rows = [table(said[..., k]) for k, table in enumerate(self.tables)]
        rows.append(self._spelt(said[..., len(_SPELLINGS) :]))
        once = self._read(self.first, self.dropped(torch.cat(rows, dim=2)), lengths)
        twice = self._read(self.second, self.dropped(once), lengths)
        scores: Tensor = self.labels(self.dropped(once + twice))
        return scores

    def _spelt(self, characters: Tensor) -> Tensor:
        """Characters of words ``[B, T, C]`` → the most of each thing said of any ``[B, T, 48]``."""
        each = self.characters(characters.flatten(0, 1)).transpose(1, 2)
        most: Tensor = torch.relu(self.spelt(each)).amax(dim=2)
        return most.view(*characters.shape[:2], _OF_ALL)

    @staticmethod
    def _read(layer: nn.LSTM, rows: Tensor, lengths: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            rows, lengths, batch_first=True, enforce_sorted=False
        )
        found, _ = nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
        return found


def surprise(scores: Tensor, steps: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
    """-log P(labels) of each sentence ``[B]``.

    Args:
        scores: of each word's labels ``[B, T, L]``.
        steps: of a label and the next ``[L, L]``.
        labels: ``[B, T]``; those behind a sentence's last word are not looked at.
        lengths: of the sentences ``[B]``.
    """
    there = torch.arange(scores.shape[1])[None] < lengths[:, None]
    said = scores.gather(2, labels[:, :, None])[:, :, 0] * there
    taken = steps[labels[:, :-1], labels[:, 1:]] * there[:, 1:]
    paths = scores[:, 0]
    for t in range(1, scores.shape[1]):
        longer = torch.logsumexp(paths[:, :, None] + steps[None], dim=1) + scores[:, t]
        paths = torch.where(there[:, t, None], longer, paths)
    return torch.logsumexp(paths, dim=1) - said.sum(dim=1) - taken.sum(dim=1)


def _fit(
    module: _Module,
    sentences: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    draw: np.random.Generator,
) -> _Module:
    """Learn; sentences of like length stand in a batch, batches in any order.

    Returns:
        The mean of what the network was after each step of the later epochs (Izmailov et al. 2018,
        arXiv 1803.05407).
    """
    optimizer = torch.optim.AdamW(module.parameters(), lr=_RATE, weight_decay=_DECAY)
    lengths = np.array([len(labels) for _, labels in sentences])
    order = np.argsort(lengths, kind="stable")
    size = min(_BATCH, int(lengths.sum()) // _FEWEST_BATCHES + 1)
    last = np.full(len(sentences), np.inf)
    mean = AveragedModel(module)
    module.train()
    for epoch in range(_EPOCHS):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1.0 - epoch / _EPOCHS) + _LAST_RATE
        anyway = draw.random(len(sentences)) < _READ_ANYWAY
        read = (last >= _EASY) | anyway | (epoch == _EPOCHS - 1)
        batches = list(_batches(order[read[order]], lengths, size))
        for k in draw.permutation(len(batches)).tolist():
            rows = batches[k]
            many = torch.from_numpy(lengths[rows])
            scores = module(_padded([sentences[i][0] for i in rows]), many)
            labels = _padded([sentences[i][1] for i in rows], OUTSIDE)
            each = surprise(scores, module.steps(), labels, many)
            last[rows] = each.detach().numpy()
            optimizer.zero_grad()
            (each.sum() / many.sum()).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            if epoch >= _AVERAGED_FROM:
                mean.update_parameters(module)
    averaged = mean.module
    assert isinstance(averaged, _Module)
    return averaged


def _batches(
    order: NDArray[np.intp], lengths: NDArray[np.int64], size: int
) -> Iterator[NDArray[np.intp]]:
    """Sentences in runs of about ``size`` words."""
    ends = np.cumsum(lengths[order]) // size
    yield from np.split(order, np.flatnonzero(np.diff(ends)) + 1)


def _padded(rows: Sequence[NDArray[np.int64]], value: int = 0) -> Tensor:
    return nn.utils.rnn.pad_sequence(
        [torch.from_numpy(row) for row in rows], batch_first=True, padding_value=value
    )


def _spelled(words: TaggedWords) -> NDArray[np.int64]:
    """Hashes of the spellings of each word ``[n, S]``."""
    names = (
        (word, word[:3], word[:4], word[-3:], word[-4:], kind)
        for word, kind in zip(words.folded, words.shapes, strict=True)
    )
    return np.array(
        [[murmurhash3_32(name) for name in each] for each in names],
        dtype=np.int64,
    ).reshape(len(words.words), len(_SPELLINGS))


def _known(spelled: Sequence[NDArray[np.int64]]) -> Known:
    """The hashes of each spelling that enough documents have, sorted."""
    known = []
    for k, (_, _, least) in enumerate(_SPELLINGS):
        counts = Counter(hash_ for rows in spelled for hash_ in set(rows[:, k].tolist()))
        some = sorted(hash_ for hash_, count in counts.items() if count >= least)
        known.append(np.array(some, dtype=np.int64))
    return tuple(known)


def _told(words: TaggedWords, hashes: NDArray[np.int64], known: Known) -> NDArray[np.int64]:
    """What is said of each word ``[n, S + C]``; places from 1 on, 0 for what is not known.

    ``hashes`` are those of its spellings ``[n, S]``.
    """
    told = np.zeros((len(hashes), len(_SPELLINGS) + _CHARACTERS), dtype=np.int64)
    for k, each in enumerate(known):
        if len(each):
            at = np.searchsorted(each, hashes[:, k]).clip(max=len(each) - 1)
            told[:, k] = np.where(each[at] == hashes[:, k], at + 1, 0)
    for row, word in zip(told, words.written, strict=True):
        characters = [ord(character) % _ALPHABET + 1 for character in word[:_CHARACTERS]]
        row[len(_SPELLINGS) : len(_SPELLINGS) + len(characters)] = characters
    return told
