"""Minimal pairs that measure the assertion rules: a plain statement, and the same mention negated,
uncertain, hypothetical, past or of the family.

The pairs were written for this project, for notes of many specialties, in English and Spanish; no
patient stands behind them. Half of them, by the hash of their id, may be looked at while rules are
written (``seen``); the other half is only measured (``held_out``). Both halves have the same author
as the rules, so the held-out share is an upper bound of what notes of strangers would give.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import pandas as pd

from surecode.errors import InputError
from surecode.evidence.assertion import Assertion, assertion
from surecode.evidence.sections import sections

Language = Literal["en", "es"]
Half = Literal["seen", "held_out"]
LANGUAGES: tuple[Language, ...] = ("en", "es")
HEADER = ("id", "kind", "mention", "affirmed", "other")
# What the other sentence of a pair says of the mention, by the pair's kind.
EXPECTED: dict[str, Assertion] = {
    "negated": Assertion(polarity="negated"),
    "uncertain": Assertion(certainty="uncertain"),
    "hypothetical": Assertion(certainty="hypothetical"),
    "historical": Assertion(time="historical"),
    "family": Assertion(experiencer="family"),
    "negated+family": Assertion(polarity="negated", experiencer="family"),
}


@dataclass(frozen=True)
class Pair:
    """Two texts with the same mention, which the first affirmes and the second means otherwise."""

    id: str
    language: Language
    kind: str
    mention: str
    affirmed: str
    other: str

    @property
    def half(self) -> Half:
        """``seen`` or ``held_out``, by the parity of the id's SHA-256."""
        return "held_out" if hashlib.sha256(self.id.encode()).digest()[0] % 2 else "seen"


def load_pairs(language: Language) -> list[Pair]:
    """The pairs of one language, from the package; a backslash and n stand for a line break."""
    return parse_pairs(
        files("surecode.evaluation").joinpath(f"suites/negation_{language}.tsv").read_text("utf-8"),
        language,
    )


def parse_pairs(table: str, language: Language) -> list[Pair]:
    """Pairs of a table with the columns of `HEADER`, separated by tabs.

    Raises:
        InputError: another header, a line with other than five columns, an unknown kind, an id
            twice, or a mention that does not stand in a text exactly once.
    """
    header, *lines = table.splitlines()
    if tuple(header.split("\t")) != HEADER:
        raise InputError(f"negation suite: the header is not {', '.join(HEADER)}; correct it")
    pairs: dict[str, Pair] = {}
    for number, line in enumerate(lines, start=2):
        where = f"negation suite ({language}), line {number}"
        cells = [cell.replace("\\n", "\n") for cell in line.split("\t")]
        if len(cells) != len(HEADER):
            raise InputError(f"{where}: {len(cells)} columns; give {len(HEADER)}")
        pair = Pair(cells[0], language, *cells[1:])
        if pair.kind not in EXPECTED:
            raise InputError(f"{where}: unknown kind; give one of {', '.join(EXPECTED)}")
        if pair.id in pairs:
            raise InputError(f"{where}: id {pair.id} stands there twice; number the pairs anew")
        for text in (pair.affirmed, pair.other):
            if text.lower().count(pair.mention.lower()) != 1:
                raise InputError(f"{where}: the mention must stand once in each text; correct it")
        pairs[pair.id] = pair
    return list(pairs.values())


def assertion_in(text: str, mention: str) -> Assertion:
    """What the rules say of the one place where the mention stands."""
    start = text.lower().index(mention.lower())
    return assertion(text, start, start + len(mention), sections(text))


def evaluate_assertions(pairs: Iterable[Pair] | None = None) -> pd.DataFrame:
    """Share of right assertions by language, half and kind; a right one is right in all fields.

    Returns:
        One row per group, and one for all kinds of a language and half (``kind`` "all"), with
        ``pairs``, ``affirmed_right`` and ``other_right`` (shares of the plain and of the other
        texts), ``right`` (share of all texts) and ``both_right`` (share of pairs).
    """
    if pairs is None:
        pairs = [pair for language in LANGUAGES for pair in load_pairs(language)]
    rows = []
    for pair in pairs:
        plain = assertion_in(pair.affirmed, pair.mention) == Assertion()
        other = assertion_in(pair.other, pair.mention) == EXPECTED[pair.kind]
        for kind in (pair.kind, "all"):
            rows.append((pair.language, pair.half, kind, plain, other))
    table = pd.DataFrame(rows, columns=["language", "half", "kind", "plain", "other"])
    table["right"] = (table["plain"].astype(float) + table["other"].astype(float)) / 2
    table["both"] = table["plain"] & table["other"]
    return (
        table.groupby(["language", "half", "kind"], sort=True)
        .agg(
            pairs=("plain", "size"),
            affirmed_right=("plain", "mean"),
            other_right=("other", "mean"),
            right=("right", "mean"),
            both_right=("both", "mean"),
        )
        .reset_index()
    )
