"""Which sense an ambiguous term has where it stands: rules of cue words around it.

"Block" is a disorder of conduction beside "Mobitz" and an anaesthetic technique beside
"ropivacaine"; "IR" is the kidney beside "creatinina" and the lung beside "gasometría". The rules
lie in ``sense_rules/en.csv`` and ``es.csv``, one row per sense of a term:

==========  ====================================================================================
``term``    the ambiguous word or short phrase; ``a|b`` are wordings that share the row
``code``    beginnings of the codes of this sense, separated by blanks (``I44 I45``; those of
            another system than ICD-10-CM with its name, ``ICD-10-PCS:3E0``); ``-`` for a sense
            without code
``bare``    the code of the term where nothing but its sense is known ("IR" beside "creatinina" is
            N19); empty where the term alone says too little, and where the sense has no code
``window``  how many words on either side are looked at; punctuation is not counted
``for``     cues of this sense, separated by semicolons
``against`` cues that speak against this sense alone
==========  ====================================================================================

A cue is one word or a few, folded (`surecode.evidence.folding`); ``ischem*`` is any word with that
beginning, ``<heart`` must stand directly before the term, ``>wave`` directly behind it. **A cue for
one sense of a term speaks against its other senses**, so ``against`` is seldom needed; a cue of two
senses says nothing between them. Each word counts once, by one over its distance from the term, and
half of that in another sentence. A sense must outweigh the rest by `MARGIN`.

The rules were written from medical knowledge, before the pairs that measure them were;
``evaluation/suites/README.md`` says what was changed afterwards and how they were measured.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

from surecode.codes.systems import parse
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.evidence.folding import fold
from surecode.evidence.language import Language

Sense = Literal["supported", "contradicted", "unknown"]
_Side = Literal["before", "after"]
HEADER = ("term", "code", "bare", "window", "for", "against")
LANGUAGES: tuple[Language, ...] = ("en", "es")
WINDOW_MAX = 20
MARGIN = 1.25  # how many times the weight of one side exceeds the other's before it counts
OTHER_SENTENCE = 0.5  # the weight of a cue beyond the end of the sentence

_WORD = re.compile(r"\w+")
_CUE_WORD = re.compile(r"\w+\*?")
_TOUCH: dict[str, _Side] = {"<": "before", ">": "after"}
_SENTENCE_ENDS = frozenset(".!?;\n")


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that tell a sense, a star for any ending; ``touch`` is where they must adjoin."""

    words: tuple[str, ...]
    touch: _Side | None = None


@dataclass(frozen=True, slots=True)
class SenseRule:
    """One sense of one term: the codes that it has, and what speaks for and against it.

    ``bare`` is the code of the term alone, where it has one.
    """

    term: tuple[str, ...]
    codes: tuple[str, ...]
    window: int
    supporting: tuple[Cue, ...]
    opposing: tuple[Cue, ...] = ()
    bare: Code | None = None

    def covers(self, code: Code) -> bool:
        """Whether the code is one of this sense; no code is one of a sense without codes."""
        return any(str(code).startswith(prefix) for prefix in self.codes)


@dataclass(frozen=True, slots=True)
class _Near:
    """A word of the context: ``distance`` is 1 for the neighbour; ``weight`` what it counts."""

    word: str
    distance: int
    weight: float


