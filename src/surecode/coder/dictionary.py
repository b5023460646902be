"""The first baseline: mentions of the training split looked up in the text.

A mention is the text that one code stands on, as a sequence of normalised tokens: case folded,
accents stripped, white space dropped, every punctuation mark a token of its own. Fitting counts

    P(code | mention) = times annotated with the code / times that the mention occurs

over the training texts and keeps the pairs with P >= ``minimum``: the mentions that annotators
mostly pass over, or code in many ways, fall away. Coding walks a trie of tokens and takes the
longest mention at each place, left to right, never two over one another: linear in the text.

A mention is patient text. What leaves the run folder is :meth:`Dictionary.hashed`, which codes the
same and holds 64-bit hashes in place of words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from surecode.coder.hashed_words import hashes, is_row
from surecode.encounter import Code, Document, Encounter, Evidence, Span
from surecode.errors import InputError

Mention = tuple[str, ...]

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A code that a mention stands for, with the shrunken P(code | mention) that ranks it."""

    code: Code
    probability: float


@dataclass(slots=True)
class _Node:
    """One token further down the trie; ``mention`` is set where a mention ends."""

    children: dict[str, _Node] = field(default_factory=dict)
    mention: Mention | None = None


@dataclass(frozen=True)
class Dictionary:
    """Mentions with their codes; made by :meth:`fit`. ``len()`` counts the mentions.

    With a ``key`` the mentions are hashes of tokens under that key, see :meth:`hashed`.
    """

    entries: dict[Mention, tuple[Entry, ...]]
    key: str | None = None
    _root: _Node = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_root", _trie(self.entries))

    def __len__(self) -> int:
        return len(self.entries)

    @classmethod
    def fit(cls, encounters: Iterable[Encounter], *, minimum: float = 0.5) -> Dictionary:
        """Collect the evidence of the training split.

        Without any evidence the dictionary is empty and codes nothing. Raises `InputError` where
        ``minimum``, the smallest P(code | mention) that is kept, is not in (0, 1].
        """
        if not 0.0 < minimum <= 1.0:
            raise InputError(f"dictionary: minimum is {minimum}; give a probability in (0, 1]")
        encounters = list(encounters)
        counts: defaultdict[Mention, Counter[Code]] = defaultdict(Counter)
        for encounter in encounters:
            for code, mention in annotated(encounter):
                counts[mention][code] += 1
        occurrences = _occurrences(encounters, _trie(counts))
        entries = {
            mention: _entries(codes, occurrences[mention], minimum)
            for mention, codes in sorted(counts.items())
        }
        return cls({mention: found for mention, found in entries.items() if found})

    def code(self, encounter: Encounter) -> list[Code]:
        """The codes of the encounter, each once: by falling probability, then by first place."""
        best: dict[Code, float] = {}
        for mention, _ in self._hits(encounter):
            for entry in self.entries[mention]:
                best[entry.code] = max(best.get(entry.code, 0.0), entry.probability)
        return sorted(best, key=lambda code: -best[code])

    def mentions(self, encounter: Encounter) -> list[Evidence]:
        """Every place that a code was read from, in the order of the text.

        The spans count characters of the document as it is, before any normalisation. Codes that
        stand on one place share its ``mention`` number.
        """
        return [
            Evidence(entry.code, span, number)
            for number, (mention, span) in enumerate(self._hits(encounter))
            for entry in self.entries[mention]
        ]

    def hashed(self, key: str = "surecode") -> Dictionary:
        """The same dictionary without words: every token is its 64-bit hash under ``key``.

        It codes every encounter the same, unless two words share a hash (for 100,000 words a
        chance below one in a billion). It is unreadable, not secret: the key lies beside it, so
        whoever guesses a word can check whether a mention contains it. Mentions are sorted by hash,
        since their own order would tell the alphabet. Raises `InputError` where the dictionary is
        hashed under another key, or the key is empty or longer than 64 bytes.
        """
        if self.key is not None:
            if self.key != key:
                raise InputError("dictionary: hashed under another key already; fit it again")
            return self
        words = hashes({token for mention in self.entries for token in mention}, key)
        entries = {
            tuple(words[token] for token in mention): found
            for mention, found in self.entries.items()
        }
        return Dictionary(dict(sorted(entries.items())), key)

    def to_dict(self) -> dict[str, Any]:
        """Key and entries as plain JSON values; raises `InputError` unless :meth:`hashed`."""
        if self.key is None:
            raise InputError("dictionary: it holds words of notes; write what hashed() gives")
        entries = [
            [list(mention), [[e.code.system, e.code.value, e.probability] for e in found]]
            for mention, found in self.entries.items()
        ]
        return {"key": self.key, "entries": entries}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Dictionary:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        damaged = InputError(
            "dictionary: expected a key and entries, each a mention of hashes and its codes with "
            "probabilities; write the file again with surecode calibrate"
        )
        if not isinstance(values, Mapping) or set(values) != {"key", "entries"}:
            raise damaged
        if not isinstance(values["key"], str) or not isinstance(values["entries"], list):
            raise damaged
        hashes([], values["key"])
        entries: dict[Mention, tuple[Entry, ...]] = {}
        for row in values["entries"]:
            if not is_row(row) or tuple(row[0]) in entries:
                raise damaged
            entries[tuple(row[0])] = tuple(Entry(Code(s, v), p) for s, v, p in row[1])
        return cls(entries, values["key"])

    def _hits(self, encounter: Encounter) -> Iterator[tuple[Mention, Span]]:
        for document in encounter.documents:
            yield from _longest(document, self._root, self.key)


