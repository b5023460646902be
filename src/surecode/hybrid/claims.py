"""Whose the mentions are that a tagger sees: codes claim them by their places.

At "adenocarcinoma con metástasis" stand places of 8140/3, 8140/6 and 8000/6; people marked it for
one of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from surecode.encounter import Code
from surecode.hybrid.marks import Marked
from surecode.hybrid.tagger import Tagged


class Claim(NamedTuple):
    """A code's claim to one mention.

    Attributes:
        chance: P(people mark exactly the mention, whatever the code).
        share: the code's of all claims to it, 0 to 1.
        largest: whether no other code's share is larger; of equal ones the first code's is.
    """

    chance: float
    share: float
    largest: bool


def claims(
    marked: Mapping[Code, Sequence[Marked]], tagged: Mapping[str, Tagged]
) -> dict[Code, list[Claim]]:
    """The claims of each code that has any.

    A mention is claimed by the codes that have a place that overlaps it, each place taken from its
    first word to its last: by how likely people mark exactly the likeliest of them.

    Args:
        marked: the places of each code.
        tagged: what a tagger says of each document, by id.
    """
    by_document: defaultdict[str, list[tuple[int, int, float, Code]]] = defaultdict(list)
    for code in sorted(marked):
        for one in marked[code]:
            first, last = one.place.spans[0], one.place.spans[-1]
            by_document[first.document_id].append((first.start, last.end, one.place.marked, code))
    found: defaultdict[Code, list[Claim]] = defaultdict(list)
    for document, places in by_document.items():
        if document not in tagged:
            continue
        starts, ends = (np.array([place[k] for place in places]) for k in range(2))
        for mention in tagged[document].likeliest:
            said: dict[Code, float] = {}
            for n in np.flatnonzero((starts < mention.end) & (mention.start < ends)).tolist():
                _, _, chance, code = places[n]
                said[code] = max(chance, said.get(code, 0.0))
            total = math.fsum(said.values())
            if total > 0.0:
                largest = max(said, key=lambda code: said[code])
                for code, chance in said.items():
                    found[code].append(Claim(mention.chance, chance / total, code == largest))
    return dict(found)
