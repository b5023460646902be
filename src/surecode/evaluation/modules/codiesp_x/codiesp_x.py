"""The score of CodiEsp-X, as an `evaluate` module."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from typing import Any

import datasets
import evaluate

from surecode.evaluation.codiesp_x import Reference, codiesp_x

DESCRIPTION = """Micro precision, recall and F1 of codes with their evidence, as the official
scorer of CodiEsp-X prints them: a code of a document is right if one of its predicted spans
contains one of its gold spans with at most 10 characters to spare on each side."""

CITATION = """Miranda-Escalada et al. 2020, Overview of automatic clinical coding: annotations,
guidelines, and solutions for non-English clinical cases at CodiEsp track of CLEF eHealth 2020."""

INPUTS = """One of each for every document, of any number of items {code, start, end}, in
characters, half-open:
predictions: an item for each span of each predicted code;
references: an item for each gold mention; one of several pieces from its first to its last
character;
valid: the codes that count, where some predicted ones are to be dropped."""


class CodiespX(evaluate.Metric):  # evaluate ships no types
    """Wraps `surecode.evaluation.codiesp_x.codiesp_x`."""

    def _info(self) -> evaluate.MetricInfo:
        item = {
            "code": datasets.Value("string"),
            "start": datasets.Value("int64"),
            "end": datasets.Value("int64"),
        }
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation=CITATION,
            inputs_description=INPUTS,
            features=datasets.Features({"predictions": [item], "references": [item]}),
        )

    def _compute(
        self,
        predictions: list[list[dict[str, Any]]],
        references: list[list[dict[str, Any]]],
        valid: list[str] | None = None,
    ) -> dict[str, Any]:
        return asdict(codiesp_x(_references(references), _references(predictions), valid=valid))


def _references(documents: list[list[dict[str, Any]]]) -> list[Reference]:
    return list(
        chain.from_iterable(
            (Reference(str(place), item["code"], item["start"], item["end"]) for item in items)
            for place, items in enumerate(documents)
        )
    )
