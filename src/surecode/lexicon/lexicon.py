"""Terms of codes found in documents: as written, inflected, in another order, with a typing error.

Text and terms are cut into the same folded tokens and each word brought to its normal form
(`stems`). At each place, left to right, the longest term of all sources wins, and none overlap:
what is nested in a longer term is not reported. A place may have several terms and several codes;
each code is reported once, with the term that fits best. Where a source has terms that are exact,
its looser ones are not reported.

A match is called by the loosest step that it needed:

    exact       the words as they are, without case and accents
    inflected   plural or gender differ
    order       2 to 4 content words in another order, or with other words such as "de" between them
    typo        a word of six letters or more that is not known, read as the one term's word that is
                one typing error away

A term with a language is looked for in documents of that language, and in those that are too short
to tell theirs. Mentions of the train split are patient text: what leaves the run folder is
:meth:`Lexicon.hashed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from surecode.coder.hashed_words import hashes
from surecode.encounter import Code, Encounter, Span
from surecode.errors import InputError
from surecode.lexicon import wordings
from surecode.lexicon.finder import Finder
from surecode.lexicon.finder import Match as Match
from surecode.lexicon.term import Source, Term
from surecode.lexicon.tokens import fold
from surecode.lexicon.wordings import Word, Wording


@dataclass(frozen=True, slots=True)
class Hit:
    """One term at one place, for one code.

    Attributes:
        code: what the term stands for.
        span: where it stands.
        place: number of the place within the encounter; several codes may share it.
        source: where the term comes from.
        rule: the term's stable name.
        match: how loosely it fits.
        probability: the term's P(code | found).
        count: how often the term was annotated with the code.
        length: tokens of the term.
    """

    code: Code
    span: Span
    place: int
    source: Source
    rule: str
    match: Match
    probability: float
    count: int
    length: int


@dataclass(frozen=True)
class Lexicon:
    """Terms, ready to be looked for; made by :meth:`build`. ``len()`` counts the terms.

    Immutable: :meth:`with_terms` and :meth:`without` give another one. With a ``key`` all words are
    hashes under it. ``others`` are words that no term has, and that are no misspellings.
    """

    wordings: tuple[Wording, ...]
    words: Mapping[str, Word]
    key: str | None = None
    others: frozenset[str] = frozenset()

    @classmethod
    def build(cls, terms: Iterable[Term], *, others: Iterable[str] = ()) -> Lexicon:
        """A lexicon of terms, the same in whatever order they come.

        Of equal terms of one code, source and language the most probable stays. Words among
        ``others`` (see `terms_training.words_of`) are not read as a misspelt word of a term. Raises
        `InputError` for a term without a word or with a probability outside (0, 1].
        """
        found, words = wordings.cut(terms, None)
        return cls(wordings.ordered(found), words, others=frozenset(map(fold, others)))

    def with_terms(self, terms: Iterable[Term]) -> Lexicon:
        """This lexicon and more terms; a hashed one hashes them under its key."""
        found, words = wordings.cut(terms, self.key)
        return replace(
            self,
            wordings=wordings.ordered([*self.wordings, *found]),
            words={**self.words, **words},
        )

    def without(self, rules: Iterable[str]) -> Lexicon:
        """This lexicon without the terms of these rules; an unknown rule raises `InputError`."""
        gone = set(rules)
        unknown = sorted(gone - {one.rule for one in self.wordings})
        if unknown:
            raise InputError(f"lexicon: no term has the rule {unknown[0]}; name one that is there")
        kept = tuple(one for one in self.wordings if one.rule not in gone)
        used = {word for one in kept for word in one.words}
        words = {word: known for word, known in self.words.items() if word in used}
        return replace(self, wordings=kept, words=words)

    def __len__(self) -> int:
        return len(self.wordings)

    @cached_property
    def codes(self) -> frozenset[Code]:
        """The codes that some term stands for."""
        return frozenset(one.code for one in self.wordings)

    def hits(self, encounter: Encounter) -> list[Hit]:
        """What is found, by place in the order of the text; at a place the likeliest code first."""
        hits: list[Hit] = []
        place = 0
        for document in encounter.documents:
            for start, end, entries in self._finder.find(document):
                span = Span(document.document_id, start, end)
                hits += [Hit(entry[0], span, place, *entry[1:]) for entry in entries]
                place += 1
        return hits

    # ---- hashes and files ------------------------------------------------------------------------

    def hashed(self, key: str = "surecode") -> Lexicon:
        """The same lexicon without words: each is its 64-bit hash under ``key``.

        It finds the same, unless two words share a hash (for 100,000 words a chance below one in a
        billion). It is unreadable, not secret: the key lies beside it, so whoever guesses a word
        can check whether a term has it, and a word's number of letters can be counted from its
        deletions. Raises `InputError` where the lexicon is hashed under another key, or the key is
        empty or longer than 64 bytes.
        """
        if self.key is not None:
            if self.key != key:
                raise InputError("lexicon: hashed under another key already; build it again")
            return self
        found, words = wordings.hashed(self.wordings, self.words, key)
        return Lexicon(found, words, key, frozenset(hashes(self.others, key).values()))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; raises `InputError` unless :meth:`hashed`."""
        if self.key is None:
            raise InputError("lexicon: it holds words of notes; write what hashed() gives")
        return wordings.to_values(self.wordings, self.words, self.key, self.others)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Lexicon:
        """The inverse of :meth:`to_dict`; raises `InputError` on anything else."""
        return cls(*wordings.from_values(values))

    @cached_property
    def _finder(self) -> Finder:
        return Finder(self.wordings, self.words, self.key, self.others)
