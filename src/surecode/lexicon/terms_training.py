"""Terms of the train split: the mentions that its codes were annotated on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from surecode.coder.dictionary import Dictionary, Mention, annotated
from surecode.coder.hashed_words import hashes
from surecode.encounter import Code, Encounter
from surecode.lexicon.term import Term
from surecode.lexicon.tokens import tokens
from surecode.lexicon.typing_errors import may_be_misspelt


def training_terms(encounters: Iterable[Encounter], minimum: float = 0.02) -> list[Term]:
    """The mentions of a train split with P(code | mention) >= ``minimum``, in no language.

    The probabilities are those of `surecode.coder.dictionary.Dictionary`, shrunken by one
    occurrence without the code. A discontinuous mention is read as its pieces joined and as all the
    text from the first piece to the last. Raises `InputError` for a minimum outside (0, 1].
    """
    encounters = list(encounters)
    counts: defaultdict[Mention, Counter[Code]] = defaultdict(Counter)
    for encounter in encounters:
        for code, mention in annotated(encounter):
            counts[mention][code] += 1
    return [
        Term(
            text := " ".join(mention),
            entry.code,
            "training",
            _rule(text, entry.code),
            entry.probability,
            None,
            counts[mention][entry.code],
        )
        for mention, entries in Dictionary.fit(encounters, minimum=minimum).entries.items()
        for entry in entries
        if any(word.isalnum() for word in mention)
    ]


def words_of(encounters: Iterable[Encounter], least: int = 2) -> set[str]:
    """The long words of at least ``least`` encounters, folded: they are rarely misspelt."""
    counts = Counter(
        word
        for encounter in encounters
        for word in {word for d in encounter.documents for word in tokens(d.text)}
        if may_be_misspelt(word)
    )
    return {word for word, count in counts.items() if count >= least}


def _rule(text: str, code: Code) -> str:
    """A name that does not tell the mention."""
    name = f"{code} {text}"
    return f"training:{hashes((name,), 'surecode')[name][:8]}"
