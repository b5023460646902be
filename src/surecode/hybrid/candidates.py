"""The codes that terms propose for an encounter, with what speaks for each and where it stands.

A candidate need not be a code of the train split: a title is enough, or words beside a term that
make another variant of its code (`marks`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surecode.codes.systems import category
from surecode.encounter import Code, Span
from surecode.hybrid.claims import Claim
from surecode.hybrid.found import Found
from surecode.hybrid.marks import Marked
from surecode.hybrid.odds import odds
from surecode.hybrid.place import Place
from surecode.hybrid.rivals import NO_RIVAL, rivalry
from surecode.hybrid.sentence_features import best_features, precision_of

# A candidate that terms make as likely as this speaks for its companions.
_STRONG = 0.5
_LIKELY = 0.3  # a place that counts as likely

FEATURES = (
    # Terms of the train split and of lists, words side by side.
    "largest P(code | term)",
    "chance that any term is right",
    "log places",
    "log different terms",
    "log words of the best term",
    "log times that the best term was annotated",
    "share of places that are denied",
    "place of the first, 0 to 1",
    # The same terms, words apart.
    "all words in one sentence",
    "share of the words' weight",
    "score of the best sentence",
    "share of the term's annotations",
    "log times annotated",
    "log words between",
    "denied",
    "inside a longer term",
    "words",
    "weight of the words",
    "P(code | words found)",
    "log encounters with the words",
    "log sentences with all words",
    "largest share of the weight where words lack",
    "log sentences",
    "log sentences that affirm",
    # Titles and inclusion terms of the tables.
    "a title is found",
    "inside a longer title",
    "title denied",
    "log words between those of the title",
    "words of the title",
    "weight of the title",
    "log codes with the same wording",
    "log times found",
    # Code and encounter.
    "log encounters with the code",
    "never seen",
    "log words of the encounter",
    "log candidates",
    "likeliest sibling",
    "a sibling is likelier",
    "log siblings",
    "mean attraction of likely candidates",
    "largest attraction",
    "characters of the code",
    # The words around its places (`marks`).
    "log-odds that the likeliest place is marked",
    "log-odds that any place is marked",
    "largest share of the variant",
    "likeliest place of the stem",
    "composed, no term names it",
    "a place is likely",
    "log places that are marked",
    "likeliest marked sibling",
    # What else its places may be (`rivals`), and who says what they are.
    "rival where it is least likely",
    "rival at the likeliest place",
    "largest log-odds against a rival",
    "no annotator's words are at its places",
    # What a tagger says of the words there, whatever the code.
    "log-odds that a place is tagged exactly",
    "log-odds that words of a place are tagged",
    "largest chance of a mention at which no code is likelier",
    "no code is likelier at some mention",
    "log mentions at which no code is likelier",
    "log-odds that any mention is of the code",
    "log mentions of the code",
)


@dataclass(frozen=True)
class Candidates:
    """C codes proposed for an encounter, sorted, with their `FEATURES` ``[C, F]`` and places."""

    codes: tuple[Code, ...]
    features: NDArray[np.float64]
    places: tuple[tuple[Place, ...], ...]


def candidates(
    found: Found,
    marked: Mapping[Code, Sequence[Marked]],
    claimed: Mapping[Code, Sequence[Claim]] | None = None,
) -> Candidates:
    """The candidates of an encounter.

    Args:
        found: by terms.
        marked: the places of each code, as `marks.Marks` judges them; none leaves places as likely
            as their terms.
        claimed: the mentions that a tagger sees and each code claims. A code without any, and
            without a place of a term, is no candidate.
    """
    claimed = claimed or {}
    codes = sorted(
        found.beside.keys()
        | found.apart.keys()
        | found.titles.keys()
        | marked.keys()
        | claimed.keys()
    )
    likely = {
        code: max(
            found.beside[code][0] if code in found.beside else 0.0,
            precision_of(found.apart.get(code)),
        )
        for code in codes
    }
    strong = [code for code in codes if likely[code] > _STRONG]
    siblings: defaultdict[tuple[str, str], list[Code]] = defaultdict(list)
    for code in codes:
        siblings[code.system, category(code)].append(code)
    any_place = {code: _any(some) for code, some in marked.items()}
    rivals = rivalry(marked)
    known = found.statistics.codes
    rows = []
    for code in codes:
        others = [o for o in siblings[code.system, category(code)] if o != code]
        likeliest = max((likely[o] for o in others), default=0.0)
        rows.append(
            [
                *(found.beside.get(code) or _NO_PLACE),
                *best_features(found.apart.get(code)),
                *(found.titles.get(code) or _NO_TITLE),
                math.log1p(known.get(code, 0)),
                float(code not in known),
                math.log1p(found.words),
                math.log1p(len(codes)),
                likeliest,
                float(likeliest > likely[code]),
                math.log1p(len(others)),
                *found.statistics.attraction(code, strong),
                float(len(code.value)),
                *_marked_features(marked.get(code, ()), code in found.places),
                max((any_place.get(o, 0.0) for o in others), default=0.0),
                *rivals.get(code, NO_RIVAL),
                float(not _is_annotated(code, found.places, marked)),
                *_tagged_features(marked.get(code, ())),
                *_claim_features(claimed.get(code, ())),
            ]
        )
    return Candidates(
        tuple(codes),
        np.array(rows, dtype=np.float64).reshape(len(codes), len(FEATURES)),
        tuple(_places(code, found.places, marked, claimed) for code in codes),
    )


_NO_PLACE = [0.0] * 7 + [1.0]
_NO_TITLE = [0.0] * 8


def _marked_features(marked: Sequence[Marked], named: bool) -> list[float]:
    """Seven features of one code, from the words around its places."""
    chances = [one.chance for one in marked]
    return [
        odds(max(chances, default=0.0)),
        odds(_any(marked)),
        max((one.variant for one in marked), default=0.0),
        max((one.stem for one in marked), default=0.0),
        float(bool(marked) and not named),
        float(any(chance > _LIKELY for chance in chances)),
        math.log1p(math.fsum(chances)),
    ]


def _tagged_features(marked: Sequence[Marked]) -> list[float]:
    """Two features of one code, from what a tagger says of its places."""
    return [
        odds(max((one.exactly for one in marked), default=0.0)),
        odds(max((one.anywhere for one in marked), default=0.0)),
    ]


def _claim_features(claimed: Sequence[Claim]) -> list[float]:
    """Five features of one code, from the mentions that may be its own."""
    won = [claim.chance for claim in claimed if claim.largest]
    own = [claim.chance * claim.share for claim in claimed]
    return [
        max(won, default=0.0),
        float(bool(won)),
        math.log1p(math.fsum(won)),
        odds(1.0 - math.prod(1.0 - p for p in own)),
        math.log1p(math.fsum(own)),
    ]


def _is_annotated(
    code: Code, found: Mapping[Code, Sequence[Place]], marked: Mapping[Code, Sequence[Marked]]
) -> bool:
    """Whether annotators named the code, or a variant of it, by what stands at a place of it."""
    places = [*found.get(code, ()), *(one.place for one in marked.get(code, ()))]
    return any(place.source == "training" for place in places)


def _any(marked: Sequence[Marked]) -> float:
    return 1.0 - math.prod(1.0 - one.chance for one in marked)


def _places(
    code: Code,
    found: Mapping[Code, Sequence[Place]],
    marked: Mapping[Code, Sequence[Marked]],
    claimed: Mapping[Code, Sequence[Claim]],
) -> tuple[Place, ...]:
    """A code's places, the best first; of a mention's and a term's at one place the likelier."""
    places = [one.place for one in marked[code]] if code in marked else list(found.get(code, ()))
    places += [one.place for one in claimed.get(code, ())]
    best: dict[tuple[Span, ...], Place] = {}
    for place in sorted(places, key=lambda place: place.rank):
        best.setdefault(place.spans, place)
    return tuple(best.values())
