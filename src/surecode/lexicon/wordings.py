"""Terms as sequences of words, and the words either as they are or as keyed hashes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surecode.coder.hashed_words import hashes
from surecode.encounter import Code
from surecode.errors import InputError
from surecode.evidence.language import Language
from surecode.lexicon.stems import stem
from surecode.lexicon.term import Source, Term
from surecode.lexicon.tokens import tokens
from surecode.lexicon.typing_errors import deletions, may_be_meant

_DIGITS = 16  # of a hash


@dataclass(frozen=True, slots=True)
class Wording:
    """A term whose text is cut into folded words, or into their hashes."""

    words: tuple[str, ...]
    code: Code
    source: Source
    rule: str
    probability: float
    language: Language | None
    count: int


@dataclass(frozen=True, slots=True)
class Word:
    """What is known of a word: its normal form, and what is left when a letter is deleted.

    ``left`` is empty for words too short to correct another to. All are hashes if the word is.
    """

    stem: str
    left: tuple[str, ...]


def spelling(key: str | None) -> Callable[[str], str]:
    """How words are written: as they are, or without a key as their hash under it."""
    if key is None:
        return lambda word: word
    return lambda word: hashes((word,), key)[word]


def describe(word: str, key: str | None) -> Word:
    """What is known of a folded word, spelled under the key."""
    left = tuple(deletions(word)) if may_be_meant(word) else ()
    if key is None:
        return Word(stem(word), left)
    spelled = hashes({stem(word), *left}, key)
    return Word(spelled[stem(word)], tuple(spelled[each] for each in left))


def cut(terms: Iterable[Term], key: str | None) -> tuple[list[Wording], dict[str, Word]]:
    """Terms as wordings, and what is known of their words; all spelled under the key.

    Raises:
        InputError: a term without a word, or with a probability that is none.
    """
    spelled: dict[str, str] = {}
    known: dict[str, Word] = {}
    wordings = []
    spell = spelling(key)
    for term in terms:
        plain = tokens(term.text)
        if not any(word.isalnum() for word in plain):
            raise InputError(f"lexicon: the term {term.rule} is empty; give it a word")
        if not 0.0 < term.probability <= 1.0:
            raise InputError(
                f"lexicon: the term {term.rule} has the probability {term.probability}; "
                "give one in (0, 1]"
            )
        for word in plain:
            if word not in spelled:
                spelled[word] = spell(word)
                known[spelled[word]] = describe(word, key)
        wordings.append(
            Wording(
                tuple(spelled[word] for word in plain),
                term.code,
                term.source,
                term.rule,
                term.probability,
                term.language,
                term.count,
            )
        )
    return wordings, known


def ordered(wordings: Iterable[Wording]) -> tuple[Wording, ...]:
    """Each wording of a code, source and language once, the most probable, in a fixed order.

    By words, so that hashed wordings do not tell the alphabet.
    """
    best: dict[tuple[Any, ...], Wording] = {}
    for one in wordings:
        at = (one.words, one.code, one.source, one.language or "")
        if at not in best or _rank(one) < _rank(best[at]):
            best[at] = one
    return tuple(best[at] for at in sorted(best))


def hashed(
    wordings: Iterable[Wording], words: Iterable[str], key: str
) -> tuple[tuple[Wording, ...], dict[str, Word]]:
    """Plain wordings and words, spelled as hashes under a key."""
    plain = list(words)
    spelled = hashes(plain, key)
    return (
        ordered(replace(one, words=tuple(spelled[word] for word in one.words)) for one in wordings),
        {spelled[word]: describe(word, key) for word in plain},
    )


def _rank(one: Wording) -> tuple[float, int, str]:
    return -one.probability, -one.count, one.rule


# ---- files ---------------------------------------------------------------------------------------

_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
_Hashes = Annotated[str, Field(pattern=r"^([0-9a-f]{16})*$")]
_Name = Annotated[str, Field(min_length=1)]
_Probability = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]
_Row = tuple[
    Annotated[tuple[_Hash, ...], Field(min_length=1)],
    _Name,
    _Name,
    Source,
    _Name,
    _Probability,
    Language | None,
    Annotated[int, Field(ge=0)],
]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: str
    # Hash of a word → hash of its normal form, hashes of its deletions one behind the other.
    words: dict[_Hash, tuple[_Hash, _Hashes]]
    others: list[_Hash]
    terms: list[_Row]


def to_values(
    wordings: Iterable[Wording], words: Mapping[str, Word], key: str, others: Iterable[str]
) -> dict[str, Any]:
    """Hashed wordings and words as plain JSON values."""
    return {
        "key": key,
        "words": {word: [known.stem, "".join(known.left)] for word, known in sorted(words.items())},
        "others": sorted(others),
        "terms": [
            [
                list(one.words),
                one.code.system,
                one.code.value,
                one.source,
                one.rule,
                one.probability,
                one.language,
                one.count,
            ]
            for one in wordings
        ],
    }


def from_values(
    values: Mapping[str, Any],
) -> tuple[tuple[Wording, ...], dict[str, Word], str, frozenset[str]]:
    """The inverse of :func:`to_values`; raises `InputError` in one line on anything else."""
    damaged = "lexicon: damaged, it is not what to_dict() gave; make the lexicon again"
    try:
        read = _File.model_validate_json(json.dumps(values, allow_nan=False))
    except (ValidationError, TypeError, ValueError):
        raise InputError(damaged) from None  # the cause may quote a value of the file
    hashes((), read.key)
    wordings = ordered(
        Wording(row[0], Code(row[1], row[2]), row[3], row[4], row[5], row[6], row[7])
        for row in read.terms
    )
    if len(wordings) != len(read.terms) or {w for one in wordings for w in one.words} != set(
        read.words
    ):
        raise InputError(damaged)
    return (
        wordings,
        {
            word: Word(
                normal,
                tuple(left[at : at + _DIGITS] for at in range(0, len(left), _DIGITS)),
            )
            for word, (normal, left) in read.words.items()
        },
        read.key,
        frozenset(read.others),
    )
