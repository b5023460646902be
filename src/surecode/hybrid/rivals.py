"""What else the places of a code may be: the chances of other codes where they overlap.

A list says that "peritonitis" is K65.9; where people marked "peritonitis bacteriana espontánea" as
K65.2, that code is its rival there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from surecode.encounter import Code
from surecode.hybrid.marks import Marked
from surecode.hybrid.odds import odds

NO_RIVAL = (0.0, 0.0, 0.0)


def rivalry(marked: Mapping[Code, Sequence[Marked]]) -> dict[Code, tuple[float, float, float]]:
    """Three features of each code that has a place.

    A rival of a place is the likeliest other code at any place that overlaps it, each taken from
    its first word to its last.

    Returns:
        The smallest chance of a rival over the code's places; that at its likeliest place; and its
        own log-odds less a rival's, the largest over its places.
    """
    by_document: defaultdict[str, list[tuple[int, int, float, Code]]] = defaultdict(list)
    for code, some in marked.items():
        for one in some:
            first, last = one.place.spans[0], one.place.spans[-1]
            by_document[first.document_id].append((first.start, last.end, one.chance, code))
    contested: defaultdict[Code, list[tuple[float, float]]] = defaultdict(list)
    for places in by_document.values():
        number = {code: n for n, code in enumerate({place[3]: None for place in places})}
        starts, ends, chances = (np.array([place[k] for place in places]) for k in range(3))
        codes = np.array([number[place[3]] for place in places])
        for start, end, chance, code in places:
            rivals = (starts < end) & (start < ends) & (codes != number[code])
            contested[code].append((chance, float(chances[rivals].max(initial=0.0))))
    return {
        code: (
            min(rival for _, rival in some),
            max(some, key=lambda pair: (pair[0], -pair[1]))[1],
            max(odds(chance) - odds(rival) for chance, rival in some),
        )
        for code, some in contested.items()
    }
