"""A term: one wording of one code, with where it comes from and how far it is to be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from surecode.encounter import Code
from surecode.evidence.language import Language

Source = Literal["training", "title", "inclusion", "shipped", "sense", "user"]


@dataclass(frozen=True, slots=True)
class Term:
    """One wording of one code.

    Attributes:
        text: the wording, in any case and with or without accents.
        code: what it stands for. A wording of several codes is several terms.
        source: mentions of the train split, titles or inclusion terms of a table, a list that ships
            with surecode, a rule of senses (which counts only where the rules support it), a user's
            list.
        rule: a stable name of the entry: ``training:<8 hex>``, ``ICD-10-CM:I50.9:title``,
            ``ICD-10-CM:I50.9:inclusion:2``, ``ICD-10-CM:I50.9:es:2``,
            ``ICD-10-CM:I50.9:es:sense:1``, ``user:<list name>:<line>``.
            Never the wording.
        probability: P(code | the wording is found), in (0, 1].
        language: the documents it is looked for in, those of any language with None.
        count: how often it was annotated with the code; 0 where nobody counted.
    """

    text: str
    code: Code
    source: Source
    rule: str
    probability: float
    language: Language | None
    count: int