def tokens(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    """The normalised tokens of a text, and where each starts and ends in the text as it is."""
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for place, character in enumerate(text):
        fold = _fold(character)
        if not fold and ends:  # a combining mark belongs to the letter before it
            ends[-1] = place + 1
        folded.append(fold)
        starts.extend([place] * len(fold))
        ends.extend([place + 1] * len(fold))
    found = list(_TOKEN.finditer("".join(folded)))
    return [m.group() for m in found], [(starts[m.start()], ends[m.end() - 1]) for m in found]


@lru_cache(maxsize=4096)
def _fold(character: str) -> str:
    decomposed = unicodedata.normalize("NFD", character.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def annotated(encounter: Encounter) -> Iterator[tuple[Code, Mention]]:
    """Each annotated mention of the encounter with its code.

    A discontinuous mention is read in two ways, as its pieces joined and as all the text from the
    first piece to the last: cross-validation inside the training split preferred both to either.
    """
    for code, spans in encounter.mentions:
        texts = [encounter.text(span.document_id)[span.start : span.end] for span in spans]
        readings = {tuple(tokens(" ".join(texts))[0])}
        if len(spans) > 1 and len({span.document_id for span in spans}) == 1:
            start, end = min(span.start for span in spans), max(span.end for span in spans)
            readings.add(tuple(tokens(encounter.text(spans[0].document_id)[start:end])[0]))
        for mention in sorted(readings):
            if mention:
                yield code, mention


def _occurrences(encounters: Iterable[Encounter], root: _Node) -> Counter[Mention]:
    return Counter(
        mention
        for encounter in encounters
        for document in encounter.documents
        for mention, _ in _longest(document, root)
    )


def _entries(codes: Counter[Code], occurrences: int, minimum: float) -> tuple[Entry, ...]:
    """The codes with P(code | mention) >= minimum, the likeliest first.

    A mention inside a longer one is annotated more often than the longest match finds it, so the
    annotations count as occurrences too. The rank adds one occurrence without the code, lest a
    mention seen once outrank one that was right fifty times of fifty-one.
    """
    seen = max(occurrences, max(codes.values()))
    kept = [Entry(code, n / (seen + 1)) for code, n in codes.items() if n / seen >= minimum]
    return tuple(sorted(kept, key=lambda entry: (-entry.probability, entry.code)))


def _trie(mentions: Iterable[Mention]) -> _Node:
    root = _Node()
    for mention in mentions:
        node = root
        for token in mention:
            node = node.children.setdefault(token, _Node())
        node.mention = mention
    return root


def _longest(
    document: Document, root: _Node, key: str | None = None
) -> Iterator[tuple[Mention, Span]]:
    """The longest mention at each place, left to right, without overlap."""
    words, places = tokens(document.text)
    if key is not None:
        hashed = hashes(set(words), key)
        words = [hashed[word] for word in words]
    first = 0
    while first < len(words):
        node, last, longest = root, first, None
        while last < len(words) and (child := node.children.get(words[last])) is not None:
            node, last = child, last + 1
            if node.mention is not None:
                longest = node.mention
        if longest is None:
            first += 1
            continue
        after = first + len(longest)
        yield longest, Span(document.document_id, places[first][0], places[after - 1][1])
        first = after
