"""The words of mentions and listed wordings, and the names of these that a regression weighs."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from scipy import sparse

from surecode.coder.hashed_words import hashes
from surecode.codes import axes
from surecode.encounter import Code, Encounter
from surecode.hybrid.sparse import hashed
from surecode.lexicon.term import Term
from surecode.lexicon.tokens import tokens

COLUMNS = 1 << 18
_SHORTEST, _LONGEST = 2, 4  # characters of a part of a word

Words = tuple[str, ...]


def marked_wordings(encounters: Iterable[Encounter]) -> Iterator[tuple[Words, Code]]:
    """The wording of each mention, from its first character to its last, and its code."""
    for encounter in encounters:
        for code, spans in encounter.mentions:
            for document in dict.fromkeys(span.document_id for span in spans):
                here = [span for span in spans if span.document_id == document]
                start, end = min(s.start for s in here), max(s.end for s in here)
                if words := wording_of(encounter.text(document)[start:end]):
                    yield words, code


def has_parts(code: Code) -> bool:
    """Whether a code is a stem and axes, where its system's are; what is not stays known only."""
    return code.system not in axes.AXES or axes.split(code) is not None


def wording_of(text: str) -> Words:
    """The folded words of a text, without marks."""
    return tuple(word for word in tokens(text) if word[0].isalnum())


def wording_hash(words: Words) -> str:
    """64 bits under the key of hashed lexicons."""
    wording = " ".join(words)
    return hashes([wording], "surecode")[wording]


def _names_of(words: Words) -> list[str]:
    """The words of a wording, their pairs, the first and the last, and the parts of each."""
    names = [f"word:{word}" for word in words] + [f"pair:{a} {b}" for a, b in pairwise(words)]
    names += [f"first:{words[0]}", f"last:{words[-1]}"] if words else []
    for word in words:
        whole = f"<{word}>"
        names += [
            f"part:{whole[at : at + n]}"
            for n in range(_SHORTEST, _LONGEST + 1)
            for at in range(len(whole) - n + 1)
        ]
    return names


def named(wordings: Sequence[Words]) -> sparse.csr_matrix:
    """``[n, columns]``: 1 for each name."""
    x = hashed(map(_names_of, wordings), columns=COLUMNS, signed=False)
    x.sort_indices()
    x.data = np.ones_like(x.data)
    return x


def unit_rows(x: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows of length one, but for those that have nothing."""
    length = np.sqrt(np.asarray(x.multiply(x).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1.0 / np.where(length > 0.0, length, 1.0)) @ x)


def listed_wordings(terms: Iterable[Term], known: Container[Words]) -> list[tuple[Words, Code]]:
    """The wordings of lists that no mention has, and their codes."""
    pairs = {
        (words, term.code)
        for term in terms
        if term.code.system in axes.AXES
        and axes.split(term.code) is not None
        and (words := wording_of(term.text))
        and words not in known
    }
    return sorted(pairs)