@dataclass(frozen=True)
class SenseRules:
    """The rules of one language or of several, found by the words of their terms."""

    rules: tuple[SenseRule, ...]
    _by_term: dict[tuple[str, ...], tuple[SenseRule, ...]] = field(
        init=False, repr=False, compare=False
    )
    _longest: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_term: defaultdict[tuple[str, ...], list[SenseRule]] = defaultdict(list)
        for rule in self.rules:
            by_term[rule.term].append(rule)
        found = {term: tuple(senses) for term, senses in by_term.items()}
        object.__setattr__(self, "_by_term", found)
        object.__setattr__(self, "_longest", max(map(len, found), default=0))

    @property
    def terms(self) -> frozenset[tuple[str, ...]]:
        """The ambiguous terms, as folded words."""
        return frozenset(self._by_term)

    def sense(
        self, term_words: Sequence[str], before: Sequence[str], after: Sequence[str], code: Code
    ) -> Sense:
        """What the context says of the term being meant as the code.

        Args:
            term_words: the words of the term as found; a term of the rules may be part of it, and
                its other words are context.
            before: the words before it, in reading order; punctuation may be among them.
            after: the words behind it.
            code: what the term would be coded as.

        Returns:
            ``unknown`` where no rule knows the term or the code, or the cues are silent or equal.
        """
        inside = _words(term_words)
        for_it = against = 0.0
        for start, term in self._terms_in(inside):
            senses = self._by_term[term]
            if not any(rule.covers(code) for rule in senses):
                continue
            left = _context([*before, *inside[:start]][::-1])
            right = _context([*inside[start + len(term) :], *after])
            more, less = _votes(senses, code, left, right)
            for_it, against = for_it + more, against + less
        if for_it > MARGIN * against:
            return "supported"
        return "contradicted" if against > MARGIN * for_it else "unknown"

    def _terms_in(self, words: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
        for start in range(len(words)):
            for end in range(min(len(words), start + self._longest), start, -1):
                if (term := tuple(words[start:end])) in self._by_term:
                    yield start, term
                    break


def sense(
    term_words: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
    code: Code,
    language: Language | None = None,
) -> Sense:
    """`SenseRules.sense` by the rules of the package: of one language, or of all of them."""
    return package_rules(language).sense(term_words, before, after, code)


@cache
def package_rules(language: Language | None = None) -> SenseRules:
    """The rules that lie in the package: of one language, or of all of them."""
    found: list[SenseRule] = []
    for name in LANGUAGES if language is None else (language,):
        table = files("surecode.lexicon").joinpath(f"sense_rules/{name}.csv").read_text("utf-8")
        found += read_rules(table, f"sense rules ({name})")
    return SenseRules(tuple(found))


@cache
def rules_hash() -> str:
    """sha256 of the rules that lie in the package; who learned with others must learn again."""
    found = files("surecode.lexicon")
    tables = [found.joinpath(f"sense_rules/{name}.csv").read_bytes() for name in LANGUAGES]
    return hashlib.sha256(b"\0".join(tables)).hexdigest()


def read_rules(table: str, name: str = "sense rules") -> list[SenseRule]:
    """The rules of a CSV table with the columns of `HEADER`, one per wording of a term.

    Raises:
        InputError: another header, a line with other than six cells, an empty term or code, a code
            of the bare term that is none of the sense's, a window that is no number from 1 to 20, a
            cue without a word, a sense without cues, the same sense of a term twice.
    """
    lines = list(csv.reader(table.splitlines()))
    if not lines or tuple(lines[0]) != HEADER:
        raise InputError(f"{name}: the header is not {','.join(HEADER)}; correct it")
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], SenseRule] = {}
    for number, cells in enumerate(lines[1:], start=2):
        where = f"{name}, line {number}"
        if len(cells) != len(HEADER):
            raise InputError(f"{where}: {len(cells)} cells; give {len(HEADER)}")
        terms, codes, alone, window, supporting, opposing = cells
        if not codes.split():
            raise InputError(f"{where}: no code; give beginnings of codes, or - where none is")
        if not window.isascii() or not window.isdigit() or not 1 <= int(window) <= WINDOW_MAX:
            raise InputError(f"{where}: the window is no number from 1 to {WINDOW_MAX}; correct it")
        prefixes = () if codes == "-" else tuple(map(_prefix, codes.split()))
        bare = _bare(alone, where)
        if bare is not None and not str(bare).startswith(prefixes or ("-",)):
            raise InputError(f"{where}: {bare} is no code of this sense; correct it")
        cues = _cues(supporting, where), _cues(opposing, where)
        if not any(cues):
            raise InputError(f"{where}: no cue; give one, or remove the line")
        for wording in terms.split("|"):
            term = tuple(_words([wording]))
            if not term:
                raise InputError(f"{where}: an empty term; give a word")
            if (term, prefixes) in found:
                raise InputError(f"{where}: this sense of the term stands there twice; join them")
            found[term, prefixes] = SenseRule(term, prefixes, int(window), *cues, bare)
    return list(found.values())


