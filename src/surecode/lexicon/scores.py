"""One probability for each code of an encounter, from the hits of a lexicon."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from surecode.encounter import Code
from surecode.evidence.assertion import Assertion
from surecode.lexicon.lexicon import Hit, Match
from surecode.lexicon.meaning import usable

# What a hit's probability is worth, by how loosely it fits. Chosen from 1, .7, .5, 0 (inflected)
# and 1, .5, .3, 0 (typo) in train splits, `python scripts/lexicon_measures.py --train`.
WORTH: Mapping[Match, float] = {"exact": 1.0, "inflected": 0.7, "order": 1.0, "typo": 0.3}


def scores(hits: Sequence[Hit], assertions: Sequence[Assertion] | None) -> dict[Code, float]:
    """Code → 1 - Π (1 - p) over its different terms, in the order of the hits.

    A term found twice counts once, at its best: the same words again are no new evidence.

    Args:
        hits: of one encounter.
        assertions: how each is meant (`meaning.said`); hits that are negated, hypothetical or of
            the family do not count. None counts them all: right where the gold holds every mention,
            as that of CodiEsp and CANTEMIST does, and wrong for a claim.
    """
    best: defaultdict[Code, dict[str, float]] = defaultdict(dict)
    said = [None] * len(hits) if assertions is None else assertions
    for hit, meant in zip(hits, said, strict=True):
        if meant is None or usable(meant):
            of_code = best[hit.code]
            worth = hit.probability * WORTH[hit.match]
            of_code[hit.rule] = max(of_code.get(hit.rule, 0.0), worth)
    return {
        code: 1.0 - math.prod(1.0 - worth for worth in of_rule.values())
        for code, of_rule in best.items()
    }