def _prefix(text: str) -> str:
    return text if ":" in text else f"ICD-10-CM:{text}"


def _bare(cell: str, where: str) -> Code | None:
    try:
        return parse(_prefix(cell)) if cell else None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _cues(cell: str, where: str) -> tuple[Cue, ...]:
    found = []
    for text in filter(None, cell.split(";")):
        words = tuple(_CUE_WORD.findall(fold(text).text))
        if not words:
            raise InputError(f"{where}: a cue without a word; correct it")
        found.append(Cue(words, _TOUCH.get(text[0])))
    return tuple(found)


@lru_cache(maxsize=65536)
def _split(token: str) -> tuple[str, ...]:
    """The folded words of a token; none for punctuation."""
    return tuple(_WORD.findall(fold(token).text))


def _words(tokens: Iterable[str]) -> list[str]:
    return [word for token in tokens for word in _split(token)]


def _context(tokens: Iterable[str]) -> list[_Near]:
    """The words on one side of a term, the nearest first, with what each counts."""
    found: list[_Near] = []
    beyond = False
    for token in tokens:
        words = _split(token)
        beyond |= not words and token in _SENTENCE_ENDS
        for word in words:
            distance = len(found) + 1
            found.append(_Near(word, distance, (OTHER_SENTENCE if beyond else 1.0) / distance))
            if distance == WINDOW_MAX:
                return found
    return found


@dataclass(frozen=True, slots=True)
class _Index:
    """Cues by how they are looked up: whole words, beginnings of words, and all others."""

    words: frozenset[str]
    stems: tuple[str, ...]
    others: tuple[Cue, ...]


@lru_cache(maxsize=4096)
def _index(cues: tuple[Cue, ...]) -> _Index:
    single = [cue.words[0] for cue in cues if len(cue.words) == 1 and cue.touch is None]
    return _Index(
        frozenset(word for word in single if word[-1] != "*"),
        tuple(word[:-1] for word in single if word[-1] == "*"),
        tuple(cue for cue in cues if len(cue.words) > 1 or cue.touch is not None),
    )


def _votes(
    senses: Sequence[SenseRule], code: Code, left: Sequence[_Near], right: Sequence[_Near]
) -> tuple[float, float]:
    """The weights of all words for the code and against it; a word of both counts for neither."""
    marks: defaultdict[tuple[_Side, int], set[bool]] = defaultdict(set)
    for rule in senses:
        own = rule.covers(code)
        near = left[: rule.window], right[: rule.window]
        for place in _places(rule.supporting, *near):
            marks[place].add(own)
        for place in _places(rule.opposing, *near) if own else ():
            marks[place].add(False)
    weights = {True: 0.0, False: 0.0}
    for (side, index), sides in marks.items():
        if len(sides) == 1:
            weights[sides.pop()] += (left if side == "before" else right)[index].weight
    return weights[True], weights[False]


def _places(
    cues: tuple[Cue, ...], left: Sequence[_Near], right: Sequence[_Near]
) -> Iterator[tuple[_Side, int]]:
    """Where the cues stand: the side, and the index of the word nearest to the term."""
    found = _index(cues)
    sides: tuple[tuple[_Side, Sequence[_Near]], ...] = (("before", left), ("after", right))
    for side, words in sides:
        for index, near in enumerate(words):
            if near.word in found.words or near.word.startswith(found.stems):
                yield side, index
        for cue in found.others:
            if cue.touch in (None, side):
                ordered = cue.words[::-1] if side == "before" else cue.words
                yield from ((side, index) for index in _found(ordered, words, cue.touch))


def _found(words: tuple[str, ...], side: Sequence[_Near], touch: _Side | None) -> Iterator[int]:
    last = len(side) - len(words) + 1
    for start in range(last if touch is None else min(1, last)):
        if all(map(_fits, words, side[start : start + len(words)])):
            yield start


def _fits(word: str, near: _Near) -> bool:
    return near.word.startswith(word[:-1]) if word[-1] == "*" else near.word == word
